import numpy as np
import pytest

from madata.errors import MadanceError, WeightsError
from madata.networks import serving
from madata.pose import Detections, load
from madata.pose.base import empty_detections

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def write_network(path, num_joints, batch="batch", rows=256):
    """Joint j's heat map is colour j mod 3 of the crop, sampled with aligned corners as UDP wants it."""
    from onnx import TensorProto, helper, numpy_helper

    colour = np.arange(num_joints) % 3
    weight = np.zeros((num_joints, 3, 1, 1), np.float32)
    weight[np.arange(num_joints), colour, 0, 0] = 0.8 * np.array([0.229, 0.224, 0.225])[colour]
    bias = (0.8 * np.array([0.485, 0.456, 0.406])[colour]).astype(np.float32)
    sizes = np.array([1, num_joints, rows // 4, 48], np.float32) / np.array(
        [1, num_joints, rows, 192], np.float32
    )
    nodes = [
        helper.make_node("Conv", ["crops", "weight", "bias"], ["colours"]),
        helper.make_node(
            "Resize", ["colours", "", "scales"], ["heatmaps"], mode="linear",
            coordinate_transformation_mode="align_corners",
        ),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, [batch, 3, rows, 192])],
        [helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, [batch, num_joints, rows // 4, 48])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(sizes, "scales"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return str(path)


class NoDetector:
    identity = {"name": "none"}  # noqa: RUF012

    def detect(self, images):
        return [empty_detections() for _ in images]


@pytest.fixture(autouse=True)
def no_detector(monkeypatch):
    monkeypatch.setattr("madata.pose.backends.vitpose_onnx.load_detector", lambda *_, **__: NoDetector())


def picture(spots, size=(200, 150)):
    """A red, a green and a blue spot at the three positions given, px from the corner."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    colours = [255 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 4.0**2)) for a, b in spots]
    return np.stack(colours, axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("num_joints", "skeleton"), [(17, "coco-17"), (25, "coco-25")])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_joints_come_out_where_they_are_in_the_picture(tmp_path, num_joints, skeleton, batch):
    backend = load("vitpose-onnx", model=write_network(tmp_path / "tiny.onnx", num_joints, batch))
    assert backend.skeleton == skeleton
    truth = [np.array([[70, 40], [90, 60], [60, 100]]), np.array([[110.5, 70.25], [95, 50], [130, 95]])]
    boxes = [
        np.array([[40, 20, 110, 130], [30, 25, 120, 140]], np.float32),
        np.array([[80, 30, 150, 120]], np.float32),
    ]
    people = [
        Detections(some, np.ones(len(some), np.float32), np.ones(len(some), np.float32)) for some in boxes
    ]
    poses = backend.estimate([picture(spots) for spots in truth], people)
    for found, spots in zip(poses, truth, strict=True):
        for person in found.xy:
            assert person == pytest.approx(spots[np.arange(num_joints) % 3], abs=0.25)
    assert all(((one.score >= 0) & (one.score <= 1)).all() for one in poses)


def test_a_model_server_places_joints_where_a_process_of_its_own_does(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (150, 200, 3), np.uint8) for _ in range(2)]
    boxes = np.array([[40, 20, 110, 130], [30, 25, 120, 140], [80, 30, 150, 120]], np.float32)
    ones = np.ones(3, np.float32)
    people = [Detections(boxes, ones, ones), Detections(boxes[:2], ones[:2], ones[:2])]
    model = write_network(tmp_path / "tiny.onnx", 17)
    alone = load("vitpose-onnx", model=model)
    with serving(("cpu",), batch=2):
        served = load("vitpose-onnx", model=model)
        found = served.estimate(pictures, people)
        with pytest.raises(MadanceError, match="not a readable ONNX network"):
            (tmp_path / "no.onnx").write_bytes(b"not a network")
            load("vitpose-onnx", model=str(tmp_path / "no.onnx"))
    assert served.identity == alone.identity
    for one, other in zip(found, alone.estimate(pictures, people), strict=True):
        assert one.xy == pytest.approx(other.xy, abs=1e-3)
        assert one.score == pytest.approx(other.score, abs=1e-5)


def test_other_networks_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"expected \(batch, 3, 256, 192\)"):
        load("vitpose-onnx", model=write_network(tmp_path / "a.onnx", 17, rows=384))
    with pytest.raises(WeightsError, match="gives 21 joints"):
        load("vitpose-onnx", model=write_network(tmp_path / "b.onnx", 21))
    (tmp_path / "c.onnx").write_bytes(b"not a network")
    with pytest.raises(WeightsError, match="not a readable ONNX"):
        load("vitpose-onnx", model=str(tmp_path / "c.onnx"))


def test_identity_follows_the_weights(tmp_path):
    one = load("vitpose-onnx", model=write_network(tmp_path / "x.onnx", 17)).identity
    write_network(tmp_path / "x.onnx", 25)
    assert load("vitpose-onnx", model=str(tmp_path / "x.onnx")).identity != one
