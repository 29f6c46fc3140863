"""Picture files: their size is read from the header and bounded before a pixel is allocated."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.files import refuse_special
from madata.limits import reading_limits

__all__ = ["decode_still", "read_still"]

_JPEG, _JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
_USUAL_SCANS = 10
"""Of a progressive JPEG."""


def read_still(path: Path) -> npt.NDArray[np.uint8]:
    """(H, W, 3) RGB of a picture file.

    Raises:
        MediaError: reasons ``missing``, ``unreadable`` and ``too_large``.
    """
    try:
        refuse_special(path)
        data = path.read_bytes()
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except OSError as error:
        raise MediaError(
            f"{path}: cannot be read as a picture: {error.strerror}", reason="unreadable"
        ) from None
    return decode_still(data, path)


def decode_still(data: bytes, where: object) -> npt.NDArray[np.uint8]:
    """(H, W, 3) RGB of the bytes of a picture file.

    Args:
        where: the file they come from, named by the error.

    Raises:
        MediaError: see :func:`read_still`.
    """
    import cv2

    _refuse_huge(data, where)
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # what it says of a damaged file says our error
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # larger than OpenCV's own limit
        image = None
    if image is None:
        raise MediaError(f"{where}: cannot be read as a picture", reason="unreadable")
    return np.ascontiguousarray(image[..., ::-1], np.uint8)


def _refuse_huge(data: bytes, where: object) -> None:
    """Look at the size in the header: a file of some kilobytes may unpack to gigabytes of pixels."""
    from PIL import Image as Pillow

    most = reading_limits().pixels
    try:
        with warnings.catch_warnings(action="ignore", category=Pillow.DecompressionBombWarning):
            width, height = Pillow.open(io.BytesIO(data)).size
    except Pillow.DecompressionBombError:
        width = height = most
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow's readers raise of a damaged header
        raise MediaError(f"{where}: cannot be read as a picture", reason="unreadable") from error
    if width * height > most:
        raise MediaError(
            f"{where}: has more than {most // 10**6} million pixels, give a smaller picture",
            reason="too_large",
        )
    # each scan goes through the whole picture again, and takes a few bytes
    scans = data.count(_JPEG_SCAN) if data.startswith(_JPEG) else 1
    if width * height * scans > _USUAL_SCANS * most:
        raise MediaError(
            f"{where}: a JPEG that draws its picture in {scans} scans; save it again", reason="too_large"
        )
