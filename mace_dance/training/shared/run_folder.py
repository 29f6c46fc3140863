"""``run.json``: what a run folder was begun with, and whether it may go on so."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from madata.config import refuse_differences
from madata.errors import ConfigError, MadanceError
from madata.files import read_json, write_json

__all__ = ["hold_folder", "settle_training"]

_FILE = "run.json"


def settle_training(out: Path, deciding: Mapping[str, Any]) -> None:
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
        refuse_differences(out, before, deciding)
    elif (out / "checkpoints").is_dir():
        raise ConfigError(f"{out}: has checkpoints and no {_FILE}; choose another folder")
    else:
        write_json(path, deciding)


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
