"""A study from videos to a report: what is shown is balanced and blinded, odd raters are found, all of it verifies."""

import json
import re
import shutil
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from click.testing import CliRunner

from leaderboard.commands.study import study as command
from leaderboard.site import SiteOptions, build_site
from leaderboard.study.answers import check_raters, read_answers
from leaderboard.study.design import FROZEN, make_booklets, read_study
from leaderboard.study.page import StudyOptions, make_study
from leaderboard.study.score import score_study
from leaderboard.study.verify import verify_report, verify_study
from madata.errors import MadanceError
from madata.files import sha256_file, write_json
from madata.types import Music
from madata.video.audio import read_audio
from madata.video.probe import probe
from madata.video.write import write_video

SYSTEMS = ("alpha", "beta", "gamma")


def test_every_pair_meets_equally_often_on_both_sides_and_all_clips():
    made = make_booklets(4, 9, booklets=10, votes=18, catches=2, rng=np.random.default_rng(0))
    votes = [trial for booklet in made for trial in booklet if trial[0] == "vote"]
    pairs = Counter(frozenset(trial[2:]) for trial in votes)
    assert set(pairs.values()) == {30}
    assert len(pairs) == 6
    for a, b in combinations(range(4), 2):
        left = sum(trial[2:] == (a, b) for trial in votes)
        assert left == 15
    assert max(Counter(trial[1] for trial in votes).values()) <= 20
    for booklet in made:
        again = booklet[-1]
        assert again[0] == "again"
        assert ("vote", again[1], again[3], again[2]) in booklet


def test_the_same_seed_makes_the_same_and_another_another():
    def made(seed):
        return make_booklets(3, 5, booklets=2, votes=6, catches=1, rng=np.random.default_rng(seed))

    assert made(1) == made(1)
    assert made(1) != made(2)


def write_clip(path, seed, *, size=(32, 48), loud=0.3, sound=True, frames=14):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 255, (frames, 1, 1, 3), np.uint8) + np.zeros((1, size[1], size[0], 3), np.uint8)
    wave = loud * np.sin(np.arange(16_000 * 2) * (0.1 + 0.01 * seed))
    write_video(path, frames, 12.0, audio=Music(wave.astype(np.float32), 16_000) if sound else None)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    found = {}
    for place, name in enumerate(SYSTEMS):
        (folder / name).mkdir()
        for clip in range(4):
            path = folder / name / f"c{clip}.mp4"
            write_clip(path, 10 * place + clip, size=(32, 48 + 16 * place), loud=0.05 * 4**place)
            found.setdefault(name, {})[f"c{clip}"] = path
    return found


