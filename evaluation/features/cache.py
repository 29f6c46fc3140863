"""What was extracted, kept by content, so that nothing is hashed, heard or looked at twice.

A killed run goes on at the clip it died in, and a reference is looked at once for all systems. Every file is whole: it
is written under another name first.
"""

from __future__ import annotations

from pathlib import Path

from evaluation.features.store import read_tables, write_tables
from evaluation.features.table import FeatureTable
from madata.cache import cache_dir, remembered_sha256
from madata.errors import MediaError

__all__ = ["FeatureCache"]


class FeatureCache:
    """The cache of one run: its folder, and the hash of every file that was asked for.

    Args:
        folder: by default that of the user, :func:`madata.cache.cache_dir`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_dir()
        self._sha256: dict[Path, str] = {}

    def sha256(self, path: Path) -> str:
        """Hash of a file; a run hashes it once, a later run not at all while the file stays as it is."""
        if path not in self._sha256:
            self._sha256[path] = remembered_sha256(path)
        return self._sha256[path]

    def path(self, kind: str, made_by: str, key: str) -> Path:
        """Where the features ``kind`` of the content ``key`` lie, as ``made_by`` extracts them."""
        return self.folder / kind / made_by / f"{key}.npz"

    def tables(self, path: Path, names: set[str]) -> dict[str, FeatureTable] | None:
        """The tables kept at ``path``; ``None`` where they are not there, damaged, or of another version."""
        if not path.is_file():
            return None
        try:
            found = read_tables(path)[0]
        except MediaError:
            found = {}
        if set(found) == names and all(len(table) == 1 for table in found.values()):
            return found
        path.unlink(missing_ok=True)
        return None

    def keep(self, path: Path, tables: dict[str, FeatureTable]) -> None:
        """Keep the tables of single videos, unless one has a fault: that file is tried again."""
        if not any(fault for table in tables.values() for fault in table.faults):
            write_tables(path, tables)
