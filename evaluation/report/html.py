"""Results as HTML for a notebook. Every text of a file is escaped: names of systems and clips come from strangers."""

from __future__ import annotations

import html
from collections.abc import Sequence

from evaluation.report.text import RESULT_COLUMNS, headline_of, metric_row
from evaluation.result import Result
from madata.text import visible

__all__ = ["html_of_result", "html_table"]


def html_of_result(result: Result) -> str:
    """A table of the metrics; where one has no value, the reason stands in its place."""
    rows = []
    for metric in result.metrics:
        name, value, *rest = metric_row(metric)
        rows.append((name, metric.reason or value if metric.value is None else value, *rest))
    return html_table(headline_of(result), RESULT_COLUMNS, rows)


def html_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts.

    Example:
        >>> html_table("a < b", ["metric"], [["<b>"]])
        '<table><caption>a &lt; b</caption><tr><th>metric</th></tr><tr><td>&lt;b&gt;</td></tr></table>'
    """
    lines = [_row("th", heads), *(_row("td", row) for row in rows)]
    return f"<table><caption>{_safe(caption)}</caption>{''.join(lines)}</table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_safe(cell)}</{tag}>' for cell in cells)}</tr>"


def _safe(text: str) -> str:
    return html.escape(visible(text))
