"""The verbs of ``madance dataset`` about all of a data set: split, verify, merge, remove, health, release, rebuild."""

from __future__ import annotations

import json
from pathlib import Path

import click

from madata.commands.options import PATH, is_quiet, jobs_option, json_option, out_option
from madata.commands.progress import Progress
from madata.text import visible

__all__ = ["features", "health", "label", "merge", "rebuild", "release", "remove", "split", "verify"]

_MOST_FINDINGS = 50


@click.command(short_help="Freeze a test without leaks.")
@click.argument("folder", type=PATH)
@click.option(
    "--clips",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Test clips, each of its own group.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 60),
    default=5.0,
    show_default=True,
    help="Exact length of a test clip.",
)
@click.option(
    "--by",
    default="performance,duplicate,uploader",
    show_default=True,
    metavar="TIES",
    help="What joins sources into groups that never part; song too, if wanted.",
)
@click.option(
    "--val-share", type=click.FloatRange(0, 0.9), default=0.05, show_default=True, help="Of the other groups."
)
@jobs_option()
@json_option
def split(
    folder: Path, clips: int, seconds: float, by: str, val_share: float, jobs: int, as_json: bool
) -> None:
    """Split FOLDER for good: re-uploads are found, what belongs together is joined, the test list is frozen.

    Every test group gives one clip, cut to exactly --seconds into test/; its other clips are held. At most a fifth of
    the groups is tested. Called again after growth, it gives what is new its place and moves nothing else.
    """
    from dataclasses import asdict

    from madata.config import validated
    from madata.curation.publish import publish_changed
    from madata.dataset.freeze import split_data_set
    from madata.dataset.split import SplitRule

    ties = tuple(name.strip() for name in by.split(",") if name.strip())
    values = {"clips": clips, "seconds": seconds, "by": ties, "val_share": val_share}
    with Progress(quiet=is_quiet()) as progress:
        summary = split_data_set(folder, validated(SplitRule, values), jobs=jobs, watch=progress)
    publish_changed(folder)
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
        return
    click.echo(
        f"{summary.groups} groups; " + ", ".join(f"{count} {name}" for name, count in summary.splits.items())
    )
    if summary.duplicates:
        click.echo(
            f"pairs of clips that show the same, kept on one side: {summary.duplicates} (duplicates.parquet)"
        )
    if summary.fewer:
        click.echo(summary.fewer)
    click.echo(f"test: {folder / 'test'}, list: {folder / 'splits' / 'test-v1.txt'}")


@click.command(short_help="Whole, unchanged, without leaks?")
@click.argument("folder", type=PATH)
@click.option("--full", is_flag=True, help="Read every clip and compare its hash, too.")
@json_option
@click.pass_context
def verify(ctx: click.Context, folder: Path, full: bool, as_json: bool) -> None:
    """Verify the data set FOLDER: tables, files, the frozen list, and that nothing tested is trained on.

    Clips are looked for and measured by their size; --full hashes them. Exit code 3 means that something is wrong.
    """
    from dataclasses import asdict

    from madata.dataset.absent import read_absent
    from madata.dataset.split import read_test_list
    from madata.dataset.verify import verify_data_set

    with Progress(quiet=is_quiet()) as progress:
        findings = verify_data_set(folder, full=full, watch=progress)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=1))
    else:
        for one in findings[:_MOST_FINDINGS]:
            click.echo(f"{one.kind:18s} {visible(one.where)}: {visible(one.message)}")
        if len(findings) > _MOST_FINDINGS:
            click.echo(f"and {len(findings) - _MOST_FINDINGS} more: --json names them")
        if absent := ([] if findings else sorted(read_absent(folder))):
            tested = len(set(absent) & set(read_test_list(folder)))
            click.echo(
                f"a part of what was released: {len(absent)} clips could not be made again, {tested} of them tested "
                f"(rebuilt.json says why; the first is {visible(absent[0])})"
            )
        said = "verified" + ("" if full else " (clips by their sizes; --full reads them)")
        faults = "1 fault" if len(findings) == 1 else f"{len(findings)} faults"
        click.echo(f"{folder}: {faults if findings else said}")
    ctx.exit(3 if findings else 0)


@click.command(short_help="Join several folders into one.")
@click.argument("folders", nargs=-1, required=True, type=PATH)
@out_option("New data set folder.")
@jobs_option()
@json_option
def merge(folders: tuple[Path, ...], out: Path, jobs: int, as_json: bool) -> None:
    """Join data set FOLDERS: the rendered and the wild half, or the parts of several machines.

    Their order does not matter: the same folders give the same bytes. Files become hard links where that is possible.
    Parts that were curated under the same settings can be decided about again as a whole (madance dataset decide).
    """
    from dataclasses import asdict

    from madata.curation.publish import publish_joined
    from madata.dataset.merge import merge_data_sets

    with Progress(quiet=is_quiet()) as progress:
        summary = merge_data_sets(folders, out, jobs=jobs, watch=progress)
    publish_joined(out, near_duplicates=summary.near_duplicates, splits=summary.splits, advice=summary.advice)
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
        return
    click.echo(
        f"{summary.clips} clips, {summary.clips_s / 3600:.3f} h, from {summary.sources} sources of "
        f"{summary.folders} folders"
    )
    if summary.near_duplicates:
        click.echo(
            f"pairs of clips of different sources that show the same: {summary.near_duplicates} (duplicates.parquet)"
        )
    if summary.advice:
        click.echo(summary.advice)
    click.echo(f"report: {out / 'report.html'}")


