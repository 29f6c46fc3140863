"""``madance study``: have people vote on pairs of clips, and say what the votes say."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evaluation.commands.status_line import StatusLine
from madata.commands.options import PATH, is_quiet, json_option, named_folders, out_option, seed_option

if TYPE_CHECKING:
    from leaderboard.entries import BoardEntry
    from leaderboard.study.score import VoteReport

__all__ = ["study"]

_LEFT_OUT = 1
_CHANGED = 3


@click.group(short_help="Have people vote on pairs of clips.")
def study() -> None:
    """Human studies: a page of blinded pairs, and what the votes say of systems and metrics."""


@study.command(short_help="A page of blinded pairs to vote on.")
@click.argument("results", nargs=-1, type=PATH)
@out_option("Folder to write: page/ is for raters, study.json is the key.", type=click.Path(path_type=Path))
@click.option(
    "--media",
    multiple=True,
    metavar="SYSTEM=FOLDER",
    help="Videos <clip_id>.mp4 with sound of a system; else the folder videos beside its result.",
)
@click.option(
    "--title", default="Dance videos: which is better?", show_default=True, help="Title of the page."
)
@click.option(
    "--preset", default="default", show_default=True, help="Questions: default, motion, mace-dance."
)
@click.option("--clips", type=click.IntRange(min=1), default=20, show_default=True, help="Most clips.")
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=8.0, show_default=True, help="Most seconds of a clip."
)
@click.option(
    "--booklets",
    type=click.IntRange(min=1, max=1000),
    default=10,
    show_default=True,
    help="Different booklets; a rater gets one.",
)
@click.option(
    "--votes", type=click.IntRange(min=1, max=500), default=12, show_default=True, help="Pairs in a booklet."
)
@click.option(
    "--catches",
    type=click.IntRange(min=0, max=20),
    default=4,
    show_default=True,
    help="Catch trials in a booklet.",
)
@click.option("--consent", help="Text a rater agrees to, in place of ours.")
@click.option("--post", default="", metavar="URL", help="Send answers there too (https).")
@seed_option("Of pairs, sides, order and file names [default: drawn, and kept in the key].", default=None)
@json_option
def make(
    results: tuple[Path, ...],
    out: Path,
    media: tuple[str, ...],
    title: str,
    preset: str,
    clips: int,
    seconds: float,
    booklets: int,
    votes: int,
    catches: int,
    consent: str | None,
    post: str,
    seed: int | None,
    as_json: bool,
) -> None:
    """Make a page on which people compare the videos of RESULTS, and of folders given with --media.

    Publish the folder page, or send it as it is: it opens from a file. Keep study.json until the votes are in.
    """
    from leaderboard.entries import read_entries
    from leaderboard.study.page import CONSENT, StudyOptions, make_study
    from leaderboard.viewer import find_videos

    folders = named_folders("--media", media)
    entries = read_entries(results) if results else []
    names = {entry.result.system.name: entry for entry in entries}
    videos = {name: find_videos(folder) for name, folder in folders.items()}
    videos |= {
        name: find_videos(entry.file.parent / "videos")
        for name, entry in names.items()
        if name not in folders
    }
    line = StatusLine(quiet=is_quiet())
    options = StudyOptions(
        title=title,
        preset=preset,
        clips=clips,
        seconds=seconds,
        booklets=booklets,
        votes=votes,
        catches=catches,
        seed=seed,
        consent=consent or CONSENT,
        post_url=post,
        on_step=lambda done, total: line.report(f"videos: {done} of {total}", done / total),
    )
    with contextlib.closing(line):
        page = make_study(
            videos, out, options, results={name: entry.result.id for name, entry in names.items()}
        )
    if as_json:
        click.echo(json.dumps({"page": str(page), "key": str(out / "study.json"), "systems": sorted(videos)}))
    else:
        click.echo(f"{page}\nkey: {out / 'study.json'} (not for raters)")


@study.command(short_help="What the votes say of systems and metrics.")
@click.argument("folder", type=PATH)
@click.argument("answers", nargs=-1, required=True, type=PATH)
@click.option("--results", multiple=True, type=PATH, help="Results whose metrics are held against the votes.")
@out_option("File to write: .json, or .md.", required=False)
@click.option("--keep-all", is_flag=True, help="Count raters too that fail the checks.")
@json_option
@click.pass_context
def score(
    ctx: click.Context,
    folder: Path,
    answers: tuple[Path, ...],
    results: tuple[Path, ...],
    out: Path | None,
    keep_all: bool,
    as_json: bool,
) -> None:
    """Say what ANSWERS (files the page saved, or folders of them) to the study in FOLDER say.

    Raters are checked first: catch trials, straight lines, one side, speed, double files.

    Exit codes: 0 done, 1 raters were left out, 2 a file cannot be read.
    """
    from leaderboard.entries import read_entries
    from leaderboard.study.report import report_text
    from leaderboard.study.score import score_study
    from madata.files import write_json, write_text

    entries: list[BoardEntry] = list(read_entries(results)) if results else []
    report: VoteReport = score_study(folder, answers, entries, keep_all=keep_all)
    content = report.model_dump(mode="json", by_alias=True)
    if out is not None and out.suffix.lower() == ".json":
        write_json(out, content)
    elif out is not None:
        write_text(out, report_text(report))
    if as_json:
        click.echo(json.dumps(content, indent=1))
    elif out is None:
        click.echo(report_text(report), nl=False)
    else:
        click.echo(str(out))
    ctx.exit(_LEFT_OUT if any(rater.faults for rater in report.raters) and not keep_all else 0)


@study.command(short_help="Is a study whole, and a report its own?")
@click.argument("folder", type=PATH)
@click.option("--report", type=PATH, help="A report (.json) to make again from --answers.")
@click.option("--answers", multiple=True, type=PATH, help="The answers it was made of.")
@click.option("--results", multiple=True, type=PATH, help="The results it was made with.")
@click.pass_context
def verify(
    ctx: click.Context,
    folder: Path,
    report: Path | None,
    answers: tuple[Path, ...],
    results: tuple[Path, ...],
) -> None:
    """Check that the study in FOLDER is whole, and that a report comes out of its answers.

    Exit codes: 0 it is, 2 a file cannot be read, 3 it is not (what differs is named).
    """
    from leaderboard.entries import read_entries
    from leaderboard.study.verify import StudyChangedError, verify_report, verify_study
    from madata.text import visible_lines

    try:
        count = verify_study(folder)
        click.echo(f"{folder}: {count} videos as they were made")
        if report is not None:
            verify_report(report, folder, answers, list(read_entries(results)) if results else [])
            click.echo(f"{report}: every number comes out of the answers")
    except StudyChangedError as changed:
        click.echo(f"error: {visible_lines(str(changed))}", err=True)
        ctx.exit(_CHANGED)
