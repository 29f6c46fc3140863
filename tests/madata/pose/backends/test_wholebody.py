"""Hands and faces of rendered dancers, whose places are known."""

import numpy as np
import pytest

from madata.errors import MissingDependencyError, WeightsError
from madata.pose import follow, load
from madata.pose.backends.wholebody import Sides
from madata.pose.hands import Hand
from madata.render import CapsuleRenderer, front_camera, make_stage
from madata.skeletons import skeleton
from madata.synthetic.dance import make_dance

WHOLE = skeleton("coco-wholebody-133")
LEFT, RIGHT, FACE = slice(91, 112), slice(112, 133), slice(23, 91)
HAND_M, FACE_M = 0.161, 0.15
SIZE = (540, 960)
FRAME = 102  # both palms and the face are seen


@pytest.fixture(scope="module")
def backend():
    try:
        return load("wholebody")
    except (MissingDependencyError, WeightsError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def scene():
    """A dancer: figure, camera, picture."""
    figure = CapsuleRenderer().figure(make_dance(4.0, style="jazz", seed=3).motion, 3)
    camera = front_camera([figure.joints], SIZE)
    stage = make_stage("room", camera, [figure.joints], figure.lowest())
    return figure, camera, CapsuleRenderer().draw([figure], FRAME, stage)


@pytest.fixture(scope="module")
def seen(backend, scene):
    """The detection and the pose of that picture."""
    (people,) = backend.detect([scene[2]])
    assert len(people) == 1
    return people, backend.estimate([scene[2]], [people])[0]


def at(poses, joint):
    return poses.xy[0, WHOLE.index(joint)]


def px_per_m(scene):
    figure, camera, _ = scene
    return camera.focal_px / abs(float(camera.to_camera(figure.joints[FRAME, :1])[0, 2]))


@pytest.mark.parametrize("side", ["left", "right"])
def test_fingers_end_where_they_were_drawn(scene, seen, side):
    figure, camera, _ = scene
    for finger in ("thumb", "index", "middle"):
        (tip,) = camera.project(figure.part(f"{side}_{finger}")[1][FRAME : FRAME + 1])
        assert np.linalg.norm(at(seen[1], f"{side}_{finger}4") - tip) < 0.3 * HAND_M * px_per_m(scene)
    wrist = camera.project(figure.joints[FRAME])[20 + (side == "right")]
    assert np.linalg.norm(at(seen[1], f"{side}_hand_root") - wrist) < 0.25 * HAND_M * px_per_m(scene)


@pytest.mark.parametrize("side", ["left", "right"])
def test_eyes_and_mouth_lie_where_they_were_drawn(scene, seen, side):
    figure, camera, _ = scene
    eye = np.mean([at(seen[1], f"{side}_lid{i}") for i in range(1, 7)], axis=0)
    for found, part in ((eye, "pupil"), (at(seen[1], f"{side}_lip1"), "mouth")):
        (place,) = camera.project(figure.part(f"{side}_{part}")[1][FRAME : FRAME + 1])
        assert np.linalg.norm(found - place) < 0.12 * FACE_M * px_per_m(scene)


def test_the_face_is_in_the_order_of_its_names(seen):
    points = {name: at(seen[1], name) for name in WHOLE.joints[FACE]}
    assert (
        points["left_jaw1"][0] > points["nose_ridge4"][0] > points["right_jaw1"][0]
    )  # the person's own left
    middle = (
        "nose_ridge1",
        "nose_ridge4",
        "nose_base",
        "upper_lip",
        "upper_mouth",
        "lower_mouth",
        "lower_lip",
        "chin",
    )
    heights = [points[name][1] for name in middle]
    assert (np.diff(heights) > -1.0).all() and heights[-1] - heights[0] > 10
    for side in ("left", "right"):
        outer, inner = points[f"{side}_lid1"], points[f"{side}_lid4"]
        nose = points["nose_ridge1"]
        assert np.linalg.norm(outer - nose) > np.linalg.norm(inner - nose)
        assert points[f"{side}_brow3"][1] < points[f"{side}_lid2"][1] < points[f"{side}_lid6"][1]


def test_body_and_feet_are_those_of_blazepose(backend, scene, seen):
    people, poses = seen
    (body,) = load("blazepose").estimate([scene[2]], [people])
    names = skeleton("blazepose-33")
    for joint, theirs in (
        ("left_knee", "left_knee"),
        ("right_big_toe", "right_foot_index"),
        ("left_ear", "left_ear"),
    ):
        assert (at(poses, joint) == body.xy[0, names.index(theirs)]).all()
    assert poses.presence == pytest.approx(body.presence)
    small = [WHOLE.index("left_small_toe"), WHOLE.index("right_small_toe")]
    assert (poses.score[0, small] == 0).all()


def test_a_mirrored_picture_gives_the_mirrored_pose(backend, scene, seen):
    picture = np.ascontiguousarray(scene[2][:, ::-1])
    (poses,) = backend.estimate([picture], backend.detect([picture]))
    expected = seen[1].xy[0, WHOLE.mirrored] * [-1, 1] + [SIZE[0], 0]
    away = np.linalg.norm(poses.xy[0] - expected, axis=1)
    both = (poses.score[0] > 0) & (seen[1].score[0, WHOLE.mirrored] > 0)
    assert both[FACE].all() and both[LEFT].all() and both[RIGHT].all()
    assert np.median(away[FACE]) < 0.05 * FACE_M * px_per_m(scene)
    for hand in (LEFT, RIGHT):
        assert np.median(away[hand]) < 0.15 * HAND_M * px_per_m(scene)


@pytest.mark.parametrize(("hidden", "shown"), [(LEFT, RIGHT), (RIGHT, LEFT)])
def test_a_hand_that_is_not_in_the_picture_is_not_made_up(backend, scene, seen, hidden, shown):
    people, poses = seen
    covered = scene[2].copy()
    low, high = poses.xy[0, hidden].min(axis=0) - 12, poses.xy[0, hidden].max(axis=0) + 12
    covered[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])] = 200
    (found,) = backend.estimate([covered], [people])
    assert (found.score[0, hidden] == 0).all() and (found.xy[0, hidden] == 0).all()
    assert (found.score[0, shown] >= 0.5).all()


