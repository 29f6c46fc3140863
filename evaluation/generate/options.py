"""From the command line: options of a system (``--set steps=50``, ``motion.steps=50`` of a cascade), sizes."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from madata.errors import ConfigError

__all__ = ["parse_options", "parse_size"]


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


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Read ``WIDTHxHEIGHT``.

    Raises:
        ConfigError: it is something else.

    Example:
        >>> parse_size("720x1280")
        (720, 1280)
    """
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ConfigError(f"--size {text}: expected WIDTHxHEIGHT, for example 720x1280")
    return int(width), int(height)
