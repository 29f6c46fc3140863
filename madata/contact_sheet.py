"""Pictures laid out on a grid: thumbnails of a clip, and sheets of thumbnails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from madata.errors import MediaError
from madata.files import write_bytes

_MOST_ON_A_SHEET = 192

__all__ = ["contact_sheet", "write_contact_sheet"]


def contact_sheet(images: Sequence[Any], *, columns: int, cell: tuple[int, int]) -> Any:
    """Lay (H, W, 3) uint8 images out on a grid of ``cell`` (width, height) px; return one image."""
    import cv2
    import numpy as np

    width, height = cell
    gap = 4
    rows = max(1, math.ceil(len(images) / columns))
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 24, np.uint8)
    for index, image in enumerate(images):
        scale = min(width / image.shape[1], height / image.shape[0])
        small = cv2.resize(
            image,
            (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))),
            interpolation=cv2.INTER_AREA,
        )
        top = gap + (index // columns) * (height + gap) + (height - small.shape[0]) // 2
        left = gap + (index % columns) * (width + gap) + (width - small.shape[1]) // 2
        sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return sheet


def write_contact_sheet(path: Path, thumbnails: Sequence[Path], *, columns: int = 4) -> None:
    """Write thumbnails as one JPEG: all of them, or 192 that lie evenly among them.

    A sheet of fixed size opens everywhere; the report shows every clip.
    """
    import cv2

    share = max(1.0, len(thumbnails) / _MOST_ON_A_SHEET)
    chosen = [thumbnails[int(place * share)] for place in range(min(len(thumbnails), _MOST_ON_A_SHEET))]
    images = [image for image in map(_read_image, chosen) if image is not None]
    if not images:
        return
    ok, data = cv2.imencode(
        ".jpg", contact_sheet(images, columns=columns, cell=(480, 270)), [cv2.IMWRITE_JPEG_QUALITY, 88]
    )
    if ok:
        write_bytes(path, data.tobytes())


def _read_image(path: Path) -> Any:
    from madata.video.stills import read_still

    try:
        return read_still(path)[..., ::-1]
    except MediaError:  # a sheet lacks what was moved away
        return None
