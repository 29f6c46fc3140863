"""The transformer among several processes.

The loop is given the trained parameters alone (:class:`TrainedPart`): only these are broadcast at the begin, and have
their gradients averaged. The frozen weights, 99 % of the network, are the same everywhere; they lie whole on every
device, or divided among them (:func:`divide`), each block being brought together while it is used.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import nn

__all__ = ["TrainedPart", "divide"]


class TrainedPart(nn.Module):
    """The trained parameters of a network under its names (``/`` for ``.``), the very same objects.

    Switching it to training or evaluation switches the network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._whole = (network,)  # in a tuple, so that it is no submodule
        for name, value in network.named_parameters():
            if value.requires_grad:
                self.register_parameter(name.replace(".", "/"), value)

    def train(self, mode: bool = True) -> Self:
        """Switch the network."""
        self._whole[0].train(mode)
        return super().train(mode)


def divide(network: Any, device: torch.device) -> None:
    """Divide the frozen weights of blocks and face adapters among all processes; trained ones stay whole.

    The numbers stay the same. From then on every process has to take part in a pass.

    Args:
        network: a ``diffusers.WanAnimateTransformer3DModel`` on the CPU.
        device: of this process; each part is moved there as it is divided.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for module in [*network.blocks, *network.face_adapter]:
        trained = {value for value in module.parameters() if value.requires_grad}
        fully_shard(module, mesh=mesh, ignored_params=trained)
