"""What a page of ours may run and fetch: its own script and style, and what it is made to show."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["page_policy"]


def page_policy(script: str, style: str, **sources: str) -> str:
    """A content security policy under which nothing runs or is fetched but this script, this style and ``sources``.

    Args:
        sources: directive, with ``_`` for ``-`` -> what it allows.

    Example:
        >>> page_policy("go()", "b{}", img_src="data:").split("; ")[-3:]
        ['img-src data:', "base-uri 'none'", "form-action 'none'"]
    """
    allowed = {
        "default-src": "'none'",
        "script-src": f"'sha256-{_digest(script)}'",
        "style-src": f"'sha256-{_digest(style)}'",
        **{name.replace("_", "-"): source for name, source in sources.items()},
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {source}" for name, source in allowed.items())


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
