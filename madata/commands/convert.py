"""``madance convert``: motion and keypoint files into others, and out to Blender."""

from __future__ import annotations

import json
from pathlib import Path

import click

from madata.commands.options import PATH, json_option, size_option

__all__ = ["convert"]


@click.command(short_help="Motion and keypoint files into others; BVH and GLB for Blender.")
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="OUT", type=PATH)
@click.option(
    "--to",
    type=click.Choice(["npz", "pkl", "bvh", "glb", "json"]),
    help="What to write into a folder. A file is written by its suffix.",
)
@click.option(
    "--from", "format", metavar="FORMAT", help="What the motion files are, where they do not show it."
)
@click.option("--fps", type=click.FloatRange(1, 1000), help="Frame rate of files that do not say it.")
@click.option("--resample", type=click.FloatRange(1, 1000), help="Frame rate wanted.")
@click.option("--skeleton", help="Skeleton wanted, e.g. smpl-24, smplx-22, coco-17, coco-25.")
@click.option("--mean-body", is_flag=True, help="Give motions the mean bone lengths of their skeleton.")
@click.option("--up", type=click.Choice(["y", "z"]), help="Up axis wanted.")
@click.option(
    "--file-up", type=click.Choice(["y", "z"]), help="Up axis of motion files, where they do not show it."
)
@click.option(
    "--unit",
    type=click.Choice(["metre", "centimetre", "millimetre", "inch"]),
    help="Length unit of the files.",
)
@click.option("--person", help="Which of several people in a file [default: the one seen longest].")
@click.option(
    "--joint", "joints", multiple=True, metavar="SMPL=NAME", help="BVH: a joint by its name in the file."
)
@size_option("Picture of keypoints that are shares of it, e.g. 720x1280.")
@click.option("--overwrite", is_flag=True, help="Write over files that are there.")
@json_option
@click.pass_context
def convert(
    ctx: click.Context,
    source: Path,
    target: Path,
    to: str | None,
    format: str | None,
    fps: float | None,
    resample: float | None,
    skeleton: str | None,
    mean_body: bool,
    up: str | None,
    file_up: str | None,
    unit: str | None,
    person: str | None,
    joints: tuple[str, ...],
    size: tuple[int, int] | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Convert IN (a file, or a folder of files) to OUT.

    Motions: our .npz, AIST++, EDGE and its slices, AMASS, SMPL and SMPL-X in parts, GVHMR, WHAM, 4D-Humans, FineDance,
    LODGE, FACT, MNET, Bailando, plain joint positions, BVH of most rigs. They are written as .npz, .pkl (EDGE), .bvh or
    .glb. Keypoints: mmpose, AlphaPose, COCO, OpenPose (a folder of one file a frame), DWPose, MediaPipe, MACE-Dance's
    extractor. They are written as .npz or .json (the extractor's).

    Exit code 1 means that some files could not be used; they are named.
    """
    from madata.convert import UNITS_M, ConvertSettings
    from madata.convert import convert as convert_files
    from madata.motion import Hints

    settings = ConvertSettings(
        format=format,
        hints=Hints(fps, file_up, person, UNITS_M[unit] if unit else None, _named(joints)),
        size=size,
        resample_fps=resample,
        skeleton=skeleton,
        mean_body=mean_body,
        up=up,
        overwrite=overwrite,
    )
    done = convert_files(source, target, settings, f".{to}" if to else None)
    if as_json:
        rows = [{"source": path, "written": out} for path, out in done.written]
        faults = [{"file": path, "message": message} for path, message in done.problems]
        click.echo(json.dumps({"written": rows, "problems": faults}, indent=1))
    else:
        for path, message in done.problems:
            click.echo(f"problem  {path}: {message}", err=True)
        click.echo(f"{len(done.written)} written to {target}" if done.written else "nothing was written")
    ctx.exit(0 if not done.problems else 1 if done.written else 2)


def _named(joints: tuple[str, ...]) -> dict[str, str] | None:
    pairs = [joint.partition("=") for joint in joints]
    for name, equals, node in pairs:
        if not (name and equals and node):
            raise click.BadParameter(
                f"{name}{equals}{node}: write it as left_hip=MyThighL", param_hint="--joint"
            )
    return {name: node for name, _, node in pairs} or None
