"""What Hallo2 hears: the layers of wav2vec 2.0 at the video's frames, with two frames on either side.

Upstream separates the voice from the music first. A dancer follows what that would take away, so it is not done here.
Legend: T frames, L layers, D features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.sd15.load import tensors_of_folder
from mace_dance.appearance.quiet import quiet_libraries
from mace_dance.appearance.tensors import fill
from madata.files import read_json

__all__ = ["RATE_HZ", "heard_at", "load_wav2vec", "neighbours", "normalised", "sound_features", "wav2vec_of"]

RATE_HZ = 16_000
"""Samples per second of what wav2vec was trained on."""

_REACH = 2
_PIECE_S = 60
_VARIANCE = 1e-7
_RENAMED = {
    "pos_conv_embed.conv.weight_g": "pos_conv_embed.conv.parametrizations.weight.original0",
    "pos_conv_embed.conv.weight_v": "pos_conv_embed.conv.parametrizations.weight.original1",
}


def load_wav2vec(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """wav2vec 2.0 from a folder in the layout of transformers; a head for speech is passed over.

    Raises:
        MadanceError: the folder does not hold it.
    """
    tensors, path = tensors_of_folder(folder)
    return wav2vec_of(read_json(folder / "config.json"), tensors, path, dtype)


def wav2vec_of(config: dict[str, Any], tensors: dict[str, Tensor], source: Path, dtype: torch.dtype) -> Any:
    """wav2vec 2.0 of a configuration, filled strictly; names of older files are understood.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape.
    """
    from accelerate import init_empty_weights
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    with quiet_libraries(), init_empty_weights(include_buffers=False):
        network = Wav2Vec2Model(Wav2Vec2Config.from_dict(config))
    named = {}
    for name, value in tensors.items():
        plain = name.removeprefix("wav2vec2.")
        for old, new in _RENAMED.items():
            plain = plain.replace(old, new)
        if not plain.startswith("lm_head."):
            named[plain] = value
    fill(network, named.items(), source=source, dtype=dtype)
    return network.eval().requires_grad_(False)


def normalised(waveform: Tensor) -> Tensor:
    """(N,) of mean 0 and variance 1, as wav2vec's own preparation does it."""
    centred = waveform - waveform.mean()
    return centred / torch.sqrt(centred.square().mean() + _VARIANCE)


@torch.no_grad()
def sound_features(network: Any, waveform: Tensor, frames: int) -> Tensor:
    """(T, L, D) what every layer makes of (N,) samples, ``frames`` times over their length.

    What the convolutions give, about 50 a second, is first stretched to the frames.
    """
    heard: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(
            lambda module, inputs, output: heard.append(output[0] if isinstance(output, tuple) else output)
        )
        for layer in network.encoder.layers
    ]
    try:
        convolved = network.feature_extractor(waveform[None].to(network.device, network.dtype))
        at_frames = torch.nn.functional.interpolate(
            convolved, size=frames, mode="linear", align_corners=True
        ).transpose(1, 2)
        network.encoder(network.feature_projection(at_frames)[0])
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(heard, dim=2)[0]


def heard_at(network: Any, waveform: Tensor, frames: int, fps: int) -> Tensor:
    """(T, L, D) of a whole clip, a minute at a time; beyond the sound there is silence.

    Args:
        waveform: (N,) at :data:`RATE_HZ`.
    """
    hop, parts = RATE_HZ // fps, []
    for start in range(0, frames, _PIECE_S * fps):
        count = min(_PIECE_S * fps, frames - start)
        samples = waveform[start * hop : (start + count) * hop]
        values = torch.zeros(count * hop)
        if len(samples):
            values[: len(samples)] = normalised(samples)
        parts.append(sound_features(network, values, count).float().cpu())
    return torch.cat(parts)


def neighbours(features: Tensor) -> Tensor:
    """(T, 5, L, D): each frame between its two neighbours on either side; the ends are held."""
    rows = torch.arange(len(features))[:, None] + torch.arange(-_REACH, _REACH + 1)
    return features[rows.clamp(0, len(features) - 1)]
