"""What the report draws of a performer is what the keypoint files say, and goes when its clip goes."""

import base64
import json
import re

import numpy as np
import pytest

from madata.curation.publish import publish_joined
from madata.dataset import performers
from madata.dataset.folder import read_folder
from madata.dataset.performers import write_performers
from madata.dataset.removed import remove_sources
from madata.files import write_npz
from tests.leaderboard.browser import Browser, find_chromium

FRAMES, SIZE = 30, (96, 72)
PLAY = "row => { const image = element('img'); tool('cards').append(image); play(image, row); }"
BLANK = "Object.assign(element('canvas'), {width: it.width, height: it.height}).toDataURL()"
DRAWN = f"it => it.toDataURL() !== {BLANK}"


@pytest.fixture
def data_set(data):
    """A data set whose first clip is rendered and whose second was looked at twice; what the first shows."""
    first, second, third = (data / row["keypoints"] for row in read_folder(data).clips[:3])
    rng = np.random.default_rng(4)
    xy, score = rng.uniform(0, 72, (FRAMES, 24, 2)).astype(np.float32), np.ones((FRAMES, 24), np.float32)
    score[0, 5], xy[0, 6] = 0.1, np.nan
    joints, travel = rng.uniform(0, 1, (FRAMES, 24, 3)).astype(np.float32), np.zeros((FRAMES, 3), np.float32)
    travel[:, 0] = np.linspace(0, 2, FRAMES)
    turned = np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0]])  # the camera looks along -x
    rendered = {"joints3d": joints, "travel": travel, "up": "y", "camera_rotation": turned}
    write_npz(first, xy=xy, score=score, skeleton="smpl-24", size=SIZE, fps=30.0, **rendered)
    twice = {"xy": xy[:2, :17], "score": score[:2, :17], "times_s": np.array([0.25, 1.0])}
    write_npz(second, **twice, skeleton="coco-17", size=SIZE)
    third.write_bytes(b"no array")
    return data, xy, joints + travel[:, None]


def lines(data):
    text = "".join(path.read_text() for path in sorted((data / "performers").glob("*.js")))
    return {
        json.loads(f'"{clip}"'): json.loads(shown)
        for clip, shown in re.findall(r'performer\("(.*?)",(.*)\)', text)
    }


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_what_is_drawn_is_what_the_files_say(data_set):
    data, xy, points = data_set
    assert write_performers(data) == performers.CLIPS_PER_SCRIPT
    clips = [row["clip_id"] for row in read_folder(data).clips]
    found = lines(data)
    assert set(clips) - set(found) == {clips[2]}
    one, sampled = found[clips[0]], found[clips[1]]
    assert one["times"] == pytest.approx(np.arange(0, FRAMES, 2) / 30, abs=1e-3)
    seen = unpacked(one["seen"], np.uint8).reshape(-1, 24)
    assert not seen[0, [5, 6]].any() and seen.sum() == seen.size - 2
    places = unpacked(one["xy"], "<i2").reshape(-1, 24, 2) / 10_000 * SIZE
    assert places[1:] == pytest.approx(xy[2::2], abs=0.01)
    dancer = one["dancer"]
    moved = unpacked(dancer["positions"], "<i2").reshape(dancer["frames"], 24, 3) / 1000
    assert moved - moved[:1, :1] == pytest.approx((points - points[:1, :1])[::2], abs=2e-3)
    assert one["yaw"] == pytest.approx(np.pi / 2, abs=1e-3)
    assert sampled["times"] == [0.25, 1.0] and "dancer" not in sampled


def test_scripts_are_kept_while_their_clips_are_as_they_were(data_set, monkeypatch):
    data, _, _ = data_set
    monkeypatch.setattr(performers, "CLIPS_PER_SCRIPT", 4)
    write_performers(data)
    first, second, third = sorted((data / "performers").glob("*.js"))
    before = {path: path.stat().st_mtime_ns for path in (first, second)}
    third.unlink()
    (data / "performers" / "00007.js").write_text("of a larger crawl")
    write_performers(data)
    assert sorted((data / "performers").glob("*.js")) == [first, second, third]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_removed_clip_is_drawn_no_more(data_set):
    data, _, _ = data_set
    write_performers(data)
    gone = read_folder(data).clips[0]
    remove_sources(data, [gone["source_id"]], reason="takedown")
    assert gone["clip_id"] not in lines(data) and lines(data)


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="no chromium")
def test_a_playing_clip_shows_its_performer(data_set, tmp_path):
    data, _, _ = data_set
    publish_joined(data, near_duplicates=0, splits={}, advice="")
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(data / "report.html")
        browser.run("document.querySelector('#performer').click()")
        browser.run(f"rows.slice(0, 3).forEach({PLAY})")
        assert browser.until(
            f"[...document.querySelectorAll('.play canvas, .turn')].filter({DRAWN}).length === 3"
        )
        assert browser.run("document.querySelectorAll('.turn').length") == 1
        browser.run("document.querySelector('#performer').click()")
        assert browser.run("document.querySelector('.turn').hidden")
        assert browser.errors == []
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    finally:
        browser.close()
