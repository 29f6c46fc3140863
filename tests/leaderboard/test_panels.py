"""Every metric that the paper does not have: what it must say of itself, beside what it stands, where it is shown."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.features import music as beat_finder
from evaluation.metrics.registry import check_metrics, own_metrics
from evaluation.options import Options
from evaluation.protocol import load_protocol, protocol_names
from evaluation.result import read_result
from evaluation.scoring import score, write_scored
from leaderboard.board import build_board
from leaderboard.entries import read_entries
from leaderboard.layout import columns_of
from leaderboard.panel_faults import panel_faults
from leaderboard.paper import TASKS
from madata.files import write_json, write_npz
from tests.evaluation.dancers import dance, write_motion_set

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {
    "Body": "bodies.md",
    "Drift": "bodies.md",
    "Following": "bodies.md",
    "Rhythm": "rhythm.md",
    "Identity": "identity.md",
}
PANEL = {name: spec for name, spec in own_metrics().items() if spec.panel}
BESIDE_ITSELF = {"pose_lag", "pose_error", "pck"}
"""The reference is held against itself: it has no noise."""
CLIPS = 8


@pytest.mark.parametrize("name", PANEL)
def test_each_says_what_is_better_within_which_bounds_and_on_which_page(name):
    spec = PANEL[name]
    assert spec.direction != "none"
    low, high = spec.bounds
    assert low < high and spec.absent
    if spec.scale == 100:
        assert not spec.unit
    asked = {one for one in protocol_names() if name in load_protocol(one).metrics}
    assert asked and all(one.startswith("ma-") for one in asked)
    page = (DOCS / PAGES[spec.panel]).read_text("utf-8")
    assert f"`{name}`" in page or (name.endswith("_z") and "`*_z`" in page)
    assert spec.panel and not any(name == column.metric for task in TASKS for column in columns_of(task))


def write_poses(folder, seeds, spoil):
    folder.mkdir()
    for number, seed in enumerate(seeds):
        clip = dance(seed)
        xy, seen = spoil(clip[..., :2], np.random.default_rng(seed)), clip[..., 2]
        seen = np.where(np.random.default_rng(seed + 1).random(seen.shape) < 0.05, 0, seen)
        write_npz(
            folder / f"c{number:03d}.npz",
            xy=xy,
            score=seen,
            skeleton="coco-25",
            fps=16.0,
            size=np.array([200, 220]),
        )
    return folder


def shaken(xy, rng):
    return xy + rng.normal(0, 2.0, xy.shape)


def as_it_is(xy, rng):
    return xy


SETS = (("real", 0), ("made", 50))


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Protocol -> runs of a system, and once of the truth, scored."""
    root, patch = tmp_path_factory.mktemp("panels"), pytest.MonkeyPatch()
    patch.setenv("MADANCE_CACHE", str(root / "cache"))
    patch.setattr(
        beat_finder,
        "beats_of_file",
        lambda path, how: (np.arange(0.1, 6, 0.3 + path.read_bytes()[0] / 900), 1.0),
    )
    music, bars = root / "music", root / "bars"
    music.mkdir()
    bars.mkdir()
    for number in range(CLIPS):
        (music / f"c{number:03d}.wav").write_bytes(bytes([97 + number]))
        times = np.arange(0.1, 6, 0.3 + number / 30)
        (bars / f"c{number:03d}.beats").write_text(
            "".join(f"{t:.3f}\t{1 + n % 2}\n" for n, t in enumerate(times))
        )
    flat = [
        write_poses(root / name, range(CLIPS), how) for name, how in (("real", as_it_is), ("made", shaken))
    ]
    solid = [write_motion_set(root / f"{name}-3d", range(at, at + CLIPS), frames=160) for name, at in SETS]
    found = {}
    for name in ("ma-bodies2d", "ma-rhythm2d", "ma-following", "ma-bodies3d"):
        protocol = load_protocol(name)
        real, made = solid if protocol.input == "motion3d" else flat
        systems = {"ground-truth": real, "mine": made} if name == "ma-bodies2d" else {"mine": made}
        for system, clips in systems.items():
            heard = {"music": music, "options": Options(system=system, beats=bars)}
            how = heard if "rhythm" in name else {"options": Options(system=system)}
            out = root / name / system
            out.mkdir(parents=True)
            write_json(out / "protocol.json", protocol.model_dump(mode="json"))
            write_scored(score(clips, real, protocol, **how), out)
        found[name] = root / name
    patch.undo()
    return found


