"""ViTPose as exported by easy_ViTPose: ONNX with 17 joints (COCO) or 25.

``coco_25`` is what the paper's evaluation uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from madata.cache import remembered_sha256
from madata.errors import MissingDependencyError, WeightsError
from madata.pose.base import Detections, Image, Poses
from madata.pose.detectors import load_detector, local_model
from madata.pose.heatmaps import Method
from madata.pose.topdown import CROP_SIZE, PADDING, estimate_in_boxes, skeleton_of
from madata.types import FloatArray

__all__ = ["BACKEND", "VitPoseOnnx"]


class VitPoseOnnx:
    """See :class:`madata.pose.base.PoseBackend`."""

    def __init__(
        self,
        *,
        model: str = "vitpose-s-coco25-onnx",
        detector: str = "blazepose",
        weights: Path | None = None,
        device: str = "cpu",
        min_score: float = 0.3,
        padding: float = PADDING,
        decoding: Method = "dark",
    ) -> None:
        """Load network and detector from this machine; nothing is downloaded.

        Args:
            model: an ``.onnx`` file or a name of the weights manifest: (B, 3, 256, 192) -> (B, J, rows,
                columns).
            detector: ``"blazepose"``, or a detector of transformers (folder, weights name, cached hub id).
            min_score: of a detection.
            padding: how much boxes grow before they are cut out.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            WeightsError: a model is absent or is no such network.
        """
        runtime = _onnxruntime()
        path = local_model(model, weights)
        self._session = _open(runtime, path, device)
        shape = self._session.get_inputs()[0].shape
        self._input = self._session.get_inputs()[0].name
        self._one_by_one = shape[0] == 1
        self._num_joints = int(self._run(np.zeros((1, 3, CROP_SIZE[1], CROP_SIZE[0]), np.float32)).shape[1])
        self._detector = load_detector(detector, weights=weights, device=device, min_score=min_score)
        self._padding, self._decoding = padding, decoding
        self.skeleton = skeleton_of(self._num_joints, str(path))
        self.identity: dict[str, Any] = {
            "name": "vitpose-onnx",
            "weights": {path.name: remembered_sha256(path)},
            "detector": self._detector.identity,
            "settings": {"padding": padding, "decoding": decoding},
        }

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The detector's people."""
        return self._detector.detect(images)

    def estimate(self, images: Sequence[Image], people: Sequence[Detections]) -> list[Poses]:
        """Joints of each person."""
        return estimate_in_boxes(
            self._heatmaps, self._num_joints, images, people, self._padding, self._decoding
        )

    def _heatmaps(self, crops: FloatArray) -> FloatArray:
        if self._one_by_one:
            return np.concatenate([self._run(crop[None]) for crop in crops])
        return self._run(crops)

    def _run(self, crops: FloatArray) -> FloatArray:
        return np.asarray(self._session.run(None, {self._input: crops})[0], np.float32)


BACKEND = VitPoseOnnx


def _onnxruntime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            f"vitpose-onnx needs onnxruntime ({error}): pip install 'madance[pose]'"
        ) from error
    return cast(ModuleType, onnxruntime)


def _open(onnxruntime: ModuleType, path: Path, device: str) -> Any:
    """A session on the network of ``path``, which takes crops and gives heat maps."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    here = onnxruntime.get_available_providers()
    providers = [name for name in (*wanted, "CPUExecutionProvider") if name in here]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no public base class
        raise WeightsError(f"{path} is not a readable ONNX network: {error}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape, crop = inputs[0].shape, [3, CROP_SIZE[1], CROP_SIZE[0]]
    if len(inputs) != 1 or list(shape[1:]) != crop or len(outputs[0].shape) != 4:
        raise WeightsError(
            f"{path}: expected (batch, 3, {CROP_SIZE[1]}, {CROP_SIZE[0]}) -> (batch, joints, rows, columns), "
            f"got {shape} -> {outputs[0].shape}"
        )
    return session
