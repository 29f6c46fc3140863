"""Bars that a user says: files of beats as others write them, and dances that know the bar or do not."""

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.commands.score import score as command
from evaluation.features.store import read_run
from evaluation.inputs.beat_files import find_downbeats, read_downbeats
from evaluation.metrics.rhythm import RHYTHMS, above_chance, rhythm_scores
from evaluation.result import read_result
from evaluation.scoring import rescore
from leaderboard.feature_bounds import impossible_features
from madata.errors import MadanceError
from tests.evaluation.dancers import write_set

OF_BARS = {one.name: one for one in RHYTHMS if one.of_bars}
BAR = np.arange(0.4, 16.0, 2.0)
BEATS = np.arange(0.4, 15.0, 0.5)


def asked(name, stops, downbeats=BAR):
    return float(rhythm_scores(OF_BARS[name], [stops], [downbeats], 0.1)[0, 0])


@pytest.mark.parametrize(
    ("stops", "coverage", "phase"),
    [
        (BAR, 1, 1),
        (BAR + 1.0, 0, 1),
        (BAR[::2], 0.5, 1),
        (BEATS, 1, 0),
        (BEATS[::2], 1, 0),
        (BEATS[1::2], 0, 0),
    ],
    ids=["on the one", "on the three", "every second bar", "every beat", "one and three", "two and four"],
)
def test_dances_whose_answer_is_known(stops, coverage, phase):
    assert asked("downbeat_coverage", stops) == pytest.approx(coverage)
    assert asked("bar_phase", stops) == pytest.approx(phase, abs=0.2)


@pytest.mark.parametrize("name", OF_BARS)
def test_who_dances_to_its_own_bars_is_above_chance_and_to_others_at_it(name):
    rng = np.random.default_rng(0)
    bars = [np.arange(rng.uniform(0, 2), 20, rng.uniform(1.6, 2.8)) for _ in range(16)]
    stops = [np.sort(times + rng.normal(0, 0.04, len(times))) for times in bars]
    scores = rhythm_scores(OF_BARS[name], stops, bars, 0.1)
    chance, deviation = above_chance(
        scores, [np.array([row]) for row in range(16)], np.random.default_rng(0), 200
    )
    assert (np.nanmean(np.diagonal(scores)) - chance) / deviation > 3
    dealt = [np.nanmean(np.diagonal(np.roll(scores, shift, axis=1))) for shift in range(1, 16)]
    assert np.mean([abs(mean - chance) < 2 * deviation for mean in dealt]) >= 0.8


@pytest.mark.parametrize(
    "text",
    [
        "0.52\t1\n1.01\t2\n1.5 3\n2.6\t1\n",
        "time,position\n0.52,1\n# a pause\n1.01, 2\n\n2.6,1\n",
        "\ufeff0.52 1.0\n2.6 1\n",
    ],
)
def test_files_of_beats_are_read_as_others_write_them(tmp_path, text):
    (tmp_path / "song.beats").write_text(text, encoding="utf-8")
    assert read_downbeats(tmp_path / "song.beats").tolist() == [0.52, 2.6]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.5 1\n1.0\n", "line 2"),
        ("0.5 1\n1.0 loud\n", "line 2"),
        ("0.5 1\nnan 1\n", "line 2"),
        ("-1 1\n", "line 1"),
        ("0.5 1.5\n", "line 1"),
        ("2.0 1\n1.0 1\n", "order of time"),
        ("0.5 2\n1.0 3\n", "no beat of it is a downbeat"),
        ("", "no beat of it is a downbeat"),
        ("1e9 1\n", "line 1"),
    ],
)
def test_what_is_no_file_of_beats_is_named_with_its_line(tmp_path, text, says):
    (tmp_path / "song.beats").write_text(text)
    with pytest.raises(MadanceError, match=says) as refused:
        read_downbeats(tmp_path / "song.beats")
    assert "song.beats" in str(refused.value)


def test_files_are_found_by_the_name_of_the_clip_or_of_its_song(tmp_path):
    (tmp_path / "mBR0.beats").write_text("0.5 1\n")
    (tmp_path / "b.txt").write_text("0.7 1\n")
    (tmp_path / "d.beats.txt").write_text("0.9 1\n")  # as madmom names it
    found = find_downbeats(tmp_path, ["gBR_sBM_cAll_d04_mBR0_ch01", "b", "c", "d"])
    assert {clip: times.tolist() for clip, times in found.items()} == {
        "gBR_sBM_cAll_d04_mBR0_ch01": [0.5],
        "b": [0.7],
        "d": [0.9],
    }
    with pytest.raises(MadanceError, match="no file of beats of any clip"):
        find_downbeats(tmp_path, ["x"])


def test_the_verb_takes_them_and_says_so_and_without_them_there_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    real, made = write_set(tmp_path / "real", range(8)), write_set(tmp_path / "made", range(100, 108))
    beats = tmp_path / "beats"
    beats.mkdir()
    clips = sorted(path.stem for path in made.iterdir())
    for number, clip in enumerate(clips):
        times = np.arange(0.1 * number, 4.0, 0.35 + 0.01 * number)
        lines = [f"{time:.3f}\t{1 + place % 3}" for place, time in enumerate(times)]
        (beats / f"{clip}.beats").write_text("\n".join(lines))

    def run(name, *more):
        arguments = [made, "--reference", real, "--protocol", "ma-rhythm2d", "--out", tmp_path / name, *more]
        return CliRunner().invoke(command, [str(one) for one in arguments])

    assert run("without").exit_code == 1, "without music nothing at all has a value"
    missing = read_result(tmp_path / "without" / "result.json").metric("downbeat_coverage")
    assert missing.value is None and "--beats FOLDER" in missing.reason
    assert run("with", "--beats", beats).exit_code == 0
    result = read_result(tmp_path / "with" / "result.json")
    metric = result.metric("downbeat_coverage")
    assert 0 <= metric.value <= 1 and metric.noise_floor is not None and metric.n > 0
    assert any(line.startswith("--beats ") for line in result.options.lines())
    features = tmp_path / "with" / "features.npz"
    assert rescore(features)[0].metrics == result.metrics
    assert impossible_features(read_run(features)) == []
    (beats / f"{clips[0]}.beats").write_text("0.1 1\n1.2 1\n")
    again = run("with", "--beats", beats)
    assert again.exit_code != 0 and "--beats" in str(again.exception)
    other = CliRunner().invoke(
        command, [str(made), "--reference", str(real), "--protocol", "ma-bodies2d", "--beats", str(beats)]
    )
    assert other.exit_code == 2 and "asks for no downbeat" in other.output
