"""Music features of Jukebox (Dhariwal et al. 2020, arXiv:2005.00341), as EDGE is trained on them.

A window of music is turned into codes by the VQ-VAE of Jukebox 5B (44100 Hz, 128 samples a code, so 344.5 codes a
second) and read by its top prior; the output of layer 66 of 72, 4800 numbers a code, is resampled to 30 frames per
second in the frequency domain. Every window is loaded and scaled to a peak of 1 by itself.

Jukebox runs through ``jukemirlib``, the package EDGE uses, on a GPU with 12 GB or more. It would download its weights
by itself; here they must lie where ``madance weights fetch jukebox`` puts them.

Legend: T frames.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import MissingDependencyError, WeightsError
from madata.types import FloatArray

__all__ = ["JUKEBOX_WIDTH", "load_jukebox"]

JUKEBOX_WIDTH = 4800

_LAYER = 66
_FPS = 30
_HOW = (
    "pip install git+https://github.com/rodrigo-castellon/jukemirlib, and: madance weights fetch jukebox; "
    "or put features computed elsewhere beside the music, as <music name>.npy"
)


def load_jukebox() -> Callable[[Path], FloatArray]:
    """A function from a short sound file to its features (T, 4800) at 30 frames per second.

    Raises:
        MissingDependencyError: ``jukemirlib`` is not installed.
        WeightsError: the weights of Jukebox are not here.
    """
    from madata.weights import find_weights

    if importlib.util.find_spec("jukemirlib") is None:
        raise MissingDependencyError(f"Jukebox features need jukemirlib: {_HOW}")
    files = [find_weights(name) for name in ("jukebox-vqvae", "jukebox-prior")]
    if files[0].parent != files[1].parent:
        raise WeightsError(
            f"{files[0]} and {files[1]} must lie in one folder; run: madance weights fetch jukebox"
        )
    constants: Any = importlib.import_module("jukemirlib.constants")
    constants.CACHE_DIR = str(files[0].parent)
    library: Any = importlib.import_module("jukemirlib")

    def extract(path: Path) -> FloatArray:
        audio = library.load_audio(str(path))
        found = library.extract(audio, layers=[_LAYER], downsample_target_rate=_FPS)
        return np.asarray(found[_LAYER], np.float32)

    return extract
