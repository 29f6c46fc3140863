"""Files that once ended a run with a traceback, without end, or in another's file, through the verbs they belong to.

They are those of ``../shared/cases/hostile``; without that folder the tests are skipped, and the fuzz harness
(``tests/fuzz``) and the tests of each reader hold the same ground.
"""

import shutil

import pytest
from click.testing import CliRunner

from evaluation.commands.score import score
from leaderboard.commands.submission import submission
from leaderboard.commands.table import table
from madata.errors import MadanceError, MediaError
from tests.conftest import SHARED

CASES = SHARED / "cases" / "hostile"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="no folder of hostile files")


def problem(command, *arguments):
    """What the one error of a verb says; every other end of it fails the test."""
    with pytest.raises(MadanceError) as caught:
        CliRunner().invoke(
            command, [str(each) for each in arguments], catch_exceptions=False, standalone_mode=False
        )
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["kp_0d.npz", "kp_fps.npz", "kp_score.npz", "kp_xystr.npz", "k_big.json", "k_hugeint.json"]
)
def test_a_malformed_clip_is_named(tmp_path, name):
    for folder in ("pred", "gt"):
        (tmp_path / folder).mkdir()
        shutil.copy(CASES / name, tmp_path / folder / f"a.{name.rpartition('.')[2]}")
    said = problem(score, tmp_path / "pred", "--reference", tmp_path / "gt", "--protocol", "ma-data-motion2d")
    assert "prediction a." in said and "reference a." in said


def test_a_rate_that_is_text_is_named(tmp_path):
    shutil.copy(CASES / "pos_fps.npz", tmp_path / "a.npz")
    assert "a.npz: fps should be one number" in problem(
        score, tmp_path, "--reference", tmp_path, "--protocol", "edge-pfc"
    )


def test_a_pickle_that_never_ends_is_refused(tmp_path):
    from madata.files import read_pickle

    with pytest.raises(MediaError, match="refused"):
        read_pickle(CASES / "tuplekey.pkl")


@pytest.mark.parametrize(("name", "why"), [("deep_result", "too deep"), ("hugeint_result", "digits")])
def test_a_result_without_bounds_is_named(name, why):
    said = problem(table, CASES / f"{name}.json", "--task", "motion")
    assert f"{name}.json" in said and why in said


def test_one_archive_does_not_take_the_verdict_from_another(tmp_path):
    shutil.copy(CASES / "hugeman.zip", tmp_path / "other.zip")
    run = CliRunner().invoke(submission, ["verify", str(CASES / "hugeman.zip"), str(tmp_path / "other.zip")])
    assert run.exit_code == 3
    assert run.stdout.count("REJECTED") == 2
    assert "digits" in run.stdout


def test_a_playlist_named_mp3_and_a_rate_of_1_hz_are_no_music(tmp_path):
    pytest.importorskip("librosa")
    from madata.music import load_audio

    shutil.copytree(CASES / "ffconcat", tmp_path / "music")
    shutil.copy(CASES / "rate1.wav", tmp_path / "music" / "neighbour.ts")
    for path, reason in (
        (tmp_path / "music" / "test-00.mp3", "not_media"),
        (tmp_path / "music" / "x.m3u8", "not_media"),
        (CASES / "rate1.wav", "bad_audio"),
    ):
        with pytest.raises(MediaError) as caught:
            load_audio(path)
        assert caught.value.reason == reason


def test_a_small_picture_of_many_pixels_is_refused_before_it_is_unpacked(tmp_path):
    from evaluation.generate.pictures import write_picture

    with pytest.raises(MediaError) as caught:
        write_picture(CASES / "bomb100k.png", tmp_path / "out.png", (64, 64), "pad")
    assert caught.value.reason == "too_large"
