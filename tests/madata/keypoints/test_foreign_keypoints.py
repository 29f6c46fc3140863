"""The same dancer as a dozen tools write her: she comes back at her place, and nobody else does."""

import json

import numpy as np
import pytest

from madata.errors import MediaError
from madata.keypoints import PoseSequence, is_keypoint_folder, read_pose_sequence, write_keypoints
from madata.skeletons import mapping, skeleton

FRAMES = 12


def dancer(name="coco-17", shift=0.0):
    """xy (T, J, 2) px of 720x1280 and score (T, J), a little movement, every joint inside the picture."""
    joints = skeleton(name).num_joints
    rng = np.random.default_rng(3)
    place = rng.uniform([200, 300], [500, 1000], (joints, 2)) + shift
    sway = 5 * np.sin(np.arange(FRAMES)[:, None, None] / 3 + rng.uniform(0, 6, (joints, 2)))
    return np.round(place + sway, 3), np.round(rng.uniform(0.5, 1.0, (FRAMES, joints)), 3)


def triples(xy, score):
    return np.concatenate([xy, score[..., None]], axis=-1)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def check(found, name, origin):
    xy, score = dancer(name)
    assert (found.skeleton, found.origin) == (name, origin)
    np.testing.assert_allclose(found.xy, xy, atol=1e-3)
    np.testing.assert_allclose(found.score, score, atol=1e-6)


def test_mmpose_with_a_passer_by(tmp_path):
    xy, score = dancer()
    far, low = dancer(shift=200.0)
    frames = []
    for row in range(FRAMES):
        people = [{"keypoints": xy[row].tolist(), "keypoint_scores": score[row].tolist()}]
        if 3 <= row < 6:
            people.insert(0, {"keypoints": far[row].tolist(), "keypoint_scores": low[row].tolist()})
        frames.append({"frame_id": row + 1, "instances": people})
    path = write(tmp_path / "a.json", {"meta_info": {}, "instance_info": frames})
    check(read_pose_sequence(path), "coco-17", "mmpose")
    frames[0]["instances"] = frames[-1]["instances"] = []
    found = read_pose_sequence(write(path, {"instance_info": frames}))
    assert len(found.xy) == FRAMES and not found.score[0].any() and not found.score[-1].any()


@pytest.mark.parametrize(("name", "joints"), [("coco-17", 133), ("openpose-18", 134), ("halpe-26", 136)])
def test_of_whole_bodies_the_body_is_read(tmp_path, name, joints):
    xy, score = dancer(name)
    more = joints - xy.shape[1]  # face and hands, which may be anywhere
    frames = []
    for row in range(FRAMES):
        whole = [*xy[row].tolist(), *np.full((more, 2), 999.0).tolist()]
        sure = [*score[row].tolist(), *[0.5] * more]
        frames.append({"instances": [{"keypoints": whole, "keypoint_scores": sure}]})
    check(read_pose_sequence(write(tmp_path / "a.json", {"instance_info": frames})), name, "mmpose")


@pytest.mark.parametrize("name", ["coco-17", "halpe-26"])
def test_alphapose_follows_the_number_of_the_person(tmp_path, name):
    rows = []
    other = dancer(name, shift=-100.0)
    for row in range(FRAMES):
        flat = triples(*dancer(name))[row].ravel().tolist()
        rows.append({"image_id": f"{row}.jpg", "keypoints": flat, "score": 2.0, "idx": 7})
        if row < 5:  # listed first, larger, and gone after five frames
            flat = (triples(*other)[row] * [1.5, 1.5, 1]).ravel().tolist()
            rows.insert(0, {"image_id": f"{row}.jpg", "keypoints": flat, "score": 3.0, "idx": 1})
    check(read_pose_sequence(write(tmp_path / "a.json", rows)), name, "alphapose")


def test_results_of_coco_keep_the_frames_without_people(tmp_path):
    values = triples(*dancer())
    rows = [
        {"image_id": row, "category_id": 1, "keypoints": values[row].ravel().tolist(), "score": 0.9}
        for row in range(4, FRAMES)
    ]
    found = read_pose_sequence(write(tmp_path / "a.json", rows))
    assert len(found.xy) == FRAMES and not found.score[:4].any()
    np.testing.assert_allclose(found.xy[4:], values[4:, :, :2])


