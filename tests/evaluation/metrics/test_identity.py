"""Dancers whose identity is the colour of their head and clothes, seen by networks that see colours."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from evaluation.features.store import read_run
from evaluation.features.video.likeness import LookNetwork, face_map
from evaluation.options import Options
from evaluation.protocol import IdentityRule, load_protocol
from evaluation.scoring import FEATURES_FILE, rescore, score, write_scored
from leaderboard.entries import read_entries
from leaderboard.feature_bounds import impossible_features
from madata.errors import WeightsError
from madata.pose.base import Detections, Poses
from madata.skeletons import skeleton
from madata.video.thumbnails import encode_png
from madata.video.write import write_video

PROTOCOL = load_protocol("ma-identity")
FPS, SECONDS, SIZE = 8, 4, (96, 160)
FACE = {
    "left_eye": (56, 30),
    "right_eye": (40, 30),
    "nose": (48, 38),
    "left_shoulder": (68, 60),
    "left_hip": (60, 100),
}
FACE |= {
    "right_shoulder": (28, 60),
    "right_hip": (36, 100),
    "left_ankle": (60, 150),
    "right_ankle": (36, 150),
}
COLOURS = np.array(
    [[220, 40, 40], [40, 200, 60], [50, 70, 220], [200, 200, 40], [190, 50, 200], [40, 200, 200]]
)


class Finder:
    """Finds the dancer where it always stands: turned away where the corner is white, nobody in a black picture."""

    def __init__(self):
        self.skeleton, self.identity = "coco-17", {"name": "finder"}
        self._joints = list(skeleton("coco-17").joints)

    def detect(self, images):
        one = Detections(
            np.array([[20, 10, 76, 155]], np.float32), np.ones(1, np.float32), np.full(1, 70, np.float32)
        )
        return [one.take([0] if image.max() > 40 else []) for image in images]

    def estimate(self, images, people):
        return [self._pose(image, len(own)) for image, own in zip(images, people, strict=True)]

    def _pose(self, image, count):
        xy, score = np.zeros((count, 17, 2), np.float32), np.zeros((count, 17), np.float32)
        for name, place in FACE.items():
            xy[:, self._joints.index(name)], score[:, self._joints.index(name)] = place, 1
        if image[2, 2].min() > 200:
            eyes = [self._joints.index(f"{side}_eye") for side in ("left", "right")]
            xy[:, eyes] = xy[:, eyes[::-1]]
        return Poses(xy, score, np.ones(count, np.float32))


def dancer(head, clothes, away=False):
    frame = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8)
    frame[14:54, 28:68], frame[54:155, 22:74] = head, clothes
    if away:
        frame[:6, :6] = 255
    return frame


def write_colour_network(path, size, *, shape=None, factor=1.0):
    """(N, 3, H, W) -> (N, 3): the mean of each channel, times ``factor``."""
    shape = shape or ["n", 3, *size]
    nodes = [
        helper.make_node("GlobalAveragePool", ["picture"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Mul", ["flat", "factor"], ["look"]),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)]
        for name, dims in (("picture", shape), ("look", [shape[0], shape[1]]))
    ]
    scale = helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])
    model = helper.make_model(
        helper.make_graph(nodes, "colour", *ends, [scale]), opset_imports=[helper.make_opsetid("", 13)]
    )
    model.ir_version = 8
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    write_colour_network(folder / "identity" / "face.onnx", (32, 32))
    write_colour_network(folder / "identity" / "body.onnx", (64, 32))
    return folder


@pytest.fixture
def scored(tmp_path, weights, monkeypatch):
    monkeypatch.setattr("madata.pose.load", lambda *args, **more: Finder())
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))

    def run(name, frame_of, reference="videos", folder=weights, first=itself):
        real, made = tmp_path / f"real-{reference}", tmp_path / f"{name}-clips"
        for place in (real, made):
            place.mkdir(exist_ok=True)
        for number in range(len(COLOURS)):
            still = first(number, 0.0)
            if reference == "videos":
                write_video(real / f"c{number}.mp4", [still] * (FPS * SECONDS), FPS)
            else:
                (real / f"c{number}.png").write_bytes(encode_png(still))
            frames = [frame_of(number, step / FPS) for step in range(FPS * SECONDS)]
            write_video(made / f"c{number}.mp4", frames, FPS)
        options = Options(system=name, cache=tmp_path / "cache", weights=folder)
        found = score(made, real, PROTOCOL, options=options)
        write_scored(found, tmp_path / name)
        return found.result

    return run


def itself(number, time_s):
    return dancer(COLOURS[number], COLOURS[number])


@pytest.mark.parametrize("reference", ["videos", "pictures"])
def test_who_stays_itself_is_like_its_picture_and_unlike_those_of_others(scored, reference, tmp_path):
    result = scored("itself", itself, reference)
    for name in ("face_identity", "body_identity"):
        metric = result.metric(name)
        assert metric.value > 0.97 and metric.n == len(COLOURS), name
        assert metric.noise_floor < metric.value - 0.3
        assert metric.by_second.values == pytest.approx([metric.value] * SECONDS, abs=0.02)
        real = None if reference == "pictures" else pytest.approx(metric.value, abs=0.02)
        assert metric.reference == real
    assert [network.name for network in result.viewing.networks] == ["identity-face", "identity-body"]
    assert result.pose.prediction.startswith("blazepose-")
    assert rescore(tmp_path / "itself" / FEATURES_FILE)[0].metrics == result.metrics
    assert impossible_features(read_run(tmp_path / "itself" / FEATURES_FILE)) == []


def test_somebody_else_is_at_chance(scored):
    other = scored("other", lambda number, time_s: itself((number + 1) % len(COLOURS), time_s))
    for name in ("face_identity", "body_identity"):
        metric = other.metric(name)
        assert metric.value < metric.noise_floor + 0.25 < metric.reference


def test_another_head_on_the_same_clothes_is_seen_by_the_face_alone(scored):
    found = scored("masked", lambda number, time_s: dancer(COLOURS[(number + 1) % 6], COLOURS[number]))
    face, body = found.metric("face_identity"), found.metric("body_identity")
    assert face.value < face.reference - 0.3
    assert body.value > body.reference - 0.2


def test_who_turns_into_another_does_so_second_by_second(scored):
    def melting(number, time_s):
        share = min(1.0, int(time_s) / (SECONDS - 1))
        colour = (1 - share) * COLOURS[number] + share * COLOURS[(number + 1) % 6]
        return dancer(colour, colour)

    for name in ("face_identity", "body_identity"):
        course = scored("melting", melting).metric(name).by_second
        assert (np.diff(course.values) < 0).all()
        assert course.values[0] > 0.97 and course.n == [len(COLOURS)] * SECONDS


def test_a_face_that_is_turned_away_is_none_and_nobody_is_nobody(scored):
    def turning(number, time_s):
        return dancer(COLOURS[number], COLOURS[number], away=time_s >= 2)

    metric = scored("turning", turning).metric("face_identity")
    assert metric.by_second.values[2:] == [None, None] and metric.by_second.n == [6, 6, 0, 0]
    assert metric.value > 0.97
    gone = scored("gone", lambda number, time_s: np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    assert gone.metric("face_identity").value is None
    assert "no face is seen in 4 seconds" in gone.metric("face_identity").reason


def test_a_picture_without_a_face_is_the_reason_too(scored):
    def black(number, time_s):
        return np.zeros((SIZE[1], SIZE[0], 3), np.uint8)

    metric = scored("itself", itself, "pictures", first=black).metric("face_identity")
    assert metric.value is None and metric.reason == "no face is seen in its reference picture"


def test_without_networks_there_is_a_reason_and_a_command_and_no_number(scored, tmp_path):
    result = scored("itself", itself, folder=tmp_path / "empty")
    for part in ("face", "body"):
        metric = result.metric(f"{part}_identity")
        assert metric.value is None
        assert f"cp {part.upper()}.onnx FOLDER/identity/{part}.onnx" in metric.reason
        assert str(tmp_path) not in metric.reason


def test_a_file_that_is_no_such_network_is_named(scored, tmp_path, weights):
    folder = tmp_path / "wrong"
    folder.mkdir()
    write_colour_network(folder / "identity" / "face.onnx", ("h", "w"))
    (folder / "identity" / "body.onnx").write_bytes(b"no network")
    result = scored("itself", itself, folder=folder)
    assert "fixed size" in result.metric("face_identity").reason
    assert "not a readable ONNX network" in result.metric("body_identity").reason


def test_results_of_two_networks_are_never_ranked_together(scored, tmp_path, weights):
    scored("first", itself)
    other = tmp_path / "other-weights"
    other.mkdir()
    write_colour_network(other / "identity" / "face.onnx", (48, 48))
    write_colour_network(other / "identity" / "body.onnx", (64, 32))
    scored("second", itself, folder=other)
    first, second = read_entries([tmp_path / "first", tmp_path / "second"])
    assert first.conditions != second.conditions
    assert any("identity-face" in line for line in first.conditions.lines())


@pytest.mark.parametrize(
    ("shape", "factor", "says"),
    [
        (["n", 3, 200_000, 200_000], 1, "at most 1024 px"),
        (["n", 1, 32, 32], 1, "expected one input"),
        ([4, 3, 32, 32], 1, "cannot look at one float32 picture"),
        (["n", 3, 32, 32], 0, "without a direction"),
    ],
)
def test_a_network_is_tried_before_the_first_video(tmp_path, shape, factor, says):
    path = tmp_path / "identity" / "face.onnx"
    write_colour_network(path, shape[2:], shape=shape, factor=factor)
    with pytest.raises(WeightsError, match=says) as refused:
        LookNetwork(path, "cpu")
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("change", "there"),
    [
        ({}, True),
        ({"left_eye": (60, 30), "right_eye": (56, 30)}, False),
        ({"left_eye": (40, 30), "right_eye": (56, 30)}, False),
        ({"nose": (66, 36)}, False),
        ({"nose": None}, False),
    ],
)
def test_a_face_is_one_that_looks_at_the_camera_and_is_large_enough(change, there):
    points = {name: FACE[name] for name in ("left_eye", "right_eye", "nose")} | change
    known = {name: np.array(place, float) for name, place in points.items() if place is not None}
    turn = np.array([[0, -1], [1, 0]])
    for seen in (known, {name: 5 + 2 * turn @ place for name, place in known.items()}):
        found = face_map(seen, IdentityRule(least_eyes_px=8, most_misfit=0.06))
        assert (found is not None) == there