@pytest.mark.parametrize("protocol", ["ma-bodies2d", "ma-rhythm2d", "ma-following", "ma-bodies3d"])
def test_each_stands_beside_an_interval_a_reference_and_what_noise_or_chance_gives(scored, protocol):
    result = read_result(scored[protocol] / "mine" / "result.json")
    for spec in check_metrics(load_protocol(protocol)):
        metric = result.metric(spec.name)
        if not spec.panel:
            continue
        assert metric.value is not None, (spec.name, metric.reason)
        low, high = spec.bounds
        ends = metric.ci95 or (metric.value, metric.value)
        assert metric.ci95 or len(set(np.round(ends, 12))) == 1
        assert low <= ends[0] <= metric.value <= ends[1] <= high
        if spec.name.endswith("_z"):
            continue  # chance is what it is counted from
        assert metric.reference is not None, spec.name
        if spec.name not in BESIDE_ITSELF:
            assert (metric.noise_floor is not None) or metric.reference == 0, spec.name
            assert metric.noise_floor is None or "noise floor is" in metric.caution


@pytest.mark.parametrize("protocol", ["ma-bodies2d", "ma-rhythm2d", "ma-following", "ma-bodies3d"])
def test_each_has_its_place_on_tables_in_a_group_of_its_own(scored, protocol):
    entries = read_entries([scored[protocol]])
    task = load_protocol(protocol).task
    board = build_board(task, entries, extra=True)
    columns = {column.metric: column for column in board.table.columns}
    for spec in check_metrics(load_protocol(protocol)):
        if spec.panel:
            assert columns[spec.name].group == spec.panel and columns[spec.name].extra
    assert not any(column.extra for column in build_board(task, entries).table.columns)


def test_the_truth_is_a_row_beside_the_system_and_never_ranked(scored):
    board = build_board("video", read_entries([scored["ma-bodies2d"]]), extra=True)
    (section,) = [section for section in board.table.sections if not section.reported]
    assert {row.name: row.kind for row in section.rows} == {"ground-truth": "ground-truth", "mine": "system"}


def test_a_bad_body_and_a_dance_at_chance_are_named_at_first_sight(scored):
    def named(protocol):
        task = load_protocol(protocol).task
        table = build_board(task, read_entries([scored[protocol]]), extra=True).table
        (section,) = [section for section in table.sections if not section.reported]
        return {
            (one.system, one.panel): {column.metric for column in one.columns}
            for one in panel_faults(section, table.columns)
        }

    bodies = named("ma-bodies2d")
    assert set(bodies) == {("mine", "Body")}, "the truth is not judged"
    assert {"jerk", "acceleration"} <= bodies["mine", "Body"]
    assert "missing_limbs" not in bodies["mine", "Body"], "what is as in real dance"
    found = named("ma-rhythm2d")
    z = read_result(scored["ma-rhythm2d"] / "mine" / "result.json")
    low = {
        one.name for one in z.metrics if one.name.endswith("_z") and one.value is not None and one.value < 2
    }
    assert found.get(("mine", "Rhythm"), set()) == low


def test_the_noise_floor_of_a_mean_is_how_far_parts_of_the_reference_lie_apart(scored):
    truth = read_result(scored["ma-bodies2d"] / "ground-truth" / "result.json")
    mine = read_result(scored["ma-bodies2d"] / "mine" / "result.json")
    for name in ("jerk", "acceleration"):
        assert truth.metric(name).value == pytest.approx(truth.metric(name).reference)
        assert mine.metric(name).noise_floor == truth.metric(name).noise_floor
        low, high = mine.metric(name).reference_ci95
        assert 0 < mine.metric(name).noise_floor < high - low
        assert abs(mine.metric(name).value - mine.metric(name).reference) > 5 * mine.metric(name).noise_floor
