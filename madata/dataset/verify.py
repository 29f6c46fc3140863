"""Is a data set whole, unchanged and without leaks? Tables are read, files looked for, media hashed only if asked.

Every finding is a row: what kind of fault, where, and in words. A leak is something that the test shares with what is
trained on: a source, a group, a performance, an uploader, pictures, a file. Clips that a rebuild is known to lack
(:mod:`madata.dataset.absent`) are no fault.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madata.dataset.absent import read_absent
from madata.dataset.folder import FILE_COLUMNS, REMOVED, FolderTables, Row, read_folder
from madata.dataset.groups import DEFAULT_TIES, ties_between
from madata.dataset.recognise import SIGNATURES, read_duplicates, read_signatures
from madata.dataset.split import TEST_LIST, Assignment, read_assignment
from madata.dataset.sums import SUMS, read_sums
from madata.engine import SILENT, Watch, threads
from madata.errors import MadanceError
from madata.files import sha256_file
from madata.manifest import SPLITS

__all__ = ["Breach", "verify_data_set"]

_TRAINED = ("train", "val")
_EXACT_S = 1e-6


@dataclass(frozen=True)
class Breach:
    """One fault: its ``kind`` in a word, ``where`` (a file, a clip, a pair), and in words."""

    kind: str
    where: str
    message: str


def verify_data_set(folder: Path, *, full: bool = False, watch: Watch = SILENT) -> list[Breach]:
    """Everything that is wrong with the data set ``folder``.

    Args:
        full: read every clip and compare its hash, too.
        watch: is told how many files have been hashed.

    Raises:
        MadanceError: ``folder`` is no data set at all.
    """
    try:
        tables = read_folder(folder)
    except MadanceError as error:
        if "no data set (" in str(error):
            raise
        return [_unreadable("table", folder, error)]
    released = (folder / "release.json").exists()
    found = [
        *_of_rows(tables),
        *([] if released else _of_files(tables)),
        *_of_sums(folder, tables, full, watch),
    ]
    try:
        frozen = read_assignment(folder)
    except MadanceError as error:
        found.append(_unreadable("list", folder, error))
        frozen = None
    else:
        if frozen is None:
            found.append(
                Breach(
                    "list", TEST_LIST.as_posix(), "the test is not frozen yet: madance dataset split FOLDER"
                )
            )
    if frozen is not None:
        try:
            absent = read_absent(folder)
        except MadanceError as error:
            absent = {}
            found.append(_unreadable("table", folder, error))
        found += _of_list(tables, frozen, absent)
    return [*found, *_leaks(tables, frozen)]


def _unreadable(kind: str, folder: Path, error: MadanceError) -> Breach:
    """A file that cannot be trusted, by its name in the folder; the message of the error begins with its path."""
    where, _, message = str(error).removeprefix(f"{folder}/").partition(": ")
    return Breach(kind, where, message)


def _of_rows(tables: FolderTables) -> Iterator[Breach]:
    statuses = {row["source_id"]: row["status"] for row in tables.sources if row["source_id"]}
    for row in tables.clips:
        clip = str(row["clip_id"])
        if row["split"] not in SPLITS:
            yield Breach("row", clip, f"its split is {row['split']!r}, not one of {', '.join(SPLITS)}")
        if statuses.get(row["source_id"]) == REMOVED:
            yield Breach("removed", clip, f"its source {row['source_id']} was removed")


def _of_files(tables: FolderTables) -> Iterator[Breach]:
    for row in tables.clips:
        for column in FILE_COLUMNS:
            if row[column]:
                try:
                    size = (tables.folder / row[column]).stat().st_size
                except OSError:
                    yield Breach("missing", str(row[column]), "no such file: copy it again")
                    continue
                if column == "path" and row["bytes"] is not None and size != row["bytes"]:
                    yield Breach("changed", str(row[column]), f"is {size} bytes, expected {row['bytes']}")


def _of_sums(folder: Path, tables: FolderTables, full: bool, watch: Watch) -> Iterator[Breach]:
    try:
        sums = read_sums(folder)
    except MadanceError as error:
        yield Breach("sums", SUMS, str(error))
        return
    media = {str(row["path"]): str(row["sha256"]) for row in tables.clips if row["path"]}
    for name, digest in media.items():
        if sums.get(name) != digest:
            yield Breach("sums", name, f"{SUMS} and clips.parquet name different hashes")
    wanted = (
        sums
        if full
        else {name: digest for name, digest in sums.items() if "/" not in name or name.startswith("splits/")}
    )
    with threads() as pool:
        hashed = pool.map(lambda name: _hash(folder / name), wanted)
        for number, ((name, digest), now) in enumerate(zip(wanted.items(), hashed, strict=True), start=1):
            watch.files("hashed", number, len(wanted))
            if now is None:
                if name not in media:  # those are told of already
                    yield Breach("missing", name, "no such file: copy it again")
            elif now != digest:
                yield Breach("changed", name, f"has other bytes than {SUMS} says: copy it again")


def _hash(path: Path) -> str | None:
    try:
        return sha256_file(path)
    except OSError:
        return None


def _of_list(tables: FolderTables, frozen: Assignment, absent: Collection[str]) -> Iterator[Breach]:
    rows = {row["clip_id"]: row for row in tables.clips}
    removed = {row["source_id"] for row in tables.sources if row["status"] == REMOVED}
    groups: dict[str, str] = {}
    for clip in frozen.test or ():
        row = rows.get(clip)
        if row is None:
            if clip not in absent and not any(clip.startswith(f"{source}-") for source in removed):
                yield Breach("list", clip, "stands in the test list and has no row")
            continue
        if row["split"] != "test":
            yield Breach("list", clip, f"stands in the test list and is {row['split']!r}")
        if abs(row["duration_s"] - frozen.rule.seconds) > _EXACT_S:
            yield Breach(
                "list", clip, f"lasts {row['duration_s']:g} s, expected exactly {frozen.rule.seconds:g} s"
            )
        if row["group_id"] in groups:
            yield Breach(
                "list", clip, f"is of the group of {groups[row['group_id']]}; a group gives one test clip"
            )
        groups[row["group_id"]] = clip
    for clip, row in rows.items():
        if row["split"] == "test" and clip not in frozen.clips:
            yield Breach("list", clip, "is 'test' and does not stand in the test list")


def _leaks(tables: FolderTables, frozen: Assignment | None) -> Iterator[Breach]:
    splits: dict[str, set[str]] = defaultdict(set)
    for row in tables.clips:
        splits[row["source_id"]].add(str(row["split"]))
    for source, its in sorted(splits.items()):
        if "test" in its and its & set(_TRAINED):
            yield Breach("leak: source", source, f"has clips in {' and '.join(sorted(its))}")
    yield from _shared(tables, "group_id", "leak: group", "the group")
    yield from _shared(tables, "sha256", "leak: file", "a file of the same bytes,")
    by = frozen.rule.by if frozen else DEFAULT_TIES
    duplicates = read_duplicates(tables.folder)
    songs = [(row["source_id"], row["music_id"]) for row in tables.clips if row["music_id"]]
    for one, other, tie in _closed(tables, duplicates, songs, by):
        if _parted(splits.get(one, set()), splits.get(other, set())):
            yield Breach(
                f"leak: {tie}",
                f"{one} and {other}",
                f"share the {tie}, and one is tested, the other trained on",
            )
    yield from _same_signatures(tables)


def _closed(
    tables: FolderTables, duplicates: list[Row], songs: list[tuple[str, str]], by: Any
) -> Iterator[tuple[str, str, str]]:
    """Every test source with every other that shares something with it."""
    tied: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for tie in by:
        if tie == "duplicate":
            continue
        chain: dict[str, str] = {}
        for one, other, _ in ties_between(tables.sources, (), songs, (tie,)):
            chain[other] = chain.get(one, one)
            chain.setdefault(one, chain[other])
        for source, head in chain.items():
            tied[f"{tie}\0{head}"].append((source, tie))
    in_test = {row["source_id"] for row in tables.clips if row["split"] == "test"}
    for members in tied.values():
        for one in (source for source, _ in members if source in in_test):
            yield from ((one, other, tie) for other, tie in members if other not in in_test)
    if "duplicate" in by:
        yield from ((row["source_a"], row["source_b"], "duplicate") for row in duplicates)


def _parted(one: set[str], other: set[str]) -> bool:
    return ("test" in one and bool(other & set(_TRAINED))) or ("test" in other and bool(one & set(_TRAINED)))


def _shared(tables: FolderTables, column: str, kind: str, noun: str) -> Iterator[Breach]:
    """Values of a column that test clips share with clips that are trained on."""
    found: dict[Any, dict[str, str]] = defaultdict(dict)
    for row in tables.clips:
        if row[column]:
            found[row[column]].setdefault(str(row["split"]), str(row["clip_id"]))
    for value, by_split in found.items():
        trained = [by_split[name] for name in _TRAINED if name in by_split]
        if "test" in by_split and trained:
            yield Breach(
                kind, str(value), f"{noun} is tested ({by_split['test']}) and trained on ({trained[0]})"
            )


def _same_signatures(tables: FolderTables) -> Iterator[Breach]:
    """Clips that look the same to the last bit: a copy under another name, of whatever split."""
    path = tables.folder / SIGNATURES
    try:
        rows = read_signatures(tables.folder)
    except MadanceError as error:
        yield Breach("table", str(path), str(error))
        return
    split: Mapping[str, str] = {row["clip_id"]: str(row["split"]) for row in tables.clips}
    groups: dict[bytes, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row["clip_id"] in split and row["motion"]:
            groups[row["motion"]].setdefault(split[row["clip_id"]], row["clip_id"])
    for by_split in groups.values():
        trained = [by_split[name] for name in _TRAINED if name in by_split]
        if "test" in by_split and trained:
            yield Breach("leak: pictures", by_split["test"], f"looks like {trained[0]}, which is trained on")
