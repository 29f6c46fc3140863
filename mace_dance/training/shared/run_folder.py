"""``run.json``: what a run folder was begun with, and whether it may go on so."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from madata.errors import ConfigError, MadanceError
from madata.files import read_json, write_json

__all__ = ["differences", "hold_folder", "settle"]

_FILE = "run.json"
_SHOWN = 8


def settle(out: Path, deciding: Mapping[str, Any]) -> None:
    """Write ``run.json``, or compare with the one that is there.

    Args:
        out: the run folder.
        deciding: JSON values that a run keeps from its begin to its end; ``task`` names what is trained.

    Raises:
        ConfigError: a deciding value is another now; the message names each.
    """
    path = out / _FILE
    if path.is_file():
        before = read_json(path)
        trained = before.get("task") if isinstance(before, dict) else None
        if trained != deciding["task"]:
            raise ConfigError(
                f"{out}: what is trained there is {trained!r}, not {deciding['task']!r}; choose another folder"
            )
        changed = differences(before, deciding)
        if changed:
            shown = "; ".join(changed[:_SHOWN])
            more = f"; and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
            raise ConfigError(
                f"{out}: was begun with other settings ({shown}{more}); go on with those, or choose another folder"
            )
    elif (out / "checkpoints").is_dir():
        raise ConfigError(f"{out}: has checkpoints and no {_FILE}; choose another folder")
    else:
        write_json(path, deciding)


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """``key: before -> now`` of every value that is not the same."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = sorted({*before, *now})
        prefix = f"{name}." if name else ""
        return [line for key in keys for line in differences(before.get(key), now.get(key), f"{prefix}{key}")]
    return [] if before == now else [f"{name}: {before!r} -> {now!r}"]


@contextlib.contextmanager
def hold_folder(out: Path) -> Iterator[None]:
    """Keep other trainers out of ``out`` while the block runs.

    Raises:
        MadanceError: another process trains there.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MadanceError(f"{out}: another process is training there") from error
        yield
