"""Text of strangers, fit to be shown: a terminal obeys some characters, others turn round the line they stand in."""

from __future__ import annotations

__all__ = ["visible", "visible_lines", "visible_value"]

_JOINERS = "\u200c\u200d"
"""Without width and harmless: Persian, Indic scripts and emoji are written with them."""


def visible(text: str | None) -> str:
    r"""One line of ``text`` in which every character shows: control, direction and format characters become ``?``.

    Example:
        >>> visible("a\x1b[31mb\u202ec\nd")
        'a?[31mb?c d'
    """
    return "".join(_shown(sign) for sign in text or "")


def visible_lines(text: str) -> str:
    r"""The same for text of several lines, which stay.

    Example:
        >>> visible_lines("a\x07\nb")
        'a?\nb'
    """
    return "\n".join(visible(line) for line in text.split("\n"))


def _shown(sign: str) -> str:
    if sign.isprintable() or sign in _JOINERS:
        return sign
    return " " if sign.isspace() else "?"


def visible_value(value: object) -> object:
    """What a page of Jinja2 puts in for ``value`` (``finalize``): text that shows, markup of ours as it is."""
    return visible_lines(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
