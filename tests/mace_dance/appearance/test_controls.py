"""What drives the backbone is on the grid of the request, and comes from the person of the picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from evaluation.systems import Request, project_motion
from mace_dance.appearance import controls
from mace_dance.appearance.controls import ControlOptions, make_controls, read_faces
from mace_dance.appearance.pose_video import ReferencePose, keypoints_video, pose_video
from madata.errors import MadanceError, MediaError
from madata.synthetic.dance import make_dance
from madata.types import Keypoints2D
from madata.video import write_video

SIZE = (96, 160)


@pytest.fixture
def request_(tmp_path):
    image = tmp_path / "person.png"
    cv2.imwrite(str(image), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    motion = make_dance(1.0, fps=16.0).motion
    return Request(
        "clip", "animation", None, image, project_motion(motion, SIZE), motion, 1.0, 16.0, SIZE, 0, tmp_path
    )


def person(scale=1.0):
    """A made-up reference: the standard dancer, smaller, to the right."""
    seen = project_motion(make_dance(0.5, fps=16.0).motion, SIZE)
    xy = seen.xy[:1] * np.float32(scale) + np.float32((1 - scale) * 60)
    return ReferencePose.from_keypoints(Keypoints2D(xy, seen.score[:1], seen.skeleton, 1.0, SIZE))


def test_poses_are_drawn_when_asked_for_and_are_those_of_the_pose_video(request_):
    made = make_controls(request_, ControlOptions(face="none", align=False))
    expected = list(pose_video(request_.motion, SIZE, 16.0, 16))
    assert len(made.poses) == len(made.faces) == 16
    for index in (0, 7, -1):
        np.testing.assert_array_equal(made.poses[index], expected[index])
    np.testing.assert_array_equal(list(made.poses), expected)
    with pytest.raises(IndexError):
        made.poses[16]
    assert made.faces[3].max() == 0
    mace = make_controls(request_, ControlOptions(style="mace", face="none", align=False)).poses[0]
    assert (mace != expected[0]).any()


def test_a_motion_is_put_on_the_person_unless_told_otherwise(request_, monkeypatch):
    monkeypatch.setattr(controls, "find_person", lambda picture, options: person(0.6))
    aligned = make_controls(request_, ControlOptions())
    expected = next(iter(pose_video(request_.motion, SIZE, 16.0, 16, align=person(0.6))))
    np.testing.assert_array_equal(aligned.poses[0], expected)
    assert aligned.faces[0].shape == (512, 512, 3)
    free = make_controls(request_, ControlOptions(align=False))
    assert (free.poses[0] != expected).any()


def test_keypoints_are_drawn_as_seen_or_on_the_person(request_, monkeypatch):
    monkeypatch.setattr(controls, "find_person", lambda picture, options: person(0.6))
    seen = replace(request_, motion=None)
    plain = make_controls(seen, ControlOptions(face="none"))
    np.testing.assert_array_equal(plain.poses[5], list(keypoints_video(seen.pose, SIZE))[5])
    moved = make_controls(seen, ControlOptions(face="none", align=True))
    assert (moved.poses[5] != plain.poses[5]).any()


def test_nobody_is_looked_for_without_need(request_, monkeypatch):
    def never(picture, options):
        raise AssertionError

    monkeypatch.setattr(controls, "find_person", never)
    make_controls(request_, ControlOptions(face="none", align=False))
    make_controls(replace(request_, motion=None), ControlOptions(face="none"))


@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0, 48.0])
def test_faces_are_those_shown_at_the_time(tmp_path, fps):
    path = tmp_path / "face.mp4"
    write_video(path, (np.full((32, 32, 3), 40 + 4 * k, np.uint8) for k in range(48)), 24.0)
    count = round(2.0 * fps)
    levels = np.array([face.mean() for face in read_faces(path, count, fps)])
    shown = np.floor(np.arange(count) / fps * 24.0 + 1e-6)
    np.testing.assert_allclose(levels, 40 + 4 * shown, atol=2.0)
    with pytest.raises(MediaError, match=r"lasts 2\.00 s, the clip 3\.00 s"):
        read_faces(path, round(3.0 * fps), fps)


def test_what_is_lacking_is_named(request_, tmp_path):
    with pytest.raises(MadanceError, match="needs a picture and a pose"):
        make_controls(replace(request_, pose=None), ControlOptions())
    with pytest.raises(MadanceError, match="16 rows, 32 frames are wanted"):
        make_controls(replace(request_, motion=None, duration_s=2.0), ControlOptions(face="none"))
    request_.image.write_text("no picture")
    with pytest.raises(MediaError, match=r"person\.png: cannot be read as a picture"):
        make_controls(request_, ControlOptions())
