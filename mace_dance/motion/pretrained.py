"""A trained model as a folder: ``config.json`` and ``model.safetensors``.

``config.json`` says what the network is (its kind and sizes), what its numbers mean (motion layout, frame rate) and
where it comes from (label, training data, provenance); ``model.safetensors`` holds the tensors of the network under
their own names, and ``normaliser.scale`` and ``normaliser.shift``. A folder is made aside and moved into place whole,
so that a reader never meets half of one model and half of another. Reading is strict: every tensor is used, every
tensor is filled, and every number is finite.

Kinds of networks share the format (:class:`Kind`); official ``.pt`` files are read by
:mod:`mace_dance.motion.checkpoint`.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from mace_dance.motion.checkpoint import load_motion_expert, load_strictly, refuse_not_finite
from mace_dance.motion.config import GENRES, OFFICIAL, MotionExpertConfig, NetworkConfig
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.normaliser import Normaliser
from madata.config import ClosedModel, validated
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import atomic_path, read_json, scratch_folder, write_json
from madata.tensors import all_tensors

__all__ = [
    "CONFIG_FILE",
    "MOTION_EXPERT",
    "WEIGHTS_FILE",
    "Kind",
    "ModelInfo",
    "Pretrained",
    "check_kind",
    "load_model",
    "newest_epoch",
    "read_model",
    "save_model",
]

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"

FORMAT: Literal["madance.model/1"] = "madance.model/1"
_SCALE, _SHIFT = "normaliser.scale", "normaliser.shift"


Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=NetworkConfig)


class ModelInfo(ClosedModel):
    """What a model is apart from its network.

    Attributes:
        label: what every result made with it is marked with, such as ``"tiny-synthetic"``; ``None`` for a model that
            stands for its method.
        fps: frame rate of the motions.
        layout: layout of the motion vectors (:data:`madata.motion.LAYOUTS`).
        genres: names of the genre labels, in their order; empty where they have none.
        training_data: names of data sets, or ``name:split``.
        provenance: how it was made: commands, steps, seeds, versions, losses.
    """

    label: str | None = None
    fps: float = Field(default=30.0, gt=0)
    layout: str = "edge-151"
    genres: tuple[str, ...] = ()
    training_data: tuple[str, ...] = ()
    provenance: dict[str, Any] = Field(default_factory=dict)


class _Description(ClosedModel):
    format: Literal["madance.model/1"] = FORMAT
    kind: str
    network: dict[str, Any]
    info: ModelInfo = ModelInfo()


@dataclass(frozen=True)
class Kind(Generic[Network, Config]):
    """A kind of network.

    Attributes:
        name: as ``config.json`` says it.
        config: its settings.
        build: makes the network from them.
    """

    name: str
    config: type[Config]
    build: Callable[[Config], Network]


MOTION_EXPERT: Kind[MotionExpert, MotionExpertConfig] = Kind(
    "motion-expert", MotionExpertConfig, MotionExpert
)


@dataclass(frozen=True, eq=False)
class Pretrained(Generic[Network, Config]):
    """A model ready to sample.

    Attributes:
        network: in ``eval`` mode, on the CPU.
        normaliser: the range of the training motions.
    """

    network: Network
    config: Config
    normaliser: Normaliser
    info: ModelInfo


def save_model(
    folder: Path,
    network: nn.Module,
    config: NetworkConfig,
    normaliser: Normaliser,
    info: ModelInfo | None = None,
    kind: str = MOTION_EXPERT.name,
) -> None:
    """Write a model folder; a model that is there already is replaced at once, never in part.

    Args:
        folder: of this model alone.
        network: whatever device it is on.
        config: the settings it was built from.
        normaliser: of the training motions.
        info: see :class:`ModelInfo`.
        kind: see :class:`Kind`.

    Raises:
        MadanceError: the folder holds other files, which would be lost, or cannot be written.
        WeightsError: a tensor holds NaN or infinity.
    """
    from safetensors.torch import save_file

    # Copies, because a file holds each tensor once and networks share some.
    tensors = {
        name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()
    }
    refuse_not_finite(tensors, folder)
    tensors[_SCALE] = torch.as_tensor(normaliser.scale).clone()
    tensors[_SHIFT] = torch.as_tensor(normaliser.shift).clone()
    description = _Description(kind=kind, network=config.model_dump(mode="json"), info=info or ModelInfo())
    strangers = _strangers(folder)
    if strangers:
        raise MadanceError(
            f"{folder}: holds {strangers[0]} and is no folder of a model alone; choose another"
        )
    try:
        with scratch_folder(folder.parent) as scratch:
            aside = scratch / folder.name
            with atomic_path(aside / WEIGHTS_FILE) as temporary:
                save_file(tensors, temporary)
            write_json(aside / CONFIG_FILE, description.model_dump(mode="json"))
            _move_into_place(aside, folder)
    except OSError as error:
        raise MadanceError(f"cannot write {folder}: {error.strerror or error}") from error


def _strangers(folder: Path) -> list[str]:
    """Whatever else than a model is at ``folder``."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        return ["a file"]
    return sorted(path.name for path in folder.iterdir() if path.name not in (CONFIG_FILE, WEIGHTS_FILE))


