"""Which part of a picture is people: the selfie segmentation network, out of the wheel that BlazePose is taken from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from madata.pose.base import Image, check_images
from madata.pose.lite import LiteNetwork
from madata.types import FloatArray
from madata.weights import find_weights

__all__ = ["person_mask"]

_SIDE = 256


def person_mask(image: Image, weights: Path | None = None) -> FloatArray:
    """(H, W) share of people at each pixel of a picture (H, W, 3), 0..1.

    The network sees the whole picture squashed to 256 x 256; it was made for people near the camera.

    Args:
        weights: folder searched first, see :mod:`madata.weights`.

    Raises:
        WeightsError: the network is not on this machine; the message holds the command.
        MissingDependencyError: ``ai-edge-litert`` is not installed.
    """
    check_images([image])
    network = LiteNetwork(find_weights("selfie-segmentation", weights))
    square = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    (mask,) = network(square[None])
    height, width = image.shape[:2]
    return np.asarray(cv2.resize(mask[0, ..., 0], (width, height)), np.float32).clip(0, 1)
