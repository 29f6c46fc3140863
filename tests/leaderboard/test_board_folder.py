"""The folder of a board: what is accepted goes there whole, what is not leaves no trace, and a batch goes on."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from evaluation.result import read_result, seal, write_result
from leaderboard.commands.submission import submission
from leaderboard.submission import add_submissions, open_board, pack
from madata.errors import MadanceError
from tests.leaderboard.runs import change, rewrite

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def board(runs):
    folder = runs / "board"
    shutil.copytree(runs / "ground-truth", folder / "trusted" / "truth")
    (folder / "board.toml").write_text('title = "Our board"\n')
    return folder


@pytest.fixture
def archives(runs):
    return {name: pack(runs / name, runs / f"{name}.zip") for name in ("good", "stiff")}


def placed(board):
    return sorted(path.name for path in (board / "results").iterdir())


def test_an_accepted_result_is_placed_whole_and_stands_on_the_page(board, archives, runs):
    done = CliRunner().invoke(submission, ["add", str(board), *map(str, archives.values())])
    assert done.exit_code == 0, done.output
    ids = {name: read_result(runs / name / "result.json").id for name in archives}
    assert placed(board) == [f"{name}-{ids[name][:12]}" for name in ("good", "stiff")]
    files = sorted(path.name for path in (board / "results" / placed(board)[0]).iterdir())
    assert files == ["card.json", "features.npz", "result.json", "samples.parquet"]
    result = read_result(board / "results" / placed(board)[0] / "result.json")
    assert result.id == ids["good"] and (result.verification.level, result.verification.by) == (
        1,
        "Our board",
    )
    page = (board / "site" / "index.html").read_text()
    assert "Our board" in page and 'data-row="r' + ids["stiff"][:16] in page
    assert sorted(path.name for path in board.iterdir()) == ["board.toml", "results", "site", "trusted"]


def test_a_batch_with_one_bad_archive_goes_on(board, archives, runs):
    (runs / "broken.zip").write_bytes(archives["good"].read_bytes()[:-400])
    names = [str(runs / "broken.zip"), str(archives["good"])]
    done = CliRunner().invoke(submission, ["add", str(board), *names, "--json"])
    assert done.exit_code == 3
    found = json.loads(done.stdout)["archives"]
    assert [(one["archive"], one["accepted"], one["place"] is None) for one in found] == [
        ("broken.zip", False, True),
        ("good.zip", True, False),
    ]
    assert len(placed(board)) == 1


def test_the_same_archive_again_changes_nothing_and_a_renamed_copy_is_refused(board, archives, runs):
    add_submissions(board, [archives["good"]])
    (there,) = placed(board)
    before = (board / "results" / there / "result.json").read_bytes()
    (again,) = add_submissions(board, [archives["good"]])
    assert again.there and again.place.name == there and again.verdict.level == 1
    result = read_result(runs / "good" / "result.json")
    change(runs / "good", system=result.system.model_copy(update={"name": "mine"}))
    (copied,) = add_submissions(board, [pack(runs / "good", runs / "mine.zip")])
    assert copied.place is None and {fault.code for fault in copied.verdict.faults} == {"duplicate"}
    assert placed(board) == [there]
    assert (board / "results" / there / "result.json").read_bytes() == before


def test_two_equal_archives_of_one_batch_are_placed_once(board, archives, runs):
    shutil.copy(archives["good"], runs / "copy.zip")
    first, second = add_submissions(board, [archives["good"], runs / "copy.zip"])
    assert not first.there and second.there and len(placed(board)) == 1


def test_what_a_result_says_of_its_verification_is_not_believed(board, runs):
    result = read_result(runs / "good" / "result.json")
    said = result.verification.model_copy(update={"level": 3, "by": "me"})
    write_result(runs / "good" / "result.json", seal(result.model_copy(update={"verification": said})))
    (one,) = add_submissions(board, [pack(runs / "good", runs / "good.zip")])
    assert read_result(one.place / "result.json").verification.level == 1


@pytest.mark.parametrize("name", ["../../../etc/passwd", "</script> \u202e", "..", "a" * 300, "ÄÖ"])
def test_a_strange_name_stays_in_the_folder(board, runs, name):
    result = read_result(runs / "good" / "result.json")
    change(runs / "good", system=result.system.model_copy(update={"name": name}))
    (one,) = add_submissions(board, [pack(runs / "good", runs / "good.zip")])
    assert one.place.parent == board / "results"
    assert set(one.place.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") and len(one.place.name) < 60


def test_what_leaves_its_folder_is_refused_and_leaves_nothing(board, archives):
    rewrite(archives["good"], lambda files: files.update({"../evil": b"x"}), honest=False)
    (one,) = add_submissions(board, [archives["good"]])
    assert {fault.code for fault in one.verdict.faults} == {"escapes"}
    assert placed(board) == [] and not (board / "evil").exists() and not (board / "results" / "evil").exists()


def test_the_board_says_which_test_set(board, archives):
    (board / "clips.txt").write_text("c000\nc099\n")
    (one,) = add_submissions(board, [archives["good"]])
    assert {fault.code for fault in one.verdict.faults} == {"missing_clip", "other_split"}
    (board / "clips.txt").unlink()
    (board / "board.toml").write_text('split = "test-v2"\n')
    done = CliRunner().invoke(submission, ["verify", str(archives["good"]), "--board", str(board)])
    assert done.exit_code == 3 and "other_split" in done.stdout


def test_each_protocol_has_its_trusted_run(board, archives, runs):
    shutil.copytree(runs / "official" / "good", board / "trusted" / "another")
    (one,) = add_submissions(board, [archives["stiff"]])
    assert one.place is not None
    (board / "trusted" / "truth").rename(runs / "gone")
    (other,) = add_submissions(board, [archives["good"]])
    assert {fault.code for fault in other.verdict.faults} == {"wrong_protocol"}


def test_what_is_no_board_is_said(board, archives, runs):
    with pytest.raises(MadanceError, match=r"no board, it has no board\.toml"):
        add_submissions(runs, [archives["good"]])
    with pytest.raises(MadanceError, match=r"none\.zip: no such file"):
        add_submissions(board, [archives["good"], runs / "none.zip"])
    assert not (board / "results").exists()
    (board / "board.toml").write_text('titel = "x"\n')
    with pytest.raises(MadanceError, match="titel"):
        open_board(board)


def test_the_card_of_an_archive_is_shown(board, runs):
    archive = pack(runs / "good", runs / "good.zip", card={"paper": "A paper", "notes": "<b>bold</b>"})
    done = CliRunner().invoke(submission, ["add", str(board), str(archive)])
    assert done.exit_code == 0, done.output
    page = (board / "site" / "index.html").read_text()
    assert "<dd>A paper</dd>" in page and "&lt;b&gt;bold" in page


def test_the_example_board_takes_submissions_by_the_command_of_its_ci_file(runs, archives, monkeypatch):
    board = runs / "repository"
    shutil.copytree(ROOT / "examples" / "board", board)
    shutil.copytree(runs / "ground-truth", board / "trusted" / "truth")
    for name, archive in archives.items():
        shutil.copy(archive, board / "submissions" / f"2026-11-30-{name}.zip")
    (command,) = re.findall(
        r"^ *(madance .*)$", (board / ".github/workflows/submissions.yml").read_text(), re.M
    )
    monkeypatch.chdir(board)
    words = [
        path
        for word in shlex.split(command)[2:]
        for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
    ]
    done = CliRunner().invoke(submission, words)
    assert done.exit_code == 0, done.output
    assert len(placed(board)) == 2 and (board / "site" / "index.html").is_file()
    ignored = (board / ".gitignore").read_text().split()
    assert {"results/", "site/"} <= set(ignored)
