"""Options of a system from the command line: ``--set steps=50``, ``--set motion.steps=50`` for a cascade."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from madata.errors import ConfigError

__all__ = ["parse_options"]


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` pairs; a value is TOML where it can be read as such, else text.

    Raises:
        ConfigError: there is no ``=``, or a key comes twice.

    Example:
        >>> parse_options(["steps=50", "mode=fast"])
        {'steps': 50, 'mode': 'fast'}
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set takes key=value, not {text!r}")
        if key.strip() in options:
            raise ConfigError(f"--set {key.strip()} is given twice")
        try:
            options[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key.strip()] = value
    return options
