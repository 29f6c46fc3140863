"""What may stand in one ranked column, and what may not."""

import shutil

import pytest
from click.testing import CliRunner

from evaluation.options import RunOptions
from evaluation.result import PoseSource, read_result, seal, write_result
from leaderboard.board import build_board
from leaderboard.commands.table import table
from leaderboard.entries import read_entries
from leaderboard.ties import TieJudge
from madata.errors import MadanceError
from tests.leaderboard.runs import change, change_metric


def board(*paths, **how):
    return build_board("video", read_entries(paths), **how)


def measured(found):
    return [section for section in found.table.sections if not section.reported]


def names(section):
    return [row.name for row in section.rows]


def test_equal_conditions_are_ranked_below_the_paper(runs):
    found = board(runs / "good", runs / "alike", runs / "stiff", runs / "ground-truth")
    assert found.table.sections[0].reported
    (section,) = measured(found)
    assert names(section)[0] == "ground-truth"
    assert names(section)[-1] == "stiff"
    by_name = {row.name: row for row in section.rows}
    assert by_name["stiff"].cells["fid_k"].mark in {"", "second"}
    assert by_name["ground-truth"].cells["fid_k"].mark == ""
    assert {by_name[name].cells["div_k"].mark for name in ("good", "alike")} & {"best", "tied"}
    cell = by_name["good"].cells["fid_k"]
    assert cell.n == 16
    assert cell.low <= cell.high
    assert "singular" in cell.notes[0]


def test_two_systems_of_one_kind_are_a_tie(runs):
    good, alike, stiff = read_entries([runs / "good", runs / "alike", runs / "stiff"])
    judge = TieJudge()
    assert judge.tied(good, alike, "bas")
    assert not judge.tied(good, stiff, "div_k")
    assert not TieJudge(exact=False).tied(good, stiff, "div_k")


def test_two_protocols_are_two_sections(runs):
    sections = measured(board(runs / "good", runs / "stiff", runs / "official"))
    assert [len(section.rows) for section in sections] == [2, 1]
    assert "mace2d-official" in " ".join(sections[1].conditions)
    assert sections[1].rows[0].cells["fid_k"].mark == ""


@pytest.mark.parametrize("what", ["split", "reference", "pose", "options"])
def test_another_split_reference_or_pose_backend_is_another_section(runs, what):
    result = read_result(runs / "stiff" / "result.json")
    pose = result.pose or PoseSource(prediction="a", reference="a", skeleton="coco-17")
    changes = {
        "split": {"dataset": result.dataset.model_copy(update={"split": "val"})},
        "reference": {"dataset": result.dataset.model_copy(update={"reference_sha256": "0" * 64})},
        "options": {"options": RunOptions(resample_fps=30.0)},
        "pose": {"pose": pose.model_copy(update={"prediction": "other", "reference": "other"})},
    }
    change(runs / "stiff", **changes[what])
    sections = measured(board(runs / "good", runs / "alike", runs / "stiff"))
    assert [sorted(names(section)) for section in sections] == [["alike", "good"], ["stiff"]]


def test_mixed_backends_are_never_ranked(runs):
    for name in ("good", "stiff"):
        pose = read_result(runs / name / "result.json").pose.model_copy(
            update={"prediction": "other", "mixed": True}
        )
        change(runs / name, pose=pose)
    (section,) = measured(board(runs / "good", runs / "stiff"))
    assert all(row.cells["fid_k"].unranked for row in section.rows)
    assert "MIXED" in " ".join(section.conditions)


def test_another_n_in_one_metric_is_shown_and_not_ranked(runs):
    change_metric(runs / "stiff", "bas", n=11)
    (section,) = measured(board(runs / "good", runs / "alike", runs / "stiff"))
    cell = next(row for row in section.rows if row.name == "stiff").cells["bas"]
    assert "n = 11" in cell.unranked
    assert cell.mark == ""


def test_a_result_cannot_turn_a_direction_around(runs):
    change_metric(runs / "stiff", "fid_k", higher_is_better=True)
    (section,) = measured(board(runs / "good", runs / "stiff"))
    assert next(row for row in section.rows if row.name == "good").cells["fid_k"].mark == "best"


