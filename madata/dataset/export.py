"""A data set in the form another tool reads: one format, one file in :mod:`madata.dataset.exports`.

A format is an :class:`ExportFormat` under the name ``EXPORT`` in a module of that package, or an entry point of the
group ``madance.exports``. What is exported are the rows of ``clips.parquet`` with their files; no media is opened, and
the same data set gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.dataset.folder import FILE_COLUMNS
from madata.errors import MadanceError, MissingDependencyError
from madata.files import LOCK, hold_folder, scratch_folder, storage_errors
from madata.plugins import Room

if TYPE_CHECKING:
    from madata.dataset.clips import ClipTable
    from madata.types import Clip

__all__ = ["EXPORTS", "ExportFormat", "Exported", "export", "facts", "missing_package"]

EXPORTS = Room("export format", "madata.dataset.exports", "EXPORT", "madance.exports")
"""Every format there is."""


@dataclass
class Exported:
    """What was written.

    Attributes:
        clips: how many.
        left_out: clip id -> why it is not there.
    """

    clips: int = 0
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExportFormat:
    """A format.

    Attributes:
        what: one line about it.
        write: called with the clips and an empty folder.
    """

    what: str
    write: Callable[[ClipTable, Path], Exported]


def export(folder: Path, name: str, out: Path, split: str | None = None) -> Exported:
    """Export a data set folder.

    Args:
        name: of the format.
        out: a new or empty folder; a file of an earlier export is not written over.
        split: only its clips.

    Raises:
        ConfigError: there is no such format.
        MadanceError: the data set cannot be read, ``out`` holds something, or a package is missing.
    """
    from madata.dataset.clips import ClipTable

    chosen: ExportFormat = EXPORTS.load(name)
    clips = ClipTable.read(folder, split)
    if not out.is_dir() and out.exists():
        raise MadanceError(f"{out}: is no folder")
    with hold_folder(out):
        if any(path.name != LOCK for path in out.iterdir()):
            raise MadanceError(f"{out}: holds something already; choose a new folder")
        # written apart: what a killed export leaves is swept, never taken for a whole one and never in the way
        with scratch_folder(out) as apart:
            done = chosen.write(clips, apart)
            with storage_errors(out):
                for path in sorted(apart.iterdir()):
                    path.rename(out / path.name)
        return done


def facts(clips: ClipTable) -> Iterator[tuple[Clip, dict[str, Any]]]:
    """Every clip with the columns of its row, without those that name files of the folder."""
    for clip, row in clips.rows():
        yield clip, {name: value for name, value in row.items() if name not in FILE_COLUMNS}


def missing_package(package: str, what: str) -> MissingDependencyError:
    """The error of a format whose package is not installed."""
    return MissingDependencyError(f"exporting {what} needs {package}: pip install {package}")
