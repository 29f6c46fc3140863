"""What autograd keeps for the backward pass: recomputed, or waiting in the memory of the machine.

With :func:`recompute` it is the input of every block and of every face adapter, 37 GB at 1280 x 720; without, some
twenty to thirty times as much.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

__all__ = ["activations_on_host", "recompute"]

_SMALLEST_BYTES = 1 << 20


def recompute(network: Any) -> None:
    """Have blocks and face adapters computed again in the backward pass; the numbers stay the same.

    The stock network does so for its blocks only, and its 8 face adapters keep as much as the 40 blocks then do.
    """
    network.enable_gradient_checkpointing()
    for adapter in network.face_adapter:
        adapter.forward = partial(checkpoint, adapter.forward, use_reentrant=False)


@contextlib.contextmanager
def activations_on_host(network: nn.Module) -> Iterator[None]:
    """Within the block, what autograd keeps is moved to the CPU; weights of ``network`` and small tensors stay."""
    # Divided weights have no storage of their own; what they are brought together in comes and goes with a block.
    own = {
        value.untyped_storage().data_ptr() for value in network.parameters() if not isinstance(value, DTensor)
    }

    def put_away(tensor: Tensor) -> tuple[torch.device, Tensor]:
        storage = tensor.untyped_storage()
        stays = storage.data_ptr() in own or storage.nbytes() < _SMALLEST_BYTES
        return tensor.device, tensor if stays else tensor.cpu()

    def fetch(kept: tuple[torch.device, Tensor]) -> Tensor:
        device, tensor = kept
        return tensor.to(device)

    with torch.autograd.graph.saved_tensors_hooks(put_away, fetch):
        yield
