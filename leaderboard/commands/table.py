"""``madance table``: results in the layout of the paper's tables, in any format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from madata.commands.options import PATH, json_option, out_option

if TYPE_CHECKING:
    from leaderboard.table import Table

__all__ = ["table"]

_SUFFIXES = {".md": "md", ".tex": "latex", ".csv": "csv", ".json": "json", ".html": "html"}


@click.command(short_help="Results in the layout of the paper's tables.")
@click.argument("results", nargs=-1, type=PATH)
@click.option(
    "--task", type=click.Choice(["video", "motion", "animation"]), required=True, help="Which table."
)
@click.option(
    "--format",
    "name",
    type=click.Choice(["md", "latex", "csv", "json", "html"]),
    help="Format [default: by the suffix of --out, else md].",
)
@out_option(
    "File to write instead of printing.", required=False, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option("--sort", "sort_by", metavar="METRIC", help="Metric to sort systems by [default: the first].")
@click.option("--no-reported", is_flag=True, help="Without the rows of the paper.")
@click.option("--extra", is_flag=True, help="Add the metrics that are not in the paper's table.")
@click.option(
    "--partial", is_flag=True, help="Show partial results too, unranked; the table is not official."
)
@click.option("--intervals/--no-intervals", default=None, help="Show 95 % intervals [default: not in LaTeX].")
@json_option
@click.pass_context
def table(
    ctx: click.Context,
    results: tuple[Path, ...],
    task: str,
    name: str | None,
    out: Path | None,
    sort_by: str | None,
    no_reported: bool,
    extra: bool,
    partial: bool,
    intervals: bool | None,
    as_json: bool,
) -> None:
    """Show RESULTS (result files, or folders that hold them) below the rows of the paper.

    What was not measured alike stands in sections of its own: nothing is ranked across protocols, references,
    splits, numbers of clips or pose backends. Ties are judged from the features where they lie beside the results.

    Exit codes: 0 done, 1 partial results were left out, 2 a result cannot be read.
    """
    from leaderboard.board import build_board, task_of
    from leaderboard.entries import read_entries
    from madata.files import write_text

    chosen = "json" if as_json else name or (_SUFFIXES.get(out.suffix.lower(), "md") if out else "md")
    board = build_board(
        task_of(task),
        read_entries(results),
        reported=not no_reported,
        partial=partial,
        extra=extra,
        sort_by=sort_by,
    )
    text = _render(board.table, chosen, intervals)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)
    for entry in board.left_out:
        click.echo(f"left out, {entry.result.status}: {entry.file}", err=True)
    ctx.exit(1 if board.left_out else 0)


def _render(table: Table, name: str, intervals: bool | None) -> str:
    from leaderboard.render import FORMATS, to_latex, to_markdown

    if intervals is not None and name == "md":
        return to_markdown(table, intervals=intervals)
    if intervals is not None and name == "latex":
        return to_latex(table, intervals=intervals)
    return FORMATS[name](table)
