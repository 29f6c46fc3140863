"""The weight recipe: every tensor of a tiny network follows from its upstream name."""

import zlib

import numpy as np
import torch

from mace_dance.appearance.names import convert_tensors

_GAMMA, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def uniform(name: str, count: int) -> np.ndarray:
    """Numbers in -1..1 from splitmix64, the counter starting at the CRC-32 of the name (float64)."""
    start = np.uint64(zlib.crc32(name.encode()) << 32)
    z = start + np.arange(count, dtype=np.uint64) + _GAMMA
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    z ^= z >> np.uint64(31)
    return 2 * ((z >> np.uint64(11)) * 2.0**-53) - 1


def tensor(name: str, shape) -> torch.Tensor:
    """Float32 tensor of a full upstream name (prefix included)."""
    shape = tuple(shape)
    values = uniform(name, int(np.prod(shape))).reshape(shape)
    if name.endswith("bias"):
        values = 0.1 * values
    elif len(shape) == 1:
        values = 1 + 0.1 * values
    else:
        values = values * np.sqrt(3 / np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32))


def lora_tensor(peft_name: str, shape) -> torch.Tensor:
    """A LoRA factor of the training cases, by its peft name on the original model; B is 0.3 of the recipe."""
    return tensor(f"lora.{peft_name}", shape) * (0.3 if ".lora_B." in peft_name else 1.0)


def original_wan(config: dict) -> dict[str, torch.Tensor]:
    """The filled parameters of ``wan_tiny_config.json`` under their original names."""
    prefix, shapes = config["weights_key_prefix"], config["original_shapes"]
    return {name: tensor(prefix + name, shapes[name]) for name in config["parameters_filled"]}


def tiny_transformer(config: dict):
    """The diffusers transformer of ``wan_tiny_config.json``, filled through the converter, in ``eval`` mode."""
    from diffusers import WanAnimateTransformer3DModel

    network = WanAnimateTransformer3DModel(**config["diffusers_config"]).eval()
    filled = network.load_state_dict(convert_tensors(original_wan(config)), strict=False)
    assert not filled.unexpected_keys
    assert not set(filled.missing_keys) & {name for name, _ in network.named_parameters()}
    return network
