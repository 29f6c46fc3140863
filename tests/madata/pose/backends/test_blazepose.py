import numpy as np
import pytest

from madata.errors import ConfigError, MadanceError, WeightsError
from madata.people import PeopleRule, sightings
from madata.pose import Detections, Poses, follow, load
from madata.pose.backends.blazepose import CROP_PX, BlazePoseSettings, decode_landmarks, hip_agreement
from madata.skeletons import skeleton

JOINTS = [
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
]
BLAZE = [skeleton("blazepose-33").index(joint) for joint in JOINTS]
SMPL = [skeleton("smpl-24").index(joint) for joint in JOINTS]


@pytest.fixture(scope="module")
def backend():
    try:
        return load("blazepose")
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def rendered(media_dir):
    """``rendered(name, step)``: every ``step``-th frame and its keypoints (F, K, 24, 2) px."""
    av = pytest.importorskip("av")

    def read(name, step):
        with av.open(media_dir / "rendered" / f"{name}.mp4") as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        truth = np.load(media_dir / "rendered" / f"{name}.npz")["keypoints2d"]
        return frames[::step], truth[::step]

    return read


def pck(poses, truth, share=0.05):
    """Share of the joints within ``share`` of the body height, each person against the nearest found."""
    hits = []
    for found, people in zip(poses, truth, strict=True):
        for person in people:
            limit = share * np.ptp(person[:, 1])
            away = np.linalg.norm(found.xy[:, BLAZE] - person[SMPL], axis=-1)
            hits.append(away[away.mean(axis=1).argmin()] < limit if len(found) else np.zeros(len(SMPL), bool))
    return np.mean(hits)


def counts(people, poses):
    """Distinct people of each picture who would be one without any other evidence."""
    rule = PeopleRule(weak=0.5)
    return [
        len(sightings(some, pose, "blazepose-33", rule)) for some, pose in zip(people, poses, strict=True)
    ]


def test_landmarks_move_to_the_centre_of_a_strong_heat_map():
    values = np.zeros((2, 5), np.float32)
    values[:, :2], values[:, 3] = [[100, 60], [30, 200]], [0.0, 20.0]
    heatmaps = np.full((64, 64, 2), -20.0, np.float32)
    heatmaps[15, 26, 0] = heatmaps[15, 27, 0] = 5.0
    heatmaps[50, 8, 1] = -1.0  # below one half: not believed
    xy, visibility = decode_landmarks(values, heatmaps)
    assert xy[0] == pytest.approx([26.5 * CROP_PX / 64, 15 * CROP_PX / 64], abs=0.05)
    assert xy[1].tolist() == [30, 200]
    assert visibility == pytest.approx([0.5, 1.0])


def test_landmarks_at_and_beyond_the_edge_are_left_alone_or_stay_inside():
    values = np.zeros((3, 5), np.float32)
    values[:, :2] = [[-40, 10], [255.9, 255.9], [0, 300]]
    xy, _ = decode_landmarks(values, np.full((64, 64, 3), 4.0, np.float32))
    assert xy[0].tolist() == [-40, 10] and xy[2].tolist() == [0, 300]
    assert (xy[1] > 240).all() and (xy[1] <= CROP_PX).all()


def test_hip_agreement_falls_with_the_distance_in_sizes():
    xy = np.zeros((3, 33, 2), np.float32)
    xy[:, [23, 24]] = 100.0
    poses = Poses(xy, np.ones((3, 33), np.float32), np.ones(3, np.float32))
    hips = np.array([[100, 100], [105, 100], [130, 100]], np.float32)
    anchor = np.stack([hips, hips - [0, 100]], axis=1).astype(np.float32)
    people = Detections(
        np.zeros((3, 4), np.float32), np.ones(3), np.full(3, 100.0, np.float32), anchor=anchor
    )
    agreement = hip_agreement(poses, people)
    assert agreement[0] == 1 and 0.9 < agreement[1] < 1 and agreement[2] < 0.2
    unknown = Detections(people.boxes, people.score, people.size)
    assert (hip_agreement(poses, unknown) == 1).all()


