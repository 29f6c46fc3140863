import csv

import numpy as np
import pytest

from mace_dance.training.appearance.clips import find_training_clips, training_windows
from mace_dance.training.appearance.footage import read_footage
from mace_dance.training.appearance.settings import training_settings
from madata.errors import ConfigError, MediaError
from madata.files import read_npz, write_npz
from tests.mace_dance.training.appearance.footage_made import TINY, ma_data, release


def settings(*overrides, **flags):
    return training_settings("kinematic", overrides=(*TINY, *overrides), flags=flags)


def test_ma_data_gives_the_clips_of_the_split_and_names_what_is_missing(tmp_path):
    folder = ma_data(tmp_path, frames=(30, 30, 30), splits=("train", "val", "train"))
    (folder / "keypoints" / "clip-2.npz").unlink()
    clips, drops = find_training_clips(folder, settings())
    assert [clip.name for clip in clips] == ["clip-0"]
    assert clips[0].sha256 is not None
    assert [(drop.name, drop.reason) for drop in drops] == [("clip-2", "missing")]
    assert "clip-2.npz" in drops[0].message


@pytest.mark.parametrize("table", [False, True], ids=["folders", "table"])
def test_the_release_layout(tmp_path, table):
    folder = release(tmp_path, table=table)
    for source in (folder, *folder.glob("*.csv")):
        clips, drops = find_training_clips(source, settings())
        assert [clip.name for clip in clips] == ["0001-0001", "0002-0002"]
        assert drops == []
        assert {clip.prompt for clip in clips} == {"someone dances" if table else settings().data.prompt}
        assert clips[1].face_video == folder / "0002" / "face_video.mp4"
        assert clips[1].keypoints is None
        assert clips[1].duration_s == pytest.approx(1.0, abs=0.05)


def test_a_bad_row_is_named_and_the_others_stay(tmp_path):
    folder = release(tmp_path, table=True)
    (folder / "0001" / "pose_video.mp4").unlink()
    (folder / "0002" / "video.mp4").write_bytes(b"not a video")
    clips, drops = find_training_clips(folder, settings())
    assert clips == []
    assert drops[0].reason == "missing"
    assert "0002/video.mp4" in drops[1].message


def test_a_folder_of_neither_kind_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"clips\.parquet"):
        find_training_clips(tmp_path, settings())
    with (tmp_path / "a.csv").open("w") as stream:
        csv.writer(stream).writerow(["video", "prompt"])
    with pytest.raises(ConfigError, match="no column animate_pose_video"):
        find_training_clips(tmp_path, settings())
    (tmp_path / "b.csv").touch()
    with pytest.raises(ConfigError, match=r"2 tables \(a\.csv, b\.csv\)"):
        find_training_clips(tmp_path, settings())


def test_windows_follow_each_other_and_short_clips_are_named(tmp_path):
    folder = ma_data(tmp_path, frames=(40, 18, 15))
    clips, _ = find_training_clips(folder, settings())
    # 20, 9 and 7.5 frames at 15 a second
    windows, drops = training_windows(clips, settings())
    assert [window.name for window in windows] == ["clip-0", "clip-0@9", "clip-1"]
    assert [(drop.name, drop.reason) for drop in drops] == [("clip-2", "too_short")]
    windows, _ = training_windows(clips, settings("data.windows=first"))
    assert [window.name for window in windows] == ["clip-0", "clip-1"]
    windows, _ = training_windows(clips, settings(layout="diffsynth"))
    assert [window.name for window in windows] == ["clip-0"]


def test_poses_lie_where_the_person_is(tmp_path):
    """The wrist of the drawn pose moves as the keypoints do, through the framing of the frames."""
    folder = ma_data(tmp_path)
    own = settings("data.width=96", "data.height=128")
    clips, _ = find_training_clips(folder, own)
    windows, _ = training_windows(clips, own)
    footage = read_footage(windows[0], own, face_px=16)
    assert footage.frames.shape == footage.poses.shape == (9, 128, 96, 3)
    assert footage.faces.shape == (1, 16, 16, 3)
    columns = [np.nonzero(pose.any((0, 2)))[0] for pose in footage.poses]
    # the figure is from x = 20 to 28 of 48 at first, and moves by 10 px a second
    assert (columns[0][0] + columns[0][-1]) / 2 == pytest.approx(48, abs=2)
    assert columns[8][0] - columns[0][0] == pytest.approx(2 * 10 * 8 / 15, abs=1.5)


@pytest.mark.parametrize(
    ("face", "faces", "shape"), [("reference", True, 1), ("video", True, 9), ("none", True, 1)]
)
def test_faces_of_the_release_layout(tmp_path, face, faces, shape):
    own = settings(f"data.face={face}")
    clips, _ = find_training_clips(release(tmp_path, faces=faces), own)
    windows, _ = training_windows(clips, own)
    footage = read_footage(windows[0], own, face_px=16)
    assert footage.faces.shape == (shape, 16, 16, 3)
    assert footage.faces.any() == (face != "none")
    if face == "video":
        assert len(np.unique(footage.faces.reshape(9, -1), axis=0)) == 9


def test_a_clip_without_a_pose_is_no_sample(tmp_path):
    folder = ma_data(tmp_path)
    path = folder / "keypoints" / "clip-0.npz"
    arrays = read_npz(path)
    write_npz(path, **{**arrays, "score": np.zeros_like(arrays["score"])})
    own = settings()
    windows, _ = training_windows(find_training_clips(folder, own)[0], own)
    with pytest.raises(MediaError, match="no joint was found"):
        read_footage(windows[0], own, face_px=16)
    write_npz(path, **{**arrays, "skeleton": np.array("octopus")})
    with pytest.raises(MediaError, match="octopus"):
        read_footage(windows[0], own, face_px=16)
