"""Single metrics of motion and FVD where they are easy to foretell: chance, bounds of n, distances by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.motion_sanity import features_of
from evaluation.features.table import concatenate
from evaluation.features.video.passes import video_row
from evaluation.metrics.beats import beat_alignment, clip_alignment
from evaluation.metrics.contrasts import contrasts
from evaluation.metrics.derived import column_of
from evaluation.metrics.measure import measure
from evaluation.metrics.registry import find_metric
from evaluation.metrics.tables import Tables
from evaluation.protocol import load_protocol
from madata.errors import MadanceError
from tests.evaluation.dancers import dance


def quick(name="ma-data-motion2d", **metrics):
    protocol = load_protocol(name)
    statistics = protocol.statistics.model_copy(update={"resamples": 100})
    return protocol.model_copy(update={"statistics": statistics, "metrics": metrics or protocol.metrics})


def side(count, seed=0, width=2):
    """``count`` rows of made features of ``width`` columns."""
    rng = np.random.default_rng(seed)
    names = tuple("abcdefgh"[:width])
    rows = features_of(np.stack([dance(number) for number in range(count)])[..., [1, 0, 2]], quick())
    made = {name: rng.normal(size=(count, width)) for name in ("kinetic", "geometric")}
    return replace(rows.having(made), names=dict.fromkeys(made, names))


def found(prediction, reference, **metrics):
    return {one.name: one for one in measure(Tables(quick(**metrics), prediction, reference)).metrics}


def heard(features, motion, music):
    beats = {"motion_beats": motion, "music_beats": music}
    return features.having({"heard": np.ones(len(features), bool)}, beats)


@pytest.fixture(scope="module")
def beats():
    rng = np.random.default_rng(3)
    motion = [np.sort(rng.uniform(0, 4, 6)) for _ in range(8)]
    return motion, [np.sort(times + rng.normal(0, 0.05, 6)) for times in motion]


def test_the_spread_of_chance_is_that_of_the_shuffles_that_were_drawn():
    rng = np.random.default_rng(5)
    motion, music = ([np.sort(rng.uniform(0, 4, 5)) for _ in range(3)] for _ in range(2))
    shuffles = 50
    deviation = beat_alignment(motion, music, np.random.default_rng(0), shuffles=shuffles).chance_deviation
    # three clips can be dealt out in two ways only, so that the drawn shares tell the deviation
    ways = [np.mean(clip_alignment(motion, [music[at] for at in order])) for order in ((1, 2, 0), (2, 0, 1))]
    product = (deviation / abs(ways[0] - ways[1]) * shuffles) ** 2
    assert product == pytest.approx(round(product), abs=1e-6)
    assert any(round(product) == count * (shuffles - count) for count in range(shuffles))


def test_the_chance_level_has_the_interval_of_a_normal_deviate(beats):
    tables = heard(side(8), *beats), side(8, seed=1)
    numbers = found(*tables, bas=1, bas_chance=1, bas_z=1)
    bas, chance, z = (numbers[name] for name in ("bas", "bas_chance", "bas_z"))
    reach = (chance.ci95[1] - chance.ci95[0]) / 2
    deviation = (bas.value - chance.value) / z.value
    assert reach == pytest.approx(stats.norm.ppf(0.975) * deviation, rel=1e-3)
    assert sum(chance.ci95) / 2 == pytest.approx(chance.value)
    assert z.ci95 == pytest.approx(tuple((end - chance.value) / deviation for end in bas.ci95))
    assert bas.noise_floor == chance.value and bas.value > 0.8 > chance.value


def test_each_direction_of_beats_is_averaged_over_its_own_side():
    motion, music = [np.array([1.0, 2.0, 3.0])] * 4, [np.array([1.0])] * 4
    numbers = found(
        heard(side(4), motion, music), side(4, seed=1), bas=1, bas_music_to_motion=1, bas_motion_to_music=1
    )
    assert numbers["bas_music_to_motion"].value == 1.0
    assert numbers["bas_motion_to_music"].value == pytest.approx(1 / 3, abs=1e-6)
    assert numbers["bas"].value == pytest.approx(0.5, abs=1e-6)


def test_rows_alone_and_all_against_all_agree_on_every_clip(beats):
    motion, music = beats
    motion = [*motion, np.empty(0)]
    music = [*music, np.array([1.0])]
    whole = beat_alignment(motion, music, np.random.default_rng(0)).clips
    np.testing.assert_allclose(clip_alignment(motion, music), whole, rtol=1e-12)
    assert np.isnan(whole[-1])


def test_without_music_every_metric_that_hears_says_so():
    numbers = found(side(4), side(4, seed=1), bas=1, bas_z=1, bas_music_to_motion=1)
    assert {one.value for one in numbers.values()} == {None}
    assert all("no music" in one.reason for one in numbers.values())


@pytest.mark.parametrize(("count", "singular"), [(3, True), (4, True), (5, False)])
def test_as_many_clips_as_features_are_too_few_for_a_covariance(count, singular):
    for sizes in ((count, 9), (9, count)):
        caution = found(side(sizes[0], width=4), side(sizes[1], 1, width=4), fid_k=1)["fid_k"].caution
        assert ("singular" in (caution or "")) == singular


def test_neighbourhoods_need_more_clips_than_neighbours():
    five, six = (found(side(count), side(9, seed=1), precision=1)["precision"] for count in (5, 6))
    assert five.value is None and "more than 5 clips" in five.reason
    assert six.value is not None


def test_precision_looks_from_the_prediction_and_recall_from_the_reference():
    narrow = side(20).having(dict.fromkeys(("kinetic", "geometric"), np.zeros((20, 2)) + 1e-3))
    numbers = found(narrow, side(20, seed=1), precision=1, recall=1, coverage=1)
    assert numbers["precision"].value == 1.0 and numbers["recall"].value == 0.0
    assert 0 < numbers["coverage"].value < 1


def test_more_diversity_than_the_reference_is_a_caution_and_less_is_none():
    near, wide = side(9), side(9).having({"kinetic": side(9).kinetic * 5})
    assert found(near, wide, div_k=1)["div_k"].caution is None
    assert "above the reference" in found(wide, near, div_k=1)["div_k"].caution


def test_the_nearest_real_clip_of_a_real_clip_is_another_one():
    real = side(5, seed=1)
    tables = Tables(quick(nearest_real=1), real, real)
    spec = find_metric("nearest_real")
    assert column_of(spec, tables, "prediction").values == pytest.approx(np.zeros(5))
    assert (column_of(spec, tables, "reference").values > 0.1).all()
    moved = measure(tables).metrics[0]
    assert moved.value == 0 and moved.reference > 0.1


def test_three_clips_in_common_are_compared_and_two_are_not():
    real = side(6, seed=2)
    for count in (2, 3):
        first, second = (Tables(quick(fid_k=1), side(count, seed), real) for seed in (0, 1))
        if count == 2:
            with pytest.raises(MadanceError, match="at least three clips in common, there are 2"):
                contrasts([first, second])
        else:
            assert contrasts([first, second])["fid_k"].count == 3


def test_metrics_whose_question_another_one_decides_are_not_compared_twice():
    real = side(12, seed=2)
    first, second = (Tables(quick(), side(12, seed), real) for seed in (0, 1))
    assert list(contrasts([first, second])) == [
        "fid_k",
        "fid_g",
        "kid_k",
        "kid_g",
        "div_k",
        "div_g",
        "missing_rate",
    ]


@pytest.mark.parametrize(("count", "few"), [(255, True), (256, False)])
def test_fvd_of_few_videos_says_so(count, few):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2 * count, 3)).astype(np.float32)
    rows = concatenate([video_row(f"v{n}", logits=one) for n, one in enumerate(logits)])
    videos = {"prediction": rows.take(range(count)), "reference": rows.take(range(count, 2 * count))}
    metric = measure(Tables(quick("ma-data-animation", fvd=1), videos=videos)).metrics[0]
    assert metric.value >= 0 and metric.n == metric.n_reference == count
    assert ("more about their number" in (metric.caution or "")) == few
