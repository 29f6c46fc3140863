"""Which takes a folder holds: its layout is told from what lies in it."""

from __future__ import annotations

from pathlib import Path

from mace_dance.training.motion.data.aist import find_aist, find_edge
from mace_dance.training.motion.data.finedance import find_finedance
from mace_dance.training.motion.data.folder import apply_table, find_folder
from mace_dance.training.motion.data.ma_data import find_ma_data
from mace_dance.training.motion.data.settings import LAYOUTS, DataSettings, Layout
from mace_dance.training.motion.data.takes import Found
from madata.errors import ConfigError, MadanceError

__all__ = ["find_takes", "layout_of"]

_MARKS: dict[Layout, tuple[tuple[str, ...], ...]] = {
    "finedance": (("motion", "label_json"),),
    "edge": (("train/motions_sliced",), ("test/motions_sliced",), ("motions_sliced",)),
    "aist": (("motions",),),
    "ma-data": (("clips.parquet", "sources.parquet"),),
    "folder": ((),),
}


def layout_of(source: Path) -> Layout:
    """The layout of a folder: the first of :data:`LAYOUTS` whose files are there."""
    for name in LAYOUTS:
        if _fits(source, name):
            return name
    return "folder"


def _fits(source: Path, name: Layout) -> bool:
    if name == "aist":
        return any((source / "motions").glob("g*_s*_c*_d*_m*_ch*.pkl"))
    return any(all((source / part).exists() for part in parts) for parts in _MARKS[name])


def find_takes(source: Path, settings: DataSettings, cache: Path) -> Found:
    """The takes of ``source``, the table of takes applied.

    Args:
        cache: a folder whose files are no source.

    Raises:
        MadanceError: the folder does not exist, or holds nothing of its layout.
        ConfigError: the folder is not of the layout said, or a setting does not fit it.
    """
    if not source.is_dir():
        raise MadanceError(f"{source}: no such folder of motions")
    name = layout_of(source) if settings.layout == "auto" else settings.layout
    if settings.motions is not None and name != "ma-data":
        raise ConfigError(f"data.motions is a setting of the layout ma-data, {source} is read as {name}")
    if settings.music_folder is not None and not settings.music_folder.is_dir():
        raise ConfigError(f"{settings.music_folder}: no such folder of music")
    if not _fits(source, name):
        wanted = " or ".join(" and ".join(parts) for parts in _MARKS[name])
        raise ConfigError(
            f"{source} is no {name} folder: it has no {wanted}; --set data.layout=auto tells by itself"
        )
    if name == "finedance":
        found = find_finedance(source, settings)
    elif name == "aist":
        found = find_aist(source, settings)
    elif name == "edge":
        found = find_edge(source, settings)
    elif name == "ma-data":
        found = find_ma_data(source, settings)
    else:
        found = find_folder(source, settings, cache)
    if not found.takes and not found.drops:
        raise MadanceError(f"{source}: there is no motion in this {name} folder")
    return apply_table(found, settings.takes) if settings.takes else found
