"""ViTPose as exported by easy_ViTPose: ONNX with 17 joints (COCO) or 25.

``coco_25`` is what the paper's evaluation uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from madata.cache import remembered_sha256
from madata.errors import WeightsError
from madata.networks import Array, BatchNetwork, open_network
from madata.networks.onnx import open_onnx, require_onnxruntime
from madata.pose.base import Detections, Image, Poses
from madata.pose.detectors import load_detector, local_model
from madata.pose.heatmaps import Method
from madata.pose.topdown import CROP_SIZE, PADDING, estimate_in_boxes, skeleton_of

__all__ = ["BACKEND", "VitPoseOnnx", "load_onnx"]

_NAME = "vitpose-onnx"


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
        require_onnxruntime(_NAME)
        path = local_model(model, weights)
        self._network = open_network(partial(load_onnx, path), device)
        self._num_joints = int(self._network.about["num_joints"])
        self._detector = load_detector(detector, weights=weights, device=device, min_score=min_score)
        self._padding, self._decoding = padding, decoding
        self.skeleton = skeleton_of(self._num_joints, str(path))
        self.identity: dict[str, Any] = {
            "name": _NAME,
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
            self._network, self._num_joints, images, people, self._padding, self._decoding
        )


def load_onnx(path: Path, device: str) -> BatchNetwork:
    """The network of a file: crops (B, 3, 256, 192) -> heat maps (B, J, rows, columns).

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        WeightsError: the file holds no such network.
    """
    session = _open(path, device)
    name, one_by_one = session.get_inputs()[0].name, session.get_inputs()[0].shape[0] == 1

    def heatmaps(crops: Array) -> tuple[Array]:
        parts = [crops[row : row + 1] for row in range(len(crops))] if one_by_one else [crops]
        return (np.concatenate([session.run(None, {name: part})[0] for part in parts]).astype(np.float32),)

    (answer,) = heatmaps(np.zeros((1, 3, CROP_SIZE[1], CROP_SIZE[0]), np.float32))
    return BatchNetwork(heatmaps, {"num_joints": answer.shape[1]})


BACKEND = VitPoseOnnx


def _open(path: Path, device: str) -> Any:
    """A session on the network of ``path``, which takes crops and gives heat maps."""
    session = open_onnx(path, device, _NAME)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape, crop = inputs[0].shape, [3, CROP_SIZE[1], CROP_SIZE[0]]
    if len(inputs) != 1 or list(shape[1:]) != crop or len(outputs[0].shape) != 4:
        raise WeightsError(
            f"{path}: expected (batch, 3, {CROP_SIZE[1]}, {CROP_SIZE[0]}) -> (batch, joints, rows, columns), "
            f"got {shape} -> {outputs[0].shape}"
        )
    return session
