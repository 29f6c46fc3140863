"""ViTPose through ``transformers``: the estimator the paper names, with any detector for the boxes.

Crop and decoding are this package's own (:mod:`madata.pose.crops`, :mod:`madata.pose.heatmaps`); their
numbers agree with the image processor that comes with the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from madata.cache import remembered_sha256
from madata.errors import MissingDependencyError, WeightsError
from madata.pose.base import Detections, Image, Poses
from madata.pose.detectors import load_detector, local_model
from madata.pose.heatmaps import Method
from madata.pose.topdown import PADDING, estimate_in_boxes, skeleton_of
from madata.types import FloatArray

__all__ = ["BACKEND", "VitPose"]


class VitPose:
    """See :class:`madata.pose.base.PoseBackend`."""

    def __init__(
        self,
        *,
        model: str = "vitpose-base-simple",
        detector: str = "rtdetr-r50",
        weights: Path | None = None,
        device: str = "cpu",
        min_score: float = 0.3,
        padding: float = PADDING,
        decoding: Method = "dark",
    ) -> None:
        """Load network and detector from this machine; nothing is downloaded.

        Args:
            model, detector: a folder, a name of the weights manifest, or the id of a cached hub repository;
                ``detector`` may be ``"blazepose"``.
            min_score: of a detection.
            padding: how much boxes grow before they are cut out.

        Raises:
            MissingDependencyError: torch or transformers is not installed.
            WeightsError: a model is absent or is no ViTPose of 17 or 25 joints.
        """
        try:
            import torch
            from transformers import VitPoseForPoseEstimation
        except ImportError as error:
            raise MissingDependencyError(
                f"vitpose needs transformers ({error}): pip install 'madance[pose]'"
            ) from error
        path = local_model(model, weights)
        try:
            network = VitPoseForPoseEstimation.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path} is not a ViTPose of transformers: {error}") from error
        self._torch, self._device = torch, device
        self._network = network.eval().to(device)
        self._experts = int(getattr(network.config.backbone_config, "num_experts", 1) or 1)
        self._num_joints = int(network.config.num_labels)
        self._detector = load_detector(detector, weights=weights, device=device, min_score=min_score)
        self._padding, self._decoding = padding, decoding
        self.skeleton = skeleton_of(self._num_joints, str(path))
        self.identity: dict[str, Any] = {
            "name": "vitpose",
            "weights": remembered_sha256(path),
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
        inputs: dict[str, Any] = {"pixel_values": self._torch.from_numpy(crops).to(self._device)}
        if self._experts > 1:  # a mixture of experts takes the data set's number: 0 is COCO
            inputs["dataset_index"] = self._torch.zeros(
                len(crops), dtype=self._torch.long, device=self._device
            )
        with self._torch.inference_mode():
            return np.asarray(self._network(**inputs).heatmaps.float().cpu().numpy(), np.float32)


BACKEND = VitPose
