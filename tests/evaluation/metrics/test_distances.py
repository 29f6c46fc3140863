import tracemalloc

import numpy as np
import pytest
from scipy import linalg

from evaluation.metrics import distances
from evaluation.metrics.distances import (
    Manifold,
    diversity,
    extrapolated_frechet,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    nearest_distance,
    official_frechet,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def gaussian_frechet(mean_1, cov_1, mean_2, cov_2):
    root = linalg.sqrtm(cov_1 @ cov_2).real
    return np.square(mean_1 - mean_2).sum() + np.trace(cov_1 + cov_2 - 2 * root)


def test_shift_and_scale_by_hand(rng):
    clips = rng.normal(size=(500, 5))
    assert frechet_distance(clips, clips + 2.0) == pytest.approx(20)
    spread = np.cov(clips, rowvar=False).trace()
    centred = clips - clips.mean(axis=0)
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * spread)


def test_against_the_matrix_root(rng):
    first, second = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(150, 6)) + 1
    expected = gaussian_frechet(
        first.mean(axis=0), np.cov(first, rowvar=False), second.mean(axis=0), np.cov(second, rowvar=False)
    )
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert official_frechet(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-9)


def test_fewer_clips_than_features_is_exact(rng):
    few = rng.normal(size=(5, 40))
    assert abs(frechet_distance(few, few)) < 1e-10
    wide = frechet_distance(few, rng.normal(size=(7, 40)))
    padded = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    assert frechet_distance(few @ padded, few @ padded + 0) == pytest.approx(0, abs=1e-10)
    assert wide > 0


def test_mint_refuses_or_agrees(rng):
    few, many = rng.normal(size=(10, 40)), rng.normal(size=(30, 40))
    try:
        value = official_frechet(few, many, "mint")
    except ValueError as error:
        assert "imaginary" in str(error)
    else:
        assert value == pytest.approx(frechet_distance(few, many), abs=0.1)


@pytest.mark.parametrize("measure", [frechet_distance, official_frechet, manifold_scores, nearest_distance])
def test_refused(measure):
    good = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match="equal features"):
        measure(good, good[:, :2])
    bad = good.copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="not all finite"):
        measure(bad, good)


def test_one_clip_is_refused():
    with pytest.raises(ValueError, match="2 or more"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="two clips"):
        diversity(np.zeros((1, 3)))


@pytest.mark.parametrize("count", [2, 3, 256, 257, 600])
def test_diversity_against_pairs(rng, count):
    features = rng.normal(size=(count, 4))
    apart = np.linalg.norm(features[:, None] - features, axis=-1)
    assert diversity(features) == pytest.approx(apart.sum() / (count * (count - 1)))


def test_diversity_memory_is_flat(rng):
    peaks = []
    for count in (500, 4000):
        features = rng.normal(size=(count, 8))
        tracemalloc.start()
        diversity(features)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 4000 * 8 * 8 * 2


def test_extrapolation_removes_the_bias(rng):
    values = [
        (frechet_distance(*sets), extrapolated_frechet(*sets, rng))
        for sets in rng.normal(size=(15, 2, 120, 8))
    ]
    plain, corrected = np.mean(values, axis=0)
    assert plain > 0.3 and abs(corrected) < 0.1


def test_extrapolation_wants_four_clips_for_each_feature(rng):
    enough, many = rng.normal(size=(32, 8)), rng.normal(size=(90, 8))
    given = (extrapolated_frechet(enough, many, np.random.default_rng(1), **kept) for kept in ({}, USUAL))
    assert next(given) == next(given)
    with pytest.raises(ValueError, match="needs 4 x 8"):
        extrapolated_frechet(enough[1:], many, rng)


USUAL = {"points": 12, "repeats": 4}


@pytest.mark.parametrize(("rule", "offset"), [("lodge", 1e-5), ("mint", 1e-6)])
def test_a_root_that_is_not_finite_is_taken_again_beside_an_offset(rng, rule, offset, monkeypatch):
    """Whether SciPy's root of a singular product is finite depends on its version: here it never is at first."""
    first, second = rng.normal(size=(9, 3)), rng.normal(size=(12, 3))
    asked = []

    def root(product):
        asked.append(product)
        return np.full_like(product, np.nan) if len(asked) == 1 else linalg.sqrtm(product)

    monkeypatch.setattr(distances, "_matrix_root", root)
    found = official_frechet(first, second, rule)
    spread = [np.cov(clips, rowvar=False) + offset * np.eye(3) for clips in (first, second)]
    np.testing.assert_allclose(asked[1], spread[0] @ spread[1], rtol=1e-12)
    assert found == pytest.approx(frechet_distance(first, second), rel=1e-4)


@pytest.mark.parametrize(("imaginary", "refused"), [(0.9e-3, False), (1.1e-3, True)])
def test_mint_stops_at_an_imaginary_part_of_a_thousandth(rng, imaginary, refused, monkeypatch):
    first, second = rng.normal(size=(9, 3)), rng.normal(size=(12, 3))
    monkeypatch.setattr(distances, "_matrix_root", lambda product: linalg.sqrtm(product) + imaginary * 1j)
    assert np.isfinite(official_frechet(first, second, "lodge"))
    if refused:
        with pytest.raises(ValueError, match="imaginary"):
            official_frechet(first, second, "mint")
    else:
        assert official_frechet(first, second, "mint") == official_frechet(first, second, "lodge")


