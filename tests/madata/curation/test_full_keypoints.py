"""Keypoints of every frame take the place of the sampled ones, once."""

from fractions import Fraction

import numpy as np
import pytest

from madata.curation.full_keypoints import full_keypoints
from madata.errors import MediaError
from madata.files import write_npz
from madata.keypoints import read_keypoints, read_pose_sequence
from madata.pose.base import Detections, Poses
from madata.skeletons import skeleton
from tests.media_builder import Recipe, build

JOINTS = skeleton("coco-17").num_joints
FRAMES, FPS = 10, 25


class OneJointMoves:
    """Sees one person in every picture, whose joints are one px further to the right each time."""

    skeleton = "coco-17"

    def __init__(self):
        self.identity = {"name": "made-up"}
        self.seen = 0

    def detect(self, images):
        box = np.array([[0, 0, 40, 60]], np.float32)
        return [Detections(box, np.ones(1, np.float32), np.ones(1, np.float32)) for _ in images]

    def estimate(self, images, people):
        self.seen += 1
        xy = np.full((1, JOINTS, 2), self.seen, np.float32)
        return [Poses(xy, np.full((1, JOINTS), 0.9, np.float32), np.ones(1, np.float32))]


@pytest.fixture
def clip(tmp_path):
    (tmp_path / "clips").mkdir()
    build(tmp_path / "clips" / "a.mp4", Recipe(num_frames=FRAMES, fps=Fraction(FPS), size=(64, 96)))
    sampled = {"xy": np.zeros((1, JOINTS, 2)), "score": np.ones((1, JOINTS)), "times_s": np.zeros(1)}
    write_npz(
        tmp_path / "keypoints" / "a.npz", **sampled, skeleton=np.array("coco-17"), size=np.array([64, 96])
    )
    return {"clip_id": "a", "path": "clips/a.mp4", "keypoints": "keypoints/a.npz"}


def test_every_frame_has_its_row(clip, tmp_path):
    backend = OneJointMoves()
    name = full_keypoints(tmp_path, clip, lambda: backend)
    assert name == "keypoints/a-full.npz" and not (tmp_path / "keypoints" / "a.npz").exists()
    found = read_pose_sequence(tmp_path / name)
    assert (found.fps, found.size, found.skeleton) == (FPS, (64, 96), "coco-17")
    np.testing.assert_allclose(found.xy[:, 0, 0], np.arange(1, FRAMES + 1))
    np.testing.assert_allclose(
        read_keypoints(tmp_path / name, np.arange(FRAMES) / FPS).xy[:, 3, 1], np.arange(1, 11)
    )
    # again, with the row as it is now, and as it was when a run was killed
    for row in (clip, clip | {"keypoints": name}):
        assert full_keypoints(tmp_path, row, pytest.fail) == name


def test_where_nobody_can_be_followed_the_samples_stay(clip, tmp_path, monkeypatch):
    def nobody(*_):
        raise MediaError("nobody is seen", reason="no_person")

    monkeypatch.setattr("madata.pose.performer.follow_performer", nobody)
    assert full_keypoints(tmp_path, clip, OneJointMoves) == "keypoints/a.npz"
    assert (tmp_path / "keypoints" / "a.npz").exists()