def test_annotations_of_coco(tmp_path):
    xy, _ = dancer()
    seen = np.full((FRAMES, 17), 2)
    seen[3, 5] = 0
    images = [
        {"id": 100 - row, "file_name": f"f_{row:04}.png", "width": 720, "height": 1280}
        for row in range(FRAMES)
    ]
    rows = [
        {"image_id": 100 - row, "keypoints": triples(xy, seen)[row].ravel().tolist()} for row in range(FRAMES)
    ]
    found = read_pose_sequence(write(tmp_path / "a.json", {"images": images, "annotations": rows[::-1]}))
    assert found.size == (720, 1280)
    np.testing.assert_allclose(found.xy, xy)
    np.testing.assert_array_equal(found.score, seen > 0)


@pytest.mark.parametrize("name", ["openpose-25", "openpose-18"])
def test_a_folder_of_openpose(tmp_path, name):
    values = triples(*dancer(name))
    values[2, 4] = 0  # how OpenPose says that a joint was not found
    folder = tmp_path / "clip"
    for row in range(FRAMES):
        people = [
            {"person_id": [-1], "pose_keypoints_2d": values[row].ravel().tolist(), "face_keypoints_2d": []}
        ]
        write(
            folder / f"clip_{row:012}_keypoints.json", {"version": 1.3, "people": people if row != 9 else []}
        )
    found = read_pose_sequence(folder, fps=25.0)
    assert (found.fps, found.skeleton) == (25.0, name)
    assert not found.score[9].any() and found.score[2, 4] == 0
    np.testing.assert_allclose(np.delete(found.xy, 9, 0), np.delete(values[..., :2], 9, 0))
    write(folder / f"clip_{FRAMES:012}_keypoints.json", {"version": 1.3})
    with pytest.raises(MediaError, match=r"clip_000000000012_keypoints\.json: has no list 'people'"):
        read_pose_sequence(folder)


def test_body_25_has_the_joints_where_openpose_puts_them():
    """Points 9 and 12 are the hips, 8 lies between them; coco-25 has other columns."""
    joints = skeleton("openpose-25").joints
    named = {8: "hip", 9: "right_hip", 12: "left_hip", 19: "left_big_toe", 22: "right_big_toe"}
    assert {column: joints[column] for column in named} == named
    columns = mapping("openpose-25", "coco-17")
    assert [joints[column] for column in columns[:, 0]] == list(skeleton("coco-17").joints)


def test_mediapipe_in_shares_of_the_picture(tmp_path):
    xy, score = dancer("blazepose-33")
    shares = xy / [720, 1280]
    frames = [
        [
            {"x": x, "y": y, "z": 0.1, "visibility": s}
            for (x, y), s in zip(shares[row], score[row], strict=True)
        ]
        for row in range(FRAMES)
    ]
    whole = {"frames": [{"landmarks": frame} for frame in frames], "width": 720, "height": 1280, "fps": 24}
    found = read_pose_sequence(write(tmp_path / "a.json", whole))
    check(found, "blazepose-33", "mediapipe")
    assert found.fps == 24
    bare = write(tmp_path / "b.json", frames)
    with pytest.raises(MediaError, match="--size 720x1280") as caught:
        read_pose_sequence(bare)
    assert caught.value.reason == "no_size"
    check(read_pose_sequence(bare, size=(720, 1280)), "blazepose-33", "mediapipe")


def test_dwpose(tmp_path):
    xy, _ = dancer("openpose-18")
    frames = []
    for row in range(FRAMES):
        subset = np.arange(18.0)
        subset[3] = -1 if row == 2 else 3
        frames.append(
            {"bodies": {"candidate": (xy[row] / [720, 1280]).tolist(), "subset": [subset.tolist()]}}
        )
    found = read_pose_sequence(write(tmp_path / "a.json", frames), size=(720, 1280))
    assert (found.skeleton, found.origin, found.score[2, 3]) == ("openpose-18", "dwpose", 0)
    np.testing.assert_allclose(found.xy[3:], xy[3:], atol=1e-3)


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_what_is_written_comes_back(tmp_path, suffix):
    xy, score = dancer("coco-25")
    write_keypoints(tmp_path / f"a{suffix}", PoseSequence(xy, score, "coco-25", 16.0, (720, 1280), "made"))
    found = read_pose_sequence(tmp_path / f"a{suffix}")
    assert (found.fps, found.skeleton, found.oddities) == (16.0, "coco-25", ())
    np.testing.assert_allclose(found.xy, xy, atol=1e-4)
    np.testing.assert_allclose(found.score, score, atol=1e-6)


