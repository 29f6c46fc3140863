"""Ranks: best, ties up to noise, second; and what is never ranked."""

import pytest

from leaderboard.layout import BoardColumn, columns_of
from leaderboard.reported import reported_section
from leaderboard.tables import Cell, Row, Section, ranked, sort_rows

FID, BAS = (
    next(column for column in columns_of("video") if column.metric == name) for name in ("fid_k", "bas")
)


def never(*_):
    return False


def section(**values):
    rows = [
        Row(name, name, "system", {"fid_k": value if isinstance(value, Cell) else Cell(value)})
        for name, value in values.items()
    ]
    return Section("s", (), tuple(rows))


def marks(found):
    return {row.key: row.cells["fid_k"].mark for row in found.rows}


def test_the_direction_of_the_column_decides():
    assert marks(ranked(section(a=3.0, b=1.0, c=2.0), [FID], never)) == {"a": "", "b": "best", "c": "second"}
    rows = [Row(str(value), "x", "system", {"bas": Cell(value)}) for value in (0.1, 0.3, 0.2)]
    found = ranked(Section("s", (), tuple(rows)), [BAS], never)
    assert [row.cells["bas"].mark for row in found.rows] == ["", "best", "second"]


def test_what_cannot_be_told_from_the_best_is_marked_and_second_comes_after_it():
    found = ranked(section(a=1.0, b=1.1, c=2.0, d=3.0), [FID], lambda column, best, other: other.key == "b")
    assert marks(found) == {"a": "best", "b": "tied", "c": "second", "d": ""}


def test_equal_values_share_a_mark():
    assert marks(ranked(section(a=1.0, b=1.0, c=2.0, d=2.0), [FID], never)) == {
        "a": "best",
        "b": "best",
        "c": "second",
        "d": "second",
    }


def test_another_n_is_not_ranked_and_says_so():
    found = ranked(
        section(a=Cell(5.0, group="n = 16"), b=Cell(6.0, group="n = 16"), c=Cell(0.1, group="n = 8")),
        [FID],
        never,
    )
    assert marks(found) == {"a": "best", "b": "second", "c": ""}
    assert "n = 8" in found.rows[2].cells["fid_k"].unranked


def test_one_value_alone_is_no_best():
    assert marks(ranked(section(a=1.0), [FID], never)) == {"a": ""}


@pytest.mark.parametrize("kind", ["sanity", "ground-truth", "ablation"])
def test_only_systems_are_ranked(kind):
    truth = Row("t", "t", kind, {"fid_k": Cell(0.0)})
    found = ranked(Section("s", (), (truth, *section(a=1.0, b=2.0).rows)), [FID], never)
    assert marks(found) == {"t": "", "a": "best", "b": "second"}


def test_rows_sort_by_value_and_missing_ones_are_last():
    found = sort_rows(section(a=10.0, b=Cell(None, reason="no"), c=9.0), [FID])
    assert [row.key for row in found.rows] == ["c", "a", "b"]


def test_zero_has_no_minus():
    assert Cell(-1e-12).text(FID) == "0.00"
    assert Cell(-0.3).text(FID) == "-0.30"


@pytest.mark.parametrize(
    ("task", "rows", "columns"), [("video", 6, 11), ("motion", 11, 7), ("animation", 6, 4)]
)
def test_the_tables_of_the_paper_are_complete(task, rows, columns):
    found = reported_section(task)
    assert found.reported
    assert len(found.rows) == rows
    for row in found.rows:
        assert list(row.cells) == [column.metric for column in columns_of(task)]
        assert len(row.cells) == columns


def test_the_numbers_of_the_paper_are_as_printed():
    video, motion, animation = (reported_section(task).rows for task in ("video", "motion", "animation"))
    assert (
        " ".join(cell.printed for cell in video[-1].cells.values())
        == "65.35 51.79 93.97 94.57 98.46 97.10 16.46 0.28 9.74 6.34 0.523"
    )
    assert (
        " ".join(cell.printed for cell in motion[-1].cells.values())
        == "17.83 25.09 0.210 10.30 8.09 0.229 770"
    )
    assert " ".join(cell.printed for cell in animation[-1].cells.values()) == "274.94 0.739 0.066 22.40"
    assert video[0].cells["fid_k"].value is None
    assert [row.kind for row in motion].count("ablation") == 3


def test_what_is_odd_in_the_paper_is_noted_on_the_cell():
    rows = {row.name: row for row in reported_section("motion").rows}
    for metric in ("fid_k", "bas"):
        assert rows["MEGA"].cells[metric].value == rows["Lodge"].cells[metric].value
        assert any("Lodge" in note for note in rows["MEGA"].cells[metric].notes)
    assert all(any("FSR" in note for note in row.cells["fsr"].notes) for row in rows.values())


def test_nearer_to_the_reference_is_better_on_either_side():
    column = BoardColumn("div_k", "DIV_k", "", "reference")
    cells = {
        "far": Cell(2.0, reference=9.0),
        "above": Cell(9.5, reference=9.0),
        "below": Cell(8.0, reference=9.0),
    }
    rows = [Row(key, key, "system", {"div_k": cell}) for key, cell in cells.items()]
    rows.append(Row("blind", "blind", "system", {"div_k": Cell(9.0)}))
    found = ranked(Section("s", (), tuple(rows)), [column], never)
    assert {row.key: row.cells["div_k"].mark for row in found.rows} == {
        "far": "",
        "above": "best",
        "below": "second",
        "blind": "",
    }
    assert [row.key for row in sort_rows(found, [column]).rows] == ["above", "below", "far", "blind"]


def test_a_section_may_turn_a_direction_around():
    column = BoardColumn("div_k", "DIV_k", "", "higher")
    rows = [
        Row(key, key, "system", {"div_k": Cell(value, reference=9.0)})
        for key, value in (("wild", 20.0), ("near", 8.5), ("still", 1.0))
    ]
    plain = Section("s", (), tuple(rows))
    turned = Section("s", (), tuple(rows), directions={"div_k": "reference"})
    for section, best in ((plain, "wild"), (turned, "near")):
        found = ranked(section, [column], never)
        assert [row.key for row in found.rows if row.cells["div_k"].mark == "best"] == [best]
        assert sort_rows(found, [column]).rows[0].key == best