def test_no_official_table_takes_a_partial_result(runs):
    found = board(runs / "good", runs / "part")
    assert [entry.result.system.name for entry in found.left_out] == ["half"]
    assert all("half" not in names(section) for section in found.table.sections)
    shown = measured(board(runs / "good", runs / "part", partial=True))
    assert not shown[-1].official
    assert shown[-1].rows[0].cells["fid_k"].unranked


def test_of_two_equal_results_the_one_with_features_stays_and_the_other_is_named(runs):
    shutil.copytree(runs / "good", runs / "again")
    (runs / "good" / "features.npz").unlink()
    told = []
    entries = read_entries([runs / "good", runs / "again", runs / "stiff"], on_repeat=told.append)
    assert [entry.file.parent.name for entry in entries] == ["again", "stiff"]
    assert told == [f"left out, the same result as {entries[0].file}: {runs / 'good' / 'result.json'}"]
    made = CliRunner().invoke(table, [str(runs / "good"), str(runs / "again"), "--task", "video"])
    assert made.exit_code == 0 and "left out" in made.stderr and made.stdout.count("| good") == 1


def test_two_results_of_one_name_are_told_apart(runs):
    change_metric(runs / "alike", "fid_k", value=99.0)
    result = read_result(runs / "alike" / "result.json")
    system = result.system.model_copy(update={"name": "good"})
    write_result(runs / "alike" / "result.json", seal(result.model_copy(update={"system": system})))
    (section,) = measured(board(runs / "good", runs / "alike"))
    assert len(set(names(section))) == 2
    assert all(name.startswith("good (") for name in names(section))
    change(runs / "alike", system=system.model_copy(update={"config": {"guidance": 2.0}}))
    (section,) = measured(board(runs / "good", runs / "alike"))
    assert sorted(names(section)) == ["good", "good (guidance 2.0)"]


def test_runs_of_one_system_in_two_sections_are_told_apart(runs):
    system = read_result(runs / "good" / "result.json").system
    change(runs / "stiff", system=system, options=RunOptions(resample_fps=30.0))
    sections = measured(board(runs / "good", runs / "stiff", runs / "official"))
    assert [names(section) for section in sections] == [["good"], ["good (--resample 30)"], ["good"]]
    assert [section.title for section in sections] == ["Measured", "Measured (2)", "Measured (3)"]


def test_appearance_and_motion_of_one_system_are_one_row(runs):
    result = read_result(runs / "good" / "result.json")
    metric = result.metric("bas").model_copy(
        update={"name": "imaging_quality", "track": "appearance", "value": 0.66, "ci95": (0.6, 0.7)}
    )
    other = result.protocol.model_copy(update={"name": "ma-data-appearance", "sha256": "1" * 64})
    extra = result.model_copy(update={"metrics": [metric], "protocol": other, "artefacts": {}})
    write_result(runs / "more" / "result.json", seal(extra))
    (section,) = measured(board(runs / "good", runs / "stiff", runs / "more"))
    row = next(row for row in section.rows if row.name == "good")
    assert row.cells["imaging_quality"].text(board(runs / "good").table.columns[0]) == "66.00"
    assert "fid_k" in row.cells
    assert len(row.results) == 2


def test_an_unknown_metric_to_sort_by_is_named(runs):
    with pytest.raises(MadanceError, match="no column 'fidk'"):
        board(runs / "good", sort_by="fidk")


def test_diversity_is_ranked_by_nearness_where_the_protocol_is_corrected(runs):
    corrected, official = measured(board(runs / "good", runs / "stiff", runs / "official"))
    assert set(corrected.directions) == {"div_k", "div_g"} and official.directions == {}
    assert corrected.notes[:1] == (
        "DIV_k, DIV_g: ranked by how near they are to the value of the real clips",
    )
    cells = {row.name: row.cells["div_k"] for row in corrected.rows}
    nearest = min(cells, key=lambda name: abs(cells[name].value - cells[name].reference))
    assert cells[nearest].mark == "best"
