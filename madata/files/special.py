"""Names that lead to no file: a pipe nobody writes to is read for ever, a device without end."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

__all__ = ["refuse_special"]


def refuse_special(path: Path) -> None:
    """Look at what ``path`` leads to, before it is opened.

    Raises:
        OSError: there is nothing, or no plain file: a folder, a pipe, a device.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a file: a folder, a pipe or a device", str(path))
