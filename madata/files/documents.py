"""JSON, TOML and YAML that nobody vouches for: the only place that parses any of them.

Bounded are bytes, depth and digits; a key that comes twice and a number that is none (``NaN``, ``1e999``) are refused,
because what one reader takes and another refuses, or takes otherwise, cannot be checked. YAML is plain values alone: no
tags, and no aliases, of which a short text makes a boundless one.
"""

from __future__ import annotations

import functools
import json
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from madata.errors import ConfigError, MadanceError
from madata.files.special import refuse_special
from madata.limits import ReadingLimits, reading_limits

__all__ = ["as_json", "parse_json", "parse_toml", "parse_yaml", "read_json", "read_toml", "read_yaml"]


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        MadanceError: the file is absent, is not JSON, or is beyond :class:`madata.limits.ReadingLimits`.
    """
    return parse_json(_content(path, MadanceError), path)


def parse_json(text: str | bytes, where: object, *, error: type[MadanceError] = MadanceError) -> Any:
    """The value of a JSON text.

    Args:
        text: bytes are UTF-8; a mark of the byte order, which some editors leave in front, is passed over.
        where: the file it comes from, named by the error.
        error: type of the error.

    Raises:
        MadanceError: of the type ``error``; see :func:`read_json`.

    Example:
        >>> parse_json('{"fps": 30, "fps": 60}', "clip.json")
        Traceback (most recent call last):
        ...
        madata.errors.MadanceError: clip.json: not valid JSON (the key 'fps' comes twice)
    """
    try:
        found = json.loads(_text(text), object_pairs_hook=_without_twins)
        _refuse_boundless(found, reading_limits())
    except RecursionError:
        raise error(f"{where}: JSON that is nested too deep") from None
    except ValueError as fault:  # undecodable, no JSON, or an integer of thousands of digits
        raise error(f"{where}: not valid JSON ({str(fault)[:200]})") from None
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: it is absent, is not TOML, or is beyond :class:`madata.limits.ReadingLimits`.
    """
    return parse_toml(_content(path, ConfigError), path)


def parse_toml(text: str | bytes, where: object) -> dict[str, Any]:
    """The tables of a TOML text; as for :func:`parse_json`.

    Raises:
        ConfigError: see :func:`read_toml`.
    """
    try:
        found = tomllib.loads(_text(text))
        _refuse_boundless(found, reading_limits())
    except RecursionError:
        raise ConfigError(f"{where}: TOML that is nested too deep") from None
    except ValueError as fault:
        raise ConfigError(f"{where}: not valid TOML ({str(fault)[:200]})") from None
    return found


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values.

    Raises:
        MadanceError: it is absent, is not YAML, or is beyond :class:`madata.limits.ReadingLimits`.
    """
    return parse_yaml(_content(path, MadanceError), path)


def parse_yaml(text: str | bytes, where: object) -> Any:
    r"""The value of a YAML text; dates stay texts, as in JSON.

    Raises:
        MadanceError: see :func:`read_yaml`.

    Example:
        >>> parse_yaml("date: 2026-01-15\nvalue: 0.5", "a.yaml")
        {'date': '2026-01-15', 'value': 0.5}
    """
    import yaml

    try:
        found = yaml.load(_text(text), _yaml_loader())
        _refuse_boundless([found], reading_limits())
    except RecursionError:
        raise MadanceError(f"{where}: YAML that is nested too deep") from None
    except (yaml.YAMLError, ValueError, TypeError) as fault:
        flat = " ".join(str(fault).split())
        raise MadanceError(f"{where}: not valid YAML ({flat[:200]})") from None
    return found


@functools.cache
def _yaml_loader() -> Any:
    import yaml

    class Plain(yaml.SafeLoader):  # type: ignore[misc]
        """Plain values: no aliases, no key twice, no dates."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("an alias (*), which is not read")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            found = super().construct_mapping(node, deep=deep)
            if len(found) < len(node.value):
                raise ValueError("a key comes twice")
            return found

    kept = {
        letter: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
        for letter, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Plain.yaml_implicit_resolvers = kept
    return Plain


def as_json(value: Any, default: Callable[[Any], Any] | None = None) -> Any:
    """A value as a file of JSON gives it back, to be compared with one: tuples as lists, keys as text.

    Args:
        default: what to make of a value that JSON has no word for.

    Example:
        >>> as_json({"size": (640, 480)})
        {'size': [640, 480]}
    """
    return json.loads(json.dumps(value, default=default))


def _content(path: Path, error: type[MadanceError]) -> bytes:
    most = reading_limits().document_bytes
    try:
        refuse_special(path)
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except OSError as fault:
        raise error(f"{path}: cannot be read: {fault.strerror}") from None
    if len(content) > most:
        raise error(f"{path}: larger than {most >> 20} MiB (MADANCE_LIMITS document_bytes)")
    return content


def _text(text: str | bytes) -> str:
    return text.decode("utf-8-sig") if isinstance(text, bytes) else text


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twin = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twin[:40]!r} comes twice")
    return found


def _refuse_boundless(value: Any, limits: ReadingLimits) -> None:
    """Look at every value once, level by level.

    Raises:
        ValueError: it is nested too deep, or holds a number beyond bounds or none at all.
    """
    most = 10**limits.digits
    level: list[Any] = [[value]]
    depth = -1
    while level:
        depth += 1
        if depth > limits.depth:
            raise ValueError(f"nested more than {limits.depth} deep")
        below: list[Any] = []
        for each in level:
            for child in each.values() if isinstance(each, dict) else each:
                kind = type(child)
                if kind is float:
                    if not math.isfinite(child):
                        raise ValueError(f"{child} is no number; what is missing is null or left out")
                elif kind is int:
                    if not -most < child < most:
                        raise ValueError(f"an integer of more than {limits.digits} digits")
                elif kind is list or kind is dict:
                    below.append(child)
        level = below
