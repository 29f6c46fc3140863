"""``madance site``: a leaderboard page that opens from a file."""

from __future__ import annotations

from pathlib import Path

import click

from madata.commands.options import PATH, is_quiet, json_option, named_folders, out_option

__all__ = ["site"]


@click.command(short_help="A leaderboard page that opens from a file.")
@click.argument("results", nargs=-1, type=PATH)
@out_option("Folder to write.", type=click.Path(path_type=Path, file_okay=False))
@click.option("--title", default="MA-Data leaderboard", show_default=True, help="Title of the page.")
@click.option(
    "--media",
    multiple=True,
    metavar="SYSTEM=FOLDER",
    help="Videos or motions <clip_id>.* of a system or of ground-truth, sounds of music; else those beside a result.",
)
@click.option(
    "--clips",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Most clips to show videos and motions of.",
)
@click.option(
    "--votes", multiple=True, type=PATH, help="Report of a study (madance study score --out votes.json)."
)
@click.option(
    "--elsewhere", multiple=True, type=PATH, help="Numbers others report: .eval_results or Every Eval Ever."
)
@click.option("--no-rescore", is_flag=True, help="Do not compute the numbers again; every badge says so.")
@click.option(
    "--trust-levels", is_flag=True, help="Show the levels 2 and 3 that results state of themselves."
)
@json_option
@click.pass_context
def site(
    ctx: click.Context,
    results: tuple[Path, ...],
    out: Path,
    title: str,
    media: tuple[str, ...],
    clips: int,
    votes: tuple[Path, ...],
    elsewhere: tuple[Path, ...],
    no_rescore: bool,
    trust_levels: bool,
    as_json: bool,
) -> None:
    """Write a page of RESULTS (result files, or folders that hold them) into a folder.

    The page needs no server and no network. Every number with features beside its result is computed again first.

    Exit codes: 0 done, 1 a result does not come out of its features (the page says so), 2 one cannot be read.
    """
    import json

    from leaderboard.entries import read_entries
    from leaderboard.exchange import read_elsewhere
    from leaderboard.site import SiteOptions, build_site
    from leaderboard.study.score import read_votes

    quiet = is_quiet()
    options = SiteOptions(
        title=title,
        media=named_folders("--media", media),
        clips=clips,
        votes=[read_votes(path) for path in votes],
        elsewhere=read_elsewhere(elsewhere),
        trust_levels=trust_levels,
        rescore=not no_rescore,
        on_step=lambda text: None if quiet else click.echo(f"  {text}", err=True),
    )
    entries = read_entries(results, on_repeat=lambda text: click.echo(text, err=True))
    page = build_site(entries, out, options)
    if as_json:
        click.echo(json.dumps({"page": str(page), "results": [entry.result.id for entry in entries]}))
    else:
        click.echo(str(page))
    ctx.exit(1 if any(entry.stale for entry in entries) else 0)
