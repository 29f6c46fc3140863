"""``madance table``: results in the layout of the paper's tables, in any format."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from madata.commands.options import PATH, json_option, out_option

if TYPE_CHECKING:
    from leaderboard.tables import Table

__all__ = ["table"]

_SUFFIXES = {".txt": "text", ".md": "md", ".tex": "latex", ".csv": "csv", ".json": "json", ".html": "html"}


@click.command(short_help="Results in the layout of the paper's tables.")
@click.argument("results", nargs=-1, type=PATH)
@click.option(
    "--task", type=click.Choice(["video", "motion", "animation"]), required=True, help="Which table."
)
@click.option(
    "--format",
    "name",
    type=click.Choice(["text", "md", "latex", "csv", "json", "html"]),
    help="Format [default: by the suffix of --out; text on a terminal, else md].",
)
@out_option(
    "File to write instead of printing.", required=False, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option("--sort", "sort_by", metavar="METRIC", help="Metric to sort systems by [default: the first].")
@click.option(
    "--elsewhere", multiple=True, type=PATH, help="Numbers others report: .eval_results or Every Eval Ever."
)
@click.option("--no-reported", is_flag=True, help="Without the rows of the paper.")
@click.option("--extra", is_flag=True, help="Add the metrics that are not in the paper's table.")
@click.option(
    "--partial", is_flag=True, help="Show partial results too, unranked; the table is not official."
)
@click.option(
    "--intervals/--no-intervals",
    default=None,
    help="Show 95 % intervals [default: not in LaTeX; as text where they fit].",
)
@click.option("--columns", metavar="NAMES", help="Only these columns, in this order: fid_k,bas.")
@click.option("--no-notes", is_flag=True, help="Without the lines below the table.")
@click.option("--caption", metavar="LATEX", help="LaTeX: in place of the title and the legend.")
@click.option("--label", metavar="NAME", help="LaTeX: for \\ref, such as tab:results.")
@json_option
@click.pass_context
def table(
    ctx: click.Context,
    /,
    results: tuple[Path, ...],
    task: str,
    name: str | None,
    out: Path | None,
    sort_by: str | None,
    no_reported: bool,
    extra: bool,
    partial: bool,
    elsewhere: tuple[Path, ...],
    columns: str | None,
    as_json: bool,
    **style: Any,
) -> None:
    """Show RESULTS (result files, or folders that hold them) below the rows of the paper.

    What was not measured alike stands in sections of its own: nothing is ranked across protocols, references,
    splits, numbers of clips or pose backends. Ties are judged from the features where they lie beside the results.

    CSV and JSON hold numbers as results do (shares 0..1); what is printed is in the unit of the paper (%).

    Exit codes: 0 done, 1 partial results were left out, 2 a result cannot be read.
    """
    from leaderboard.board import build_board, task_of
    from leaderboard.entries import read_entries
    from leaderboard.exchange import read_elsewhere
    from leaderboard.render.replaced import refuse_to_replace
    from madata.files import write_text

    if out is not None:
        refuse_to_replace(out)
    usual = "text" if out is None and sys.stdout.isatty() else "md"
    chosen = "json" if as_json else name or (_SUFFIXES.get(out.suffix.lower(), "md") if out else usual)
    board = build_board(
        task_of(task),
        read_entries(results, on_repeat=lambda text: click.echo(text, err=True)),
        reported=not no_reported,
        partial=partial,
        extra=extra or columns is not None,
        sort_by=sort_by,
        elsewhere=read_elsewhere(elsewhere),
    )
    wanted = [one.strip() for one in columns.split(",")] if columns else None
    text = _render(board.table if wanted is None else board.table.showing(wanted), chosen, **style)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)
    for entry in board.left_out:
        click.echo(f"left out, {entry.result.status}: {entry.file}", err=True)
    ctx.exit(1 if board.left_out else 0)


def _render(
    table: Table,
    name: str,
    *,
    intervals: bool | None,
    no_notes: bool,
    caption: str | None,
    label: str | None,
) -> str:
    from leaderboard.render import FORMATS, to_latex, to_markdown, to_text

    if name != "latex" and (caption is not None or label is not None):
        raise click.UsageError("--caption and --label are those of LaTeX: give --format latex")
    if name == "latex":
        return to_latex(table, intervals=bool(intervals), notes=not no_notes, caption=caption, label=label)
    if name == "md":
        return to_markdown(table, intervals=intervals is not False, notes=not no_notes)
    if name == "text":
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        return to_text(table, intervals=intervals, notes=not no_notes, width=width)
    return FORMATS[name](table)
