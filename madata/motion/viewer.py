"""A page that shows dances in 3D: skeletons one orbits around, several on top of each other, with music and beats.

One file without network: motions as whole millimetres in base64, sound inside the file. The script
(``templates/dancer.js``) draws on a canvas and takes a clock, so that other pages show a dancer beside a video;
``templates/dancer_page.js`` is the page of its own.

Legend: T frames, J joints.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.errors import MadanceError
from madata.files import write_text
from madata.formats import suffix_of
from madata.motion.formats import Hints, read_positions
from madata.page_policy import page_policy
from madata.rotations import up_axis_matrix
from madata.skeletons import skeleton
from madata.types import Positions3D

__all__ = ["Dancer", "dancer_data", "packed", "scene_script", "thinned", "write_viewer"]

_MOST_SOUND = 24 << 20
"""Bytes of a music file that still goes into a page."""
_MOST_M = 32.0
"""Whole millimetres of 16 bits reach so far."""
_STANDING_M_S, _STANDING_M = 0.3, 0.1
_MIME = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".m4a": "audio/mp4",
    ".flac": "audio/flac",
}
_FEET = ("left_ankle", "right_ankle", "left_foot", "right_foot")


@dataclass(frozen=True)
class Dancer:
    """One motion and what it is called."""

    name: str
    motion: Positions3D


def dancer_data(dancers: Sequence[Dancer]) -> list[dict[str, Any]]:
    """What the script needs of each dancer, as JSON takes it.

    All stand on one floor at 0 and begin where the first one does, so that what differs is the dance.

    Raises:
        MadanceError: positions are not finite.
    """
    shown = []
    origin: npt.NDArray[np.float64] | None = None
    for dancer in dancers:
        found = dancer.motion
        points = np.asarray(found.positions, np.float64) @ up_axis_matrix(found.up, "y").T
        if not np.isfinite(points).all():
            raise MadanceError(f"{dancer.name}: holds positions that are not numbers")
        points -= (0.0, float(np.quantile(points[..., 1].min(axis=1), 0.05)), 0.0)
        first = points[0].mean(axis=0) * (1, 0, 1)
        origin = first if origin is None else origin
        points = np.clip(points - first, -_MOST_M, _MOST_M)
        body = skeleton(found.skeleton)
        feet = [body.joints.index(name) for name in _FEET if name in body.joints]
        shown.append(
            {
                "name": dancer.name,
                "fps": float(found.fps),
                "frames": len(points),
                "joints": points.shape[1],
                "edges": [list(edge) for edge in body.edges],
                "head": body.joints.index("head") if "head" in body.joints else -1,
                "left": [at for at, name in enumerate(body.joints) if name.startswith("left_")],
                "feet": feet,
                "standing": packed(_standing(points[:, feet], found.fps).astype(np.uint8)),
                "positions": packed(np.round(points * 1000).astype("<i2")),
            }
        )
    return shown


def _standing(feet: npt.NDArray[np.float64], fps: float) -> npt.NDArray[np.bool_]:
    """(T, feet) whether a foot is near the floor and still."""
    speed = (
        np.linalg.norm(np.gradient(feet, axis=0), axis=-1) * fps
        if len(feet) > 1
        else np.zeros(feet.shape[:2])
    )
    standing: npt.NDArray[np.bool_] = (feet[..., 1] < _STANDING_M) & (speed < _STANDING_M_S)
    return standing


def thinned(motion: Positions3D, *, fps: float) -> Positions3D:
    """Every so many frames of a motion, so that they come about ``fps`` times a second."""
    step = max(1, round(motion.fps / fps))
    return Positions3D(motion.positions[::step], motion.fps / step, motion.up, motion.skeleton)


def packed(values: npt.NDArray[Any]) -> str:
    """Numbers as the scripts of pages take them: base64 of their bytes, row by row."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def write_viewer(
    files: Mapping[str, Path],
    out: Path,
    *,
    music: Path | None = None,
    beats_s: Sequence[float] = (),
    title: str = "",
    hints: Hints | None = None,
) -> Path:
    """Write a page that shows motion files together.

    Args:
        files: name -> motion file of any format that is read.
        music: sound that starts with frame 0; goes into the page.
        beats_s: moments that are marked, seconds.
        hints: what the files do not say of themselves.

    Raises:
        MadanceError: a file cannot be read, or the music is too large or of a kind browsers do not play.
    """
    dancers = [Dancer(name, read_positions(path, hints=hints)) for name, path in files.items()]
    data = {
        "title": title or " / ".join(files),
        "dancers": dancer_data(dancers),
        "beats": [round(float(time), 3) for time in beats_s],
        "sound": None if music is None else _sound(music),
    }
    write_text(out, _page(data))
    return out


def _sound(path: Path) -> str:
    if path.is_dir():
        raise MadanceError(f"{path}: is a folder; --music takes one sound file of it")
    kind = _MIME.get(suffix_of(path))
    if kind is None:
        raise MadanceError(f"{path}: a page plays {', '.join(sorted(_MIME))}; convert the music first")
    if not path.is_file():
        raise MadanceError(f"{path}: no such file; --music takes one sound file")
    if path.stat().st_size > _MOST_SOUND:
        raise MadanceError(f"{path}: larger than {_MOST_SOUND >> 20} MiB; give a shorter or compressed piece")
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _page(data: Mapping[str, Any]) -> str:
    import jinja2
    from markupsafe import Markup

    css, js = _template("dancer.css"), scene_script() + _template("dancer_page.js")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_template("dancer.html")).render(
        title=data["title"],
        policy=page_policy(js, css, media_src="data:"),
        css=Markup(css),
        js=Markup(js),
        data=Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")),
    )


def scene_script() -> str:
    """The script that draws dancers on a canvas, for a page with controls of its own.

    It holds ``dancerScene(canvas, dancers)``, which takes what :func:`dancer_data` gives, and ``drawBeats``.
    """
    return _template("dancer.js")


def _template(name: str) -> str:
    return resources.files("madata").joinpath("templates", name).read_text("utf-8")
