"""The clips of a data set as rows of its table, none of which is opened.

Rows stay in one Arrow table and become a :class:`madata.types.Clip` when they are asked for: a hundred thousand clips
take a few megabytes, which worker processes share.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from madata.dataset.folder import refuse_clip_ids, require_tables
from madata.errors import MadanceError, did_you_mean
from madata.manifest import read_columns
from madata.types import Clip

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ClipTable"]

_NEEDED = (
    "clip_id", "source_id", "start_s", "end_s", "fps", "num_frames", "duration_s", "width", "height", "split", "path",
)  # fmt: skip
_OPTIONAL = ("subset", "genre", "has_audio", "keypoints", "music", "sha256")


class ClipTable:
    """The clips of a folder, in order of their ids.

    Example::

        clips = ClipTable.read(Path("ma-data"), split="train")
        longest = max(clips, key=lambda clip: clip.duration_s)
    """

    def __init__(self, folder: Path, table: pa.Table) -> None:
        self.folder, self._table = folder, table

    @classmethod
    def read(cls, folder: Path, split: str | None = None) -> ClipTable:
        """Read ``clips.parquet`` of a data set folder.

        Args:
            split: only its clips; ``None`` is all.

        Raises:
            MadanceError: there is no such table or split, a clip has two rows or would lie outside the folder.
        """
        require_tables(folder, ["clips"])
        table = read_columns(folder / "clips.parquet", _NEEDED, _OPTIONAL).sort_by("clip_id")
        refuse_clip_ids(folder / "clips.parquet", table["clip_id"].to_pylist())
        for name in ("path", "keypoints", "music"):
            _refuse_outside(folder, table, name)
        clips = cls(folder, table)
        if split is None:
            return clips
        known = sorted(set(table["split"].to_pylist()) - {None})
        if split not in known:
            there = did_you_mean(split, known) if known else "; there is no clip at all"
            raise MadanceError(f"{folder}: has no clip in the split {split!r}{there}")
        return clips.of_split(split)

    def of_split(self, split: str) -> ClipTable:
        """Those of one split; none is no error."""
        import pyarrow.compute as pc

        return ClipTable(self.folder, self._table.filter(pc.equal(self._table["split"], split)))

    def of_ids(self, clip_ids: Collection[str]) -> ClipTable:
        """Those named.

        Raises:
            MadanceError: one of them is not there.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        known = pa.array(sorted(set(clip_ids)), pa.string())
        absent = known.filter(pc.invert(pc.is_in(known, self._table["clip_id"].combine_chunks())))
        if len(absent):
            raise MadanceError(
                f"{self.folder}: has no clip {absent[0].as_py()!r} ({len(absent)} are not there)"
            )
        return ClipTable(self.folder, self._table.filter(pc.is_in(self._table["clip_id"], known)))

    def lasting(self, least_s: float) -> ClipTable:
        """Those that last at least so many seconds."""
        import pyarrow.compute as pc

        return ClipTable(
            self.folder, self._table.filter(pc.greater_equal(self._table["duration_s"], least_s))
        )

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, index: int) -> Clip:
        if not -len(self) <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        row = self._table.slice(index % len(self), 1).to_pylist()[0]
        return self._clip(row)

    def __iter__(self) -> Iterator[Clip]:
        for batch in self._table.to_batches(max_chunksize=1000):
            yield from map(self._clip, batch.to_pylist())

    def schema(self, without: Collection[str] = ()) -> pa.Schema:
        """Types of the columns of the folder's table, but for some."""
        import pyarrow as pa

        return pa.schema([field for field in self._whole().schema if field.name not in without])

    def rows(self) -> Iterator[tuple[Clip, dict[str, Any]]]:
        """Every clip with all columns of its row."""
        import pyarrow.compute as pc

        whole = self._whole()
        mine = whole.filter(pc.is_in(whole["clip_id"], self._table["clip_id"].combine_chunks()))
        for batch in mine.sort_by("clip_id").to_batches(max_chunksize=1000):
            for row in batch.to_pylist():
                yield self._clip(row), row

    def _whole(self) -> pa.Table:
        return read_columns(self.folder / "clips.parquet", _NEEDED, None)

    def _clip(self, row: dict[str, Any]) -> Clip:
        """One row; files that the table does not name are ``None``, whether the others are there is not asked."""

        def file(name: str) -> Path | None:
            return self.folder / row[name] if row.get(name) else None

        return Clip(
            clip_id=row["clip_id"],
            source_id=row["source_id"],
            start_s=row["start_s"],
            end_s=row["end_s"],
            fps=row["fps"],
            num_frames=row["num_frames"],
            duration_s=row["duration_s"],
            size=(row["width"], row["height"]),
            split=row["split"] or "",
            subset=row.get("subset") or "wild",
            genre=row.get("genre"),
            has_sound=bool(row.get("has_audio")),
            path=file("path"),
            keypoints=file("keypoints"),
            music=file("music"),
            sha256=row.get("sha256"),
        )


def _refuse_outside(folder: Path, table: pa.Table, name: str) -> None:
    """A table of strangers names files of its own folder alone."""
    if name not in table.column_names:
        return
    for value in table[name].to_pylist():
        if value and (value.startswith(("/", "\\")) or ".." in PurePosixPath(value).parts):
            raise MadanceError(
                f"{folder / 'clips.parquet'}: column {name} leaves the folder: {value[:200]!r}"
            )
