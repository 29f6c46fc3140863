"""Person boxes from any object detector of ``transformers`` (RT-DETR, D-FINE, YOLOS, DETR, ...)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from madata.cache import remembered_sha256
from madata.devices import on_device
from madata.errors import MissingDependencyError, WeightsError
from madata.networks import Array, BatchNetwork, open_network
from madata.pose.base import Detections, Image, check_images
from madata.weights import find_weights, known

__all__ = ["Detector", "TransformersDetector", "load_boxes", "load_detector", "local_model"]

_BATCH = 8
_INPUTS = ("pixel_values", "pixel_mask")
"""What image processors make of pictures; those that bring all to one size make no mask."""


class Detector(Protocol):
    """The half of a backend that finds people."""

    identity: dict[str, Any]

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find the people of each picture."""
        ...


def load_detector(name: str, *, weights: Path | None, device: str, min_score: float) -> Detector:
    """A detector by name: ``"blazepose"``, or a ``transformers`` detector (folder, weights name or hub id)."""
    if name == "blazepose":
        from madata.pose.backends.blazepose import BlazePose

        return BlazePose.load(weights, min_score=min_score)
    return TransformersDetector(local_model(name, weights), device, min_score)


def local_model(name: str, weights: Path | None) -> Path:
    """Folder or file of a model that is on this machine: a path, a name of the weights manifest, or a hub id.

    Raises:
        WeightsError: it is not here; the message holds the command that gets it.
    """
    if Path(name).expanduser().exists():
        return Path(name).expanduser()
    if any(entry.name == name for entry in known()):
        return find_weights(name, weights)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        cached: Any = None
    else:
        cached = try_to_load_from_cache(name, "config.json") if name.count("/") == 1 else None
    if isinstance(cached, str):
        return Path(cached).parent
    raise WeightsError(
        f"the model {name!r} is neither a path, nor in the manifest (madance weights list), nor in the hub's "
        f"cache; if it is a hub repository, run: hf download {name}"
    )


class TransformersDetector:
    """Boxes of class ``person``; see :class:`Detector`."""

    def __init__(self, model: Path, device: str, min_score: float) -> None:
        """Load the folder ``model``; nothing is downloaded.

        Raises:
            MissingDependencyError: torch or transformers is not installed.
            WeightsError: the folder holds no object detector with a class ``person``.
        """
        self._processor = _processor(model)
        self._network = open_network(partial(load_boxes, model), device)
        self._person, self._min_score = int(self._network.about["person"]), min_score
        self.identity: dict[str, Any] = {
            "name": "transformers-detector",
            "architecture": self._network.about["architecture"],
            "weights": remembered_sha256(model),
            "settings": {"min_score": min_score},
        }

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The people of each picture, best first."""
        import torch

        check_images(images)
        found: list[Detections] = []
        for start in range(0, len(images), _BATCH):
            part = list(images[start : start + _BATCH])
            inputs = self._processor(images=part, return_tensors="np")
            logits, boxes = self._network(*(inputs[name] for name in _INPUTS if name in inputs))
            results = self._processor.post_process_object_detection(
                SimpleNamespace(logits=torch.from_numpy(logits), pred_boxes=torch.from_numpy(boxes)),
                threshold=self._min_score,
                target_sizes=[image.shape[:2] for image in part],
            )
            found += [self._people(result) for result in results]
        return found

    def _people(self, result: dict[str, Any]) -> Detections:
        person = (result["labels"] == self._person).numpy()
        boxes = result["boxes"].numpy()[person].reshape(-1, 4)
        score = result["scores"].numpy()[person]
        order = np.argsort(-score, kind="stable")
        boxes, score = boxes[order].astype(np.float32), score[order].astype(np.float32)
        return Detections(boxes, score, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0) / 2.0)


def _processor(model: Path) -> Any:
    """What makes inputs of pictures, and boxes of outputs, for the detector of a folder."""
    try:
        from transformers import AutoImageProcessor
    except ImportError as error:
        raise _needs_transformers(error) from error
    try:
        return AutoImageProcessor.from_pretrained(model, local_files_only=True, backend="pil")
    except (OSError, ValueError) as error:
        raise _no_detector(model, error) from error


def load_boxes(model: Path, device: str) -> BatchNetwork:
    """The detector of the folder ``model``: pictures (B, 3, H, W) -> logits (B, N, classes), boxes (B, N, 4).

    Raises:
        ConfigError: ``device`` cannot be used.
        MissingDependencyError: torch or transformers is not installed.
        WeightsError: the folder holds no object detector with a class ``person``.
    """
    try:
        import torch
        from transformers import AutoModelForObjectDetection
    except ImportError as error:
        raise _needs_transformers(error) from error
    try:
        network = AutoModelForObjectDetection.from_pretrained(model, local_files_only=True).eval()
    except (OSError, ValueError) as error:
        raise _no_detector(model, error) from error
    labels = {str(label).lower(): int(number) for number, label in network.config.id2label.items()}
    if "person" not in labels:
        raise WeightsError(f"{model} has no class 'person'; it knows {', '.join(sorted(labels)[:8])}")
    on_device(network, device)

    @torch.inference_mode()
    def boxes(*inputs: Array) -> tuple[Array, ...]:
        named = zip(_INPUTS, inputs, strict=False)
        outputs = network(**{name: torch.from_numpy(rows).to(device) for name, rows in named})
        return tuple(one.float().cpu().numpy() for one in (outputs.logits, outputs.pred_boxes))

    return BatchNetwork(boxes, {"person": labels["person"], "architecture": type(network).__name__})


def _needs_transformers(error: ImportError) -> MissingDependencyError:
    return MissingDependencyError(f"a detector needs transformers ({error}): pip install 'madance[pose]'")


def _no_detector(model: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{model} is not an object detector of transformers: {error}")
