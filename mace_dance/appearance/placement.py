"""Putting the parts of a pipeline where a memory plan wants them, and bringing them in when they are used.

Parts that are not resident wait in the memory of the machine, and are on the device inside :meth:`Placement.use` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from mace_dance.appearance.memory import MemoryPlan

__all__ = ["Placement", "place_pipeline"]

_MEMBERS = ("transformer", "vae", "text_encoder", "image_encoder")
_HOST = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the parts of ``pipeline`` are.

    Attributes:
        pipeline: the pipeline.
        device: where it computes.
        visiting: members that come to the device while they are used.
        name: of the plan.
    """

    pipeline: Any
    device: torch.device
    visiting: frozenset[str]
    name: str

    @classmethod
    def where_it_is(cls, pipeline: Any) -> Placement:
        """Leave every part on the device on which the transformer is."""
        return cls(pipeline, pipeline.transformer.device, frozenset(), "as loaded")

    @contextmanager
    def use(self, member: str) -> Iterator[None]:
        """Have ``member`` on the device inside the block."""
        module = getattr(self.pipeline, member)
        if member not in self.visiting or module is None:
            yield
            return
        module.to(self.device)
        try:
            yield
        finally:
            module.to(_HOST)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()


def place_pipeline(pipeline: Any, plan: MemoryPlan, device: str | torch.device) -> Placement:
    """Arrange ``pipeline``, loaded in the machine's memory, as ``plan`` says.

    The transformer's own hooks do the 8-bit storage (matrices of linear and convolution layers, computed with in the
    precision they had) and the offloading by blocks.
    """
    device = torch.device(device)
    if plan.tiled:
        pipeline.vae.enable_tiling()
    network = pipeline.transformer
    if plan.fp8:
        network.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=network.dtype)
    if plan.grouped:
        network.enable_group_offload(
            onload_device=device,
            offload_device=_HOST,
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=device.type == "cuda",
        )
    staying = set(plan.resident) | ({"transformer"} if plan.grouped else set())
    for member in _MEMBERS:
        module = getattr(pipeline, member)
        if module is not None and member in plan.resident:
            module.to(device)
    if plan.text_on_host:
        staying.add("text_encoder")
    return Placement(pipeline, device, frozenset(_MEMBERS) - staying, plan.name)
