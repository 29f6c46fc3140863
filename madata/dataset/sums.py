"""``SHA256SUMS``: the hash of every file of a data set, as ``sha256sum -c`` reads it.

The hash of a clip stands in its row and is taken from there; tables, lists and arrays are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from madata.dataset.folder import FolderTables, is_safe_path
from madata.errors import MadanceError
from madata.files import sha256_file, write_text

__all__ = ["SUMS", "read_sums", "write_sums"]

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_TOP = (
    "*.parquet",
    "*.toml",
    "settings/*",
    "splits/*",
    "README.md",
    "croissant.json",
    "removed.json",
    "release.json",
    "rebuilt.json",
)


def write_sums(folder: Path, tables: FolderTables) -> None:
    """Write the hashes of the tables, the lists and all files that the clips name."""
    known = {str(row["path"]): str(row["sha256"]) for row in tables.clips if row["path"] and row["sha256"]}
    named = {str(row[column]) for row in tables.clips for column in ("keypoints", "music") if row[column]}
    for name in sorted([*named, *_top(folder)]):
        if (folder / name).is_file():
            known[name] = sha256_file(folder / name)
    write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(known.items())))


def _top(folder: Path) -> Iterator[str]:
    for pattern in _TOP:
        yield from (path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file())


def read_sums(folder: Path) -> dict[str, str]:
    """File -> hash.

    Raises:
        MadanceError: there is no such file, or a line is none of ``sha256sum``.
    """
    path = folder / SUMS
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise MadanceError(f"{path}: no such file; madance dataset split writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MadanceError(f"{path}: not readable ({error})") from error
    found = [_LINE.fullmatch(line) for line in lines]
    wrong = [
        line for line, match in zip(lines, found, strict=True) if match is None or not is_safe_path(match[2])
    ]
    if wrong:
        raise MadanceError(f"{path}: no line of sha256sum: {wrong[0][:80]!r}")
    return {match[2]: match[1] for match in found if match}
