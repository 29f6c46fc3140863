"""Person detection and 2D keypoints behind one interface, one module for each backend (:mod:`madata.pose.backends`).

Use::

    backend = load("blazepose")
    people = backend.detect(images)
    poses = backend.estimate(images, people)

``blazepose`` is the default: two small networks, no hub, no GPU. ``vitpose`` is the estimator the paper
names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from madata.errors import ConfigError, did_you_mean
from madata.plugins import Room
from madata.pose.base import Detections, Image, PoseBackend, Poses
from madata.pose.joints import convert_poses

__all__ = [
    "BACKENDS",
    "Detections",
    "Image",
    "PoseBackend",
    "Poses",
    "check_options",
    "convert_poses",
    "counting_backend",
    "follow",
    "load",
]

BACKENDS = Room("pose backend", "madata.pose.backends", "BACKEND", "madance.pose")
"""Every backend there is: a module of :mod:`madata.pose.backends`, or an entry point of ``madance.pose``."""


def load(name: str, *, weights: Path | None = None, device: str = "cpu", **options: Any) -> PoseBackend:
    """The backend called ``name``, with its networks loaded.

    Args:
        weights: folder searched first, see :mod:`madata.weights`.
        device: torch name of the device; ``blazepose`` always runs on the CPU.
        options: keyword arguments of the backend.

    Raises:
        ConfigError: there is no such backend, or it has no such option.
        MissingDependencyError: a package is not installed; the message holds the command.
        WeightsError: a network is not on this machine; the message holds the command.
    """
    check_options(name, options)
    make: Callable[..., PoseBackend] = BACKENDS.load(name)
    return make(weights=weights, device=device, **options)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Hold options against the signature of the backend called ``name``; nothing is loaded.

    Raises:
        ConfigError: the backend has no such option, or the value is none of its type.
    """
    make: Callable[..., PoseBackend] = BACKENDS.load(name)
    parameters = inspect.signature(make).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return  # it takes whatever it is given, and judges when it is made
    known = [option for option in parameters if option not in ("weights", "device")]
    hints = get_type_hints(make.__init__ if inspect.isclass(make) else make, include_extras=True)
    for option, value in options.items():
        if option not in known:
            raise ConfigError(f"{name} has no option {option!r}{did_you_mean(option, known)}")
        if option in hints:
            try:
                TypeAdapter(hints[option]).validate_python(value)
            except ValidationError as error:
                raise ConfigError(
                    f"option {option} of {name}: {error.errors()[0]['msg']} (got {value!r})"
                ) from None


def counting_backend(backend: PoseBackend) -> PoseBackend:
    """The backend to count people by: the ``body`` of one that places hands and faces as well, else itself."""
    body: PoseBackend = getattr(backend, "body", backend)
    return body


def follow(backend: PoseBackend, images: Iterable[Image]) -> Iterator[Poses]:
    """The largest person of consecutive frames, at most one row a frame.

    A backend with a method ``follow`` carries the person from frame to frame itself; for any other every
    frame is searched anew.
    """
    own = getattr(backend, "follow", None)
    if own is not None:
        yield from own(images)
        return
    for image in images:
        (people,) = backend.detect([image])
        largest = people.take([int(people.size.argmax())] if len(people) else [])
        yield backend.estimate([image], [largest])[0]
