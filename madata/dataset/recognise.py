"""Signatures and duplicates of a data set folder: measured where they are missing, kept in two tables."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.cache import cache_dir
from madata.dataset.duplicates import Recognised, find_duplicates
from madata.dataset.folder import Row
from madata.dataset.signatures import MOTION_COLUMNS, RATE_HZ, SOUND_BANDS, Signature, signature_of
from madata.dataset.songs import Fingerprints, find_songs
from madata.engine import SILENT, Watch, run
from madata.errors import MadanceError, MediaError
from madata.files import kept_on_the_way, sha256_bytes, sha256_file
from madata.manifest import DUPLICATE_COLUMNS, SIGNATURE_COLUMNS, read_rows, write_table

__all__ = [
    "DUPLICATES",
    "SIGNATURES",
    "read_duplicates",
    "read_signatures",
    "recognise",
    "recognise_songs",
    "signature_row",
    "write_duplicates",
    "write_signatures",
]

SIGNATURES = "signatures.parquet"
DUPLICATES = "duplicates.parquet"


def recognise(
    folder: Path,
    clips: Sequence[Row],
    *,
    jobs: int = 1,
    as_known: Collection[str] = (),
    watch: Watch = SILENT,
) -> list[Row]:
    """Measure the signatures that are missing, find the duplicates, write both tables; the rows of the duplicates.

    A clip whose file is not here keeps the signature that the table has of it; without one it is passed over. What has
    been measured is kept whenever there is a tenth more of it, and where the work is interrupted.

    Args:
        clips: rows with ``clip_id``, ``source_id``, ``path``, ``sha256``.
        as_known: clips whose signature stays although their file has changed: test clips that were cut shorter.
    """
    known = {row["clip_id"]: row for row in read_signatures(folder)}
    missing = [row for row in clips if _is_missing(folder, row, known, as_known)]
    ids = {row["clip_id"] for row in clips}

    def rows() -> list[Row]:
        return [row for name, row in sorted(known.items()) if name in ids]

    with kept_on_the_way(lambda: write_signatures(folder, rows())) as note:
        for number, outcome in enumerate(run(partial(_measure, folder=folder), missing, jobs=jobs), start=1):
            if outcome.fatal:
                raise MadanceError(outcome.error or "a worker failed")
            if outcome.value is not None:
                known[outcome.item["clip_id"]] = outcome.value
            watch.files("signatures", number, len(missing))
            note(len(known))
    found = _found(folder, _recognised(rows(), clips), jobs, watch)
    write_duplicates(folder, found)
    return found


def _found(folder: Path, clips: Sequence[Recognised], jobs: int, watch: Watch) -> list[Row]:
    """The duplicates among the signatures of a folder; a search is remembered by all that decides it.

    It is the dearest step at the end of a run, and most runs again bring nothing new.
    """
    code = [sha256_file(Path(__file__).with_name(name)) for name in ("duplicates.py", "signatures.py")]
    sources = [(clip.clip_id, clip.source_id) for clip in clips]
    key = sha256_bytes(json.dumps([code, sha256_file(folder / SIGNATURES), sources]).encode())
    record = cache_dir() / "duplicates" / key[:2] / f"{key[2:]}.parquet"
    if record.is_file():
        with contextlib.suppress(MadanceError):  # a damaged record is made again
            return read_rows(record, DUPLICATE_COLUMNS)
    found = find_duplicates(clips, jobs=jobs, watch=watch)
    with contextlib.suppress(MadanceError, OSError):  # a cache that cannot be written is no reason to stop
        record.parent.mkdir(parents=True, exist_ok=True)
        write_table(record, found, DUPLICATE_COLUMNS)
    return found


def _is_missing(folder: Path, row: Row, known: Mapping[str, Row], as_known: Collection[str]) -> bool:
    before = known.get(row["clip_id"])
    if before is not None and row["clip_id"] in as_known:
        return False
    # a table of an earlier version has no fingerprints of what sounds
    if (
        before is not None
        and before["sha256"] == row["sha256"]
        and (before["song"] is not None or not before["sound"])
    ):
        return False
    return bool(row["path"]) and (folder / row["path"]).is_file()


def _measure(row: Row, report: Callable[[float], None], *, folder: Path) -> Row | None:
    try:
        return signature_row(row["clip_id"], signature_of(folder / row["path"]), row["sha256"])
    except MediaError:
        return None


def _recognised(rows: Sequence[Row], clips: Sequence[Row]) -> list[Recognised]:
    source_of = {row["clip_id"]: row["source_id"] for row in clips}
    return [Recognised(row["clip_id"], source_of[row["clip_id"]], signature_in(row)) for row in rows]


def signature_row(clip_id: str, signature: Signature, sha256: str | None) -> Row:
    """A row of ``signatures.parquet``."""
    return {
        "clip_id": clip_id,
        "rate_hz": RATE_HZ,
        "motion": signature.motion.astype("<f2").tobytes(),
        "sound": signature.sound.astype("<f2").tobytes(),
        "song": signature.song.astype("<u4").tobytes(),
        "sha256": sha256,
    }


def signature_in(row: Row) -> Signature:
    """The signature in a row.

    Raises:
        MadanceError: the row is of another rate, or damaged.
    """
    if row["rate_hz"] != RATE_HZ:
        raise MadanceError(
            f"signature of {row['clip_id']!r}: {row['rate_hz']} rows per second, expected {RATE_HZ}"
        )
    return Signature(_array(row, "motion", MOTION_COLUMNS), _array(row, "sound", SOUND_BANDS), _song_in(row))


def _song_in(row: Row) -> Fingerprints:
    data: bytes = row["song"] or b""
    if len(data) % 4:
        raise MadanceError(f"signature of {row['clip_id']!r}: song is not of 32 bits each; make it again")
    return np.frombuffer(data, "<u4").astype(np.uint32)


def recognise_songs(folder: Path, clips: Sequence[Row]) -> None:
    """Fill ``music_id`` of ``clips`` by the signatures of their folder: one id for all that share their music."""
    wanted = {row["clip_id"] for row in clips}
    known = {row["clip_id"]: _song_in(row) for row in read_signatures(folder) if row["clip_id"] in wanted}
    songs = find_songs(known)
    for row in clips:
        row["music_id"] = songs.get(row["clip_id"])


def _array(row: Row, name: str, width: int) -> npt.NDArray[np.float32]:
    data: Any = row[name] or b""
    if len(data) % (2 * width):
        raise MadanceError(
            f"signature of {row['clip_id']!r}: {name} is not of {width} columns; make it again"
        )
    return np.frombuffer(data, "<f2").reshape(-1, width).astype(np.float32)


def read_signatures(folder: Path) -> list[Row]:
    """Rows of the signatures of a folder; none where there is no such table."""
    path = folder / SIGNATURES
    return read_rows(path, SIGNATURE_COLUMNS) if path.exists() else []


def write_signatures(folder: Path, rows: Sequence[Row]) -> None:
    """Write the signatures, in order of the clips."""
    write_table(folder / SIGNATURES, sorted(rows, key=lambda row: str(row["clip_id"])), SIGNATURE_COLUMNS)


def read_duplicates(folder: Path) -> list[Row]:
    """Rows of the duplicates of a folder; none where there is no such table."""
    path = folder / DUPLICATES
    return read_rows(path, DUPLICATE_COLUMNS) if path.exists() else []


def write_duplicates(folder: Path, rows: Sequence[Row]) -> None:
    """Write the duplicates, in order of their clips."""
    write_table(
        folder / DUPLICATES, sorted(rows, key=lambda row: (row["clip_a"], row["clip_b"])), DUPLICATE_COLUMNS
    )
