"""Keypoints of a video: the performer's, once per content and backend."""

import numpy as np
import pytest

from evaluation.features import keypoints
from evaluation.features.cache import FeatureCache
from evaluation.features.keypoints import VideoKeypoints
from evaluation.inputs.pose_files import JointTrack
from madata.errors import MediaError
from madata.pose.base import Detections, Poses
from madata.skeletons import skeleton

JOINTS = skeleton("coco-17").num_joints


class TwoPeople:
    """A backend that sees a large person on the left and a small one on the right of every picture."""

    skeleton = "coco-17"

    def __init__(self, version):
        self.identity = {"name": "two-people", "version": version}
        self.pictures = 0

    def detect(self, images):
        self.pictures += len(images)
        boxes = np.array([[0, 0, 20, 60], [40, 0, 50, 20]], np.float32)
        return [
            Detections(boxes, np.full(2, 0.9, np.float32), np.array([40, 10], np.float32)) for _ in images
        ]

    def estimate(self, images, people):
        xy = np.zeros((2, JOINTS, 2), np.float32)
        xy[0] = np.linspace([5, 5], [15, 55], JOINTS)
        xy[1] = np.linspace([41, 1], [49, 19], JOINTS)
        ones = np.ones(2, np.float32)
        return [Poses(xy, np.full((2, JOINTS), 0.8, np.float32), ones) for _ in images]


@pytest.fixture
def video(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(20):
            picture = np.full((720, 1280, 3), 10 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def reader(tmp_path, backend):
    found = VideoKeypoints("two-people", FeatureCache(tmp_path / "cache"))
    found._loaded = backend
    return found


def test_the_performer_is_found_in_pixels_of_the_shown_picture(video, tmp_path):
    track = reader(tmp_path, TwoPeople(1)).track(video)
    assert isinstance(track, JointTrack)
    assert track.points.shape == (20, JOINTS, 2)
    np.testing.assert_allclose(track.points[7, 0], [10, 10])
    np.testing.assert_allclose(track.points[7, -1], [30, 110])
    assert (track.fps, track.skeleton, track.missing_rate) == (25.0, "coco-17", 0.0)


def test_a_video_is_looked_at_once_for_each_backend(video, tmp_path):
    backend = TwoPeople(1)
    first = reader(tmp_path, backend).track(video)
    second = reader(tmp_path, backend).track(video)
    assert backend.pictures == 20
    np.testing.assert_array_equal(first.points, second.points)
    newer = TwoPeople(2)
    third = reader(tmp_path, newer).track(video)
    assert newer.pictures == 20
    assert third.origin != first.origin == second.origin


def test_a_video_without_people_is_named(video, tmp_path, monkeypatch):
    backend = TwoPeople(1)
    empty = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))
    nobody = Poses(
        np.zeros((0, JOINTS, 2), np.float32), np.zeros((0, JOINTS), np.float32), np.zeros(0, np.float32)
    )
    monkeypatch.setattr(backend, "detect", lambda images: [empty] * len(images))
    monkeypatch.setattr(backend, "estimate", lambda images, people: [nobody] * len(images))
    with pytest.raises(MediaError) as error:
        keypoints.performer_of(video, backend)
    assert error.value.reason == "no_person"


@pytest.mark.media
@pytest.mark.slow
def test_the_default_backend_sees_a_rendered_dancer(media_dir, tmp_path):
    track = VideoKeypoints("blazepose", FeatureCache(tmp_path)).track(
        media_dir / "rendered" / "one_dancer.mp4"
    )
    assert track.missing_rate < 0.3
    assert track.oddities == ()
    assert np.isfinite(track.points).all()