BAD = {
    "empty object": {},
    "no people": {"instance_info": []},
    "ragged": {"instance_info": [{"instances": [{"keypoints": [[1, 2], [3]]}]}]},
    "text": {"keypoints": "abc"},
    "wrong width": {"keypoints": [[[1, 2]]]},
    "odd number of numbers": [{"image_id": 1, "keypoints": [1, 2]}],
    "no frame number": [{"image_id": "x", "keypoints": [1, 2, 3]}],
    "three joints": [{"image_id": 1, "keypoints": [1, 2, 3] * 3}],
    "far apart": [{"image_id": number, "keypoints": [1, 2, 3] * 17} for number in (0, 999_999_999)],
    "a list of numbers": [1, 2, 3],
    "nested": [[[[[1]]]]],
    "dwpose without rows": [{"bodies": {"candidate": [], "subset": 5}}],
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_bad_files_are_one_error(tmp_path, content):
    with pytest.raises(MediaError):
        read_pose_sequence(write(tmp_path / "a.json", content))


@pytest.mark.parametrize(("people", "joints"), [("bodies", "joints"), ("people", "pose_keypoints_2d")])
def test_alphapose_by_picture(tmp_path, people, joints):
    rows = triples(*dancer("openpose-18"))
    content = {f"{row}.jpg": {people: [{joints: rows[row].ravel().tolist()}]} for row in range(FRAMES)}
    check(read_pose_sequence(write(tmp_path / "a.json", content)), "openpose-18", "alphapose")


def test_frames_of_mmpose_without_a_head(tmp_path):
    xy, score = dancer()
    frames = [
        {
            "frame_id": row,
            "instances": [{"keypoints": xy[row].tolist(), "keypoint_scores": score[row].tolist()}],
        }
        for row in range(FRAMES)
    ]
    check(read_pose_sequence(write(tmp_path / "a.json", frames)), "coco-17", "mmpose")


def test_boxes_of_other_things_are_no_people(tmp_path):
    xy, score = dancer()
    rows = triples(xy, np.ones_like(score))
    images = [{"id": row, "file_name": f"{row:05d}.jpg"} for row in range(FRAMES)]
    people = [{"image_id": row, "keypoints": rows[row].ravel().tolist()} for row in range(FRAMES)]
    content = {"images": images, "annotations": [{"image_id": 0, "bbox": [0, 0, 9, 9]}, *people]}
    np.testing.assert_allclose(read_pose_sequence(write(tmp_path / "a.json", content)).xy, xy)


@pytest.mark.parametrize("key", ["pose_world_landmarks", "landmarks"])
def test_world_landmarks_are_no_places_in_a_picture(tmp_path, key):
    xy, _ = dancer("blazepose-33")
    hips = [skeleton("blazepose-33").index(f"{side}_hip") for side in ("left", "right")]
    metres = (xy - xy[:, hips].mean(axis=1, keepdims=True)) / 400
    content = {"frames": [{key: [[*point, 0.0, 0.9] for point in frame]} for frame in metres.tolist()]}
    with pytest.raises(MediaError, match="world landmarks"):
        read_pose_sequence(write(tmp_path / "a.json", content), size=(720, 1280))


def test_clips_called_by_numbers_are_no_frames_of_one_clip(tmp_path):
    xy, score = dancer("coco-25")
    write_keypoints(tmp_path / "001.json", PoseSequence(xy, score, "coco-25", 30.0, None, "made"))
    assert not is_keypoint_folder(tmp_path)
    write(tmp_path / "frames" / "001.json", {"people": []})
    assert is_keypoint_folder(tmp_path / "frames")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"keypoints": ' + "9" * 5000 + "}",
        "[[1, 2, 3]]",
        "[[[1, 2], 3]]",
        '[[{"x": null, "y": null}]]',
        json.dumps({"instance_info": [{"instances": [{"keypoints": [[1, 2]] * 17, "track_id": [1]}]}]}),
        json.dumps([{"image_id": 1, "keypoints": [1] * 51, "idx": {"a": 1}}]),
    ],
)
def test_hostile_text_is_one_error(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(MediaError):
        read_pose_sequence(tmp_path / "a.json")


@pytest.mark.parametrize("kind", [complex, "M8[s]", str])
def test_what_is_no_number_is_no_place(tmp_path, kind):
    xy = np.ones((FRAMES, 17, 2)).astype(kind)
    np.savez(tmp_path / "a.npz", xy=xy, score=np.ones((FRAMES, 17)), skeleton="coco-17", fps=30.0)
    with pytest.raises(MediaError, match="not numbers"):
        read_pose_sequence(tmp_path / "a.npz")
