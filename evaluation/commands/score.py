"""``madance score``: predictions and a reference in, numbers with their uncertainty out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evaluation.commands.completion import protocols
from madata.commands.options import (
    PATH,
    device_option,
    is_quiet,
    jobs_option,
    json_option,
    limit_option,
    out_option,
    weights_option,
)

if TYPE_CHECKING:
    from evaluation.options import Options
    from evaluation.protocol import Protocol
    from evaluation.result import Metric, Problem, Result

__all__ = ["score"]


def _print_schema(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from evaluation.result import json_schema

    click.echo(json.dumps(json_schema(), indent=1))
    ctx.exit()


def _print_protocols(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from evaluation.protocol import load_protocol, protocol_names

    for name in protocol_names():
        protocol = load_protocol(name)
        click.echo(f"{name} (version {protocol.version}, {protocol.kind}, {protocol.sha256[:12]})")
        click.echo("  " + " ".join(protocol.summary.split()))
    ctx.exit()


@click.command()
@click.argument("predictions", type=PATH, required=False)
@click.option("--reference", type=PATH, help="Folder of real clips, or a file of --save-reference.")
@click.option("--music", type=PATH, help="Folder of sound files or videos (default: the reference videos).")
@click.option("--music-map", type=PATH, metavar="CSV", help="Table `clip,music`, where names do not tell.")
@click.option(
    "--beats", type=PATH, help="Folder of SONG.beats of Beat This! or madmom, for metrics of downbeats."
)
@click.option(
    "--split", metavar="LIST", help="Only the clips of an official list, such as aist++:crossmodal-test."
)
@click.option(
    "--protocol",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=protocols,
    help="Protocol, or several to see side by side.",
)
@out_option("Folder for result.json, samples.parquet and features.npz.", required=False)
@click.option("--system", help="Name of the system (default: the name of the folder).")
@click.option("--allow-missing", is_flag=True, help="Score what is there; the result is partial.")
@click.option(
    "--mix-backends", is_flag=True, help="Compare keypoints of two pose backends; the result is marked."
)
@limit_option("Only the first clips; the result is partial.")
@click.option(
    "--resample",
    metavar="FPS",
    type=click.FloatRange(min=1, max=1000),
    help="Bring every motion to this frame rate first (default: corrected protocols take the reference's).",
)
@click.option(
    "--unit",
    type=click.Choice(["metre", "centimetre", "millimetre", "inch"]),
    help="Length unit of the motion files of PREDICTIONS; a reference is in metres.",
)
@click.option("--pose", default="blazepose", show_default=True, help="Pose backend for videos.")
@device_option
@weights_option
@jobs_option("Processes for the music.")
@click.option("--save-reference", type=PATH, metavar="FILE", help="Measure the reference once and keep it.")
@click.option(
    "--import-vbench",
    "vbench",
    type=PATH,
    metavar="FILE",
    help="Make a result of a file VBench wrote; nothing is measured.",
)
@click.option(
    "--metrics",
    "chosen",
    metavar="NAMES",
    help="Measure and print only these metrics of the protocol: fid_k,bas.",
)
@click.option("--all", "everything", is_flag=True, help="Print every metric, and name every file at fault.")
@json_option
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of a result.",
)
@click.option(
    "--protocols",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_protocols,
    help="List the protocols.",
)
@click.pass_context
def score(
    ctx: click.Context,
    /,
    predictions: Path | None,
    reference: Path | None,
    music: Path | None,
    names: tuple[str, ...],
    out: Path | None,
    save_reference: Path | None,
    vbench: Path | None,
    chosen: str | None,
    everything: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Score PREDICTIONS against real clips of the same stems.

    Both sides are folders of keypoints (.json of the official extractor, .npz), videos, or 3D motions
    (.pkl, .npy, .npz, .bvh). PREDICTIONS may also be the features.npz of an earlier run: every number is then
    computed again from it alone.

    Table 1 is --protocol ma-data-video, Table 3 --protocol ma-data-animation (or ma-data-animation-disco),
    both of videos; --protocol vbench looks at the pictures alone and needs no reference. A run that was
    stopped goes on where it stopped when the same command is given again.

    What is printed first are the numbers the protocol is about, and files at fault by what is wrong with them;
    --all prints every number and every name. What has the unit % is held in files as a share, 0..1.

    Exit codes: 0 done, 1 done with clips missing, 2 refused (what is wrong is said), 3 numbers differ on
    re-scoring.
    """
    from evaluation.problems import Refused

    if predictions is not None and predictions.is_file():
        raise SystemExit(_rescore(predictions, chosen, as_json=as_json))
    if vbench is not None:
        (by,) = _protocols(("vbench",), vbench, chosen)
        _print([_import(vbench, by, given["system"], out)], [by], as_json=as_json, everything=everything)
        return
    protocols = _checked(predictions, reference, music, save_reference, names, chosen, given)
    try:
        with _progress(ctx) as (on_clip, on_total):
            options = _options(given, on_clip, on_total)
            if save_reference is not None and reference is not None:
                reference = _save(reference, protocols, save_reference, music, options)
            if predictions is None:
                return
            results = [
                _run(predictions, reference, protocol, music, options, _folder(out, protocol, protocols))
                for protocol in protocols
            ]
    except Refused as refused:
        if as_json:
            click.echo(json.dumps({"errors": [_plain(problem) for problem in refused.problems]}, indent=1))
        raise Refused(refused.problems, every=everything) from None
    _print(results, protocols, as_json=as_json, everything=everything)
    raise SystemExit(max(0 if result.status == "complete" else 1 for result in results))


