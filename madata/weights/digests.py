"""SHA-256 of large files, remembered on this machine while their size and time of change stay the same.

The memory is ``sha256.json`` in the user's cache of networks. It saves reading tens of gigabytes twice to say what was
loaded; verifying (``madance weights check``) always reads the bytes.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from madata.errors import MadanceError
from madata.files import read_json, sha256_file, write_json
from madata.weights.store import cache_folder, sha256_of_folder

__all__ = ["remembered_sha256"]

_LOG = logging.getLogger(__name__)
_REMEMBERED_FROM = 16 << 20
_SHA256 = re.compile("[0-9a-f]{64}")


def remembered_sha256(path: Path) -> str:
    """Hex SHA-256 of a file, or of the names and hashes of a folder's files.

    A file of the hub's cache is a link to a blob that the hub names by its SHA-256; that name is taken.
    """
    if path.is_dir():
        return sha256_of_folder(path, remembered_sha256)
    target = path.resolve()
    if path.is_symlink() and target.parent.name == "blobs" and _SHA256.fullmatch(target.name):
        return target.name
    stat = target.stat()
    if stat.st_size < _REMEMBERED_FROM:
        return sha256_file(target)
    memory = cache_folder() / "sha256.json"
    known = _read(memory)
    key, state = str(target), [stat.st_size, stat.st_mtime_ns]
    entry = known.get(key)
    if isinstance(entry, dict) and entry.get("state") == state:
        return str(entry["sha256"])
    digest = sha256_file(target)
    try:
        write_json(memory, {**known, key: {"state": state, "sha256": digest}})
    except (MadanceError, OSError) as error:
        _LOG.info("the SHA-256 of %s is not remembered: %s", path, error)
    return digest


def _read(memory: Path) -> dict[str, Any]:
    try:
        known = read_json(memory)
    except (MadanceError, OSError):
        return {}
    return known if isinstance(known, dict) else {}
