import shutil

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from madata.dataset import DanceClips
from madata.errors import ConfigError, MadanceError, MediaError
from madata.manifest import CLIP_COLUMNS, write_table
from tests.madata.dataset.clocks import FPS, SIZE, make_clip, make_folder

PARTS = ("frames", "waveform", "music", "keypoints")


@pytest.fixture(scope="module")
def clocks(tmp_path_factory):
    """A data set of three clips of 1.2, 1.4 and 0.8 s that tell the time (:mod:`tests.madata.dataset.clocks`)."""
    folder = tmp_path_factory.mktemp("clocks")
    make_folder(folder)
    return folder


def dance_clips(folder, **options):
    return DanceClips(folder, **{"seconds": 0.4, "fps": FPS, "size": SIZE, "parts": PARTS, **options})


def times(samples):
    return {(clip, float(start)) for clip, start in samples}


def windows(clips):
    return [(clips.clips[index].clip_id, clips.window(index).start_s) for index in range(len(clips))]


@pytest.mark.parametrize("fps", [10.0, 25.0, 50.0])
def test_all_parts_of_a_sample_show_one_time(clocks, fps):
    clips = dance_clips(clocks, fps=fps, rate_hz=8000, seed=1)
    started = []
    for sample in (clips[index] for index in range(len(clips))):
        count = round(0.4 * fps)
        at_s = sample["start_s"] + np.arange(count) / fps
        started.append(sample["start_s"])
        shown = np.floor(at_s * FPS + 1e-6)
        seen = sample["frames"].float().mean((1, 2, 3)).numpy()
        assert sample["frames"].shape == (count, 3, SIZE[1], SIZE[0])
        np.testing.assert_allclose((seen - 20) / 6, shown, atol=0.4)
        np.testing.assert_allclose(sample["xy"][:, 0, 0].numpy(), 10 * at_s, atol=1e-3)
        sounded = sample["start_s"] + np.arange(3200) / 8000
        np.testing.assert_allclose(sample["waveform"].numpy(), 0.1 * sounded, atol=6e-3)
        rows = sample["start_s"] + np.arange(12) / 30
        np.testing.assert_allclose(sample["music"][:, 0].numpy(), rows, atol=0.5 / 30 + 1e-6)
        assert sample["music"].shape == (12, 35)
    assert max(started) > 0.1


def test_windows_depend_on_seed_epoch_and_clip_alone(clocks):
    clips = dance_clips(clocks, parts=("keypoints",))
    first = windows(clips)
    clips.set_epoch(1)
    second = windows(clips)
    clips.set_epoch(0)
    assert windows(clips) == first != second
    assert windows(dance_clips(clocks, parts=("keypoints",), seed=1)) != first
    some = dance_clips(clocks, parts=("keypoints",), clip_ids=["clip-1"])
    assert windows(some) == [first[1]]
    starts = set()
    for epoch in range(60):
        clips.set_epoch(epoch)
        starts.add(clips.window(0).start_s)
    # 30 frames hold a window of 10 at 21 places, the last included
    assert min(starts) == 0
    assert max(starts) == pytest.approx(20 / FPS)
    assert len(starts) > 15


def test_workers_change_nothing_and_hear_of_a_new_epoch(clocks):
    """Workers that stay are told of the epoch through memory they share."""
    clips = dance_clips(clocks, parts=("keypoints",))
    loader = DataLoader(clips, batch_size=1, num_workers=2, persistent_workers=True)
    for epoch in range(2):
        clips.set_epoch(epoch)
        given = {(batch["clip_id"][0], float(batch["start_s"])) for batch in loader}
        assert given == times(windows(clips))


def test_a_batch_is_made_by_the_usual_loader(clocks):
    batch = next(iter(DataLoader(dance_clips(clocks), batch_size=3)))
    assert batch["frames"].shape == (3, 10, 3, SIZE[1], SIZE[0])
    assert batch["frames"].dtype == torch.uint8
    assert batch["genre"] == ["house"] * 3


def test_short_clips_are_counted_and_unknown_parts_refused(clocks):
    clips = dance_clips(clocks, seconds=1.0, windows="first")
    assert [clip.clip_id for clip in clips.clips] == ["clip-0", "clip-1"]
    assert clips.left_out == 1
    with pytest.raises(ConfigError, match="none of its 3 clips lasts 9 s"):
        dance_clips(clocks, seconds=9.0)
    with pytest.raises(ConfigError, match="did you mean 'keypoints'"):
        dance_clips(clocks, parts=("keypoint",))
    with pytest.raises(MadanceError, match="no clip in the split 'tset'"):
        dance_clips(clocks, split="tset")
    with pytest.raises(MadanceError, match="no clip 'clip-9'"):
        dance_clips(clocks, clip_ids=["clip-9"])


def test_a_clip_that_lacks_a_part_is_named_before_training(tmp_path):
    row = make_clip(tmp_path, "mute", 12)
    write_table(tmp_path / "clips.parquet", [{**row, "music": None, "has_audio": False}], CLIP_COLUMNS)
    with pytest.raises(MadanceError, match="clip mute has no waveform; ask for frames, keypoints alone"):
        dance_clips(tmp_path)
    assert len(dance_clips(tmp_path, parts=("frames", "keypoints"))) == 1


def test_joints_are_those_asked_for(clocks):
    sample = dance_clips(clocks, parts=("keypoints",), skeleton="openpose-18")[0]
    assert sample["xy"].shape == (10, 18, 2)


def test_a_damaged_clip_is_named(clocks, tmp_path):
    folder = shutil.copytree(clocks, tmp_path / "copy")
    (folder / "clips" / "clip-0.mp4").write_bytes(b"not a video")
    with pytest.raises(MediaError, match=r"clip-0\.mp4"):
        dance_clips(folder)[0]


@pytest.mark.parametrize("path", ["../secret.mp4", "/etc/passwd", "clips/../../x.mp4"])
def test_a_table_names_files_of_its_folder_alone(tmp_path, path):
    row = make_clip(tmp_path, "one", 12)
    write_table(tmp_path / "clips.parquet", [{**row, "path": path}], CLIP_COLUMNS)
    with pytest.raises(MadanceError, match="column path leaves the folder"):
        dance_clips(tmp_path)