def test_kernel_distance_is_unbiased(rng):
    values = [kernel_distance(*sets, rng).value for sets in rng.normal(size=(60, 2, 40, 4))]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)
    assert min(values) < 0
    shifted = kernel_distance(rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + 1, rng)
    assert shifted.value > 5 * shifted.deviation > 0


def test_deviation_of_the_kernel_distance_is_that_of_subsets_shrunk_to_the_smaller_set():
    many, few = (np.random.default_rng(seed).normal(size=(count, 3)) for seed, count in ((1, 90), (2, 41)))
    for subset_size, size in ((12, 12), (100, 20)):  # at most half of the smaller set, of which 41 make 20
        found = kernel_distance(many, few, np.random.default_rng(5), subsets=9, subset_size=subset_size)
        draws, values = np.random.default_rng(5), []
        for _ in range(9):
            pair = many[draws.permutation(90)[:size]], few[draws.permutation(41)[:size]]
            values.append(kernel_distance(*pair, np.random.default_rng(0), subsets=2).value)
        assert found.deviation == pytest.approx(np.std(values, ddof=1) * np.sqrt(size / 41))
    large = np.random.default_rng(3).normal(size=(220, 2))
    usual = kernel_distance(large, large + 1, np.random.default_rng(5))
    assert usual == kernel_distance(large, large + 1, np.random.default_rng(5), subsets=50, subset_size=100)
    assert np.isnan(kernel_distance(few[:3], few[:4], np.random.default_rng(0)).deviation)
    with pytest.raises(ValueError, match="2 or more"):
        kernel_distance(few[:1], many, np.random.default_rng(0))


def test_kernel_distance_against_loops(rng):
    first, second = rng.normal(size=(5, 3)), rng.normal(size=(6, 3))

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    within_1 = np.mean([kernel(first[i], first[j]) for i in range(5) for j in range(5) if i != j])
    within_2 = np.mean([kernel(second[i], second[j]) for i in range(6) for j in range(6) if i != j])
    between = np.mean([kernel(a, b) for a in first for b in second])
    assert kernel_distance(first, second, rng).value == pytest.approx(within_1 + within_2 - 2 * between)


def test_manifold_scores(rng):
    real = rng.normal(size=(300, 4))
    same = manifold_scores(rng.normal(size=(300, 4)), real)
    assert same.precision > 0.8 and same.recall > 0.8 and same.coverage > 0.8 and 0.8 < same.density < 1.2
    collapsed = manifold_scores(np.repeat(real[:1], 300, axis=0) + rng.normal(0, 1e-3, (300, 4)), real)
    assert collapsed.precision > 0.9 and collapsed.recall < 0.1 and collapsed.coverage < 0.1
    far = manifold_scores(real + 50, real)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="6 or more"):
        manifold_scores(real[:5], real)


def test_manifold_scores_by_hand():
    """Balls to the nearest neighbour: of radius 2 about 0 and 2, of radius 10 about 12."""
    real, made = np.array([[0.0], [2.0], [12.0]]), np.array([[-2.0], [5.0], [5.5]])
    found = manifold_scores(made, real, neighbours=1)
    # -2 lies in the ball of 0 alone (on its edge), 5 and 5.5 in that of 12 alone; of radii 7, 0.5 and 0.5 about the
    # predictions the first reaches 0 and 2; nothing is nearer to 2 than 3.
    assert found == Manifold(precision=1.0, recall=2 / 3, density=1.0, coverage=2 / 3)
    assert manifold_scores(made[1:], real, neighbours=1).coverage == pytest.approx(1 / 3)
    shared = manifold_scores(np.array([[1.0], [30.0]]), real, neighbours=1)
    assert (shared.precision, shared.density) == (0.5, 1.0)
    assert manifold_scores(real, real, neighbours=2).coverage == 1.0
    edge = manifold_scores(np.array([[0.0], [2.0]]), np.array([[4.0], [9.0]]), neighbours=1)
    assert edge.recall == 0.5  # 4 lies on the edge of the ball of radius 2 about 2


def test_nearest_distance(rng):
    real = rng.normal(size=(50, 3))
    np.testing.assert_allclose(nearest_distance(real[[4, 9]] + [0, 0, 1e-3], real), 1e-3, rtol=1e-6)


def test_frechet_distance_of_known_gaussians():
    logits = np.random.default_rng(0).normal(size=(400, 5))
    assert frechet_distance(logits, logits) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(logits, logits + 2.0) == pytest.approx(20.0)
    spread = logits - logits.mean(0)
    expected = np.trace(np.cov(spread, rowvar=False))
    assert frechet_distance(spread, 2 * spread) == pytest.approx(expected)
    with pytest.raises(ValueError, match="two"):
        frechet_distance(logits[:1], logits)
