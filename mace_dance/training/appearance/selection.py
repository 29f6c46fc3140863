"""Which parameters a stage trains: exactly these, counted, or an error.

The Kinematic stage trains ``pose_patch_embedding.{weight,bias}``, 332,800 numbers at full size. The Aesthetic stage
freezes them and trains the factors of a LoRA on ten layers of every block (:data:`mace_dance.appearance.lora.LAYERS`),
400 layers and 153,354,240 numbers at full size and rank 32. Trained parameters are float32, whatever the others are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mace_dance.appearance.adapter import BODY_ADAPTER
from mace_dance.appearance.lora import ADAPTER_NAME, LAYERS, expected_layers
from mace_dance.training.appearance.settings import AppearanceTraining, LoraSettings
from madata.errors import WeightsError

__all__ = ["Selection", "select", "select_aesthetic", "select_kinematic"]

_LAYERS_PER_BLOCK = 10
_FACTOR = re.compile(rf"({LAYERS})\.lora_[AB]\.{ADAPTER_NAME}\.weight")


@dataclass(frozen=True)
class Selection:
    """What is trained.

    Attributes:
        names: of the parameters, in the order of the network.
        numbers: how many numbers they hold.
        layers: LoRA layers; 0 in the Kinematic stage.
    """

    names: tuple[str, ...]
    numbers: int
    layers: int

    def describe(self) -> str:
        """One line."""
        if not self.layers:
            return f"trains {', '.join(self.names)}: {self.numbers:,} parameters"
        first, last = self.names[0], self.names[-1]
        return (
            f"trains {len(self.names)} LoRA factors on {self.layers} layers: {self.numbers:,} parameters "
            f"({first} ... {last})"
        )


def select(network: Any, settings: AppearanceTraining) -> Selection:
    """Mark what the stage of ``settings`` trains; see :func:`select_kinematic` and :func:`select_aesthetic`."""
    if settings.stage == "kinematic":
        return select_kinematic(network)
    return select_aesthetic(network, settings.lora)


def select_kinematic(network: nn.Module) -> Selection:
    """Freeze everything but the Body Adapter.

    Raises:
        WeightsError: the network has no Body Adapter.
    """
    network.requires_grad_(False)
    parameters = dict(network.named_parameters())
    missing = [name for name in BODY_ADAPTER if name not in parameters]
    if missing:
        raise WeightsError(f"the transformer has no {missing[0]}: it is not that of Wan-Animate")
    for name in BODY_ADAPTER:
        _train(parameters[name])
    return _counted(network, layers=0)


def select_aesthetic(network: Any, settings: LoraSettings) -> Selection:
    """Freeze everything and put a LoRA, at first without effect, on ten layers of every block.

    Its first factors are drawn from torch's global generator.

    Args:
        network: a ``diffusers.WanAnimateTransformer3DModel`` without a LoRA.
        settings: rank and alpha.

    Raises:
        WeightsError: the layers are not ten in every block, or not all of them took the LoRA.
    """
    from peft import LoraConfig

    network.requires_grad_(False)
    expected = expected_layers(network)
    blocks = len(network.blocks)
    if len(expected) != _LAYERS_PER_BLOCK * blocks:
        raise WeightsError(
            f"the transformer has {len(expected)} layers for the LoRA in {blocks} blocks, not "
            f"{_LAYERS_PER_BLOCK * blocks}: it is not that of Wan-Animate"
        )
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.scale, target_modules=LAYERS, init_lora_weights=True
    )
    network.add_adapter(config, adapter_name=ADAPTER_NAME)
    for name, parameter in network.named_parameters():
        if ".lora_" in name:
            _train(parameter)
    selection = _counted(network, layers=len(expected))
    strays = [name for name in selection.names if not _FACTOR.fullmatch(name)]
    if strays or len(selection.names) != 2 * len(expected):
        raise WeightsError(
            f"the LoRA reached {len(selection.names)} factors instead of {2 * len(expected)}"
            + (f", {strays[0]} among them" if strays else "")
        )
    return selection


def _train(parameter: nn.Parameter) -> None:
    parameter.data = parameter.data.to(torch.float32)
    parameter.requires_grad_(True)


def _counted(network: nn.Module, *, layers: int) -> Selection:
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    return Selection(tuple(trained), sum(value.numel() for value in trained.values()), layers)
