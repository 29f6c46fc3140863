"""Networks that worker processes use: each process its own, or one model server a GPU for all of them.

A module that owns a network says how it is loaded and asks for it here::

    network = open_network(partial(_load, path), device)
    (heatmaps,) = network(crops)

In a process of its own this loads the network. Inside :func:`serving` it is a connection to the model server of a
device, which takes the rows of all who ask at that time in one batch.
"""

from madata.networks.client import Array, BatchNetwork, Loader, is_served, open_network
from madata.networks.server import serving

__all__ = ["Array", "BatchNetwork", "Loader", "is_served", "open_network", "serving"]
