"""Videos that fall apart in their fifth second: the result, the text, the table and the page say when."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.features.store import read_run
from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.report.text import text_of_result
from evaluation.result import read_result
from evaluation.scoring import rescore, score, write_scored
from leaderboard.entries import read_entries
from leaderboard.feature_bounds import impossible_features
from leaderboard.recheck import check_numbers
from leaderboard.site import SiteOptions, build_site
from madata.video.write import write_video

PROTOCOL = load_protocol("ma-drift")
FPS, SECONDS, GOOD = 8, 8, 4


def write_clips(folder, spoil):
    folder.mkdir()
    for number in range(6):
        rng = np.random.default_rng(number)
        still = np.kron(rng.integers(60, 180, (12, 10, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        length = (SECONDS if number else GOOD) * FPS  # the first is a short one
        frames = [spoil(np.roll(still, step % 8, axis=1), step / FPS) for step in range(length)]
        write_video(folder / f"c{number}.mp4", frames, fps=FPS)
    return folder


def redder(frame, time_s):
    late = max(0.0, time_s - GOOD)
    return np.clip(frame + np.array([12, 0, 0]) * late, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("drift")
    real = write_clips(root / "real", lambda frame, time_s: frame)
    for name, spoil in (("steady", lambda frame, time_s: frame), ("reddens", redder)):
        made = write_clips(root / f"{name}-clips", spoil)
        options = Options(system=name, cache=root / "cache")
        write_scored(score(made, real, PROTOCOL, options=options), root / name)
    return root


def test_the_course_stays_until_the_video_falls_apart_and_rises_then(runs):
    course = read_result(runs / "reddens" / "result.json").metric("colour_drift").by_second
    assert course.n == [6] * GOOD + [5] * (SECONDS - GOOD)
    assert max(course.values[:GOOD]) < 1.5
    assert (np.diff(course.values[GOOD:]) > 1).all() and course.values[-1] > 10
    assert len(course.reference) == SECONDS and max(course.reference) < 1.5
    steady = read_result(runs / "steady" / "result.json").metric("colour_drift").by_second
    assert max(steady.values) < 1.5


def test_features_give_the_course_again_and_a_changed_one_is_found(runs):
    features = runs / "reddens" / "features.npz"
    measurement, _ = rescore(features)
    result = read_result(runs / "reddens" / "result.json")
    assert measurement.metrics == result.metrics
    assert check_numbers(result, features) == []
    metric = result.metric("colour_drift")
    smoothed = metric.by_second.model_copy(update={"values": [0.0] * SECONDS})
    for course in (smoothed, None):
        others = [one for one in result.metrics if one.name != metric.name]
        edited = result.model_copy(
            update={"metrics": [*others, metric.model_copy(update={"by_second": course})]}
        )
        assert ["by_second" in str(fault) for fault in check_numbers(edited, features)] == [True]


def test_seconds_that_no_measurement_gives_are_refused(runs):
    whole = read_run(runs / "reddens" / "features.npz")
    assert impossible_features(whole) == []
    for lists in ({"kept/other": [np.zeros(1)] * 6}, {"kept/colour_drift": [np.array([np.inf])] * 6}):
        videos = {**whole.videos, "prediction": whole.videos["prediction"].having({}, lists)}
        assert impossible_features(replace(whole, videos=videos))


def test_the_text_and_the_page_draw_it(runs):
    text = text_of_result(read_result(runs / "reddens" / "result.json"))
    (line,) = [line for line in text.splitlines() if "colour_drift by second" in line]
    mine, real = line.rpartition(": ")[2].split(", reference ")
    assert len(mine) == len(real) == SECONDS
    assert mine[-1] == "█" and set(real) <= set("▁▂")
    entries = read_entries([runs / "steady", runs / "reddens"])
    page = build_site(entries, runs / "site", SiteOptions()).read_text("utf-8")
    assert page.count('class="plot course"') == 2  # colour and sharpness
    assert "seconds of the clip" in page and "the truth" in page
    table = json.loads((runs / "site" / "data" / "video.json").read_text())
    cells = [
        row["cells"] for section in table["sections"] if not section["reported"] for row in section["rows"]
    ]
    assert sorted(len(cell["colour_drift"]["by_second"]) for cell in cells) == [SECONDS, SECONDS]
