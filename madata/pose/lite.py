"""Networks in TensorFlow Lite files: one thread, XNNPACK; the same pictures give the same numbers."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import MissingDependencyError
from madata.types import FloatArray

__all__ = ["LiteNetwork"]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Nothing reaches the process's error stream, not even from below Python."""
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        try:
            kept = os.dup(2)
            nowhere = os.open(os.devnull, os.O_WRONLY)
        except OSError:
            yield
            return
        stack.callback(os.close, kept)
        stack.callback(os.close, nowhere)
        os.dup2(nowhere, 2)
        stack.callback(os.dup2, kept, 2)
        yield


class LiteNetwork:
    """A TensorFlow Lite network of one input, run with any batch size.

    Raises:
        MissingDependencyError: ``ai-edge-litert`` is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingDependencyError(
                f"{path.name} needs ai-edge-litert ({error}): pip install 'madance[curate]'"
            ) from error
        self._interpreter: Any = Interpreter
        self._path = path
        self._by_batch: dict[int, Any] = {}

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        """Every output for a batch."""
        network = self._by_batch.get(len(batch))
        if network is None:
            with _silent():  # the runtime announces its delegate on the terminal, past every logger
                network = self._interpreter(model_path=str(self._path), num_threads=1)
                network.resize_tensor_input(
                    network.get_input_details()[0]["index"], list(batch.shape), strict=False
                )
                network.allocate_tensors()
            self._by_batch[len(batch)] = network
        network.set_tensor(network.get_input_details()[0]["index"], np.ascontiguousarray(batch))
        network.invoke()
        return [network.get_tensor(output["index"]) for output in network.get_output_details()]
