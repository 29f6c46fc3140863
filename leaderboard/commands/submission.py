"""``madance submission``: pack a scored run into one archive, verify the archives of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from madata.commands.options import PATH, device_option, json_option, out_option, weights_option
from madata.text import visible

if TYPE_CHECKING:
    from evaluation.result import Result
    from leaderboard.submission import ArchiveVerdict, Expected

__all__ = ["submission"]

_REJECTED = 3


@click.group(short_help="Pack a scored run into one archive, or verify one.")
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
@click.option("--against", type=PATH, help="A trusted run: protocol, split and reference must be its own.")
@click.option("--split", help="Name the split must have.")
@click.option("--clips", type=PATH, help="Text file with the clip ids of the test set, one a line.")
@click.option(
    "--board", multiple=True, type=PATH, help="Results already on the board; duplicates are refused."
)
@click.option("--remeasure", is_flag=True, help="Measure the scored files again (level 2).")
@click.option("--reference", type=PATH, help="Real clips to measure them against; means --remeasure.")
@click.option("--music", type=PATH, help="Their music.")
@click.option("--pose", default="blazepose", show_default=True, help="Pose backend for videos.")
@device_option
@weights_option
@click.option("--regenerated", type=PATH, help="Predictions made again from code and weights (level 3).")
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    archives: tuple[Path, ...],
    against: Path | None,
    split: str | None,
    clips: Path | None,
    board: tuple[Path, ...],
    remeasure: bool,
    reference: Path | None,
    music: Path | None,
    pose: str,
    device: str,
    weights: Path | None,
    regenerated: Path | None,
    as_json: bool,
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
    from madata.devices import resolve_device

    scorer = _Scorer(reference, music, pose, resolve_device(device), weights)
    verdicts = verify_all(
        archives,
        _expected(against, split, clips, board),
        remeasure=scorer if remeasure or reference is not None else None,
        regenerated=regenerated,
    )
    if as_json:
        click.echo(json.dumps([_plain(verdict) for verdict in verdicts], indent=1))
    else:
        for verdict in verdicts:
            _show(verdict)
    ctx.exit(0 if all(verdict.accepted for verdict in verdicts) else _REJECTED)


def _expected(
    against: Path | None, split: str | None, clips: Path | None, board: tuple[Path, ...]
) -> Expected:
    from leaderboard.entries import read_entries
    from leaderboard.submission import Expected
    from madata.errors import MadanceError

    names = None
    if clips is not None:
        try:
            names = frozenset(line.strip() for line in clips.read_text("utf-8").splitlines() if line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise MadanceError(f"{clips}: cannot be read ({error})") from error
    trusted = read_entries([against])[0] if against is not None else None
    return Expected(split, names, trusted, tuple(read_entries(board)))


class _Scorer:
    """Scores predictions, against the verifier's reference where there is one, by the protocol of the result."""

    def __init__(
        self, reference: Path | None, music: Path | None, pose: str, device: str, weights: Path | None
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
