import sys
import types

import numpy as np
import pytest

from madata.errors import ConfigError, MissingDependencyError
from madata.pose import Detections, load
from madata.pose.base import empty_detections


class NoDetector:
    identity = {"name": "none"}  # noqa: RUF012

    def detect(self, images):
        return [empty_detections() for _ in images]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr("madata.pose.backends.mmpose.load_detector", lambda *_, **__: NoDetector())
    (tmp_path / "config.py").write_text("model = {}")
    (tmp_path / "model.pth").write_bytes(b"weights")
    return {"config": str(tmp_path / "config.py"), "checkpoint": str(tmp_path / "model.pth")}


@pytest.fixture
def fake_mmpose(monkeypatch):
    """The two functions of ``mmpose.apis``: joints at the box's corner, scores from the blue channel."""
    calls = []

    def init_model(config, checkpoint, device):
        calls.append((config, checkpoint, device))
        return types.SimpleNamespace(dataset_meta={"num_keypoints": 17})

    def inference_topdown(model, image, bboxes, bbox_format):
        assert bbox_format == "xyxy" and image.flags.c_contiguous
        corners = np.repeat(bboxes[:, None, None, :2], 17, axis=2)
        score = np.full((1, 17), image[0, 0, 0] / 100.0)
        return [
            types.SimpleNamespace(
                pred_instances=types.SimpleNamespace(keypoints=corner, keypoint_scores=score)
            )
            for corner in corners
        ]

    apis = types.ModuleType("mmpose.apis")
    apis.init_model, apis.inference_topdown = init_model, inference_topdown
    monkeypatch.setitem(sys.modules, "mmpose", types.ModuleType("mmpose"))
    monkeypatch.setitem(sys.modules, "mmpose.apis", apis)
    return calls


def test_absent_mmpose_gives_the_recipe(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "mmpose", None)
    monkeypatch.setitem(sys.modules, "mmpose.apis", None)
    with pytest.raises(MissingDependencyError, match=r"mmcv==2\.1\.0"):
        load("mmpose", **files)


def test_files_must_exist(files):
    with pytest.raises(ConfigError, match="checkpoint"):
        load("mmpose", config=files["config"], checkpoint="nowhere.pth")


def test_boxes_go_in_and_joints_come_out(files, fake_mmpose):
    backend = load("mmpose", device="cpu", **files)
    assert fake_mmpose == [(files["config"], files["checkpoint"], "cpu")]
    assert backend.skeleton == "coco-17" and backend.identity["weights"].keys() == files.keys()
    image = np.zeros((20, 20, 3), np.uint8)
    image[..., 2] = 70  # blue of RGB
    boxes = np.array([[1, 2, 9, 19], [4, 5, 8, 9]], np.float32)
    two = Detections(boxes, np.ones(2, np.float32), np.ones(2, np.float32))
    none, poses = backend.estimate([image, image], [empty_detections(), two])
    assert len(none) == 0
    assert (poses.xy[:, 3] == boxes[:, :2] + 0.5).all()
    assert poses.presence == pytest.approx([0.7, 0.7])