@click.command(short_help="Take sources out for good.")
@click.argument("folder", type=PATH)
@click.argument("sources", nargs=-1, required=True)
@click.option("--reason", default="removed", show_default=True, help="Why: takedown, wrong licence, ...")
@json_option
def remove(folder: Path, sources: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Remove SOURCES (ids in sources.parquet) from FOLDER: their clips and all that was derived from them.

    Their rows stay as tombstones, so that they do not come back, and the version of the data set is bumped.
    """
    from dataclasses import asdict

    from madata.curation.publish import publish_changed
    from madata.dataset.removed import remove_sources

    summary = remove_sources(folder, sources, reason=reason)
    publish_changed(folder)
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
        return
    click.echo(f"{summary.sources} sources and {summary.clips} clips removed; version {summary.version}")
    if summary.test_clips:
        click.echo(
            f"{summary.test_clips} of them were tested: scores on the whole test say the older version"
        )


@click.command(short_help="Which sources still exist?")
@click.argument("folder", type=PATH)
@click.argument("there", type=PATH)
@json_option
def health(folder: Path, there: Path, as_json: bool) -> None:
    """Which sources of FOLDER still exist in THERE: a folder of videos, or a text file of links or ids, one a line.

    Says what every split becomes, and which test clips methods can still be compared on (--json names them).
    """
    from dataclasses import asdict

    from madata.dataset.health import check_health

    found = check_health(folder, there)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
        return
    total = len(found.live) + len(found.dead)
    share = f" ({len(found.dead) / total:.1%} gone)" if total else ""
    click.echo(f"{len(found.live)} of {total} sources exist{share}; {len(found.removed)} were removed")
    for name, (left, there_were) in found.clips.items():
        click.echo(f"  {name:6s} {left} of {there_were} clips")
    for source in found.dead[:_MOST_FINDINGS]:
        click.echo(f"  gone  {visible(source)}")


@click.command(short_help="Without pictures and sound, to publish.")
@click.argument("folder", type=PATH)
@out_option("New folder of the release.")
def release(folder: Path, out: Path) -> None:
    """Write FOLDER without its media: links, spans, keypoints, music features, signatures, splits.

    Others get the clips again from videos that they download: madance dataset rebuild.
    """
    from madata.dataset.release import release as write_release

    count = write_release(folder, out)
    click.echo(f"{count} clips without pictures and sound in {out}")


@click.command(short_help="The clips of a release, from your videos.")
@click.argument("folder", type=PATH)
@click.argument("videos", type=PATH)
@out_option("Data set folder.")
@jobs_option()
@json_option
@click.pass_context
def rebuild(ctx: click.Context, folder: Path, videos: Path, out: Path, jobs: int, as_json: bool) -> None:
    """Cut the clips of the release FOLDER again from the folder VIDEOS, and hold each against its signature.

    Exit code 1 means that sources are missing or that clips show something else than what was released.
    """
    from dataclasses import asdict

    from madata.dataset.release import rebuild as run_rebuild

    with Progress(quiet=is_quiet()) as progress:
        made = run_rebuild(folder, videos, out, jobs=jobs, watch=progress)
    if as_json:
        click.echo(json.dumps(asdict(made), indent=1))
    else:
        click.echo(f"{made.clips} clips in {out}, as released")
        if made.missing:
            click.echo(
                f"{len(made.missing)} sources are missing, and with them {sum(made.missing.values())} clips"
            )
        for clip, why in list(made.wrong.items())[:_MOST_FINDINGS]:
            click.echo(f"  {visible(clip)}: {visible(why)}")
    ctx.exit(1 if made.missing or made.wrong else 0)


@click.command(short_help="Music features, beats and tempo.")
@click.argument("folder", type=PATH)
@jobs_option()
@click.pass_context
def features(ctx: click.Context, folder: Path, jobs: int) -> None:
    """Measure the music of every clip of FOLDER: 35 features a frame at 30 fps, beats and tempo.

    What is there is not made again. Exit code 1 means that the sound of some clips could not be read.
    """
    from madata.dataset.music_features import add_music_features

    with Progress(quiet=is_quiet()) as progress:
        count, failed = add_music_features(folder, jobs=jobs, watch=progress)
    for clip, why in list(failed.items())[:_MOST_FINDINGS]:
        click.echo(f"  {visible(clip)}: {visible(why)}")
    click.echo(f"{count} clips with music features in {folder / 'features' / 'music'}")
    ctx.exit(1 if failed else 0)


@click.command(short_help="Genres and captions.")
@click.argument("folder", type=PATH)
@click.option(
    "--from",
    "given",
    required=True,
    metavar="WHAT",
    help="A CSV file, a folder of FineDance's label_json, or the name of an installed labeller.",
)
@click.option("--again", is_flag=True, help="Ask a labeller also about clips that it has labelled.")
@click.pass_context
def label(ctx: click.Context, folder: Path, given: str, again: bool) -> None:
    """Fill genre and caption of the clips of FOLDER.

    A CSV file has a column clip_id, source_id or file, and genre, caption or both. A labeller is a function of a clip,
    offered by the entry-point group madance.labels; the same command goes on where it was interrupted. Exit code 1
    means that it failed at some clips.
    """
    from madata.dataset.labels import label_clips

    with Progress(quiet=is_quiet()) as progress:
        done = label_clips(folder, given, again=again, watch=progress)
    for clip, why in list(done.failed.items())[:_MOST_FINDINGS]:
        click.echo(f"  {visible(clip)}: {visible(why)}")
    if len(done.failed) > _MOST_FINDINGS:
        click.echo(f"  and {len(done.failed) - _MOST_FINDINGS} more")
    click.echo(f"{done.genre} clips with a genre\n{done.caption} clips with a caption")
    ctx.exit(1 if done.failed else 0)
