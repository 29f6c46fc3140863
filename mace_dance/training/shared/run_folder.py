"""``run.json``: what a run folder was begun with, and whether it may go on so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madata.config import refuse_differences
from madata.errors import ConfigError
from madata.files import read_json, write_json

__all__ = ["settle_training"]

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