def _move_into_place(aside: Path, folder: Path) -> None:
    """Rename; a folder that is not empty cannot be renamed over, so the earlier model steps aside first."""
    earlier = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:12]}")  # not where it would be swept
    with contextlib.suppress(FileNotFoundError):
        folder.rename(earlier)
    aside.rename(folder)
    shutil.rmtree(earlier, ignore_errors=True)


def read_model(folder: Path, kind: Kind[Network, Config]) -> Pretrained[Network, Config]:
    """Read a model folder.

    Raises:
        WeightsError: it is no model folder, holds a model of another kind, or its tensors are not those of the
            network it describes; the message names the first difference.
    """
    described = _description(folder)
    _refuse_another_kind(folder, described, kind.name)
    where = f"{folder / CONFIG_FILE}: network"
    config = validated(kind.config, described.network, where=where, error=WeightsError)
    tensors = _tensors(folder / WEIGHTS_FILE)
    normaliser = _normaliser(tensors, config.features, folder / WEIGHTS_FILE)
    network = kind.build(config)
    load_strictly(network, tensors, folder / WEIGHTS_FILE)
    return Pretrained(network.eval(), config, normaliser, described.info)


def check_kind(path: Path, kind: str) -> None:
    """Refuse a model folder of another kind by what it says of itself, before its tensors are read.

    A path that is no model folder passes: official files are told apart by their tensors.

    Args:
        path: of weights.
        kind: name of the kind that is asked for.

    Raises:
        WeightsError: the folder is of another kind, or does not say of which.
    """
    if (path / CONFIG_FILE).is_file():
        _refuse_another_kind(path, _description(path), kind)


def _refuse_another_kind(folder: Path, described: _Description, kind: str) -> None:
    if described.kind != kind:
        raise WeightsError(f"{folder}: holds a model of the kind {described.kind!r}, not {kind!r}")


def load_model(
    path: Path, config: MotionExpertConfig = OFFICIAL, which: Literal["model", "ema"] = "model"
) -> Pretrained[MotionExpert, MotionExpertConfig]:
    """A Motion Expert from a model folder, or from an official ``.pt``.

    Args:
        path: the folder or the file.
        config: what an official file holds, which does not say so itself; a folder does.
        which: the weights as trained, or their moving average; of an official file only.

    Raises:
        WeightsError: it is neither, or the model of another network.
    """
    if path.is_dir():
        return read_model(path, MOTION_EXPERT)
    if path.name in (CONFIG_FILE, WEIGHTS_FILE) and path.is_file():
        raise WeightsError(f"{path}: is one file of a model; give its folder {path.parent}")
    network, normaliser = load_motion_expert(path, config, which)
    genres = GENRES if config.choices.genre == "on" and config.genres == len(GENRES) else ()
    return Pretrained(network, config, normaliser, ModelInfo(genres=genres))


def newest_epoch(folder: Path, *patterns: str, whose: str) -> Path:
    """The file of the highest epoch in a folder as a method's authors keep it.

    Args:
        folder: that was given, and is no model folder.
        patterns: paths below it, in which ``N`` stands for the epoch and ``*`` for any name; files of the first that
            has some count.
        whose: what the folder should be, in words.

    Raises:
        WeightsError: it is no folder, or has no such file.
    """
    if not folder.is_dir():
        said = f"is a file; give {whose}, or a model folder" if folder.exists() else "no such folder"
        raise WeightsError(f"{folder}: {said}")
    for pattern in patterns:
        epoch = re.compile(re.escape(pattern).replace(r"\*", "[^/]+").replace("N", r"(\d+)"))
        found = {
            int(match[1]): path
            for path in sorted(folder.glob(pattern.replace("N", "*")))
            if (match := epoch.fullmatch(path.relative_to(folder).as_posix()))
        }
        if found:
            return found[max(found)]
    raise WeightsError(
        f"{folder}: neither a model folder ({CONFIG_FILE}) nor {whose}: there is no {' or '.join(patterns)}"
    )


def _description(folder: Path) -> _Description:
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise WeightsError(
            f"{folder}: is no model folder, it has no {CONFIG_FILE}"
            if folder.is_dir()
            else f"{folder}: no such model folder"
        )
    try:
        content = read_json(path)
    except MadanceError as error:
        raise WeightsError(str(error)) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise WeightsError(f"{path}: not a model of the format {FORMAT!r} (found {found!r})")
    return validated(_Description, content, where=str(path), error=WeightsError)


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; the model folder is not whole")
    return all_tensors(path)


def _normaliser(tensors: dict[str, Tensor], features: int, source: Path) -> Normaliser:
    """Take the normaliser out of ``tensors``."""
    if absent := [name for name in (_SCALE, _SHIFT) if name not in tensors]:
        raise WeightsError(f"{source}: has no tensor {absent[0]}")
    try:
        normaliser = Normaliser(*(tensors.pop(name).float().numpy() for name in (_SCALE, _SHIFT)))
    except ConfigError as error:
        raise WeightsError(f"{source}: {error}") from error
    if len(normaliser.scale) != features:
        raise WeightsError(
            f"{source}: its normaliser is for {len(normaliser.scale)} features, the network for {features}"
        )
    return normaliser
