"""ViTPose through ``transformers``: the estimator the paper names, with any detector for the boxes.

Crop and decoding are this package's own (:mod:`madata.pose.crops`, :mod:`madata.pose.heatmaps`); their
numbers agree with the image processor that comes with the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from madata.cache import remembered_sha256
from madata.devices import on_device
from madata.errors import MissingDependencyError, WeightsError
from madata.networks import Array, BatchNetwork, open_network
from madata.pose.base import Detections, Image, Poses
from madata.pose.detectors import load_detector, local_model
from madata.pose.heatmaps import Method
from madata.pose.topdown import PADDING, estimate_in_boxes, skeleton_of

__all__ = ["BACKEND", "VitPose", "load_vitpose"]


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
        _transformers()
        path = local_model(model, weights)
        self._network = open_network(partial(load_vitpose, path), device)
        self._num_joints = int(self._network.about["num_joints"])
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
            self._network, self._num_joints, images, people, self._padding, self._decoding
        )


def load_vitpose(model: Path, device: str) -> BatchNetwork:
    """The network of the folder ``model``: crops (B, 3, 256, 192) -> heat maps (B, J, rows, columns).

    Raises:
        ConfigError: ``device`` cannot be used.
        MissingDependencyError: torch or transformers is not installed.
        WeightsError: the folder holds no ViTPose.
    """
    transformers = _transformers()
    import torch

    try:
        network = transformers.VitPoseForPoseEstimation.from_pretrained(model, local_files_only=True).eval()
    except (OSError, ValueError) as error:
        raise WeightsError(f"{model} is not a ViTPose of transformers: {error}") from error
    on_device(network, device)
    experts = int(getattr(network.config.backbone_config, "num_experts", 1) or 1)

    @torch.inference_mode()
    def heatmaps(crops: Array) -> tuple[Array]:
        inputs: dict[str, Any] = {"pixel_values": torch.from_numpy(crops).to(device)}
        if experts > 1:  # a mixture of experts takes the data set's number: 0 is COCO
            inputs["dataset_index"] = torch.zeros(len(crops), dtype=torch.long, device=device)
        return (network(**inputs).heatmaps.float().cpu().numpy(),)

    return BatchNetwork(heatmaps, {"num_joints": int(network.config.num_labels)})


def _transformers() -> ModuleType:
    try:
        import transformers
        from transformers import VitPoseForPoseEstimation  # noqa: F401  (where torch is missing this fails)
    except ImportError as error:
        raise MissingDependencyError(
            f"vitpose needs transformers ({error}): pip install 'madance[pose]'"
        ) from error
    return cast(ModuleType, transformers)


BACKEND = VitPose
