"""Feature tables on disk: one ``.npz`` of plain arrays, for a run, for a saved reference, for a cached video.

The columns of a table lie under its name (``prediction/kinetic``, ``video/reference/value/psnr``), plain texts under
``fact/``. A features file of a run holds its protocol, so that the numbers can be computed again from it alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from evaluation.features.table import FeatureTable, RunFeatures
from evaluation.protocol import Protocol
from evaluation.result import Side
from madata.errors import MadanceError, MediaError
from madata.files import parse_json, read_npz, write_npz

__all__ = ["read_run", "read_tables", "write_run", "write_tables"]

Array = npt.NDArray[Any]

_SIDES: tuple[Side, ...] = ("prediction", "reference")
_FORMER = {"video/generated": "video/prediction"}
"""Names of tables in files written before predictions were called so everywhere."""


def write_tables(path: Path, tables: Mapping[str, FeatureTable], **facts: str) -> None:
    """Write tables and texts; equal tables give equal bytes."""
    arrays: dict[str, npt.ArrayLike] = {f"fact/{name}": np.array(value) for name, value in facts.items()}
    for key, table in tables.items():
        arrays |= {f"{key}/{name}": column for name, column in table.columns.items()}
        arrays |= {f"{key}/{name}_columns": np.array(names, np.str_) for name, names in table.names.items()}
        for name, lists in table.ragged.items():
            arrays[f"{key}/{name}"] = np.concatenate([*lists, np.empty(0)])
            arrays[f"{key}/{name}/sizes"] = np.array([len(one) for one in lists], np.int64)
    write_npz(path, **arrays)


def read_tables(path: Path) -> tuple[dict[str, FeatureTable], dict[str, str]]:
    """Read what :func:`write_tables` wrote: tables by name, and the texts.

    Raises:
        MediaError: the file is absent, or its tables are not whole.
    """
    parts: dict[str, dict[str, Array]] = {}
    facts = {}
    for key, array in read_npz(path).items():
        table, _, name = key.partition("/")
        if table == "fact":
            facts[name] = str(array)
            continue
        if table == "video":
            side, _, name = name.partition("/")
            table = f"video/{side}"
        parts.setdefault(_FORMER.get(table, table), {})[name] = array
    try:
        tables = {key: _table_of(arrays) for key, arrays in parts.items()}
    except KeyError as error:
        raise MediaError(f"{path}: not a features file, {error} is absent", reason="no_features") from None
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise MediaError(f"{path}: not a whole features file ({error})", reason="no_features") from error
    if not tables:
        raise MediaError(f"{path}: not a features file, it holds no features", reason="no_features")
    return tables, facts


def _table_of(arrays: Mapping[str, Array]) -> FeatureTable:
    columns, ragged, names = {}, {}, {}
    for name, array in arrays.items():
        if name.endswith("/sizes"):
            continue
        if f"{name}/sizes" in arrays:
            sizes = arrays[f"{name}/sizes"]
            if sizes.dtype.kind not in "iu" or sizes.ndim != 1 or (sizes < 0).any():
                raise ValueError(f"{name}/sizes are no numbers of values")
            ends = np.cumsum(sizes)
            if ends.size and ends[-1] != len(array):
                raise ValueError(f"{name} holds {len(array)} values, its sizes say {ends[-1]}")
            ragged[name] = tuple(np.split(array, ends[:-1])) if ends.size else ()
        elif name.endswith("_columns"):
            names[name.removesuffix("_columns")] = tuple(str(one) for one in array)
        else:
            columns[name] = array
    table = FeatureTable(columns, ragged, names)
    table.check()
    return table


def write_run(path: Path, run: RunFeatures) -> None:
    """Write everything the numbers of a run are made of."""
    facts = {"protocol": run.protocol.model_dump_json()}
    motion = {"prediction": run.prediction, "reference": run.reference}
    tables = {name: table for name, table in motion.items() if table is not None}
    if run.videos:
        tables |= {f"video/{side}": table for side, table in run.videos.items()}
        facts["missing"] = json.dumps([dict(run.missing), run.no_motion])
    write_tables(path, tables, **facts)


def read_run(path: Path) -> RunFeatures:
    """Read a features file of a run, of this version or of an earlier one.

    Raises:
        MediaError: the file is none, or lacks what its protocol needs.
    """
    tables, facts = read_tables(path)
    try:
        protocol = Protocol.model_validate_json(facts["protocol"])
    except (KeyError, ValidationError):
        message = f"{path}: does not say by which protocol it was measured, so it is no scored run"
        raise MediaError(message, reason="no_features") from None
    known = {*_SIDES, *(f"video/{side}" for side in _SIDES)}
    if odd := sorted(set(tables) - known):
        raise MediaError(f"{path}: holds {odd[0]}, which is no part of a scored run", reason="no_features")
    videos = {side: tables[f"video/{side}"] for side in _SIDES if f"video/{side}" in tables}
    moved = all(side in tables for side in _SIDES)
    if not protocol.has_pictures and not moved:
        raise MediaError(f"{path}: holds {', '.join(tables)}, not a scored run", reason="no_features")
    if not protocol.has_pictures:
        return RunFeatures(protocol, tables["prediction"], tables["reference"])
    if "missing" not in facts or "prediction" not in videos:
        message = f"{path}: holds no videos, but protocol {protocol.name} needs them"
        raise MediaError(message, reason="no_features")
    missing, no_motion = _missing_of(path, facts["missing"])
    if moved and not set(videos["prediction"].clip_ids) >= set(tables["prediction"].clip_ids):
        raise MediaError(f"{path}: holds motion of clips whose videos it does not hold", reason="no_features")
    run = RunFeatures(protocol, videos=videos, missing=missing, no_motion=no_motion)
    if not moved:
        return run
    return RunFeatures(protocol, tables["prediction"], tables["reference"], videos, missing, no_motion)


def _missing_of(path: Path, text: str) -> tuple[dict[str, str], str]:
    """What was not looked for, and why there is no motion."""
    try:
        missing, no_motion = parse_json(text, path)
        return {
            str(name): str(reason) for name, reason in missing.items()
        }, no_motion or RunFeatures.no_motion
    except (MadanceError, ValueError, TypeError, AttributeError) as error:
        raise MediaError(f"{path}: does not say what was not measured", reason="no_features") from error
