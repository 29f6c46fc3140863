"""Which sources of a data set still exist, and what its splits become on those that do.

Links rot: of published lists of videos 1.5 to 10 % are gone within some years. What is there is told from a folder of
downloads (by the content of the files, or by the name that a downloader gave them) or from a list of links that still
answer, one a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from madata.cache import remembered_sha256
from madata.dataset.folder import REMOVED, Row, read_folder
from madata.errors import MadanceError
from madata.formats import files_in, stem_of

__all__ = ["Health", "check_health", "surviving_test_clips"]

_LONGEST_LIST = 1 << 28


@dataclass(frozen=True)
class Health:
    """What is left.

    Attributes:
        live, dead, removed: source ids; ``removed`` were taken out and are not looked for.
        clips: split -> (clips that survive, clips there were).
        test: surviving clips of the test, sorted: what two methods can still be compared on.
    """

    live: tuple[str, ...]
    dead: tuple[str, ...]
    removed: tuple[str, ...]
    clips: dict[str, tuple[int, int]]
    test: tuple[str, ...]


def check_health(folder: Path, there: Path) -> Health:
    """Hold the sources of ``folder`` against what is ``there``: a folder of videos, or a text file of links or ids.

    Raises:
        MadanceError: one of them is not there or cannot be read.
    """
    tables = read_folder(folder)
    sources = [row for row in tables.sources if row["source_id"] and row["status"] != "duplicate"]
    clips_of = tables.by_source()
    wanted = [row for row in sources if row["status"] != REMOVED and clips_of.get(row["source_id"])]
    live = set(_in_folder(wanted, there) if there.is_dir() else _in_list(wanted, there))
    splits = Counter(str(row["split"]) for row in tables.clips)
    left = Counter(str(row["split"]) for row in tables.clips if row["source_id"] in live)
    return Health(
        live=tuple(sorted(live)),
        dead=tuple(sorted({row["source_id"] for row in wanted} - live)),
        removed=tuple(sorted(row["source_id"] for row in sources if row["status"] == REMOVED)),
        clips={name: (left[name], splits[name]) for name in sorted(splits)},
        test=surviving_test_clips(tables.clips, live),
    )


def surviving_test_clips(clips: Iterable[Row], live: Iterable[str]) -> tuple[str, ...]:
    """Test clips whose source still exists."""
    known = set(live)
    return tuple(
        sorted(row["clip_id"] for row in clips if row["split"] == "test" and row["source_id"] in known)
    )


def _in_folder(sources: list[Row], folder: Path) -> list[str]:
    names, contents = set(), set()
    for path in files_in(folder, "video", "motion"):
        names.add(stem_of(path))
        contents.add(remembered_sha256(path))
    return [
        row["source_id"]
        for row in sources
        if row["sha256"] in contents or stem_of(Path(row["file"] or "")) in names
    ]


def _in_list(sources: list[Row], path: Path) -> list[str]:
    try:
        if path.stat().st_size > _LONGEST_LIST:
            raise MadanceError(
                f"{path}: longer than {_LONGEST_LIST >> 20} MiB; a text file of one link a line is expected"
            )
        lines = {line.strip() for line in path.read_text("utf-8", "replace").splitlines()}
    except FileNotFoundError:
        raise MadanceError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise MadanceError(f"{path}: cannot be read ({error.strerror})") from error
    return [row["source_id"] for row in sources if {row["url"], row["source_id"], row["file"]} & lines]