@pytest.fixture(scope="module")
def study(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "made"
    make_study(videos, out, StudyOptions(seed=5, booklets=8, votes=12, catches=4, seconds=1.0))
    return out


def test_copies_have_one_size_length_and_loudness_and_say_nothing_of_themselves(study):
    page, key = (study / "page" / "index.html").read_text(), read_study(study)
    files = sorted((study / "page" / "media").iterdir())
    assert {path.name for path in files} == set(key.media)
    shapes = {(probe(path).size, probe(path).num_frames) for path in files}
    assert len(shapes) == 1
    levels = [np.sqrt(np.mean(np.square(read_audio(path).waveform))) for path in files]
    assert max(levels) < 1.15 * min(levels)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert set(data) == {"study", "questions", "trials", "booklets", "post"}
    assert not any(name in page for name in SYSTEMS)
    assert not any(re.search(FROZEN, str(trial)) for trial in data["trials"].values())
    assert not any(name in path.name for path in files for name in SYSTEMS)
    assert verify_study(study) == len(files)


def test_a_changed_video_and_a_page_of_another_key_are_named(study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    video = sorted((copy / "page" / "media").iterdir())[0]
    video.write_bytes(video.read_bytes() + b"x")
    with pytest.raises(MadanceError, match=f"{video.name} is another file"):
        verify_study(copy)
    video.unlink()
    page = copy / "page" / "index.html"
    first = read_study(copy).trials[0]
    shown = page.read_text()
    page.write_text(shown.replace(f'"{first.left}","{first.right}"', f'"{first.right}","{first.left}"', 1))
    assert page.read_text() != shown
    with pytest.raises(MadanceError, match=r"is missing; page/index\.html .* other trials"):
        verify_study(copy)


def test_what_cannot_be_made_is_said_before_anything_is_written(videos, tmp_path):
    silent, mute, short = (tmp_path / f"{name}.mp4" for name in ("silent", "mute", "short"))
    write_clip(silent, 1, sound=False)
    write_clip(mute, 1, loud=0.0)
    write_clip(short, 1, frames=6)
    cases = [
        ({"alpha": videos["alpha"]}, StudyOptions(), "two systems"),
        ({"alpha": {"x": silent}, "beta": {"y": silent}}, StudyOptions(), "no clip is there of all"),
        (videos, StudyOptions(preset="motoin"), "did you mean 'motion'"),
        (videos, StudyOptions(post_url="http://x.org; script-src *"), "begins with https"),
        ({"alpha": {"x": silent}, "beta": {"x": silent}}, StudyOptions(), "silent.mp4: has no sound"),
        ({"alpha": {"x": mute}, "beta": {"x": mute}}, StudyOptions(), "mute.mp4: has no sound"),
        ({"alpha": {"x": short}, "beta": {"x": short}}, StudyOptions(), r"short.mp4: lasts 0\.50 s"),
    ]
    for chosen, options, message in cases:
        with pytest.raises(MadanceError, match=message):
            make_study(chosen, tmp_path / "out", options)
        assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "study.json").write_text("{}")
    with pytest.raises(MadanceError, match="not empty"):
        make_study(videos, tmp_path / "full")


def answers_of(study, rater, booklet, choose, *, ms=4000, played=1000):
    """One file of answers; ``choose(trial, question, rng)`` says what this person takes."""
    key, rng = read_study(study), np.random.default_rng(rater)
    given = [
        {
            "trial": name,
            "question": question.name,
            "choice": choose(key.by_id[name], rng),
            "ms": ms + rater,
            "played_ms": played,
        }
        for name in key.booklets[booklet]
        for question in key.questions
    ]
    return {
        "schema": "madance.answers/1",
        "study": sha256_file(study / "study.json"),
        "rater": f"{rater:032x}",
        "booklet": booklet,
        "consent": True,
        "complete": True,
        "answers": given,
    }


STRENGTH = {"alpha": 0.0, "beta": 1.2, "gamma": 2.4, FROZEN: -9.0}


def honest(trial, rng):
    gap = STRENGTH[trial.left_system] - STRENGTH[trial.right_system]
    odds = np.array([np.exp(gap / 2), 0.5, np.exp(-gap / 2)])
    return str(rng.choice(["left", "tie", "right"], p=odds / odds.sum()))


def caught(trial):
    return FROZEN in (trial.left_system, trial.right_system)


def without_opinion(trial, rng):
    return honest(trial, rng) if caught(trial) else "tie"


def one_sided(trial, rng):
    return honest(trial, rng) if caught(trial) or rng.random() < 0.12 else "right"


@pytest.fixture
def folder(study, tmp_path):
    """Answers of twelve honest raters."""
    for rater in range(12):
        write_json(tmp_path / "answers" / f"r{rater:02d}.json", answers_of(study, rater, rater % 8, honest))
    return tmp_path / "answers"


ODD = {
    "at random": (lambda trial, rng: str(rng.choice(["left", "right"])), {}, "catch questions passed"),
    "always left": (lambda trial, rng: "left", {}, "'left' in|catch"),
    "never looks": (honest, {"played": 100}, "played for less than"),
    "no opinion": (without_opinion, {}, "'tie' in"),
    "one side": (one_sided, {}, "left in|'right' in"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_raters_are_found_and_honest_ones_are_not(study, folder, kind):
    choose, how, reason = ODD[kind]
    write_json(folder / "zz.json", answers_of(study, 99, 3, choose, **how))
    key = read_study(study)
    *others, odd = check_raters(read_answers([folder], key, sha256_file(study / "study.json")), key)
    assert not any(one.faults for one in others)
    assert len(odd.faults) >= 1
    assert re.search(reason, "; ".join(odd.faults))


def test_a_rater_who_sends_twice_counts_once(study, folder):
    content = json.loads((folder / "r00.json").read_text())
    write_json(folder / "r00-again.json", content)
    write_json(folder / "zz-other-name.json", {**content, "rater": "f" * 32})
    report = score_study(study, [folder])
    assert all(rater.agrees[1] == len(report.questions) for rater in report.raters), "the trial shown again"
    doubles = sorted(rater.file for rater in report.raters if rater.faults)
    assert doubles in (["r00.json", "zz-other-name.json"], ["r00-again.json", "zz-other-name.json"])
    assert sum(not rater.faults for rater in report.raters) == 12


def test_of_a_rater_who_saved_in_the_middle_and_at_the_end_the_end_counts(study, folder):
    content = json.loads((folder / "r00.json").read_text())
    middle = content | {"complete": False, "answers": content["answers"][:20]}
    write_json(folder / "r00-earlier.json", middle)
    report = score_study(study, [folder])
    assert [rater.file for rater in report.raters if rater.faults] == ["r00-earlier.json"]
    (folder / "r00.json").unlink()
    assert not any(rater.faults for rater in score_study(study, [folder]).raters)


def test_votes_are_counted_for_the_system_that_was_shown(study, folder):
    report = score_study(study, [folder])
    for question in report.questions:
        assert [one.system for one in question.systems] == ["gamma", "beta", "alpha"]
        assert question.votes == 12 * 12
        assert question.systems[0].interval[0] > 0.5 > question.systems[-1].interval[1]


def test_a_report_comes_out_of_its_answers_and_a_changed_number_does_not(study, folder, tmp_path):
    out = tmp_path / "votes.json"
    done = CliRunner().invoke(command, ["score", str(study), str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    verify_report(out, study, [folder], [])
    content = json.loads(out.read_text())
    content["questions"][0]["systems"][0]["share"] += 0.1
    write_json(out, content)
    said = CliRunner().invoke(command, ["verify", str(study), "--report", str(out), "--answers", str(folder)])
    assert said.exit_code == 3
    assert "questions[0].systems[0].share" in said.output


STRANGE = {"trial": "x", "question": "motion", "choice": "left", "ms": 1, "played_ms": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": "0" * 64}, "another study"),
        ({"consent": False}, "consent"),
        ({"rater": "<script>"}, "rater"),
        ({"answers": [STRANGE]}, "not in booklet 0: x motion"),
        ({"answers": [STRANGE | {"trial": "t00000"}] * 2}, "t00000 motion 2 times"),
        ({"booklet": 999}, "booklet 999, and the study has 8"),
        ({"name": "Ada"}, "name"),
        ({"booklet": "0"}, "booklet"),
        ({"complete": "yes"}, "complete"),
        ({"answers": [STRANGE | {"ms": True}]}, r"answers\.0\.ms"),
        ({"answers": [STRANGE | {"played_ms": "900"}]}, r"answers\.0\.played_ms"),
    ],
)
def test_a_file_that_is_no_answer_is_named(study, folder, change, message):
    content = json.loads((folder / "r00.json").read_text())
    write_json(folder / "bad.json", content | change)
    with pytest.raises(MadanceError, match=message) as caught:
        score_study(study, [folder])
    assert "bad.json" in str(caught.value)


def test_the_report_reads_as_a_table(study, folder):
    done = CliRunner().invoke(command, ["score", str(study), str(folder)])
    assert done.exit_code == 0, done.output
    assert re.search(r"\| 1(-2)? \| gamma \| \d\d\.\d% \|", done.output)
    assert "12 of 12 raters pass" in done.output


def test_the_page_of_a_board_shows_votes_beside_its_tables(study, folder, tmp_path):
    report = score_study(study, [folder])
    page = build_site([], tmp_path / "site", SiteOptions(votes=[report])).read_text()
    assert "What people prefer" in page
    assert f"{100 * report.questions[0].systems[0].share:.1f} %" in page
    assert (tmp_path / "site" / "data" / "votes-1.json").is_file()
    assert "What people prefer" not in build_site([], tmp_path / "none").read_text()
