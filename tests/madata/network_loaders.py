"""Networks for the servers of test_networks.py, which take their names from this module."""

import os
import signal
import time

import numpy as np

from madata.errors import WeightsError
from madata.networks import BatchNetwork, open_network


def doubled(device):
    """Doubles rows, and says in which process and how many came at once. A row that holds -1 is refused."""

    def function(rows):
        if (rows < 0).any():
            raise ValueError("a negative row")
        time.sleep(0.02)
        return 2 * rows, np.full(len(rows), os.getpid()), np.full(len(rows), len(rows))

    return BatchNetwork(function, {"device": device})


def absent(device):
    raise WeightsError(f"no weights for {device}")


def deadly(device):
    def function(rows):
        os.kill(os.getpid(), signal.SIGKILL)

    return BatchNetwork(function)


def ask(item, report):
    """In a worker: the rows of an item, doubled. One worker dies with its question asked."""
    network = open_network(doubled, "cpu")
    if item == "dies":
        network.function._connection.send((np.ones((3, 2)),))
        os.kill(os.getpid(), signal.SIGKILL)
    answers = [network(np.full((1 + round_, 2), item, float)) for round_ in range(5)]
    assert all((answer[0] == 2 * item).all() for answer in answers)
    return {int(process) for answer in answers for process in answer[1]}, os.getpid()


def ask_the_dead(item, report):
    return open_network(deadly, "cpu")(np.ones((1, 1)))
