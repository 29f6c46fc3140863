"""What a board computed from results and their features, remembered by the content of both and of the code.

A board of the same results is made again and again; the next one finds here what the last one computed. Records lie in
the user's cache and may be removed at any time.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

import evaluation
from leaderboard.entries import BoardEntry
from madata.cache import cache_dir, remembered_sha256
from madata.errors import MadanceError
from madata.files import read_json, sha256_bytes, write_text

__all__ = ["remembered"]


Value = TypeVar("Value")


def remembered(
    kind: str, entries: Sequence[BoardEntry], shape: TypeAdapter[Value], compute: Callable[[], Value]
) -> Value:
    """What ``compute`` gives of some results, computed once; without features beside each of them every time.

    Args:
        kind: what it is: the name of a folder of the cache.
        entries: in the order that matters to ``compute``.
        shape: of the value. A record of another one is made again.
    """
    record = _record(kind, entries)
    if record is None:
        return compute()
    with contextlib.suppress(MadanceError, ValidationError):
        return shape.validate_python(read_json(record))
    value = compute()
    with contextlib.suppress(MadanceError):  # a cache that cannot be written is no reason to stop
        write_text(record, shape.dump_json(value).decode())
    return value


def _record(kind: str, entries: Sequence[BoardEntry]) -> Path | None:
    try:
        hashes = [[one.result.id, remembered_sha256(one.features)] for one in entries if one.features]
    except OSError:
        return None
    if len(hashes) < len(entries):
        return None
    key = sha256_bytes(json.dumps([_code(), hashes]).encode())
    return cache_dir() / kind / key[:2] / f"{key[2:]}.json"


@cache
def _code() -> str:
    """Hash of what a value comes from: another version of it remembers nothing of this one."""
    folders = (Path(evaluation.__file__).parent, Path(__file__).parent)
    files = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".toml")
    )
    return sha256_bytes("\n".join(map(remembered_sha256, files)).encode())
