"""Values, intervals, floors and limits of single metrics, on tables made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.motion_sanity import features_of
from evaluation.features.motion.rows import Window, motion_rows
from evaluation.inputs.pose_files import JointTrack
from evaluation.metrics.derived import estimate_of, finished, row_statistic
from evaluation.metrics.estimate import ClipSources, Estimate
from evaluation.metrics.measure import measure
from evaluation.metrics.registry import own_metrics
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import RowValues, Tables
from evaluation.protocol import load_protocol
from evaluation.stats.intervals import Interval
from tests.evaluation.dancers import dance

PROTOCOL = load_protocol("ma-data-motion2d")
QUICK = PROTOCOL.model_copy(update={"statistics": PROTOCOL.statistics.model_copy(update={"resamples": 100})})


def with_seed(protocol, seed):
    return protocol.model_copy(update={"statistics": protocol.statistics.model_copy(update={"seed": seed})})


@pytest.fixture(scope="module")
def tables():
    made = np.stack([dance(seed) for seed in range(24)])[..., [1, 0, 2]]
    return Tables(QUICK, features_of(made[:12], QUICK), features_of(made[12:], QUICK))


def fresh(tables, **changes):
    return replace(tables, notes=[], _known={}, **changes)


def gap(prediction, reference):
    return float(abs(prediction.geometric.mean() - reference.geometric.mean()))


GAP = MetricSpec("gap", 1, "Gap", "Gap", frozenset({"keypoints"}), "lower", bounds=(0.0, np.inf), of_sets=gap)


def singles(values, protocol=QUICK):
    names = [f"v{row}" for row in range(len(values))]
    return ClipSources.of(names, names, protocol)


def test_a_mean_ends_at_its_bounds_on_both_sides():
    column = RowValues(np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]))
    wide, narrow, low = Estimate(), Estimate(), Estimate()
    singles(column.values).mean(wide, column, (-np.inf, np.inf))
    singles(column.values).mean(narrow, column, (0.2, 0.8))
    singles(column.values).mean(low, column, (0.2, np.inf))
    assert wide.ci95[0] < 0.2 and wide.ci95[1] > 0.8
    assert narrow.ci95 == (0.2, 0.8) and low.ci95 == (0.2, wide.ci95[1])
    assert wide.value == narrow.value == 0.5


def test_the_seed_decides_intervals_and_floors_of_sets(tables):
    def numbers(protocol):
        found = estimate_of(GAP, fresh(tables, protocol=protocol))
        return found.ci95, found.noise_floor

    assert numbers(QUICK) == numbers(QUICK)
    assert numbers(with_seed(QUICK, 7))[1] != numbers(QUICK)[1]


def test_below_six_songs_there_is_no_interval_and_the_reason():
    column = RowValues(np.linspace(0, 1, 10))
    few = ClipSources.of(
        [f"a_slice{row}" for row in range(5)] + [f"b{row}" for row in range(4)] + ["c"], ["x"], QUICK
    )
    found = Estimate()
    few.mean(found, column, (0.0, 1.0))
    assert found.ci95 is not None and "rests on 6 independent" in found.cautions[0]
    fewer, none = ClipSources.of([f"g_s_c_d_mBR0_ch{row}" for row in range(10)], ["x"], QUICK), Estimate()
    fewer.mean(none, column, (0.0, 1.0))
    assert none.value == 0.5 and none.ci95 is none.ci_method is None
    assert none.cautions == [
        "no interval: an interval needs at least 6 independent clips or songs with a value, there are 1"
    ]


def test_the_value_lies_in_its_own_interval(tables):
    for metric in measure(fresh(tables)).metrics:
        if metric.ci95 is not None and not metric.name.startswith("fid"):
            assert metric.ci95[0] <= metric.value <= metric.ci95[1], metric.name


def test_clips_of_one_song_are_one_piece_of_evidence(tables):
    def songs(side, prefix):
        names = [f"{prefix}_slice{row}" if row < 6 else f"{prefix}{row}" for row in range(12)]
        return side.having({"clip_ids": names})

    apart = {one.name: one for one in measure(fresh(tables)).metrics}
    together = measure(
        fresh(tables, prediction=songs(tables.prediction, "p"), reference=songs(tables.reference, "r"))
    ).metrics
    for one in together:
        if one.ci95 is not None and one.name.startswith(("fid", "kid", "div")):
            assert one.value == apart[one.name].value
            assert one.ci95 != apart[one.name].ci95 and "rests on 7 independent" in (one.caution or "")


def test_a_number_of_sets_has_an_interval_a_floor_and_both_sizes(tables):
    found = estimate_of(GAP, fresh(tables))
    assert found.value == gap(tables.prediction, tables.reference)
    assert (found.n, found.n_reference, found.noise_floor_n) == (12, 12, 6)
    assert 0 <= found.ci95[0] < found.ci95[1]
    capped = estimate_of(replace(GAP, bounds=(0.0, found.ci95[1] / 2)), fresh(tables))
    assert capped.ci95[1] == found.ci95[1] / 2
    statistic = row_statistic(GAP, fresh(tables))
    every = np.arange(12)
    assert statistic(every, every) == found.value
    assert statistic(every[:4], every[4:]) == gap(
        tables.prediction.take(every[:4]), tables.reference.take(every[4:])
    )


def test_the_floor_is_of_the_reference_alone(tables):
    changed = tables.prediction.having({"geometric": tables.prediction.geometric + 100.0})
    floors = [estimate_of(GAP, fresh(tables, prediction=side)) for side in (tables.prediction, changed)]
    assert floors[0].noise_floor == floors[1].noise_floor
    assert floors[1].value > floors[0].value + 50


def test_below_the_least_number_of_clips_there_is_a_reason(tables):
    least = QUICK.statistics.min_n
    for count, refused in ((least - 1, True), (least, False)):
        few = fresh(tables, prediction=tables.prediction.take(range(count)))
        found = estimate_of(GAP, few)
        assert (found.value is None) == refused
        assert not refused or f"at least {least} clips" in found.reason


def test_a_clip_without_a_value_is_left_out_and_counted_and_upstream_prints_nan(tables):
    values = np.array([np.nan, *range(11)], float)
    beside = np.array([*range(6), *[np.nan] * 6])
    mine = MetricSpec(
        "mine", 1, "M", "Mine", frozenset({"keypoints"}), "lower", per_clip=lambda clip: 0.0, absent="no feet"
    )
    both = fresh(
        tables,
        prediction=tables.prediction.having({"scalars/mine": values}),
        reference=tables.reference.having({"scalars/mine": beside}),
    )
    found = estimate_of(mine, both)
    assert (found.n, found.value, found.reference) == (11, 5.0, 2.5)
    assert found.cautions == ["1 of 12 rows have no feet and are left out"]
    printed = estimate_of(mine, fresh(both, protocol=load_protocol("mace2d-official")))
    assert printed.value is None and "upstream prints nan: 1 of 12" in printed.reason
    lost = estimate_of(mine, fresh(tables))
    assert lost.value is None and "measured without it" in lost.reason


def test_without_any_value_the_reason_is_that_of_the_clips(tables):
    def too_short(clip):
        raise ValueError("less than two seconds")

    mine = MetricSpec(
        "mine", 1, "M", "Mine", frozenset({"keypoints"}), "lower", per_clip=too_short, absent="no feet"
    )
    track = JointTrack(dance(0)[..., :2], None, "coco-25", 16.0, "-y", "made")
    rows = motion_rows([Window("a", 0, 0.0, track)] * 12, "corrected", {"mine": too_short})
    assert np.isnan(rows.scalars["mine"]).all()

    def reason(of_both):
        return estimate_of(mine, fresh(tables, prediction=of_both, reference=of_both)).reason

    assert reason(rows) == "less than two seconds"
    some = rows.having({"reason/scalars/mine": ["less than two seconds"] * 9 + ["no hips"] * 3})
    assert reason(some) == "no clip has a value: less than two seconds (9 of 12)"
    assert reason(tables.prediction.having({"scalars/mine": np.full(12, np.nan)})) == "no feet"


def test_a_weighted_column_counts_what_has_a_value():
    column = RowValues(np.array([1.0, np.nan, 4.0, 4.0]), np.array([2.0, 9.0, 1.0, 1.0]))
    assert column.mean() == 2.5
    assert column.mean(np.array([0, 0, 2])) == pytest.approx(8 / 5)
    assert np.isnan(column.mean(np.array([1])))
    assert RowValues(column.values).mean() == 3.0


def test_what_is_shared_is_computed_once_and_fails_every_time(tables):
    calls = []

    def once(held, part):
        calls.append(part)
        if part == "bad":
            raise ValueError("no")
        return len(calls)

    held = fresh(tables)
    assert [held.shared(once, part) for part in ("a", "b", "a")] == [1, 2, 1]
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            held.shared(once, "bad")
    assert calls == ["a", "b", "bad"]


def test_values_and_ends_lie_within_the_bounds_of_their_metric(tables):
    for metric in measure(fresh(tables)).metrics:
        low, high = own_metrics()[metric.name].bounds
        numbers = [metric.value, metric.reference, *(metric.ci95 or ())]
        assert all(low <= number <= high for number in numbers if number is not None), metric.name


def test_the_limit_of_fid_has_its_interval_and_is_never_negative(tables):
    rng = np.random.default_rng(0)
    wide = {"kinetic": (30, 2), "geometric": (30, 2)}
    sides = [
        replace(
            features_of(np.stack([dance(seed) for seed in range(30)])[..., [1, 0, 2]], QUICK).having(
                {name: rng.normal(size=size) for name, size in wide.items()}
            ),
            names=dict.fromkeys(wide, ("a", "b")),
        )
        for _ in range(2)
    ]
    found = {metric.name: metric for metric in measure(Tables(QUICK, *sides)).metrics}
    assert found["fid_k_infinity"].value >= 0
    assert found["fid_k_infinity"].value < found["fid_k"].value
    low, high = found["fid_k_infinity"].ci95
    assert low <= found["fid_k_infinity"].value <= high
    assert low <= found["fid_k"].ci95[0] and found["fid_k"].ci95[1] <= high


@pytest.mark.parametrize(
    ("direction", "made", "said"),
    [
        ("lower", 0.1, True),
        ("lower", 0.9, False),
        ("higher", 0.9, True),
        ("higher", 0.1, False),
        ("none", 0.9, False),
    ],
)
def test_better_than_real_is_said_to_be_something_else(tables, direction, made, said):
    rng = np.random.default_rng(0)
    sides = [
        side.having({"scalars/mine": level + 0.01 * rng.normal(size=12)})
        for side, level in ((tables.prediction, made), (tables.reference, 0.5))
    ]
    mine = MetricSpec("mine", 1, "M", "Mine", frozenset({"keypoints"}), direction, per_clip=lambda clip: 0.0)

    def measured(prediction):
        held = fresh(tables, prediction=prediction, reference=sides[1])
        return finished(mine, estimate_of(mine, held), QUICK)

    assert ("better than the real clips" in (measured(sides[0]).caution or "")) == said
    level = measured(sides[1])
    assert level.caution is None and level.reference_ci95 == pytest.approx(level.ci95)


@pytest.mark.parametrize(("limit", "low"), [(False, 0.1), (True, 0.3)])
def test_a_value_lies_in_its_interval_unless_that_is_of_infinitely_many_clips(limit, low):
    songs, estimate = [np.array([row]) for row in range(8)], Estimate(8, value=0.1)
    found = Interval(0.4, 0.3, 0.5, "block-jackknife", 0.95)
    ClipSources(songs, songs, False, PROTOCOL).interval(estimate, lambda: found, limit=limit)
    assert estimate.ci95 == (low, 0.5)


@pytest.mark.parametrize(
    ("direction", "ends", "beyond"),
    [
        ("higher", (0.7, 0.9), True),
        ("higher", (0.5, 0.9), False),
        ("lower", (0.1, 0.3), True),
        ("lower", (0.1, 0.5), False),
    ],
)
def test_what_is_better_than_real_beyond_the_noise_of_both_is_said(direction, ends, beyond):
    found = Estimate(
        20,
        value=sum(ends) / 2,
        ci95=ends,
        ci_method="block-jackknife",
        reference=0.5,
        reference_ci95=(0.4, 0.6),
    )
    caution = finished(replace(GAP, direction=direction), found, PROTOCOL).caution
    assert ("better than the real" in (caution or "")) == beyond
