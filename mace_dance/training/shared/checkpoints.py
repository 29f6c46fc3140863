"""Checkpoints that are whole or absent: ``checkpoints/step-00001000/``.

    weights.safetensors    what training changes of the network
    average.safetensors    its moving average (absent without one)
    optimizer.pt           state of the optimiser and of the loss scaling, tensors and plain containers only
    progress.json          the step, and sums of the row of ``metrics.csv`` that is under way
    files.json             SHA-256 of the others

A folder is written beside its place, brought to the disk, and renamed: a process killed at any moment leaves the
checkpoints it had. Files that do not bear their hash are not used; the checkpoint before is.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from madata.errors import MadanceError
from madata.files import read_json, sha256_file, write_bytes
from madata.tensors import all_tensors, open_torch

__all__ = [
    "TrainingState",
    "checkpoint_folder",
    "list_checkpoints",
    "prune_checkpoints",
    "read_newest",
    "write_checkpoint",
]

_NAME = re.compile(r"step-(\d{8,})")
_ASIDE = ".aside-"
_WEIGHTS, _AVERAGE, _OPTIMIZER = "weights.safetensors", "average.safetensors", "optimizer.pt"
_PROGRESS, _FILES = "progress.json", "files.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Everything that a run needs to go on.

    Attributes:
        step: steps done.
        weights: see :func:`mace_dance.training.shared.average.trained_state`.
        average: by name; empty without one.
        optimizer: state dictionaries by name, in plain containers.
        progress: JSON values of the loop.
    """

    step: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    progress: dict[str, Any]


def checkpoint_folder(root: Path, step: int) -> Path:
    """Where the checkpoint of ``step`` belongs."""
    return root / f"step-{step:08d}"


def list_checkpoints(root: Path) -> dict[int, Path]:
    """Folders by step, ascending; their contents are not looked at."""
    found = {}
    for path in root.iterdir() if root.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and path.is_dir():
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def write_checkpoint(root: Path, checkpoint: TrainingState) -> Path:
    """Write, or replace, the checkpoint of a step.

    Raises:
        MadanceError: the disk is full or cannot be written; nothing that was there is harmed.
    """
    place = checkpoint_folder(root, checkpoint.step)
    try:
        root.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=root))
        try:
            _fill(aside, checkpoint)
            aside.chmod(0o755)
            if place.exists():
                place.rename(aside.with_name(f"{aside.name}-damaged"))
            aside.rename(place)
            _flush_folder(root)
        finally:
            for leftover in root.glob(f"{aside.name}*"):
                shutil.rmtree(leftover, ignore_errors=True)
    except OSError as error:
        raise MadanceError(
            f"{place}: the checkpoint cannot be written ({error.strerror or error})"
        ) from error
    return place


def _fill(folder: Path, checkpoint: TrainingState) -> None:
    optimizer = io.BytesIO()
    torch.save(checkpoint.optimizer, optimizer)
    contents = {
        _WEIGHTS: save(_plain(checkpoint.weights)),
        _OPTIMIZER: optimizer.getbuffer(),
        _PROGRESS: _json({"step": checkpoint.step, **checkpoint.progress}),
    }
    if checkpoint.average:
        contents[_AVERAGE] = save(_plain(checkpoint.average))
    for name, content in contents.items():
        write_bytes(folder / name, bytes(content))
    hashes = {name: sha256_file(folder / name) for name in contents}
    write_bytes(folder / _FILES, _json(hashes))
    _flush_folder(folder)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_newest(root: Path) -> TrainingState | None:
    """The newest whole checkpoint, on the CPU; ``None`` where there is no checkpoint at all.

    A damaged one is passed over, with a warning that names it.

    Raises:
        MadanceError: there are checkpoints and all are damaged.
    """
    for leftover in root.glob(f"{_ASIDE}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    found = list_checkpoints(root)
    for step, folder in reversed(found.items()):
        damage = _damage(folder)
        if damage is None:
            return _read(folder, step)
        _log.warning("%s is damaged (%s) and is passed over", folder, damage)
    if found:
        raise MadanceError(f"{root}: every checkpoint is damaged; remove the folder to begin anew")
    return None


def _damage(folder: Path) -> str | None:
    try:
        hashes = read_json(folder / _FILES)
    except MadanceError as error:
        return str(error)
    if not isinstance(hashes, dict) or not {_WEIGHTS, _OPTIMIZER, _PROGRESS} <= hashes.keys():
        return f"{_FILES} does not name every file"
    for name, expected in hashes.items():
        path = folder / Path(name).name
        if not path.is_file() or sha256_file(path) != expected:
            return f"{name} is absent or not what was written"
    return None


def _read(folder: Path, step: int) -> TrainingState:
    average = folder / _AVERAGE
    return TrainingState(
        step,
        all_tensors(folder / _WEIGHTS),
        all_tensors(average) if average.is_file() else {},
        open_torch(folder / _OPTIMIZER),
        read_json(folder / _PROGRESS),
    )


def prune_checkpoints(root: Path, keep_last: int, keep_every: int) -> None:
    """Remove all but the newest ``keep_last`` and those at multiples of ``keep_every`` (0: none)."""
    found = list_checkpoints(root)
    for step in list(found)[:-keep_last]:
        if not keep_every or step % keep_every:
            # Renamed first: a removal cut short must not look like a damaged checkpoint.
            aside = root / f"{_ASIDE}{found[step].name}"
            found[step].rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
