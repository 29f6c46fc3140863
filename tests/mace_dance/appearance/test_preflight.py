"""Each deviation that is constructed is named; the proper input has none."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from baselines.animate_anyone.system import AnimateAnyone
from baselines.hallo2.system import Hallo2Body
from baselines.magic_animate.system import MagicAnimate
from baselines.wan_animate.system import WanAnimate
from baselines.wan_dancer.system import WanDancer
from evaluation.systems import Request
from mace_dance.appearance import preflight
from mace_dance.appearance.pose_video import BODY, PosePoints, ReferencePose
from mace_dance.appearance.system import AppearanceExpert
from madata.errors import MadanceError, WeightsError
from madata.types import Keypoints2D

# A person from head to foot, in shares of the picture's height (x about the middle), as OpenPose-18 sees it.
FIGURE = {
    "nose": (0.0, 0.12), "neck": (0.0, 0.22),
    "right_shoulder": (-0.08, 0.22), "right_elbow": (-0.1, 0.34), "right_wrist": (-0.1, 0.44),
    "left_shoulder": (0.08, 0.22), "left_elbow": (0.1, 0.34), "left_wrist": (0.1, 0.44),
    "right_hip": (-0.05, 0.48), "right_knee": (-0.05, 0.68), "right_ankle": (-0.05, 0.88),
    "left_hip": (0.05, 0.48), "left_knee": (0.05, 0.68), "left_ankle": (0.05, 0.88),
    "right_eye": (-0.02, 0.1), "left_eye": (0.02, 0.1), "right_ear": (-0.04, 0.11), "left_ear": (0.04, 0.11),
}  # fmt: skip
JOINTS = BODY[:18]
SYSTEMS = (
    (AppearanceExpert, (720, 1280), 15.0), (WanAnimate, (720, 1280), 30.0), (AnimateAnyone, (512, 784), 30.0),
    (MagicAnimate, (512, 512), 30.0), (WanDancer, (720, 1280), 30.0),
)  # fmt: skip


def figure(size, *, scale=1.0, down=0.0, without=(), **moved):
    """(18, 3) px and score; points of ``without`` were not found."""
    places = FIGURE | moved
    rows = [
        (size[0] / 2 + places[name][0] * scale * size[1], (places[name][1] * scale + down) * size[1],
         0.0 if name in without else 1.0)
        for name in JOINTS
    ]  # fmt: skip
    return np.array(rows, np.float32)


def keypoints(rows, size, frames):
    rows = np.broadcast_to(rows, (frames, *rows.shape))
    return Keypoints2D(rows[..., :2].copy(), rows[..., 2].copy(), "openpose-18", 30.0, size)


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """What a system says of a picture and a pose, each a figure."""

    def judge(kind, size, fps, *, person=None, pose=None, options=None):
        image = tmp_path / "person.png"
        cv2.imwrite(str(image), np.zeros((size[1], size[0], 3), np.uint8))
        rows = figure(size) if person is None else person

        def found(picture, options):
            if isinstance(rows, Exception):
                raise rows
            return ReferencePose.from_keypoints(keypoints(rows, size, 1))

        monkeypatch.setattr(preflight, "find_person", found)
        is_animation = kind not in (WanDancer, Hallo2Body)
        followed = keypoints(figure(size) if pose is None else pose, size, 3) if is_animation else None
        task = "animation" if is_animation else "video"
        request = Request("clip", task, None, image, followed, None, 3 / fps, fps, size, 0, tmp_path)
        return kind(**(options or {})).preflight(request)

    return judge


@pytest.mark.parametrize(("kind", "size", "fps"), SYSTEMS, ids=lambda value: getattr(value, "__name__", None))
def test_the_proper_input_has_no_deviation(judged, kind, size, fps):
    assert judged(kind, size, fps) == []


@pytest.mark.parametrize(("kind", "size", "fps"), SYSTEMS, ids=lambda value: getattr(value, "__name__", None))
def test_a_canvas_and_a_person_of_another_kind_are_named(judged, kind, size, fps):
    small = (size[0] // 4, size[1] // 4)
    assert any(
        line.startswith(f"canvas: {small[0]}x{small[1]}, it was trained at")
        for line in judged(kind, small, fps)
    )
    cut = figure(size, without=("left_ankle", "right_ankle"))
    assert "picture: the person's feet cannot be seen, show the whole body" in judged(
        kind, size, fps, person=cut
    )
    below = figure(size, down=0.2)
    assert "picture: the person's feet cannot be seen, show the whole body" in judged(
        kind, size, fps, person=below
    )
    tiny = figure(size, scale=0.3, down=0.3)
    assert any(line.startswith("picture: the person fills 23% of the height") for line in judged(
        kind, size, fps, person=tiny))  # fmt: skip
    several = judged(kind, size, fps, person=MadanceError("2 people were found"))
    assert "2 people were found" in several


def test_rate_style_and_stick_are_compared_with_what_the_backbone_saw(judged):
    size = (720, 1280)
    assert any(
        "frame rate: 15 per second, it was trained at 30" in line for line in judged(WanAnimate, size, 15.0)
    )
    assert any(
        "frame rate: 30 per second, it was trained at 15" in line
        for line in judged(AppearanceExpert, size, 30.0)
    )
    drawn = judged(AppearanceExpert, size, 15.0, options={"style": "mace"})
    assert any(line.startswith("pose style: mace, it was trained on wan") for line in drawn)
    assert any(
        line.startswith("stick width: 1.11% of the shorter side, it was trained on 0.56%") for line in drawn
    )
    assert judged(AppearanceExpert, (480, 832), 15.0) == []
    thin = judged(AnimateAnyone, (512, 784), 30.0, options={"style": "wan"})
    assert any(
        line.startswith("stick width: 0.39% of the shorter side, it was trained on 1.56%") for line in thin
    )


def test_a_pose_is_judged_by_its_figure(judged):
    size = (720, 1280)
    tell = lambda pose: judged(WanAnimate, size, 30.0, pose=pose)  # noqa: E731
    assert any("pose: the figure fills 23% of the height" in line for line in tell(figure(size, scale=0.3)))
    assert any(
        "in 100% of the frames a joint lies beyond the canvas" in line
        for line in tell(figure(size, down=0.2))
    )
    assert tell(np.zeros((18, 3), np.float32)) == ["pose: nobody is in it"]
    giant = figure(size, nose=(0.0, -0.02 + 0.22 - 0.25))
    assert any("from neck to nose it is" in line for line in tell(giant))


def test_a_face_that_its_control_cannot_show_is_named(judged):
    size = (480, 832)
    assert any("picture: the face has" in line for line in judged(
        AppearanceExpert, size, 15.0, person=figure(size, scale=0.5, down=0.3)))  # fmt: skip
    turned = figure(size, without=("nose", "left_eye", "right_eye", "left_ear"))
    assert any("no face is seen" in line for line in judged(AppearanceExpert, size, 15.0, person=turned))
    assert not any("face" in line for line in judged(
        AppearanceExpert, size, 15.0, person=turned, options={"face": "none"}))  # fmt: skip


def test_hallo_knows_faces_unless_its_weights_were_trained_on_bodies(judged):
    size = (512, 512)
    faces, own = {"region": "face"}, {"weights": "runs/hallo2/model"}
    (line,) = judged(Hallo2Body, size, 25.0, options=faces)
    assert line.startswith("picture: the face fills 10% of the height, it was trained on 50%")
    near = figure(size, scale=6.0, down=-0.3)
    assert judged(Hallo2Body, size, 25.0, person=near, options=faces) == []
    assert judged(Hallo2Body, size, 25.0, options=own) == []
    (line,) = judged(Hallo2Body, size, 25.0)
    assert line.startswith("region: body, the released weights were trained on faces (--set region=face")
    assert any(
        "feet cannot be seen" in told for told in judged(Hallo2Body, size, 25.0, person=near, options=own)
    )


def test_without_weights_the_picture_is_said_not_to_be_judged(judged):
    (line,) = judged(WanDancer, (720, 1280), 30.0, person=WeightsError("madance weights fetch blazepose"))
    assert line == "the picture was not looked at: madance weights fetch blazepose"


def test_points_of_a_pose_are_those_that_are_drawn():
    points = PosePoints(np.zeros((1, 20, 3)), np.zeros((1, 2, 21, 3)), np.zeros((1, 68, 3)), (64, 96))
    assert list(preflight._of_pose(replace(points))) == ["pose: nobody is in it"]