def _checked(
    predictions: Path | None,
    reference: Path | None,
    music: Path | None,
    save_reference: Path | None,
    names: tuple[str, ...],
    chosen: str | None,
    given: Mapping[str, Any],
) -> list[Protocol]:
    """The protocols, after what was given was found to go together."""
    from evaluation.metrics.registry import metrics_of

    folder = predictions or reference
    if folder is None or (predictions is None and save_reference is None):
        raise click.UsageError("give PREDICTIONS and --reference, or --reference and --save-reference")
    if given["music_map"] is not None and music is None:
        raise click.UsageError("--music-map says which files of --music go to which clip: give both")
    protocols = _protocols(names, folder, chosen)
    if reference is None and (lone := [one.name for one in protocols if metrics_of(one, "motion")]):
        raise click.UsageError(
            f"give --reference: {', '.join(lone)} compares with real clips (--protocol vbench looks at pictures alone)"
        )
    if given["unit"] is not None and (other := [one.name for one in protocols if one.input != "motion3d"]):
        raise click.UsageError(f"--unit is that of 3D motions, and {', '.join(other)} reads none")
    if save_reference is not None and reference is None:
        raise click.UsageError("--save-reference keeps what --reference gives: give both")
    if given["beats"] is not None:
        _refuse_beats_for_nothing(protocols)
    return protocols


def _refuse_beats_for_nothing(protocols: Sequence[Protocol]) -> None:
    from evaluation.metrics.registry import wanted_by

    if not any(wanted_by(protocol).bars for protocol in protocols):
        names = ", ".join(protocol.name for protocol in protocols)
        raise click.UsageError(
            f"--beats says where bars begin, and {names} asks for no downbeat (--protocol ma-rhythm3d does)"
        )


def _options(
    given: Mapping[str, Any], on_clip: Callable[[], None], on_total: Callable[[int], None]
) -> Options:
    from evaluation.options import Options
    from madata.devices import resolve_device

    return Options(
        system=given["system"],
        allow_missing=given["allow_missing"],
        mix_backends=given["mix_backends"],
        limit=given["limit"],
        resample_fps=given["resample"],
        unit=given["unit"],
        split=given["split"],
        music_map=given["music_map"],
        beats=given["beats"],
        backend=given["pose"],
        device=resolve_device(given["device"]),
        jobs=given["jobs"],
        weights=given["weights"],
        on_clip=on_clip,
        on_total=on_total,
    )


def _protocols(names: tuple[str, ...], folder: Path, chosen: str | None) -> list[Protocol]:
    """The protocols asked for, or that of what the folder holds, with the metrics that were chosen."""
    from evaluation.inputs.discovery import guess_kind
    from evaluation.protocol import DEFAULTS, load_protocol

    found = [load_protocol(name) for name in names or (DEFAULTS[guess_kind(folder)],)]
    if chosen is None:
        return found
    return [protocol.only(_names(chosen)) for protocol in found]


def _names(chosen: str) -> list[str]:
    """The names in a list with commas."""
    names = [name for part in chosen.split(",") if (name := part.strip())]
    if not names:
        raise click.UsageError("--metrics names none; write them as fid_k,bas")
    return names


def _folder(out: Path | None, protocol: Protocol, protocols: list[Protocol]) -> Path | None:
    return out if out is None or len(protocols) == 1 else out / protocol.name


def _run(
    predictions: Path,
    reference: Path | None,
    protocol: Protocol,
    music: Path | None,
    options: Options,
    out: Path | None,
) -> Result:
    from evaluation.report.artifacts import write_scored
    from evaluation.report.other_score import refuse_other_score
    from evaluation.scoring import score as score_folders
    from madata.extras import require
    from madata.files import hold_folder, write_json

    if protocol.has_pictures:  # before anything is made in OUT
        require("score of videos", "av", "cv2", "torch")
    if out is None:
        return score_folders(predictions, reference, protocol, music=music, options=options).result
    with hold_folder(out):  # before any work: hours of it must not end at a folder that cannot be written
        refuse_other_score(out, predictions, reference, music, protocol, options)
        write_json(out / "protocol.json", protocol.model_dump(mode="json"))
        scored = score_folders(predictions, reference, protocol, music=music, options=options)
        return write_scored(scored, out)