@pytest.mark.parametrize("settings", [{"min_score": 0.0}, {"tile_side": 1.5}, {"merge_reach": -1}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        BlazePoseSettings(**settings)


def test_an_empty_scene_holds_nobody(backend):
    flat = np.full((96, 160, 3), 120, np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, 160).astype(np.uint8)[None, :, None], (96, 160, 3)).copy()
    people = backend.detect([flat, ramp])
    poses = backend.estimate([flat, ramp], people)
    assert [len(some) for some in poses] == [len(some) for some in people]
    assert all((some.score * pose.presence < 0.25).all() for some, pose in zip(people, poses, strict=True))
    assert backend.detect([]) == []


def test_a_picture_of_one_pixel_and_wrong_calls(backend):
    tiny = np.zeros((1, 1, 3), np.uint8)
    assert len(backend.detect([tiny])) == 1
    with pytest.raises(MadanceError, match="people of 1 pictures"):
        backend.estimate([tiny], [])


def test_identity_names_both_files_and_every_setting(backend):
    assert set(backend.identity["weights"]) == {"pose_detection.tflite", "pose_landmark_full.tflite"}
    assert backend.identity["settings"].keys() >= {"min_score", "tile_side", "merge_reach"}
    assert load("blazepose", tile_side=1.0).identity != backend.identity


@pytest.mark.media
@pytest.mark.parametrize(("name", "count"), [("one_dancer", 1), ("one_still", 1), ("two_dancers", 2)])
def test_rendered_dancers_are_counted_and_placed(backend, rendered, name, count):
    frames, truth = rendered(name, 24)
    people = backend.detect(frames)
    poses = backend.estimate(frames, people)
    assert counts(people, poses) == [count] * len(frames)
    assert pck(poses, truth) >= 0.9


@pytest.mark.media
def test_boxes_of_another_detector_will_do(backend, rendered):
    frames, truth = rendered("one_dancer", 40)
    corners = np.concatenate([truth.min(axis=2), truth.max(axis=2)], axis=2).astype(np.float32)
    people = [Detections(box, np.ones(1, np.float32), np.ones(1, np.float32)) for box in corners]
    assert pck(backend.estimate(frames, people), truth) >= 0.85


@pytest.mark.media
def test_three_dancers_side_by_side(backend, rendered):
    one, two = rendered("one_dancer", 48)[0], rendered("two_dancers", 48)[0]
    wide = [np.concatenate(pair, axis=1) for pair in zip(one, two, strict=False)]
    people = backend.detect(wide)
    poses = backend.estimate(wide, people)
    assert counts(people, poses) == [3] * len(wide)


@pytest.mark.media
def test_results_do_not_depend_on_company_or_repetition(backend, rendered):
    frames, _ = rendered("two_dancers", 60)
    together = backend.detect(frames)
    (alone,) = load("blazepose").detect(frames[1:2])
    assert (alone.boxes == together[1].boxes).all() and (alone.score == together[1].score).all()
    first, again = backend.estimate(frames, together)[2], backend.estimate(frames[2:3], together[2:3])[0]
    assert (first.xy == again.xy).all() and (first.presence == again.presence).all()


@pytest.mark.media
def test_following_agrees_with_searching(backend, rendered):
    frames, truth = rendered("one_dancer", 2)
    poses = list(follow(backend, frames[:40]))
    assert [len(pose) for pose in poses] == [1] * 40
    assert pck(poses, truth[:40]) >= 0.9


@pytest.mark.media
def test_following_finds_the_person_again_after_a_cut(backend, rendered):
    frames, truth = rendered("one_dancer", 60)
    empty = np.full_like(frames[0], 90)
    poses = list(follow(backend, [frames[0], empty, frames[1]]))
    assert len(poses[0]) == 1 and (len(poses[1]) == 0 or poses[1].presence[0] < 0.5)
    assert pck(poses[2:], truth[1:2]) >= 0.9
