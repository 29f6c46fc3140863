"""Where a source comes from, by what downloaders and crawlers write beside it.

Read are the ``.info.json`` of yt-dlp, the ``.json`` of gallery-dl, and lists of many videos (csv, tsv, jsonl, JSON)
whose rows name a file, or an id that stands in a file's name. Whoever uploaded a video is known by a salted hash alone:
enough to keep one person's videos in one split, not enough to find the person. All of it is a stranger's text, hence
bounded and without control characters.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import os
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path, PurePath
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from madata.engine import SILENT, Watch
from madata.errors import MadanceError
from madata.files import parse_json, read_json
from madata.formats import stem_of

__all__ = ["read_notes", "uploader_hash"]

_NAMES = {
    "file": ("file", "filename", "filepath", "path", "localpath", "videopath"),
    "id": ("id", "videoid", "displayid", "awemeid", "bvid", "shortcode", "youtubeid", "ytid"),
    "url": ("webpageurl", "originalurl", "webvideourl", "videourl", "pageurl", "shareurl", "link", "url"),
    "platform": ("extractorkey", "extractor", "platform", "site"),
    "uploader": (
        "channelid", "uploaderid", "authorid", "authormetaid", "userid", "ownerid",
        "uploader", "channel", "authoruniqueid", "authormetaname", "author", "username", "creator", "owner",
    ),
    "title": ("title", "fulltitle", "text", "desc"),
    "upload_date": (
        "uploaddate", "timestamp", "releasedate", "createtime", "createdat", "publishedat", "published", "date",
    ),
    "licence": ("license", "licence"),
    "likes": ("likecount", "likes", "diggcount", "statsdiggcount"),
    "views": ("viewcount", "views", "playcount", "statsplaycount"),
    "retrieved_at": ("retrievedat", "epoch", "downloadedat", "crawledat"),
    "performance_id": ("performanceid", "performance"),
    "song": ("track", "song", "musicmetamusicname", "musictitle", "music"),
    "genre": ("dancegenre", "dancestyle", "genre", "style"),
}  # fmt: skip
"""What downloaders and crawlers call these, without case and signs; the more certain name first."""

_MOST_BYTES = 64 << 20
_LONGEST_LINE = 1 << 20
_LONGEST_TEXT = 300
_SHORT_HOSTS = {"youtu": "youtube", "b23": "bilibili", "twitter": "x", "t": "x", "fb": "facebook"}

Row = dict[str, Any]


def read_notes(
    notes: Sequence[tuple[Path, str]], files: Mapping[Path, str], watch: Watch = SILENT
) -> tuple[dict[Path, Row], list[tuple[str, str]]]:
    """What the notes say about the files, and (name, why) of the notes that say nothing.

    A note beside one video outranks a list of many.

    Args:
        notes: paths and names of JSON files and tables.
        files: the videos, by their absolute paths.
        watch: is told how many notes are read.
    """
    notes = list(notes)
    if not notes:
        return {}, []
    beside, named = _Beside(files), _Named(files)
    single: list[tuple[Path, Row]] = []
    listed: list[tuple[Path, Row]] = []
    silent = []
    for number, (path, name) in enumerate(notes, start=1):
        watch.files("reading notes", number, len(notes))
        found = 0
        try:
            own = beside.of(path)
            for content in islice(_rows(path), 1 if own else None):
                targets = own or named.of(content)
                (single if own else listed).extend((target, content) for target in targets)
                found += len(targets)
        except (OSError, ValueError, csv.Error, MadanceError) as error:
            silent.append((name, f"a note that cannot be read ({str(error)[:200]})"))
            continue
        if not found:
            silent.append((name, "no media, and no note about any of them"))
    known: dict[Path, Row] = {}
    for path, content in single:
        known[path] = _about(content) | known.get(path, {})
    for path, content in listed:
        # a downloader's genre is the music's, a list's the dance's
        genre = _text(_first(content, "genre"))
        labelled = {"genre": genre, "genre_source": "list"} if genre else {}
        known[path] = _about(content) | labelled | known.get(path, {})
    return known, silent


class _Beside:
    """Notes about one video: ``a.info.json`` and ``a.json`` beside ``a.mp4``, ``a.mp4.json``."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files: dict[Path, list[Path]] = defaultdict(list)
        for path in files:
            for name in (path.name, stem_of(path)):
                self._files[path.parent / name].append(path)

    def of(self, note: Path) -> list[Path]:
        name = re.sub(r"(\.info)?\.json$", "", note.name, flags=re.IGNORECASE)
        return [] if name == note.name else self._files.get(note.absolute().parent / name, [])


