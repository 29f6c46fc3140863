import subprocess
import sys

import numpy as np
import pytest

from madata.errors import ConfigError, MadanceError, MissingDependencyError, WeightsError
from madata.pose import Detections, Poses, follow, load
from madata.pose.base import check_images, empty_detections, empty_poses


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "given"


def test_unknown_backend_names_the_known_ones_and_the_nearest():
    with pytest.raises(ConfigError, match="'mm-pose'; did you mean 'mmpose'"):
        load("mm-pose")
    with pytest.raises(ConfigError, match="blazepose, mmpose, vitpose, vitpose-onnx"):
        load("zzz")


def test_unknown_option_is_a_users_error():
    with pytest.raises(ConfigError, match="colour"):
        load("blazepose", colour="red")


def test_absent_weights_name_the_command(no_weights):
    with pytest.raises(WeightsError, match="madance weights fetch blazepose"):
        load("blazepose", weights=no_weights)
    with pytest.raises(WeightsError, match="madance weights fetch vitpose"):
        load("vitpose", weights=no_weights)
    with pytest.raises(WeightsError, match="madance weights fetch vitpose-onnx"):
        load("vitpose-onnx", weights=no_weights)


def test_absent_packages_name_the_command(monkeypatch, tmp_path):
    from madata.pose.backends.blazepose import BlazePose

    (tmp_path / "a.tflite").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        BlazePose(tmp_path / "a.tflite", tmp_path / "a.tflite")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        load("vitpose")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        load("vitpose-onnx")


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, madata.pose, madata.people;"
        "heavy = {'torch', 'cv2', 'transformers', 'onnxruntime', 'ai_edge_litert', 'scipy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Plain:
    """Finds two people, the second larger; its poses carry the size."""

    skeleton = "coco-17"
    identity = {}  # noqa: RUF012

    def detect(self, images):
        two = Detections(
            np.zeros((2, 4), np.float32), np.array([0.9, 0.5], np.float32), np.array([10.0, 40.0], np.float32)
        )
        return [two if image.any() else empty_detections() for image in images]

    def estimate(self, images, people):
        return [
            Poses(
                np.full((len(some), 17, 2), some.size.max(initial=0)),
                np.ones((len(some), 17)),
                np.ones(len(some)),
            )
            for some in people
        ]


def test_follow_takes_the_largest_person_of_any_backend():
    images = [np.ones((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)]
    first, second = follow(Plain(), images)
    assert len(first) == 1 and first.xy[0, 0, 0] == 40
    assert len(second) == 0


def test_detections_take_keeps_the_optional_parts():
    people = Detections(
        *(np.arange(3 * n, dtype=np.float32).reshape(3, *s) for n, s in ((4, (4,)), (1, ()), (1, ())))
    )
    assert people.take([2, 0]).score.tolist() == [2, 0] and people.take([]).axis is None
    assert len(people.take(people.score > 0.5)) == 2
    assert empty_poses(25).xy.shape == (0, 25, 2)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_pictures_that_are_none_are_refused(bad):
    with pytest.raises(MadanceError, match="picture 1"):
        check_images([np.zeros((4, 4, 3), np.uint8), bad])
