"""Ranks in a table are intervals, for systems that were measured alike and have their features beside them."""

import json
import re

import pytest

from evaluation.protocol import load_protocol
from evaluation.scoring import score, write_scored
from leaderboard import places, site, ties
from leaderboard.board import build_board
from leaderboard.entries import read_entries
from leaderboard.render.data import to_json
from leaderboard.site import SiteOptions, build_site
from leaderboard.ties import TieJudge
from tests.evaluation.dancers import write_set


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two systems alike, one that hardly moves, and the truth."""
    root = tmp_path_factory.mktemp("places")
    protocol = load_protocol("ma-data-motion2d")
    real = write_set(root / "real", range(8))
    write_set(root / "one", range(20, 28))
    write_set(root / "two", range(30, 38))
    write_set(root / "lazy", range(40, 48), movement=0.05)
    for name in ("one", "two", "lazy"):
        write_scored(score(root / name, real, protocol), root / "out" / name)
    return root / "out"


def cells(board, metric):
    return {row.name: row.cells[metric] for row in board.table.sections[0].rows}


def test_ranks_are_intervals_and_the_column_and_the_page_say_so(runs, tmp_path):
    entries = read_entries([runs / name for name in ("one", "two", "lazy")])
    board = build_board("video", entries, reported=False)
    found = cells(board, "fid_k")
    assert found["lazy"].rank == (3, 3) and found["lazy"].best == 0
    assert found["one"].rank == found["two"].rank == (1, 2)
    assert found["one"].best + found["two"].best == pytest.approx(1)
    assert found["lazy"].mark != "tied" and {found["one"].mark, found["two"].mark} == {"best", "tied"}
    line = next(note for note in board.table.sections[0].notes if note.startswith("FID_k: rank interval"))
    assert "lazy 3 (0%)" in line and "halves of the songs" in line
    assert re.search("cannot be told apart: (one = two|two = one); halves", line)
    text = build_site(entries, tmp_path / "site", SiteOptions(rescore=False)).read_text()
    assert "FID_k: rank interval" in text and "Ranks, as far as they are resolved" in text
    document = json.loads(to_json(board.table))
    stored = {row["name"]: row["cells"]["fid_k"] for row in document["sections"][0]["rows"]}
    assert stored["lazy"]["rank"] == [3, 3]


def test_a_second_page_of_the_same_results_computes_nothing(runs, tmp_path, monkeypatch):
    """In another order it ranks nothing either; other rows are ranked."""
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    asked = []
    for module, name in ((places, "rank"), (site, "checked_level"), (ties, "compare")):
        function = getattr(module, name)
        watched = lambda *given, name=name, function=function: asked.append(name) or function(*given)  # noqa: E731
        monkeypatch.setattr(module, name, watched)

    def page(*names):
        asked.clear()
        entries = read_entries([runs / name for name in names])
        text = site.build_site(entries, tmp_path / "site").read_text()
        return text, set(asked)

    first, computed = page("one", "two", "lazy")
    assert computed == {"rank", "checked_level", "compare"}
    assert page("one", "two", "lazy") == (first, set())
    assert page("lazy", "two", "one")[1] <= {"compare"}
    assert "rank" in page("one", "two")[1]
    for record in (tmp_path / "cache" / "rankings").rglob("*.json"):
        record.write_text('{"fid_k": 1}')
    again, computed = page("one", "two", "lazy")
    assert again == first and computed == {"rank"}


def test_without_features_there_are_no_ranks(runs):
    entries = read_entries([runs / name for name in ("one", "two")])
    board = build_board("video", entries, reported=False, judge=TieJudge(exact=False))
    assert all(cell.rank is None for cell in cells(board, "fid_k").values())
    alone = build_board("video", entries[:1], reported=False)
    assert all(cell.rank is None for cell in cells(alone, "fid_k").values())
