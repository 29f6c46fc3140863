"""Find the files of a crawl: folders read once each, and a word about everything that is passed over.

Links to folders are followed, after all that lies in real folders: a folder is read once whatever the number of ways
into it, so that links in a circle end. What cannot be listed, a download that was not finished and a link that leads
nowhere cost their own name and nothing else.
"""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath

from madata.errors import MadanceError
from madata.formats import is_a

__all__ = ["CrawlFiles", "crawl_files", "printable"]

_UNFINISHED = re.compile(
    r"\.(part|part-frag\d+|ytdl|crdownload|download|aria2|partial|filepart|opdownload|fdmdownload|unfinished"
    r"|!qb|!ut|bc!|temp|tmp)$",
    re.IGNORECASE,
)
"""What downloaders append to the names of files they have not finished."""
_JOINING = re.compile(r"\.temp\.\w+$", re.IGNORECASE)
"""A file that yt-dlp joins picture and sound in."""
_CONTROLS = (".aria2", ".st")
"""Aria2 and axel write under the final name, and a control file beside it until they are done."""
_NOTES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")


@dataclass
class CrawlFiles:
    """What was found, in order of the paths given and of the names in them.

    Attributes:
        files: videos and sounds, each once, with the name shown.
        real: where links among them lead to.
        notes: (path, name) of JSON files and tables, which downloaders write about videos.
        ignored: (name, why) of everything else.
        unusable: (name, reason, message) of what should have been a video and cannot be used.
    """

    files: dict[Path, str] = field(default_factory=dict)
    real: set[Path] = field(default_factory=set)
    notes: list[tuple[Path, str]] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    unusable: list[tuple[str, str, str]] = field(default_factory=list)

    def unfinished(self, name: str) -> None:
        """Name a download that was not finished."""
        self.unusable.append((name, "unfinished", "a download that was not finished"))

    def unreadable(self, name: str, error: OSError) -> None:
        """Name what the system does not let us read."""
        self.unusable.append((name, "unreadable", error.strerror or str(error)))


def printable(name: str | Path) -> str:
    r"""A file name as text that any table can hold: undecodable bytes become ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def crawl_files(paths: Iterable[Path], *, outside: Path) -> CrawlFiles:
    """Files given, and the files of folders given and of those below.

    Audio files count as media, so that they are named as having no picture and are not lost in silence.

    Args:
        outside: the output folder; what lies in it is never a source.

    Raises:
        MadanceError: a path does not exist.
    """
    found = CrawlFiles()
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path.is_dir():
            for files in _folders(path, outside.resolve(), seen, found):
                names = {file.name for file in files}
                where = files[0].parent.relative_to(path) if files else Path()
                for file in files:
                    name = printable(where / file.name)
                    if any(file.name + control in names for control in _CONTROLS):
                        found.unfinished(name)
                    else:
                        _sort(file, name, found)
        elif path.exists() or path.is_symlink():
            _sort(path, printable(path.name), found, given=True)
        else:
            raise MadanceError(f"{printable(path)}: no such file or folder")
    return found


def _folders(top: Path, outside: Path, seen: set[tuple[int, int]], found: CrawlFiles) -> Iterator[list[Path]]:
    """The files of every folder, once: first what is really there, then what links lead to."""
    linked = deque([top])
    while linked:
        waiting = [linked.popleft()]
        while waiting:
            folder = waiting.pop()
            name = printable(folder.relative_to(top))
            try:
                status = folder.stat()
                if (status.st_dev, status.st_ino) in seen:
                    if folder != top:
                        found.ignored.append((name, "a link to a folder that is read anyway"))
                    continue
                seen.add((status.st_dev, status.st_ino))
                if folder.resolve().is_relative_to(outside):
                    continue
                with os.scandir(folder) as listing:
                    # a link that leads to itself is an error to the listing, and no folder to us
                    is_folder = {
                        entry.name: (folder / entry.name).is_dir() if entry.is_symlink() else entry.is_dir()
                        for entry in listing
                    }
            except OSError as error:
                found.unreadable(name, error)
                continue
            shown = []
            for entry in map(folder.joinpath, sorted(is_folder)):
                if entry.name.startswith("."):
                    found.ignored.append((printable(entry.relative_to(top)), "hidden"))
                elif is_folder[entry.name] and _is_unfinished(entry):
                    found.unfinished(printable(entry.relative_to(top)))
                else:
                    shown.append(entry)
            folders = [entry for entry in shown if is_folder[entry.name]]
            linked += [entry for entry in folders if entry.is_symlink()]
            waiting += [entry for entry in reversed(folders) if not entry.is_symlink()]
            yield [entry for entry in shown if not is_folder[entry.name]]


def _is_unfinished(folder: Path) -> bool:
    """Safari keeps ``dance.mp4`` in a folder ``dance.mp4.download`` until it is whole."""
    ending = _UNFINISHED.search(folder.name)
    return ending is not None and is_a(PurePath(folder.name[: ending.start()]), "video", "sound")


@lru_cache(maxsize=8)
def _real_folder(folder: Path) -> Path:
    return folder.resolve()


def _sort(path: Path, name: str, found: CrawlFiles, *, given: bool = False) -> None:
    """Put one file where it belongs, by its name and by what the system says of it."""
    media = is_a(path, "video", "sound")
    if _UNFINISHED.search(path.name) or (media and _JOINING.search(path.name)):
        found.unfinished(name)
    elif path.suffix.lower() in _NOTES:
        found.notes.append((path, name))
    elif not media and not given:
        found.ignored.append((name, "no media by its name"))
    else:
        try:
            regular = stat.S_ISREG(path.stat().st_mode)
        except OSError as error:
            found.unreadable(name, error)
            return
        if regular:
            # a folder's own place is found once: its files are in it unless they are links
            real = path.resolve() if path.is_symlink() else _real_folder(path.parent) / path.name
            if real not in found.real:
                found.real.add(real)
                found.files[path.absolute()] = name
        else:
            found.unusable.append((name, "not_a_file", "not a regular file"))
