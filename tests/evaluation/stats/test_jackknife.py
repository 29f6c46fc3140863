"""Estimates that know what each block does to them: against leaving the clips out in truth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg, stats

from evaluation.metrics.distances import diversity, frechet_distance, kernel_distance, manifold_scores
from evaluation.stats.frechet import frechet_estimate
from evaluation.stats.jackknife import BlockEstimate, Blocks, Design, distance_to
from evaluation.stats.manifold import density_interval, manifold_estimates, share_interval
from evaluation.stats.means import mean_estimate, mean_interval
from evaluation.stats.pairs import diversity_estimate, kernel_estimate


def units(count, windows=1):
    return list(np.arange(count * windows).reshape(count, windows))


def sides(n=24, m=24, width=4, seed=0, shift=0.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)) + shift, rng.normal(size=(m, width))


def designed(n, m, *, paired=False, blocks=20, windows=1):
    rng = np.random.default_rng(1)
    return Design.of(units(n, windows), units(m, windows), rng, paired=paired, blocks=blocks)


def kid(first, second):
    return kernel_distance(first, second, np.random.default_rng(0), subset_size=1).value


@pytest.mark.parametrize("sizes", [(24, 24), (12, 30), (30, 12)])
def test_kernel_estimate_is_the_printed_value_and_leaves_out_in_truth(sizes):
    made, real = sides(*sizes)
    design = designed(*sizes, blocks=6)
    found = kernel_estimate(made, real, design)
    assert found.value == pytest.approx(kid(made, real))
    for block in range(design.generated.count):
        without = np.delete(made, design.generated.rows(block), axis=0)
        assert found.value + found.shifts[block] == pytest.approx(kid(without, real))
    for block in range(design.reference.count):
        without = np.delete(real, design.reference.rows(block), axis=0)
        assert found.value + found.reference_shifts[block] == pytest.approx(kid(made, without))
    assert found.interval().holds(found.value)


def test_a_paired_copy_of_the_reference_is_at_no_distance():
    _, real = sides()
    design = designed(24, 24, paired=True)
    for found in (
        kernel_estimate(real, real, design),
        frechet_estimate(real, real, design, np.random.default_rng(0)),
    ):
        assert found.value == pytest.approx(0, abs=1e-9)
        assert found.shifts == pytest.approx(np.zeros(20), abs=1e-9) and len(found.reference_shifts) == 0


def test_windows_of_one_song_are_no_pair():
    rng = np.random.default_rng(0)
    songs = rng.normal(size=(12, 1, 3))
    windows = (songs + 0.01 * rng.normal(size=(12, 6, 3))).reshape(-1, 3)
    blocks = designed(12, 12, windows=6).generated
    found = diversity_estimate(windows, blocks)
    assert found.value == pytest.approx(diversity(songs[:, 0]), rel=0.02)
    assert diversity(windows) < 0.95 * found.value


def test_diversity_leaves_out_in_truth():
    made, _ = sides()
    blocks = designed(24, 24, blocks=6).generated
    found = diversity_estimate(made, blocks)
    assert found.value == pytest.approx(diversity(made))
    for block in range(6):
        left = diversity(np.delete(made, blocks.rows(block), axis=0))
        assert found.value + found.shifts[block] == pytest.approx(left)


@pytest.mark.parametrize("blocks", [6, 30])
def test_manifold_leaves_out_in_truth(blocks):
    made, real = sides(30, 40)
    design = designed(30, 40, blocks=blocks)
    found = manifold_estimates(made, real, design)
    whole = manifold_scores(made, real)
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(getattr(whole, name))
        for block in range(design.generated.count):
            left = manifold_scores(np.delete(made, design.generated.rows(block), axis=0), real)
            assert estimate.value + estimate.shifts[block] == pytest.approx(getattr(left, name))
        for block in range(design.reference.count):
            left = manifold_scores(made, np.delete(real, design.reference.rows(block), axis=0))
            assert estimate.value + estimate.reference_shifts[block] == pytest.approx(getattr(left, name))


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("n", [10, 40])
def test_frechet_has_no_bias_of_few_clips_where_scale_and_mean_differ(n, scale):
    rng = np.random.default_rng(n)
    deviation = np.linspace(1.6, 0.3, 40)
    truth = (1 - scale) ** 2 * np.square(deviation).sum() + 40 * 0.09
    found, plain = [], []
    for _ in range(30):
        made, real = rng.normal(size=(2, n, 40)) * deviation
        made = made * scale + 0.3
        found.append(frechet_estimate(made, real, designed(n, n), rng).value)
        plain.append(frechet_distance(made, real))
    error = np.std(found) / np.sqrt(30)
    assert abs(np.mean(found) - truth) < 3.5 * error
    assert abs(np.mean(found) - truth) < 0.25 * abs(np.mean(plain) - truth)


def test_frechet_of_many_clips_is_the_plain_one():
    made, real = sides(3000, 3000)
    found = frechet_estimate(made, real, designed(3000, 3000), np.random.default_rng(0))
    assert found.value == pytest.approx(frechet_distance(made, real), abs=0.02)
    assert found.attenuation > 0.99 and found.bias < 1e-3


def test_frechet_of_few_clips_says_how_little_the_halves_see():
    made, real = sides(20, 20, width=60)
    assert frechet_estimate(made, real, designed(20, 20), np.random.default_rng(0)).attenuation < 0.6


def plain_frechet(made, real, design, without=(None, None), splits=8):
    """The definition, clip by clip, and its bias: the same halves, every moment taken anew from what is left."""
    rng = np.random.default_rng(0)
    sides = [(made, design.generated, without[0]), (real, design.reference, without[1])]

    def left(side, blocks=None):
        _, dealt, gone = sides[side]
        return [
            rows
            for unit, rows in enumerate(dealt.units)
            if dealt.block_of[unit] != gone and (blocks is None or dealt.block_of[unit] in blocks)
        ]

    def covariance(side, blocks):
        rows = np.concatenate(left(side, blocks))
        known = len({design_block for design_block in blocks if design_block != sides[side][2]})
        return np.cov(sides[side][0][rows], rowvar=False, ddof=0) * known / (known - 1)

    def fidelity(first, second):
        left, right = (
            vectors * np.sqrt(np.maximum(values, 0)) for values, vectors in map(linalg.eigh, (first, second))
        )
        return linalg.svdvals(left.T @ right).sum()

    def moments(side):
        units = left(side)
        clips = sides[side][0][np.concatenate(units)]
        mean = clips.mean(axis=0)
        parts = np.array([(sides[side][0][rows] - mean).sum(axis=0) for rows in units]) / len(clips)
        spread = np.square(parts).sum() * len(units) / (len(units) - 1)
        return mean, parts, spread, np.square(clips - mean).sum() / len(clips) + spread

    half = min(design.generated.count, design.reference.count) // 2
    seen = []
    for _ in range(splits):
        mine = rng.permutation(design.generated.count)[: 2 * half]
        theirs = mine if design.paired else rng.permutation(design.reference.count)[: 2 * half]
        a, b = (covariance(0, part) for part in mine.reshape(2, half))
        r, q = (covariance(1, part) for part in theirs.reshape(2, half))
        seen.append(((fidelity(a, q) + fidelity(b, r)) / 2, fidelity(a, b), fidelity(r, q)))
    across, within, beside = np.mean(seen, axis=0)
    (mean, parts, spread, trace), (centre, others, rest, total) = moments(0), moments(1)
    away = np.square(mean - centre).sum() - spread - rest
    if design.paired:
        away += 2 * (parts * others).sum() * len(parts) / (len(parts) - 1)
    kappa = np.sqrt(within * beside / (trace * total))
    hidden = np.sqrt(trace * total) - across / kappa
    return away + trace + total - 2 * across / kappa, 2 * (1 - kappa) * hidden


@pytest.mark.parametrize(("n", "m", "windows"), [(12, 12, 1), (12, 36, 1), (36, 12, 1), (12, 12, 8)])
@pytest.mark.parametrize("width", [3, 30])
def test_frechet_is_its_definition_and_leaves_out_in_truth(n, m, windows, width):
    made, real = sides(n * windows, m * windows, width=width)
    design = designed(n, m, blocks=12, windows=windows)
    found = frechet_estimate(made, real, design, np.random.default_rng(0))
    value, bias = plain_frechet(made, real, design)
    assert found.value == pytest.approx(value, rel=1e-5)
    assert found.bias == pytest.approx(max(0.0, bias), rel=1e-4, abs=1e-4)
    for block in (0, 5):
        for side, shifts in ((0, found.shifts), (1, found.reference_shifts)):
            left, _ = plain_frechet(made, real, design, (block, None) if side == 0 else (None, block))
            assert found.value + shifts[block] == pytest.approx(left, rel=1e-4, abs=1e-5)


def test_paired_frechet_leaves_out_the_same_music_on_both_sides():
    made, real = sides(24, 24, width=5)
    design = designed(24, 24, paired=True, blocks=12)
    found = frechet_estimate(made, real, design, np.random.default_rng(0))
    for block in (None, 0, 7):
        left, _ = plain_frechet(made, real, design, (block, block))
        assert found.value + (0 if block is None else found.shifts[block]) == pytest.approx(left, rel=1e-4)


def test_a_set_that_does_not_move_is_as_far_as_its_reference_is_wide():
    _, real = sides(20, 20)
    for still in (np.zeros_like(real), np.full_like(real, 1e3)):
        found = frechet_estimate(still, real, designed(20, 20), np.random.default_rng(0))
        assert found.value == pytest.approx(np.square(real - still).sum(axis=1).mean(), rel=1e-6)
        assert 0 < found.deviation < found.value


def test_equal_moments_two_ways():
    """Rows for halves smaller than the features, Cholesky roots above: one answer."""
    made, real = sides(40, 40, width=19, shift=0.2)
    padded = [np.hstack([side, np.zeros((40, 4))]) for side in (made, real)]
    design = designed(40, 40)
    cholesky = frechet_estimate(made, real, design, np.random.default_rng(0))
    rows = frechet_estimate(*padded, design, np.random.default_rng(0))
    assert rows.value == pytest.approx(cholesky.value, abs=1e-3)
    assert rows.shifts == pytest.approx(cholesky.shifts, abs=1e-3)


def test_means_are_those_of_rows_and_know_their_units():
    values = np.array([1.0, 2.0, np.nan, 4.0, 5.0, 9.0])
    blocks = Blocks.dealt([np.array([0, 1]), np.array([2, 3]), np.array([4, 5])], np.arange(3), 3)
    found = mean_estimate(values, blocks)
    assert found.value == pytest.approx(4.2)
    assert found.value + found.shifts == pytest.approx([6, 17 / 4, 7 / 3])
    absent = mean_estimate(np.where(np.arange(6) < 4, values, np.nan), blocks).shifts
    assert np.isnan(absent).tolist() == [False, False, True]
    weighted = mean_estimate(values, blocks, np.array([1, 1, 1, 1, 1, 5.0]))
    assert weighted.value == pytest.approx(57 / 9)


def test_student_where_nothing_leans():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    found = mean_interval(values, units(7))
    reach = stats.t.ppf(0.975, 6) * values.std(ddof=1) / np.sqrt(7)
    assert (found.low, found.high) == pytest.approx((4 - reach, 4 + reach))


def test_hall_reaches_further_to_the_side_of_the_tail():
    values = np.r_[np.linspace(0, 1, 19), 12.0]
    found = mean_interval(values, units(20))
    assert found.high - found.estimate > 1.5 * (found.estimate - found.low)


def test_p_and_interval_never_contradict_each_other():
    rng = np.random.default_rng(3)
    for _ in range(300):
        shifts = rng.gamma(0.5, size=12) * rng.choice([-1, 1])
        found = BlockEstimate(
            float(rng.normal()) * 4, shifts, rng.normal(size=8) * 0.1, float(rng.random()) * 0.3
        )
        interval = found.interval()
        assert (found.p_value() < 0.05) == (not interval.holds(0.0))


def test_a_stretch_widens_interval_and_p_alike():
    shifts, none = np.array([0.1, -0.1, 0.2, -0.2, 0.1, -0.1]), np.zeros(0)
    plain, long = (BlockEstimate(1.0, shifts, none, stretch=stretch) for stretch in (1.0, 2.0))
    one, two = plain.interval(), long.interval()
    assert (1 - two.low, two.high - 1) == pytest.approx((2 * (1 - one.low), 2 * (one.high - 1)))
    assert long.p_value() > plain.p_value() and long.minus(plain).stretch == 2.0


def test_one_factor_in_few_clips_stretches_a_kernel_distance_and_nothing_else_does():
    rng = np.random.default_rng(0)

    def stretch(n, mixed, windows=1):
        made, real = rng.normal(size=(2, n, 1, 30)) + 0.01 * rng.normal(size=(2, n, windows, 30))
        made = (np.sqrt(1 - mixed) * made + np.sqrt(mixed) * rng.normal(size=(n, 1, 1))).reshape(-1, 30)
        return kernel_estimate(made, real.reshape(-1, 30), designed(n, n, windows=windows)).stretch

    assert stretch(20, 0.9) == 2.5 and stretch(20, 0.9, windows=5) == 2.5
    assert 1.1 < stretch(200, 0.9) < 1.2
    assert stretch(20, 0.0) < 1.15 and stretch(20, 0.0, windows=5) < 1.15
    assert kernel_estimate(*np.ones((2, 20, 3)), designed(20, 20)).stretch == 1.0


def test_a_rare_sight_is_not_taken_for_certain():
    none = mean_interval(np.zeros(20), units(20), minimum=0.0, maximum=1.0)
    assert none.low == 0.0 and 0.1 < none.high < 0.2
    once = mean_interval(np.r_[np.zeros(19), 0.5], units(20), minimum=0.0, maximum=1.0)
    assert once.high > 0.1
    same = mean_interval(np.r_[np.full(19, 0.3), 0.1 + 0.2], units(20), minimum=0.0, maximum=1.0)
    assert same.low < 0.3 - 0.04 and same.high > 0.3 + 0.1
    for others in (1, 2, 4):
        found = mean_interval(
            np.repeat([0.0, 0.5], [20 - others, others]), units(20), minimum=0.0, maximum=1.0
        )
        assert found.high >= 0.5 * stats.beta.ppf(0.975, others + 1, 20 - others)


def test_equal_values_of_what_is_no_share_have_no_interval():
    for limits in ({"minimum": 0.0}, {"minimum": -1.0, "maximum": 1.0}, {"minimum": 0.0, "maximum": 255.0}):
        with pytest.raises(ValueError, match="same value"):
            mean_interval(np.ones(20), units(20), **limits)


def test_shares_at_their_limits_are_not_certain():
    none, one = (BlockEstimate(value, np.zeros(20), np.zeros(20)) for value in (0.0, 1.0))
    assert share_interval(none, 20, 20).high == pytest.approx(1 - share_interval(one, 20, 20).low)
    assert share_interval(one, 20, 20).low < share_interval(one, 200, 200).low < 1
    assert density_interval(none, none, 20, 20).high > 0.02


def test_differences_of_a_system_with_itself_are_nothing():
    made, real = sides()
    design = designed(24, 24)
    found = frechet_estimate(made, real, design, np.random.default_rng(0))
    nothing = found.minus(found)
    assert (nothing.value, nothing.deviation, nothing.bias, nothing.p_value()) == (0, 0, 0, 1)


def test_what_rounding_leaves_between_two_systems_is_no_difference():
    shifts = np.array([0.1, -0.1, 0.2, -0.2, 0.3, np.nan])
    one = BlockEstimate(5.0, shifts, np.zeros(0), 0.1)
    other = replace(one, value=5.0 - 1e-6, shifts=shifts * (1 + 1e-6))
    nothing = one.minus(other)
    assert (nothing.value, nothing.deviation, nothing.p_value()) == (0, 0, 1)
    assert one.p_values_against([other]).tolist() == [1]
    small = BlockEstimate(0.0, np.zeros(6), np.zeros(0))
    assert small.minus(replace(small, value=1e-6)).p_value() == 0


def test_a_difference_may_be_off_by_what_both_may_be_off():
    one, two = (
        BlockEstimate(value, np.zeros(6), np.zeros(0), bias) for value, bias in ((1.0, 0.1), (3.0, 0.2))
    )
    found = one.minus(two)
    assert (found.value, found.bias) == pytest.approx((-2.0, 0.3))


def test_how_far_a_system_is_from_the_reference_moves_with_both():
    one = BlockEstimate(3.0, np.array([0.2, -0.2]), np.zeros(0))
    two = BlockEstimate(4.0, np.array([0.5, -0.5]), np.zeros(0))
    apart, together = (distance_to(one, two, paired=paired) for paired in (False, True))
    assert apart.value == together.value == 1.0
    assert apart.shifts == pytest.approx([-0.2, 0.2]) and apart.reference_shifts == pytest.approx([0.5, -0.5])
    assert together.shifts == pytest.approx([0.3, -0.3]) and len(together.reference_shifts) == 0


def test_a_variance_that_one_block_makes_has_little_freedom():
    one, even, none = np.eye(20)[0], np.resize([0.1, -0.1], 20), np.zeros(0)
    kurtosis = (1 - 3 * 0.05 * 0.95) / (0.05 * 0.95)
    assert BlockEstimate(1.0, one, none).freedom == pytest.approx(40 / (kurtosis - 1))
    assert BlockEstimate(1.0, even, none).freedom == 19
    first, second = (BlockEstimate(1.0, shifts, none).deviation ** 2 for shifts in (one, even))
    both = (first + second) ** 2 / (first**2 * (kurtosis - 1) / 40 + second**2 / 19)
    assert BlockEstimate(1.0, one, even).freedom == pytest.approx(both)


def test_paired_music_makes_a_difference_sure():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(60, 3))
    near = real + 0.01 * rng.normal(size=(60, 3)) + 0.5
    rest = np.random.default_rng(0)
    together = kernel_estimate(near, real, designed(60, 60, paired=True))
    apart = kernel_estimate(near, real, designed(60, 60))
    assert together.deviation < apart.deviation
    first = frechet_estimate(near, real, designed(60, 60, paired=True), rest)
    assert first.interval().holds(0.75)


def test_too_few_units_are_refused():
    with pytest.raises(ValueError, match="at least 6"):
        designed(5, 20)
    with pytest.raises(ValueError, match="same units"):
        designed(8, 9, paired=True)
    with pytest.raises(ValueError, match="with a value"):
        mean_interval(np.r_[np.ones(5), np.full(10, np.nan)], units(15))
    made, real = sides(6, 6)
    with pytest.raises(ValueError, match="more than 5 clips"):
        manifold_estimates(made, real, designed(6, 6))


def test_p_values_of_all_differences_at_once_are_those_of_each():
    rng = np.random.default_rng(3)
    shifts = rng.normal(0, 0.1, (7, 12)) ** 3
    shifts[2, 4] = shifts[5, :10] = np.nan
    values, bias = rng.normal(0, 0.4, 7), [0, 0, 0.1, 0, 0, 0, 9.0]
    others = [
        BlockEstimate(values[row], shifts[row], 0.1 * rng.normal(size=5), bias[row], 1.0 + row / 5)
        for row in range(7)
    ]
    still = BlockEstimate(1.0, np.zeros(12), np.zeros(5))
    for one in (others[0], still):
        found = one.p_values_against([*others, one, still])
        assert found.tolist() == pytest.approx([one.minus(two).p_value() for two in (*others, one, still)])
        assert found[7] == 1 and 0 < found[2] < 1
    assert still.minus(replace(still, value=2.0)).p_value() == 0