def _save(
    reference: Path, protocols: list[Protocol], file: Path, music: Path | None, options: Options
) -> Path:
    from evaluation.features.saved_reference import save_reference
    from evaluation.metrics.registry import wanted_by
    from evaluation.problems import grouped

    if len(protocols) != 1:
        raise click.UsageError("--save-reference takes one --protocol")
    if protocols[0].input == "video":
        raise click.UsageError(f"--save-reference keeps motion, and {protocols[0].name} has none")
    wanted = wanted_by(protocols[0])
    problems = save_reference(reference, protocols[0], file, wanted=wanted, music=music, options=options)
    for line in grouped(problems):
        click.echo(line, err=True)
    return file


def _import(file: Path, protocol: Protocol, system: str | None, out: Path | None) -> Result:
    from evaluation.report.other_score import refuse_other_import
    from evaluation.report.vbench_import import import_vbench, write_imported
    from madata.files import hold_folder

    imported = import_vbench(file, system, protocol=protocol)
    if out is None:
        return imported.result
    with hold_folder(out):
        refuse_other_import(out, file, imported.result.system.name, protocol)
        return write_imported(imported, out)


@contextlib.contextmanager
def _progress(ctx: click.Context) -> Iterator[tuple[Callable[[], None], Callable[[int], None]]]:
    """Count clips on standard error, on a terminal only, with the time left where their number is known.

    Yields what is called after each clip, and what is told how many come next.
    """
    from tqdm import tqdm

    with tqdm(
        unit=" clips", desc="measuring", disable=is_quiet() or None, leave=False, dynamic_ncols=True
    ) as bar:

        def step() -> None:
            bar.update(1)

        def expect(count: int) -> None:
            bar.total = (bar.total or bar.n) + count
            bar.refresh()

        yield step, expect


def _plain(problem: Problem) -> dict[str, Any]:
    return problem.model_dump(mode="json")


def _print(results: list[Result], protocols: list[Protocol], *, as_json: bool, everything: bool) -> None:
    from evaluation.report.text import side_by_side, text_of_result

    if as_json:
        documents = [result.model_dump(mode="json", by_alias=True) for result in results]
        click.echo(json.dumps(documents[0] if len(documents) == 1 else documents, indent=1))
        return
    for result, protocol in zip(results, protocols, strict=True):
        click.echo(text_of_result(result, protocol.headline, everything=everything))
        click.echo()
    if len(results) > 1:
        first = {name for protocol in protocols for name in protocol.headline or protocol.metrics}
        click.echo(side_by_side(results, () if everything else first))


def _rescore(features: Path, chosen: str | None, *, as_json: bool) -> int:
    """Compute the numbers of a features file again and hold them against the result beside it.

    All of them are held against it, whichever are shown.
    """
    from evaluation.metrics.printed import printed_unit, scale_of
    from evaluation.report.text import columns, number
    from evaluation.result import older_intervals, read_result
    from evaluation.scoring import RESULT_FILE, rescore

    measurement, protocol = rescore(features)
    beside = features.with_name(RESULT_FILE)
    stated = {metric.name: metric for metric in read_result(beside).metrics} if beside.is_file() else None
    older = older_intervals(stated.values()) if stated is not None else set()
    different = [] if stated is None else _different(stated, measurement.metrics, older)
    names = protocol.metrics if chosen is None else protocol.only(_names(chosen)).metrics
    shown = [metric for metric in measurement.metrics if metric.name in names]
    if as_json:
        document = {
            "protocol": protocol.name,
            "protocol_sha256": protocol.sha256,
            "different": different,
            "metrics": [metric.model_dump(mode="json") for metric in shown],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        click.echo(f"{features.name}, protocol {protocol.name} {protocol.sha256[:12]}")
        rows = [("metric", "value", "unit")]
        for one in shown:
            value = None if one.value is None else scale_of(one.name, one.unit) * one.value
            rows.append((one.name, number(value), printed_unit(one.name, one.unit)))
        click.echo("\n".join(columns(rows)))
        if stated is not None:
            click.echo(
                f"differs from {RESULT_FILE}: {', '.join(different)}"
                if different
                else f"the same as {RESULT_FILE}, to the last bit"
                + (", but for intervals, which an earlier version made by another method" if older else "")
            )
    return 3 if different else 0


def _different(stated: Mapping[str, Metric], found: Sequence[Metric], older: Set[str]) -> list[str]:
    """Names of the metrics that do not come out as stated.

    Intervals of an older method are no difference, nor is a reason in other words.
    """
    from evaluation.result import as_far_as_comparable

    names = []
    for metric in found:
        said = stated.get(metric.name)
        again = as_far_as_comparable(metric, said) if said is not None and metric.name in older else metric
        if said is not None and said.value is None and again.value is None:
            again = again.model_copy(update={"reason": said.reason})
        names += [] if said == again else [metric.name]
    return names
