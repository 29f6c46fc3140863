"""``madance submission``: pack a scored run into one archive, verify those of others, put them on a board."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from madata.commands.options import PATH, device_option, json_option, out_option, weights_option
from madata.text import visible

if TYPE_CHECKING:
    from evaluation.result import Result
    from leaderboard.submission import ArchiveVerdict, BoardFolder, Expected

__all__ = ["submission"]

_REJECTED = 3

_Verb = TypeVar("_Verb", bound=Callable[..., Any])


def _measuring_options(verb: _Verb) -> _Verb:
    """How the scored files of an archive are measured again; the verb receives a ``scorer``."""
    for option in reversed(
        (
            click.option("--remeasure", is_flag=True, help="Measure the scored files again (level 2)."),
            click.option(
                "--reference", type=PATH, help="Real clips to measure them against; means --remeasure."
            ),
            click.option("--music", type=PATH, help="Their music."),
            click.option("--pose", default="blazepose", show_default=True, help="Pose backend for videos."),
            device_option,
            weights_option,
            click.option(
                "--regenerated", type=PATH, help="Predictions made again from code and weights (level 3)."
            ),
            json_option,
        )
    ):
        verb = option(verb)
    return verb


@click.group(short_help="Pack a scored run, verify archives, put them on a board.")
def submission() -> None:
    """Submissions to a leaderboard: one archive with a result and all it rests on."""


@submission.command(short_help="A scored run into one archive.")
@click.argument("run", type=PATH)
@out_option("Archive to write (.zip).")
@click.option(
    "--predictions", type=PATH, help="Folder of the scored files, to go into the archive (level 2)."
)
@click.option(
    "--card", type=PATH, help="JSON or TOML: paper, url, licence, n_parameters, training_data, notes."
)
def pack(run: Path, out: Path, predictions: Path | None, card: Path | None) -> None:
    """Pack RUN, a folder of `madance score --out`, into one archive that `verify` accepts."""
    from leaderboard.submission import pack as pack_run

    written = pack_run(run, out, predictions=predictions, card=None if card is None else _document(card))
    click.echo(f"{written} ({written.stat().st_size / 1e6:.2f} MB)")


def _document(path: Path) -> dict[str, Any]:
    from madata.errors import MadanceError
    from madata.files import read_json, read_toml
    from madata.formats import is_a

    content = read_toml(path) if is_a(path, "settings") else read_json(path)
    if not isinstance(content, dict):
        raise MadanceError(f"{path}: a card is an object of fields")
    return content


@submission.command(short_help="Which level holds, or why it is rejected.")
@click.argument("archives", nargs=-1, required=True, type=PATH)
@click.option(
    "--against", type=PATH, help="Trusted runs: protocol, split and reference must be those of one."
)
@click.option("--split", help="Name the split must have.")
@click.option("--clips", type=PATH, help="Text file with the clip ids of the test set, one a line.")
@click.option(
    "--board",
    multiple=True,
    type=PATH,
    help="Folder of a board, or results on one; duplicates are refused.",
)
@_measuring_options
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    archives: tuple[Path, ...],
    against: Path | None,
    split: str | None,
    clips: Path | None,
    board: tuple[Path, ...],
    as_json: bool,
    **how: Any,
) -> None:
    """Say for each archive which level holds, or why it is rejected.

    \b
    0 reported       the numbers are stated
    1 re-scored      every number comes out of the features again
    2 re-measured    the features come out of the scored files again (--remeasure)
    3 re-generated   code and weights make the scored files again (--regenerated)

    Exit codes: 0 all accepted, 2 an archive is no file, 3 one or more rejected.
    """
    from leaderboard.submission import verify_all

    verdicts = verify_all(archives, _expected(against, split, clips, board), **_measuring(**how))
    if as_json:
        click.echo(json.dumps([_plain(verdict) for verdict in verdicts], indent=1))
    else:
        for verdict in verdicts:
            _show(verdict)
    ctx.exit(0 if all(verdict.accepted for verdict in verdicts) else _REJECTED)


@submission.command(short_help="Verify archives, put them on a board, make its page.")
@click.argument("board", type=PATH)
@click.argument("archives", nargs=-1, required=True, type=PATH)
@_measuring_options
@click.pass_context
def add(ctx: click.Context, /, board: Path, archives: tuple[Path, ...], as_json: bool, **how: Any) -> None:
    """Verify ARCHIVES, put the results of the accepted ones on BOARD, and make its page again.

    BOARD is a folder with a board.toml (docs/leaderboard.md). A result goes there whole or not at all; a rejected
    archive is named with its reasons and the others go on. One that is there already stays as it is.

    Exit codes: 0 all are on the board, 2 an archive is no file or BOARD no board, 3 one or more rejected.
    """
    from leaderboard.submission import add_submissions, open_board

    added = add_submissions(board, archives, **_measuring(**how))
    page = _page_of(open_board(board))
    if as_json:
        archived = [
            {**_plain(one.verdict), "place": str(one.place) if one.place else None, "there": one.there}
            for one in added
        ]
        click.echo(json.dumps({"page": str(page), "archives": archived}, indent=1))
    else:
        for one in added:
            if one.there:
                click.echo(f"{visible(one.verdict.archive)}: on the board already, {one.place}")
                continue
            _show(one.verdict)
            if one.place is not None:
                click.echo(f"  = {one.place}")
        click.echo(str(page))
    ctx.exit(0 if all(one.place is not None for one in added) else _REJECTED)


@submission.command(short_help="Results in the formats of the field.")
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["every-eval-ever", "hub"]),
    required=True,
    help="JSON of Every Eval Ever 0.3.0, or eval.yaml and .eval_results of a model hub.",
)
@out_option("Folder to write, laid out as the repository it goes into.")
@click.option("--organization", required=True, metavar="NAME", help="Who ran the evaluation.")
@click.option(
    "--relationship",
    type=click.Choice(["first_party", "third_party", "collaborative", "other"]),
    default="other",
    show_default=True,
    help="Of who ran it to who made the system (Every Eval Ever).",
)
@click.option("--dataset", metavar="OWNER/NAME", help="Data set of the benchmark on a hub.")
@click.option("--source", metavar="ADDRESS", help="Where the results themselves lie (hub).")
@click.option("--title", default="MA-Data", show_default=True, help="Name of the benchmark (hub).")
@json_option
def export(results: tuple[Path, ...], out: Path, as_json: bool, **how: Any) -> None:
    """Write RESULTS (result files, or folders that hold them) in a format that others read.

    Numbers are those of the results, unrounded, with n, interval and hashes. `madance table --elsewhere` and
    `madance site --elsewhere` read both formats, as numbers that others report.
    """
    from leaderboard.entries import read_entries
    from leaderboard.exchange import export_results

    entries = read_entries(results, on_repeat=lambda text: click.echo(text, err=True))
    written = export_results(entries, out, **how)
    click.echo(json.dumps([str(path) for path in written]) if as_json else "\n".join(map(str, written)))


def _page_of(board: BoardFolder) -> Path:
    from leaderboard.exchange import read_elsewhere
    from leaderboard.site import SiteOptions, build_site

    others = read_elsewhere([] if board.elsewhere is None else [board.elsewhere])
    options = SiteOptions(title=board.title, trust_levels=True, elsewhere=others)
    return build_site(board.entries, board.path / "site", options)


def _measuring(
    *, reference: Path | None, remeasure: bool, regenerated: Path | None, device: str, **how: Any
) -> dict[str, Any]:
    """The arguments of ``verify`` that :func:`_measuring_options` stand for."""
    from madata.devices import resolve_device

    scorer = _Scorer(reference, device=resolve_device(device), **how)
    return {
        "remeasure": scorer if remeasure or reference is not None else None,
        "regenerated": regenerated,
    }


def _expected(
    against: Path | None, split: str | None, clips: Path | None, board: tuple[Path, ...]
) -> Expected:
    from leaderboard.entries import read_entries
    from leaderboard.submission import Expected, is_board, open_board
    from leaderboard.submission.board_folder import read_clip_ids

    asked = [open_board(path).expected for path in board if is_board(path)]
    if clips is not None:
        names: frozenset[str] | None = read_clip_ids(clips)
    else:
        names = next((one.clips for one in asked if one.clips is not None), None)
    trusted = (
        read_entries([against]) if against is not None else [run for one in asked for run in one.against]
    )
    there = [entry for one in asked for entry in one.board]
    there += read_entries(path for path in board if not is_board(path))
    split = split or next((one.split for one in asked if one.split is not None), None)
    return Expected(split, names, tuple(trusted), tuple(there))


class _Scorer:
    """Scores predictions, against the verifier's reference where there is one, by the protocol of the result."""

    def __init__(
        self, reference: Path | None, *, music: Path | None, pose: str, device: str, weights: Path | None
    ) -> None:
        self._reference, self._music, self._pose = reference, music, pose
        self._device, self._weights = device, weights

    def __call__(self, predictions: Path, stated: Result) -> Result:
        from evaluation.options import Options
        from evaluation.protocol import load_protocol
        from evaluation.scoring import score

        protocol = load_protocol(stated.protocol.name)
        options = Options(
            system=stated.system.name,
            resample_fps=stated.options.resample_fps,
            unit=stated.options.unit,
            backend=self._pose,
            device=self._device,
            weights=self._weights,
        )
        return score(predictions, self._reference, protocol, music=self._music, options=options).result


def _plain(verdict: ArchiveVerdict) -> dict[str, Any]:
    return {
        "archive": verdict.archive,
        "system": verdict.system,
        "result": verdict.result_id,
        "accepted": verdict.accepted,
        "level": verdict.level,
        "faults": [{"code": fault.code, "message": fault.message} for fault in verdict.faults],
        "checked": list(verdict.checked),
        "open": list(verdict.open),
    }


def _show(verdict: ArchiveVerdict) -> None:
    names = ("reported", "re-scored", "re-measured", "re-generated")
    if verdict.level is None:
        click.echo(f"{visible(verdict.archive)}: REJECTED")
    else:
        click.echo(
            f"{visible(verdict.archive)}: level {verdict.level}, {names[verdict.level]} ({visible(verdict.system)})"
        )
    for fault in verdict.faults:
        click.echo(f"  - {visible(str(fault))}")
    for line in verdict.checked:
        click.echo(f"  + {line}")
    for line in verdict.open:
        click.echo(f"  ? {visible(line)}")
