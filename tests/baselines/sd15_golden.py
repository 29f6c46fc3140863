"""Networks of the tiny golden cases of Stable Diffusion 1.5 video: weights by the recipe, shapes from the files."""

import json
from pathlib import Path

import numpy as np
import torch

from tests.mace_dance.appearance.golden_weights import tensor


def shapes_of_case(file: Path, golden_companion) -> dict:
    """Shapes of the networks of a golden file: those beside it, else of the first case of its kind."""
    kind = file.stem.split("_tiny")[0] + "_tiny"
    own = file.with_name(f"{file.stem}_shapes.json")
    shapes = own if own.is_file() else golden_companion(f"models_appearance/{kind}_shapes.json")
    return json.loads(shapes.read_text("utf-8"))


def tiny_tensors(shapes: dict, network: str) -> dict[str, torch.Tensor]:
    """Tensors of a network under its upstream names; positions are computed, their values never read."""
    return {
        name: torch.zeros(shape) if name.endswith(".pe") else tensor(f"{network}.{name}", shape)
        for name, shape in shapes[network].items()
    }


def layout(network: torch.nn.Module, authors_tensors) -> dict[str, list[int]]:
    """Names and shapes of everything of a network, as upstream calls them."""
    return {name: list(value.shape) for name, value in authors_tensors(network).items()}


class Compared:
    """Holds outputs against the arrays of a golden file."""

    def __init__(self, path, record) -> None:
        with np.load(path) as archive:
            self.arrays = {name: torch.from_numpy(archive[name]) for name in archive.files}
        self.record = record

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.arrays[name]

    def __call__(self, kind: str, found: torch.Tensor, name: str, tolerance: float = 2e-5) -> None:
        self.record(kind, float((found - self.arrays[name]).abs().max()))
        torch.testing.assert_close(found, self.arrays[name], rtol=3e-6, atol=tolerance, msg=name)
