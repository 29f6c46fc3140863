import numpy as np
import pytest

from evaluation.metrics.distances import diversity, frechet_distance
from evaluation.stats.comparison import holm, label_swap_test, paired_difference
from evaluation.stats.estimate import noise_floor
from evaluation.stats.intervals import diversity_interval, half_sampling_interval, mean_interval


def mean_gap(generated, reference):
    """A cheap statistic with a sign."""
    return float(generated.mean() - reference.mean())


def coverage(hits):
    share = np.mean(hits)
    assert 0.88 <= share <= 1.0, f"a 95 % interval held the truth in {share:.0%} of {len(hits)} trials"


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.3, 1.2), (1.0, 0.7)])
def test_frechet_interval_covers(shift, scale):
    rng = np.random.default_rng(11)
    truth = 6 * (shift**2 + (1 - scale) ** 2)
    hits, biased = [], []
    for _ in range(60):
        generated, reference = rng.normal(size=(80, 6)) * scale + shift, rng.normal(size=(80, 6))
        interval = half_sampling_interval(
            frechet_distance, generated, reference, rng, replicates=80, minimum=0
        )
        hits.append(interval.holds(truth))
        biased.append((frechet_distance(generated, reference) - truth, interval.estimate - truth))
    coverage(hits)
    plain, corrected = np.mean(biased, axis=0)
    assert plain > 0.2 and abs(corrected) < 0.5 * plain


def test_diversity_interval_covers():
    rng = np.random.default_rng(12)
    truth = np.mean([diversity(rng.normal(size=(1500, 6))) for _ in range(5)])
    coverage([diversity_interval(rng.normal(size=(40, 6))).holds(truth) for _ in range(150)])


def test_mean_interval_covers():
    rng = np.random.default_rng(13)
    coverage([mean_interval(rng.random(40) ** 2, rng, replicates=500).holds(1 / 3) for _ in range(150)])


def test_paired_difference_covers_and_knows_a_tie():
    rng = np.random.default_rng(14)
    hits, ties = [], []
    for _ in range(50):
        reference = rng.normal(size=(100, 4))
        shared = rng.normal(size=(100, 4))
        first = shared + 0.5 + rng.normal(0, 0.3, (100, 4))
        second = shared + rng.normal(0, 0.3, (100, 4))
        interval = paired_difference(frechet_distance, first, second, reference, rng, replicates=120)
        hits.append(interval.holds(4 * 0.25))
        twin = shared + rng.normal(0, 0.3, (100, 4))
        ties.append(
            paired_difference(frechet_distance, twin, second, reference, rng, replicates=120).holds(0)
        )
    coverage(hits)
    coverage(ties)


def test_jackknife_equals_the_slow_one():
    features = np.random.default_rng(0).normal(size=(20, 3))
    without = [diversity(np.delete(features, index, axis=0)) for index in range(20)]
    interval = diversity_interval(features)
    assert interval.estimate == pytest.approx(diversity(features))
    deviation = np.sqrt(19 / 20 * np.square(without - np.mean(without)).sum())
    assert (interval.high - interval.low) / 2 == pytest.approx(2.093 * deviation, rel=1e-3)


def test_halves_of_paired_sets_are_the_same_clips():
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(60, 1))
    together = half_sampling_interval(mean_gap, clips + 1, clips, rng, paired=True)
    apart = half_sampling_interval(mean_gap, clips + 1, clips, rng)
    assert together.high - together.low < 1e-9 and together.estimate == pytest.approx(1)
    assert apart.high - apart.low > 0.3


def test_the_minimum_holds():
    first, second = np.random.default_rng(0).normal(size=(2, 50, 5))
    interval = half_sampling_interval(frechet_distance, first, second, np.random.default_rng(0), minimum=0)
    assert interval.low == 0 and interval.estimate >= 0 and interval.method == "half-sampling"


def test_noise_floor_uses_the_same_number_of_clips():
    reference = np.random.default_rng(0).normal(size=(200, 6))
    small = noise_floor(frechet_distance, reference, 20, np.random.default_rng(0))
    large = noise_floor(frechet_distance, reference, 500, np.random.default_rng(0))
    assert (small.size, large.size) == (20, 100)
    assert small.value > 2 * large.value > 0 and large.deviation > 0


def test_label_swap_tells_systems_apart():
    rng = np.random.default_rng(15)
    reference = rng.normal(size=(80, 4))
    first = rng.normal(size=(80, 4)) + 0.6
    second = rng.normal(size=(80, 4))
    assert label_swap_test(frechet_distance, first, second, reference, rng, permutations=99) == pytest.approx(
        0.01
    )
    assert label_swap_test(frechet_distance, second, second, reference, rng, permutations=19) == 1.0


def test_label_swap_is_uniform_under_the_null():
    rng = np.random.default_rng(16)
    p_values = []
    for _ in range(60):
        first, second, reference = rng.normal(size=(3, 30, 2))
        p_values.append(label_swap_test(frechet_distance, first, second, reference, rng, permutations=39))
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert 0.35 < np.mean(p_values) < 0.65


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.02, "c": 0.9}) == pytest.approx({"a": 0.03, "b": 0.04, "c": 0.9})
    assert holm({"a": 0.5, "b": 0.6}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_seed_decides_everything():
    first, second, third = np.random.default_rng(0).normal(size=(3, 40, 3))
    for call in (
        lambda rng: half_sampling_interval(frechet_distance, first, second, rng, replicates=20),
        lambda rng: paired_difference(frechet_distance, first, second, third, rng, replicates=20),
        lambda rng: label_swap_test(frechet_distance, first, second, third, rng, permutations=20),
        lambda rng: mean_interval(first[:, 0], rng, replicates=50),
    ):
        assert call(np.random.default_rng(3)) == call(np.random.default_rng(3))


def test_excluded_clips_do_not_count():
    scores = np.array([0.1, np.nan, 0.3, 0.2, np.nan])
    interval = mean_interval(scores, np.random.default_rng(0))
    assert interval.estimate == pytest.approx(0.2)
    assert interval.low < 0.2 < interval.high


def test_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="four clips"):
        half_sampling_interval(frechet_distance, np.zeros((3, 2)), np.zeros((9, 2)), rng)
    with pytest.raises(ValueError, match="equally large"):
        half_sampling_interval(frechet_distance, np.zeros((8, 2)), np.zeros((9, 2)), rng, paired=True)
    with pytest.raises(ValueError, match="three clips"):
        diversity_interval(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="two clips"):
        mean_interval(np.array([np.nan, 1.0]), rng)
    with pytest.raises(ValueError, match="four reference"):
        noise_floor(frechet_distance, np.zeros((3, 2)), 5, rng)
    with pytest.raises(ValueError, match="same clips"):
        paired_difference(frechet_distance, np.zeros((3, 2)), np.zeros((4, 2)), np.zeros((4, 2)), rng)
