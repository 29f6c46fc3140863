"""A curated data set gives music, picture and pose, and hides the truth."""

import cv2
import numpy as np
import pytest

from evaluation.generate import Settings, generate, read_clips
from madata.errors import MadanceError
from madata.files import read_json, write_npz
from madata.manifest import CLIP_COLUMNS, write_table
from madata.video import Decoder, read_audio, write_video
from tests.evaluation.generate.made import make_tone, paint, plugin_of, silence


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    """A data set of ``madance curate`` with three video clips of two splits."""
    folder = tmp_path_factory.mktemp("curated")
    rows = []
    for clip, split, level in (("s1-000", "test", 40), ("s2-000", "test", 90), ("s3-000", "train", 140)):
        frames = [np.full((48, 64, 3), level + number, np.uint8) for number in range(20)]
        sound = make_tone(level)
        write_video(folder / "clips" / f"{clip}.mp4", frames, 20, audio=sound)
        write_npz(
            folder / "keypoints" / f"{clip}.npz",
            xy=np.array([[[0.0, 0.0]] * 17, [[32.0, 24.0]] * 17], np.float32),
            score=np.ones((2, 17), np.float32), skeleton="coco-17",
            times_s=np.array([0.0, 0.5]), size=np.array([64, 48]),
        )  # fmt: skip
        rows.append({
            "clip_id": clip, "source_id": clip[:2], "fps": 20.0, "num_frames": 20, "width": 64, "height": 48,
            "has_audio": True, "split": split, "path": f"clips/{clip}.mp4", "keypoints": f"keypoints/{clip}.npz",
        })  # fmt: skip
    write_table(folder / "clips.parquet", rows, CLIP_COLUMNS)
    return folder


def test_a_curated_data_set_gives_music_and_picture_and_hides_the_truth(curated, tmp_path):
    plugin = plugin_of(paint, "video")
    summary = generate(plugin, curated, tmp_path, Settings())
    assert summary.done == 2
    request = plugin.asked[0]
    assert (request.clip_id, request.fps, request.size, request.num_frames) == ("s1-000", 20.0, (64, 48), 20)
    assert request.truth is None
    assert request.music == tmp_path / "inputs" / "s1-000.wav"
    truth = read_audio(curated / "clips" / "s1-000.mp4")
    heard = read_audio(request.music)
    assert heard.rate_hz == truth.rate_hz
    np.testing.assert_allclose(heard.waveform, truth.waveform, atol=1e-4)
    picture = cv2.imread(str(request.image))
    assert picture.shape == (48, 64, 3)
    assert abs(float(picture.mean()) - 40) < 3
    with Decoder(tmp_path / "clips" / "s1-000.mp4") as decoder:
        assert sum(1 for _ in decoder) == 20
        assert decoder.info.audio is not None
    with pytest.raises(MadanceError, match=r"no clip in the split 'held'; there is test, train \(--split\)"):
        generate(plugin, curated, tmp_path / "other", Settings(split="held"))


def test_sparse_keypoints_are_read_on_the_grid_of_the_request(curated, tmp_path):
    plugin = plugin_of(paint, "animation")
    generate(plugin, curated, tmp_path, Settings(limit=1))
    pose = plugin.asked[0].pose
    assert plugin.asked[0].music is None
    assert pose.xy.shape == (20, 17, 2)
    np.testing.assert_allclose(pose.xy[:11, 0, 0], np.arange(11) * 3.2, atol=1e-4)
    np.testing.assert_allclose(pose.xy[11:, 0, 1], 24.0)


def test_a_native_size_scales_picture_and_pose(curated, tmp_path):
    plugin = plugin_of(paint, "animation", size=(128, 128))
    generate(plugin, curated, tmp_path, Settings(limit=1))
    request = plugin.asked[0]
    assert request.size == (128, 128)
    np.testing.assert_allclose(request.pose.xy[-1, 0], (64.0, 64.0), atol=1)  # crops begin at even pixels
    assert cv2.imread(str(request.image)).shape == (128, 128, 3)


def test_a_picture_of_the_users_own_covers_the_size_wanted(tmp_path):
    image = np.zeros((40, 120, 3), np.uint8)
    image[:, 40:80] = (10, 200, 30)
    (tmp_path / "d").mkdir()
    cv2.imwrite(str(tmp_path / "d" / "a.png"), image)
    silence(tmp_path / "d" / "a.wav", 0.2)
    plugin = plugin_of(paint, "video", size=(64, 64))
    generate(plugin, tmp_path / "d", tmp_path / "run", Settings())
    read = cv2.imread(str(plugin.asked[0].image))
    assert read.shape == (64, 64, 3)
    np.testing.assert_array_equal(read[:, 4:-4].reshape(-1, 3).min(axis=0), (10, 200, 30))


def test_only_systems_that_say_so_see_the_truth(curated, tmp_path):
    plugin = plugin_of(paint, "video", needs_truth=True)
    generate(plugin, curated, tmp_path, Settings(limit=1))
    truth = plugin.asked[0].truth
    assert [clip.clip_id for clip in truth.split] == ["s1-000", "s2-000"]
    assert [clip.clip_id for clip in truth.others] == ["s3-000"]
    assert read_json(tmp_path / "run.json")["system"]["needs_truth"] is True


def test_a_cropped_picture_takes_its_pose_along(tmp_path):
    """A keypoint marks a spot of the picture; where the picture is cut to another shape, it still does."""
    spot = np.array([80, 20])
    image = np.zeros((60, 100, 3), np.uint8)
    cv2.circle(image, tuple(int(side) for side in spot), 3, (255, 255, 255), -1)
    (tmp_path / "d").mkdir()
    cv2.imwrite(str(tmp_path / "d" / "a.png"), image)
    silence(tmp_path / "d" / "a.wav", 1.0)
    write_npz(
        tmp_path / "d" / "a.npz",
        xy=np.tile(spot.astype(np.float32), (10, 24, 1)), score=np.ones((10, 24)), skeleton="smpl-24",
        size=np.array([100, 60]), fps=10.0,
    )  # fmt: skip
    plugin = plugin_of(paint, "animation", size=(80, 64))
    assert generate(plugin, tmp_path / "d", tmp_path / "run", Settings()).done == 1
    request = plugin.asked[0]
    lit = np.argwhere(cv2.imread(str(request.image))[..., 0] > 128).mean(axis=0)[::-1]
    np.testing.assert_allclose(request.pose.xy[0, 0], lit, atol=1.0)


def test_a_manifest_cannot_write_outside(curated, tmp_path):
    row = {"clip_id": "../../evil", "source_id": "s", "fps": 20.0, "num_frames": 20, "width": 64, "height": 48,
           "has_audio": True, "split": "test", "path": "clips/s1-000.mp4"}  # fmt: skip
    write_table(tmp_path / "clips.parquet", [row], CLIP_COLUMNS)
    with pytest.raises(MadanceError, match="is no file name"):
        read_clips(tmp_path, None, task="video")
