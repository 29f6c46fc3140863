"""Folders are matched by stem, and every bad file is named with what is wrong."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from evaluation.inputs.discovery import find_clips, guess_kind, set_sha256
from evaluation.inputs.pairing import match_clips
from evaluation.inputs.pose_files import convert_track, read_keypoint_file, read_motion_file
from evaluation.inputs.validation import check_track, windows_of
from evaluation.protocol import ClipRule
from madata.errors import MadanceError, MediaError
from madata.files import write_npz
from madata.skeletons import skeleton

RULE = ClipRule(pairing="matched", bad_files="refuse", fps="reference", skeleton="reference", duration_s=2.0)
NAMES = {str(column): name for column, name in enumerate(skeleton("coco-25").joints)}


def extractor_json(path, frames=40, **changes):
    rng = np.random.default_rng(0)
    keypoints = np.round(rng.uniform(10, 500, (frames, 25, 3)), 2)
    keypoints[..., 2] = 0.9
    content = {
        "video_name": "a.mp4",
        "fps": 16.0,
        "total_frames": frames,
        "skeleton": NAMES,
        "keypoints": keypoints.tolist(),
    }
    path.write_text(
        json.dumps({key: value for key, value in (content | changes).items() if value is not None})
    )
    return keypoints


def test_the_extractors_columns_are_y_x_confidence(tmp_path):
    keypoints = extractor_json(tmp_path / "a.json")
    track = read_keypoint_file(tmp_path / "a.json")
    assert (track.origin, track.skeleton, track.fps, track.frames) == (
        "official-extractor",
        "coco-25",
        16.0,
        40,
    )
    np.testing.assert_array_equal(track.points[..., 0], keypoints[..., 1])
    np.testing.assert_array_equal(track.points[..., 1], keypoints[..., 0])
    assert track.points.dtype == np.float64
    assert track.oddities == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not_json"),
        ("[]", "no_keypoints"),
        ('{"kps": []}', "no_keypoints"),
        ('{"keypoints": [[1, 2], [3]]}', "wrong_shape"),
        ('{"keypoints": [[[1, 2, 3]]]}', "wrong_shape"),
        ('{"keypoints": "x"}', "wrong_shape"),
        ("\x00\xff", "not_json"),
    ],
)
def test_a_broken_json_says_what_is_wrong(tmp_path, content, reason):
    (tmp_path / "a.json").write_text(content, encoding="latin1")
    with pytest.raises(MediaError) as error:
        read_keypoint_file(tmp_path / "a.json")
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total_frames": 90}, "truncated"),
        ({"skeleton": None}, "wrong_skeleton"),
        ({"skeleton": NAMES | {"5": "left_shoulder"}}, "wrong_skeleton"),
        ({"fps": None}, "no_fps"),
        ({"fps": 18.0}, "wrong_fps"),
        ({"frames": 20}, "too_short"),
    ],
)
def test_what_is_odd_is_a_problem_only_when_looked_at(tmp_path, changes, reason):
    extractor_json(tmp_path / "a.json", **changes)
    track = read_keypoint_file(tmp_path / "a.json")
    strict = check_track(track, RULE, strict=True, reference_fps=16.0)
    assert [found for found, _ in strict] == [reason]
    lax = check_track(track, RULE.model_copy(update={"duration_s": None, "min_frames": 32}), strict=False)
    assert [found for found, _ in lax] == (["too_short"] if reason == "too_short" else [])


def test_nan_and_absence_are_named(tmp_path):
    keypoints = extractor_json(tmp_path / "a.json")
    keypoints[3] = np.nan
    extractor_json(tmp_path / "a.json", keypoints=keypoints.tolist())
    with pytest.raises(MediaError, match="nan is no number"):
        read_keypoint_file(tmp_path / "a.json")
    extractor_json(tmp_path / "a.json", keypoints=np.zeros((40, 25, 3)).tolist())
    found = check_track(read_keypoint_file(tmp_path / "a.json"), RULE, strict=True, reference_fps=16.0)
    assert [reason for reason, _ in found] == ["no_person"]


def test_our_keypoints_are_read_with_their_backend(tmp_path):
    write_npz(
        tmp_path / "a.npz",
        xy=np.ones((8, 17, 2)),
        score=np.ones((8, 17)),
        skeleton="coco-17",
        fps=25.0,
        backend="vitpose",
    )
    track = read_keypoint_file(tmp_path / "a.npz")
    assert (track.origin, track.skeleton, track.fps) == ("vitpose", "coco-17", 25.0)
    write_npz(
        tmp_path / "b.npz", xy=np.ones((8, 17, 2)), score=np.ones((8, 16)), skeleton="coco-17", fps=25.0
    )
    with pytest.raises(MediaError, match="score"):
        read_keypoint_file(tmp_path / "b.npz")
    write_npz(
        tmp_path / "c.npz", xy=np.ones((8, 17, 2)), score=np.ones((8, 17)), skeleton="coco-18", fps=25.0
    )
    with pytest.raises(MediaError, match="coco-1"):
        read_keypoint_file(tmp_path / "c.npz")


def test_a_backend_is_known_by_its_settings(tmp_path):
    arrays = {"xy": np.ones((8, 17, 2)), "score": np.ones((8, 17)), "skeleton": "coco-17"}
    origins = []
    for threshold in (0.3, 0.4):
        identity = json.dumps({"name": "blazepose", "settings": {"min_score": threshold}})
        write_npz(tmp_path / "a.npz", **arrays, fps=25.0, backend=identity)
        origins.append(read_keypoint_file(tmp_path / "a.npz").origin)
    assert all(origin.startswith("blazepose-") for origin in origins)
    assert origins[0] != origins[1]


def test_sampled_keypoints_are_not_taken_for_frames(tmp_path):
    arrays = {"xy": np.ones((8, 17, 2)), "score": np.ones((8, 17)), "skeleton": "coco-17"}
    write_npz(tmp_path / "a.npz", **arrays, times_s=np.arange(8) / 2)
    with pytest.raises(MediaError, match="sampled times") as error:
        read_keypoint_file(tmp_path / "a.npz")
    assert error.value.reason == "no_fps"


def test_joints_are_taken_by_name(tmp_path):
    keypoints = extractor_json(tmp_path / "a.json")
    track = convert_track(read_keypoint_file(tmp_path / "a.json"), "coco-17")
    wrist = skeleton("coco-25").index("left_wrist")
    np.testing.assert_array_equal(
        track.points[:, skeleton("coco-17").index("left_wrist")], keypoints[:, wrist, 1::-1]
    )
    positions = np.zeros((5, 24, 3), np.float32)
    write_npz(tmp_path / "p.npz", positions=positions, skeleton="smpl-24", fps=30.0, up="y")
    motion = read_motion_file(tmp_path / "p.npz")
    assert convert_track(motion, "smplx-22").points.shape == (5, 22, 3)
    with pytest.raises(MediaError, match="left_index"):
        convert_track(motion, "smplx-55")


def test_a_hostile_pickle_runs_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"smpl_poses": Hostile()}))
    with pytest.raises(MadanceError, match="refused"):
        read_motion_file(tmp_path / "a.pkl")
    assert not (tmp_path / "ran").exists()


def test_a_folder_is_read_by_stem_and_its_doubles_are_named(tmp_path):
    (tmp_path / "ab").mkdir()
    for name in ("a.json", "ab/a.npz", "ab/c.json", "notes.txt", ".hidden.json"):
        (tmp_path / name).write_text("{}")
    folder = find_clips(tmp_path, "keypoints2d")
    assert list(folder.files) == ["a", "c"]
    assert [problem.reason for problem in folder.problems] == ["ambiguous"]
    assert folder.unused == ["notes.txt"]
    with pytest.raises(MadanceError, match=r"expected .*\.pkl"):
        find_clips(_only(tmp_path, "x.json"), "motion3d")
    with pytest.raises(MadanceError, match="no such folder"):
        find_clips(tmp_path / "nowhere", "keypoints2d")


def _only(tmp_path, name):
    folder = tmp_path / "only"
    folder.mkdir()
    (folder / name).write_text("{}")
    return folder


def test_the_kind_of_a_folder_is_that_of_its_files(tmp_path):
    write_npz(tmp_path / "a.npz", xy=np.zeros((1, 17, 2)))
    assert guess_kind(tmp_path) == "keypoints2d"
    write_npz(tmp_path / "a.npz", rotation=np.zeros((1, 24, 3)))
    assert guess_kind(tmp_path) == "motion3d"


@pytest.mark.parametrize(
    ("pairing", "predictions", "references", "reasons"),
    [
        ("matched", ("b",), ("a", "b", "c"), ["missing", "missing", "extra", "missing"]),
        ("intersection", (), (), ["missing", "missing", "extra", "missing"]),
        ("set", ("b", "d"), ("a", "b", "c"), ["missing", "missing"]),
    ],
)
def test_clips_without_a_counterpart_are_named(pairing, predictions, references, reasons):
    rule = RULE.model_copy(update={"pairing": pairing})
    match = match_clips(
        {"b": "b.json", "d": "d.json"}, dict.fromkeys("abc", "x.json"), {"b": "?", "d": "?"}, rule
    )
    assert match.predictions == predictions
    assert match.references == references
    assert [problem.reason for problem in match.problems] == reasons


def test_windows_have_the_length_of_the_rule(tmp_path):
    extractor_json(tmp_path / "a.json", frames=100)
    track = read_keypoint_file(tmp_path / "a.json")
    assert [window.frames for window in windows_of(track, RULE)] == [32]
    assert [window.frames for window in windows_of(track, RULE.model_copy(update={"windows": True}))] == [
        32,
        32,
        32,
    ]
    official = ClipRule(pairing="set", bad_files="skip", fps="any", skeleton="coco-25", max_frames=64)
    assert [window.frames for window in windows_of(track, official)] == [64]


def test_the_hash_of_a_set_depends_on_names_and_contents_only():
    assert set_sha256({"a": "1", "b": "2"}) == set_sha256({"b": "2", "a": "1"})
    assert set_sha256({"a": "1", "b": "2"}) != set_sha256({"a": "2", "b": "1"})
