"""Any folder of motions, with or without sound files of the same name, and the table that says the rest."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mace_dance.motion.config import GENRES
from mace_dance.training.motion.data.report import DroppedTake
from mace_dance.training.motion.data.settings import DataSettings
from mace_dance.training.motion.data.takes import Found, Side, Take, music_of
from madata.errors import ConfigError, did_you_mean
from madata.formats import files_in, stem_of

__all__ = ["apply_table", "find_folder"]

_COLUMNS = ("take", "group", "split", "genre", "music")
_SPLITS = ("train", "held-out", "drop")


def find_folder(source: Path, settings: DataSettings, cache: Path) -> Found:
    """Every motion file below a folder, but for hidden ones and those of the cache; each is a group of its own.

    A take is named by its path below the folder, without the suffix.
    """
    takes: dict[str, Take] = {}
    drops: list[DroppedTake] = []
    for path in files_in(source, "motion", outside=cache):
        inside = path.relative_to(source)
        name = (inside.parent / stem_of(path)).as_posix()
        if name in takes:
            drops.append(
                DroppedTake(inside.as_posix(), "same_name", f"{path}: {takes[name].motion} is the same take")
            )
            continue
        folders = [path.parent, *([settings.music_folder] if settings.music_folder else [])]
        takes[name] = Take(name, path, music_of([stem_of(path)], folders), None, name)
    return Found([takes[name] for name in sorted(takes)], drops)


def apply_table(found: Found, table: Path) -> Found:
    """What a source holds, completed and corrected by a table of takes.

    Raises:
        ConfigError: the table is absent, is no such table, or names a take that is not there.
    """
    takes = {take.name: take for take in found.takes}
    drops = list(found.drops)
    gone = {drop.take for drop in drops}
    for line, row in _rows(table):
        name = row["take"]
        if name not in takes:
            if name in gone:
                continue
            raise ConfigError(f"{table}, line {line}: there is no take {name!r}{did_you_mean(name, takes)}")
        take = takes[name]
        if row.get("group"):
            take = replace(take, group=row["group"])
        if row.get("genre"):
            take = replace(take, genre=row["genre"])
        if row.get("music"):
            take = replace(take, music=_music(table, line, row["music"]))
        if split := row.get("split"):
            if split not in _SPLITS:
                raise ConfigError(
                    f"{table}, line {line}: split is one of {', '.join(_SPLITS)}, not {split!r}"
                )
            if split == "drop":
                del takes[name]
                drops.append(DroppedTake(name, "ignored", f"{table}, line {line}: says drop"))
                continue
            side: Side = "held-out" if split == "held-out" else "train"
            take = replace(take, side=side)
        takes[name] = take
    return _labelled(list(takes.values()), drops, found.genres, table)


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            header = reader.fieldnames or []
            unknown = [str(name) for name in header if name not in _COLUMNS]
            if unknown or "take" not in header:
                raise ConfigError(
                    f"{table}: the columns are {', '.join(_COLUMNS)}, of which take is needed; "
                    f"found {', '.join(map(str, header)) or 'none'}"
                )
            return [
                (
                    reader.line_num,
                    {key: (value or "").strip() for key, value in row.items() if key is not None},
                )
                for row in reader
            ]
    except FileNotFoundError:
        raise ConfigError(f"{table}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table}: not a readable CSV table ({error})") from error


def _music(table: Path, line: int, name: str) -> Path:
    path = table.parent / name
    if not path.is_file():
        raise ConfigError(f"{table}, line {line}: there is no sound file {path}")
    return path


def _labelled(takes: Sequence[Take], drops: list[DroppedTake], genres: tuple[str, ...], table: Path) -> Found:
    """DroppedTake takes without a known genre where others have one.

    Names that are all among the official sixteen keep the official labels, any others are numbered by name.
    """
    given = {take.genre for take in takes if take.genre}
    if not given:
        return Found(takes, drops, genres)
    if not genres:
        genres = GENRES if given <= set(GENRES) else tuple(sorted(given))
    kept = []
    for take in takes:
        if take.genre in genres:
            kept.append(take)
            continue
        problem = f"{table}: the genre of {take.name} is {take.genre!r}, known: {', '.join(genres)}"
        drops.append(DroppedTake(take.name, "unknown_genre", problem))
    return Found(kept, drops, genres)
