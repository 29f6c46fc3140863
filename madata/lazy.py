"""Functions a package offers under its own name, imported when they are asked for.

``import evaluation`` stays as cheap as it is, and ``from evaluation import score`` works.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

__all__ = ["lazily"]


def lazily(package: str, **modules: str) -> Callable[[str], object]:
    """The ``__getattr__`` of a package: name -> the module that is imported for it.

    Args:
        package: ``__name__`` of the package.
        modules: name of a function -> module that defines it. No module of the package may have that name: once
            it is imported, it would stand in the way of the function.

    Example:
        >>> lazily("here", sqrt="math")("sqrt")(9.0)
        3.0
    """

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    return find