def test_a_covered_face_has_no_points(backend, scene, seen):
    people, poses = seen
    covered = scene[2].copy()
    low, high = poses.xy[0, FACE].min(axis=0) - 20, poses.xy[0, FACE].max(axis=0) + 20
    covered[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])] = 90
    (found,) = backend.estimate([covered], [people])
    assert (found.score[0, FACE] == 0).all() and (found.xy[0, FACE] == 0).all()


def test_pictures_do_not_know_of_each_other(backend, scene, seen):
    picture = scene[2]
    other = np.ascontiguousarray(picture[::-1])
    people, alone = seen
    together = backend.estimate([other, picture], [people.take([]), people])
    assert len(together[0]) == 0
    assert (together[1].xy == alone.xy).all() and (together[1].score == alone.score).all()


def test_a_followed_dancer_has_hands(backend, scene):
    poses = list(follow(backend, iter([scene[2], scene[2]])))
    assert [pose.xy.shape for pose in poses] == [(1, 133, 2)] * 2
    assert (poses[1].score[0, LEFT] >= 0.5).all() and (poses[1].score[0, FACE] >= 0.5).all()


def test_nobody_has_no_hands(backend):
    flat = np.full((96, 160, 3), 120, np.uint8)
    (people,) = backend.detect([flat])
    (poses,) = backend.estimate([flat], [people.take([])])
    assert poses.xy.shape == (0, 133, 2)


def test_identity_names_every_network_and_setting(backend):
    assert set(backend.identity["weights"]) == {
        "pose_detection.tflite", "pose_landmark_full.tflite", "hand_recrop.tflite", "hand_landmark_full.tflite",
        "palm_detection_full.tflite", "face_detection_short_range.tflite", "face_landmark.tflite",
    }  # fmt: skip
    assert load("wholebody", min_part=0.9).identity != backend.identity


def test_missing_networks_are_told_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="madance weights fetch"):
        load("wholebody")


def hand(x, score, right):
    points = np.zeros((21, 2), np.float32)
    points[:, 0], points[:, 1] = x, np.linspace(0, 100, 21)
    points[12, 1] = 100
    return Hand(points, score, right)


def test_one_hand_found_twice_goes_to_the_side_it_is_of():
    left, right = hand(0, 0.9, 0.1), hand(10, 0.8, 0.2)
    assert Sides().told_apart(left, right) == (left, None)
    left, right = hand(0, 0.6, 0.9), hand(10, 0.8, 0.8)
    assert Sides().told_apart(left, right) == (None, right)
    left, right = hand(0, 0.6, 0.9), hand(300, 0.8, 0.9)  # two hands: each stays at its wrist
    assert Sides().told_apart(left, right) == (left, right)
    assert Sides().told_apart(None, right) == (None, right)


def test_a_followed_hand_keeps_the_side_it_was_of_so_far():
    sides = Sides()
    said = [0.1, 0.2, 0.7, 0.1, 0.9]  # right in the third and the last, which are blurred
    assert [sides.told_apart(hand(0, 0.9, right), hand(10, 0.8, right))[1] for right in said] == [None] * 5
    # two hands apart end the row: what comes after is judged anew
    apart = hand(0, 0.9, 0.9), hand(300, 0.8, 0.9)
    assert sides.told_apart(*apart) == apart
    one = hand(0, 0.9, 0.9), hand(10, 0.8, 0.9)
    assert sides.told_apart(*one) == (None, one[0])
    sides.told_apart(None, apart[1])
    back = hand(0, 0.9, 0.1), hand(10, 0.8, 0.1)
    assert sides.told_apart(*back) == (back[0], None)
