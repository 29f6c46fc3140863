"""What was measured in a source, kept, so that decisions can be made again without its pictures.

``observations/<source_id>.npz`` in the folder of a data set holds every stretch of every shot: frame times and changes
always, sound, motion and people as far as a filter asked for them. A decision that asks for more is not made: the
source has to be looked at again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.bars import Bars
from madata.curation.look import Looked
from madata.curation.observe import Stretch
from madata.curation.piece import Performer, Piece
from madata.curation.sound import SoundLevels
from madata.errors import MadanceError
from madata.files import parse_json, read_npz, write_npz
from madata.flow import FlowSample
from madata.types import Source, Span
from madata.video.geometry import Crop

__all__ = [
    "Arrays",
    "NotMeasuredError",
    "Recorded",
    "observations_path",
    "read_pieces",
    "recorded",
    "source_path",
    "write_pieces",
]

Arrays = dict[str, npt.NDArray[Any]]

_PERFORMER = ("frames", "times_s", "counts", "seen", "boxes", "xy", "score")
_FLOW = ("start_s", "end_s", "whole", "camera", "residual")


class NotMeasuredError(MadanceError):
    """A filter asks for what was not measured: the source has to be looked at again."""


def observations_path(out: Path, source_id: str) -> Path:
    """Where the observations of a source lie in the folder of a data set."""
    return out / "observations" / f"{source_id}.npz"


def recorded(stretch: Stretch, evidence: Looked) -> Arrays:
    """The arrays of one stretch: what the filters have asked for so far."""
    span = stretch.span
    arrays: Arrays = {
        "span": np.array([span.start, span.end], np.int64),
        "size": np.array(stretch.size, np.int64),
        "frame_times_s": stretch.frame_times_s,
        "changes": stretch.changes,
        "picture": np.array(dataclasses.astuple(stretch.bars.picture), np.int64),
        "bars": np.array("+".join(stretch.bars.kinds)),
    }
    measured = evidence.measured
    if "sound" in measured:
        sound = evidence.sound
        arrays["has_sound"] = np.array(sound is not None)
        if sound is not None:
            arrays |= {"sound_power": sound.power, "sound_missing": sound.missing}
    if "flow" in measured:
        flow = evidence.flow
        arrays["flow"] = np.array([[getattr(one, name) for name in _FLOW] for one in flow]).reshape(
            -1, len(_FLOW)
        )
        arrays["flow_grid"] = (
            np.stack([one.grid for one in flow]) if flow else np.zeros((0, 1, 1), np.float16)
        )
    if "performer" in measured:
        people = evidence.performer
        arrays |= {f"people_{name}": np.asarray(getattr(people, name)) for name in _PERFORMER}
        about = {"size": people.size, "skeleton": people.skeleton, "backend": people.backend}
        arrays["people_about"] = np.array(json.dumps(about, sort_keys=True))
    return arrays


def write_pieces(out: Path, source: Source, stretches: Sequence[Arrays]) -> None:
    """Keep the stretches of a source, and where its file lies."""
    named = {
        f"{number:05d}.{name}": array for number, one in enumerate(stretches) for name, array in one.items()
    }
    write_npz(observations_path(out, source.source_id), source=np.array(str(source.path)), **named)


def source_path(out: Path, source_id: str) -> Path | None:
    """Where the file of a source lay when it was looked at; ``None`` where nothing is kept of it."""
    path = observations_path(out, source_id)
    return Path(str(read_npz(path, {"source"})["source"])) if path.exists() else None


def read_pieces(out: Path, source_id: str) -> list[Piece]:
    """The stretches of a source as they were judged, with what was measured in them.

    Raises:
        NotMeasuredError: nothing is kept of the source.
    """
    path = observations_path(out, source_id)
    if not path.exists():
        raise NotMeasuredError(f"{path}: no such file")
    stretches: dict[str, Arrays] = {}
    for name, array in read_npz(path).items():
        number, dot, key = name.partition(".")
        if not dot:
            continue
        stretches.setdefault(number, {})[key] = array
    return [_piece(stretches[number]) for number in sorted(stretches)]


def _piece(arrays: Arrays) -> Piece:
    start, end = arrays["span"].tolist()
    times = arrays["frame_times_s"]
    span = Span(start, end, float(times[0]), float(times[-1]))
    width, height = arrays["size"].tolist()
    if "picture" not in arrays:
        raise NotMeasuredError("bars were not measured here")
    kinds = tuple(filter(None, str(arrays["bars"]).split("+")))
    bars = Bars(Crop(*arrays["picture"].tolist()), kinds)
    return Piece((width, height), span, times, arrays["changes"], bars, Recorded(span, arrays))


class Recorded:
    """See :class:`madata.curation.piece.Evidence`; from what was kept."""

    def __init__(self, span: Span, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._span = span
        self._arrays = arrays

    @property
    def people_known(self) -> bool:
        """Whether people have been looked for."""
        return "people_frames" in self._arrays

    @property
    def flow(self) -> Sequence[FlowSample]:
        """Motion, pair by pair."""
        self._require("flow")
        rows = self._arrays["flow"].tolist()
        return [
            FlowSample(**dict(zip(_FLOW, row, strict=True)), grid=grid)
            for row, grid in zip(rows, self._arrays["flow_grid"], strict=True)
        ]

    @property
    def sound(self) -> SoundLevels | None:
        """The sound."""
        self._require("has_sound")
        if not self._arrays["has_sound"]:
            return None
        return SoundLevels(self._span.start_s, self._arrays["sound_power"], self._arrays["sound_missing"])

    @property
    def performer(self) -> Performer:
        """The people."""
        self._require("people_frames")
        about = parse_json(str(self._arrays["people_about"]), "observations of people")
        parts: dict[str, Any] = {name: self._arrays[f"people_{name}"] for name in _PERFORMER}
        width, height = about["size"]
        return Performer(**parts, size=(width, height), skeleton=about["skeleton"], backend=about["backend"])

    def _require(self, name: str) -> None:
        if name not in self._arrays:
            raise NotMeasuredError(f"{name.split('_')[0]} was not measured here")
