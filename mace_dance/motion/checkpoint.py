"""Official checkpoints of the EDGE family, read strictly and without running anything in them.

Those of EDGE and of the Motion Expert are ``torch.save`` files of a dictionary: ``model_state_dict``,
``ema_state_dict``, ``optimizer_state_dict`` and ``normalizer``, a pickled object of the class
``dataset.preprocess.Normalizer`` around a ``dataset.scaler.MinMaxScaler``. The restricted reader of torch builds
tensors and plain containers, and these two classes as inert boxes whose contents become a :class:`Normaliser`; any
other class is refused. Names may have the prefix ``module.`` of training with several processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from mace_dance.motion.config import OFFICIAL, MotionExpertConfig
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError, WeightsError
from madata.tensors import open_torch

__all__ = [
    "OfficialCheckpoint",
    "load_motion_expert",
    "load_strictly",
    "read_checkpoint",
    "read_normaliser",
    "read_parts",
    "refuse_not_finite",
    "state_of",
]

Which = Literal["model", "ema"]


@dataclass(frozen=True, eq=False)
class OfficialCheckpoint:
    """What sampling needs of a checkpoint.

    Attributes:
        path: where it came from.
        state: tensors by name.
        normaliser: the range of the training motions.
    """

    path: Path
    state: dict[str, Tensor]
    normaliser: Normaliser


class _NormalizerBox:
    """Stands for ``dataset.preprocess.Normalizer``."""

    scaler: Any = None


class _ScalerBox:
    """Stands for ``dataset.scaler.MinMaxScaler``."""

    scale_: Any = None
    min_: Any = None


_BOXES: list[Any] = [
    (_NormalizerBox, "dataset.preprocess.Normalizer"),
    (_ScalerBox, "dataset.scaler.MinMaxScaler"),
]

_LODGE_BOXES: list[Any] = [
    (_NormalizerBox, "dld.data.utils.preprocess.Normalizer"),
    (_ScalerBox, "dld.data.utils.preprocess.MinMaxScaler"),
]


def read_checkpoint(path: Path, which: Which) -> OfficialCheckpoint:
    """Read a checkpoint of the EDGE family.

    Args:
        path: the ``.pt`` file.
        which: the weights as trained, or their moving average. The official Motion Expert samples with
            ``"model"``, EDGE with ``"ema"``.

    Raises:
        WeightsError: the file is absent, damaged, holds other classes, or lacks a part.
    """
    key = f"{which}_state_dict"
    content = read_parts(path, (key, "normalizer"), _BOXES)
    return OfficialCheckpoint(path, state_of(path, content, key), _normaliser(path, content["normalizer"]))


def read_parts(path: Path, parts: Sequence[str], boxes: Sequence[Any] = ()) -> Mapping[str, Any]:
    """The dictionary of a ``torch.save`` file, read without running anything in it.

    Args:
        path: the file.
        parts: keys that it must have.
        boxes: ``(class of ours, "module.Name")`` for other classes in it; ours stand in their place.

    Raises:
        WeightsError: the file is absent, damaged, holds other classes, or lacks a part.
    """
    content = _content(path, boxes)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: a checkpoint holds a dictionary, this one a {type(content).__name__}")
    lacking = [name for name in parts if name not in content]
    if lacking:
        held = ", ".join(map(str, content)) or "nothing"
        raise WeightsError(f"{path}: the checkpoint has no {' and no '.join(lacking)}; it holds {held}")
    return content


def read_normaliser(path: Path) -> Normaliser:
    """The normaliser that Lodge keeps in a file of its own, ``Normalizer.pth``.

    Raises:
        WeightsError: the file is absent, damaged, or holds something else.
    """
    return _normaliser(path, _content(path, _LODGE_BOXES))


def _content(path: Path, boxes: Sequence[Any]) -> Any:
    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint")
    return open_torch(path, boxes=boxes)


def state_of(path: Path, content: Mapping[str, Any], key: str) -> dict[str, Tensor]:
    """Tensors by name under a key of :func:`read_parts`, without the prefix of training with several processes.

    Raises:
        WeightsError: it is no dictionary of tensors.
    """
    state = content[key]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: {key} is not a dictionary of tensors")
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def _normaliser(path: Path, box: Any) -> Normaliser:
    scaler = box.scaler if isinstance(box, _NormalizerBox) else None
    if not isinstance(scaler, _ScalerBox):
        raise WeightsError(f"{path}: the normaliser is no Normalizer around a MinMaxScaler")
    parts = (scaler.scale_, scaler.min_)
    if not all(isinstance(part, Tensor | np.ndarray) for part in parts):
        raise WeightsError(f"{path}: the normaliser has no scale_ and min_")
    try:
        return Normaliser(*(np.asarray(part, np.float32) for part in parts))
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}") from error


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Fill every tensor of ``network``, and use every tensor of ``state``.

    Raises:
        WeightsError: a tensor is missing, left over, of another shape or not finite; the message names the first.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unknown": sorted(found.keys() - expected.keys()),
        "of another shape": sorted(
            name for name in expected.keys() & found.keys() if expected[name] != found[name]
        ),
    }
    said = [f"{len(names)} {kind} (first: {names[0]})" for kind, names in problems.items() if names]
    if said:
        raise WeightsError(
            f"{source}: not the weights of this {type(network).__name__}: tensors {', '.join(said)}"
        )
    refuse_not_finite(state, source)
    network.load_state_dict(dict(state))


def refuse_not_finite(tensors: Mapping[str, Tensor], source: Path) -> None:
    """Refuse weights of which a number is NaN or infinity.

    Raises:
        WeightsError: one is; the message names the tensor.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{source}: the tensor {name} holds NaN or infinity; the training diverged")


def load_motion_expert(
    path: Path, config: MotionExpertConfig = OFFICIAL, which: Which = "model"
) -> tuple[MotionExpert, Normaliser]:
    """The network of an official checkpoint, in ``eval`` mode, and its normaliser.

    Raises:
        WeightsError: it is not a checkpoint of this network.
    """
    checkpoint = read_checkpoint(path, which)
    network = MotionExpert(config)
    load_strictly(network, checkpoint.state, path)
    if len(checkpoint.normaliser.scale) != config.features:
        raise WeightsError(
            f"{path}: its normaliser is for {len(checkpoint.normaliser.scale)} features, "
            f"the network for {config.features}"
        )
    return network.eval(), checkpoint.normaliser
