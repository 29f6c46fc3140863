"""Weights made by the formula of the golden files: the real architectures without any download."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np

EMBEDDINGS = ("pos_embed", "positional_embedding", "position_emb", "scale_emb")


def normal(tag: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """z(tag, name, shape) of the recipe."""
    seed = int.from_bytes(hashlib.sha256(f"{tag}/{name}".encode()).digest()[:8], "little")
    values = np.random.default_rng(seed).standard_normal(math.prod(shape))
    return values.astype(np.float32).reshape(shape)


def formula_tensor(
    tag: str, name: str, shape: tuple[int, ...], gain: float, one_d: tuple[float, float]
) -> np.ndarray:
    z = normal(tag, name, shape)
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        return np.abs(1 + np.float32(0.1) * z)
    if last == "running_mean":
        return np.float32(0.05) * z
    if any(word in name for word in EMBEDDINGS):
        return np.float32(0.5) * z
    if len(shape) >= 2:
        return (gain * z / math.sqrt(math.prod(shape[1:]))).astype(np.float32)
    if last == "weight":
        return (one_d[0] + one_d[1] * z).astype(np.float32)
    return np.float32(0.05) * z


def recipe(path: Path, tag: str) -> dict:
    networks = json.loads(path.read_text())["networks"]
    return next(row for row in networks.values() if row["tag"] == tag)


def formula_state(module, row: dict, prefix: str = "") -> dict:
    """A state dict for ``module`` (meta device will do), names in the recipe carrying ``prefix``."""
    import torch

    numbers = [float(part.removesuffix("z")) for part in row["one_d_weight_rule"].split("+")]
    one_d = (numbers[0], numbers[1])
    state = {}
    for name, tensor in module.state_dict().items():
        if not tensor.dtype.is_floating_point:
            continue
        values = formula_tensor(row["tag"], prefix + name, tuple(tensor.shape), row["gain"], one_d)
        if row["rounded_to_float16"]:
            values = values.astype(np.float16).astype(np.float32)
        if row["tag"] == "musiq_spaq" and name == "head.weight":
            values = values * np.float32(10)
        if row["tag"] == "musiq_spaq" and name == "head.bias":
            values = np.full_like(values, 50.0)
        state[name] = torch.from_numpy(np.ascontiguousarray(values))
    return state


def check_recipe(state: dict, row: dict, prefix: str = "") -> None:
    """The recipe's own check sums: a wrong name or shape shows here, before any picture is looked at."""
    total = sum(float(tensor.double().sum()) for tensor in state.values())
    magnitude = sum(float(tensor.double().abs().sum()) for tensor in state.values())
    np.testing.assert_allclose([total, magnitude], [row["sum"], row["abs_sum"]], rtol=1e-6)
    for name, example in row["examples"].items():
        tensor = state[name.removeprefix(prefix)]
        assert list(tensor.shape) == example["shape"], name
        first = tensor.flatten()[: len(example["first4"])]
        np.testing.assert_allclose(first, example["first4"], rtol=1e-6)