class _Named:
    """Rows of lists: they name a file, or an id that a file is named by."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files: dict[str, list[Path]] = defaultdict(list)
        for path in files:
            stem = stem_of(path)
            # "title [id]" is yt-dlp's way, "title-id" was youtube-dl's for ids of 11 signs
            ids = re.findall(r"\[([\w-]+)\]$|-([\w-]{11})$", stem)
            for name in {path.name, stem, *(one for pair in ids for one in pair if one)}:
                self._files[name].append(path)

    def of(self, content: Row) -> list[Path]:
        file = _first(content, "file")
        if isinstance(file, str) and (found := self._by_path(PurePath(file.replace("\\", "/")))):
            return found
        number = _first(content, "id")
        for name in (number, _id_in(_first(content, "url"))):
            if isinstance(name, str | int) and (found := self._files.get(str(name), [])):
                return found
        return []

    def _by_path(self, path: PurePath) -> list[Path]:
        """Files of that name; of several those in the folder named, too."""
        found = self._files.get(path.name, [])
        nearer = [one for one in found if one.parts[-len(path.parts) :] == path.parts]
        return nearer or found


def _rows(path: Path) -> Iterator[Row]:
    """The rows of a list, or the one row that a JSON object is; keys without case and signs."""
    if path.suffix.lower() == ".json":
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"larger than {_MOST_BYTES >> 20} MiB")
        content = read_json(path)
        rows: Iterable[Any] = content if isinstance(content, list) else [content]
    elif path.suffix.lower() in (".csv", ".tsv"):
        rows = _table_rows(path)
    else:
        rows = _line_rows(path)
    for row in rows:
        if isinstance(row, dict):
            yield dict(_flat(row))


def _table_rows(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header = stream.readline(_LONGEST_LINE)
        stream.seek(0)
        # spreadsheets of half of Europe write semicolons
        yield from csv.DictReader(stream, delimiter=max(",;\t", key=header.count))


def _line_rows(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        while line := stream.readline(_LONGEST_LINE):
            if line.strip():
                yield parse_json(line, path)


def _flat(row: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        name = re.sub(r"[\W_]", "", str(key).lower())
        if isinstance(value, Mapping):
            for inner, content in value.items():
                yield name + re.sub(r"[\W_]", "", str(inner).lower()), content
        elif value not in (None, ""):
            yield name, value


def _first(content: Row, what: str) -> Any:
    return next((content[name] for name in _NAMES[what] if name in content), None)


def _about(content: Row) -> Row:
    """The columns of :data:`madata.manifest.PROVENANCE_COLUMNS` that a note fills."""
    url = _page(_first(content, "url"))
    platform = _platform(url) or _text(_first(content, "platform"))
    uploader = _text(_first(content, "uploader"))
    about = {
        "url": url,
        "platform": platform.lower() if platform else None,
        "uploader_hash": uploader_hash(uploader, platform or "") if uploader else None,
        **{name: _day(_first(content, name)) for name in ("upload_date", "retrieved_at")},
        **{name: _text(_first(content, name)) for name in ("title", "licence", "performance_id", "song")},
        **{name: _count(_first(content, name)) for name in ("likes", "views")},
    }
    return {name: value for name, value in about.items() if value is not None}


def _text(value: Any) -> str | None:
    if not isinstance(value, str | int):
        return None
    shown = "".join(sign if sign.isprintable() else " " for sign in str(value)[: 4 * _LONGEST_TEXT])
    return " ".join(shown.split())[:_LONGEST_TEXT] or None


def _count(value: Any) -> int | None:
    with suppress(ValueError, OverflowError):
        number = int(float(value)) if isinstance(value, str | int | float) else -1
        return number if 0 <= number < 1 << 53 else None
    return None


def _day(value: Any) -> str | None:
    """``20240131``, ``2024-01-31T...`` or seconds since 1970, as ``2024-01-31``."""
    text = str(value) if isinstance(value, str | int | float) else ""
    with suppress(ValueError, OverflowError, OSError):
        if re.fullmatch(r"\d{8}", text):
            return datetime.strptime(text, "%Y%m%d").date().isoformat()
        if re.fullmatch(r"\d{9,10}(\.\d*)?", text):
            return datetime.fromtimestamp(float(text), UTC).date().isoformat()
        return datetime.fromisoformat(text[:10]).date().isoformat()
    return None


def _page(value: Any) -> str | None:
    """A link to a page: nobody's password, session or handle in it."""
    text = _text(value)
    with suppress(ValueError):
        parts = urlsplit(text or "")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        port = f":{parts.port}" if parts.port else ""
        path = re.sub(r"/@[^/]+(?=/video/)", "/@", parts.path)  # TikTok finds a video without its author
        shown = parse_qs(parts.query).get("v")
        query = f"v={shown[0]}" if shown else ""
        return urlunsplit((parts.scheme, parts.hostname + port, path, query, ""))
    return None


def _platform(url: str | None) -> str | None:
    labels = (urlsplit(url).hostname or "").split(".") if url else []
    if len(labels) < 2:
        return None
    name = labels[-2] if labels[-2] not in ("co", "com") or len(labels) < 3 else labels[-3]
    return _SHORT_HOSTS.get(name, name)


def _id_in(value: Any) -> str | None:
    page = _page(value)
    if page is None:
        return None
    parts = urlsplit(page)
    shown = parse_qs(parts.query).get("v")
    return shown[0] if shown else parts.path.rstrip("/").rpartition("/")[2] or None


def uploader_hash(uploader: str, platform: str, salt: Callable[[], bytes] | None = None) -> str:
    """Keyed hash of an uploader of a platform: 16 hex digits that only the owner of the salt can make again.

    Args:
        salt: gives the key; by default the user's own, which is made at the first call.
    """
    about = f"{platform}:{uploader}".lower().encode()
    return hmac.new((salt or _salt)(), about, hashlib.sha256).hexdigest()[:16]


def _salt() -> bytes:
    """``$MADANCE_SALT``, else a file of the user's settings; machines that work on one data set need the same."""
    given = os.environ.get("MADANCE_SALT")
    if given:
        return given.encode()
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "madance"
    path = folder / "uploader_salt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with NamedTemporaryFile("w", dir=folder) as stream, suppress(FileExistsError):
                stream.write(secrets.token_hex(16))
                stream.flush()
                os.link(stream.name, path)  # whole or not at all, and only for the first of two runs
        return path.read_bytes()
    except OSError as error:
        raise MadanceError(
            f"{path}: {error.strerror}; set MADANCE_SALT to a secret text, by which uploaders are hashed"
        ) from error
