"""Tables of features: a row for each clip, each window of a clip, or each video, and columns by name.

They hold the sufficient statistics of every number in a result: whoever has the tables recomputes and resamples
everything. Two kinds of rows use the one type:

motion
    ``clip_ids``, ``numbers`` (window of the clip), ``starts_s``, ``frames`` and ``fps`` (NaN where a file gives none)
    say which stretch of which clip a row is; ``kinetic`` and ``geometric`` (N, D) are raw, before any
    normalisation; ``heard`` tells whether there was music; ``scalars/<name>`` holds the numbers of single clips, and
    ``reason/scalars/<name>`` why a row has none, where one says so.
    Ragged: ``motion_beats`` and ``music_beats``, seconds from the start of the row, frame numbers in published
    definitions; ``downbeats``, the same of music whose bars a user brought; ``kept/<name>``, what metrics of both sides
    of a clip need to know of each. Names: ``kinetic_columns``
    and ``geometric_columns``, empty where a published definition has none.
videos
    ``clip_ids``, ``sha256``, ``frames``, ``fps``, ``size`` (width, height; px as shown, 0 where the file cannot be
    decoded); ``value/<score>``, ``samples/<score>`` and ``reason/<score>`` for each thing that was seen in the pictures
    (NaN with a reason where there is none); ``logits`` (N, D) of I3D; ``fault`` and ``message`` of a file that is not
    scored, empty for the others. Ragged: ``kept/<score>``, as many numbers for every second of the video.

Legend: N rows, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.protocol import Protocol
from evaluation.result import Side

__all__ = ["FeatureTable", "RunFeatures", "concatenate"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_MOTION = ("numbers", "starts_s", "frames", "fps", "kinetic", "geometric", "heard")
_VIDEOS = ("sha256", "frames", "fps", "size", "fault", "message")
_BEATS = ("motion_beats", "music_beats")
_KINDS = {
    **dict.fromkeys(("clip_ids", "sha256", "fault", "message", "reason"), "U"),
    **dict.fromkeys(("numbers", "frames", "size", "samples"), "iu"),
    **dict.fromkeys(("starts_s", "fps", "kinetic", "geometric", "logits", "scalars", "value"), "f"),
    "heard": "b",
}
"""Which kinds of values a column may hold; what follows a ``/`` is the name of one among many."""
_WIDE = {"kinetic", "geometric", "logits", "size"}


@dataclass(frozen=True)
class FeatureTable:
    """Rows of one side.

    Attributes:
        columns: name -> (N,) or (N, D), ``clip_ids`` among them.
        ragged: name -> N arrays.
        names: what the D of a column of vectors are called.

    Example:
        >>> table = FeatureTable({"clip_ids": np.array(["a", "b"]), "scalars/fsr": np.array([0.5, 0.1])})
        >>> len(table), table.take([1]).clip_ids, table.scalars["fsr"].tolist()
        (2, ('b',), [0.5, 0.1])
    """

    columns: Mapping[str, Array]
    ragged: Mapping[str, tuple[Floats, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["clip_ids"])

    def take(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> FeatureTable:
        """The rows numbered ``rows``, in that order."""
        index = np.asarray(rows, np.intp)
        return FeatureTable(
            {name: column[index] for name, column in self.columns.items()},
            {name: tuple(lists[row] for row in index) for name, lists in self.ragged.items()},
            self.names,
        )

    def having(
        self, columns: Mapping[str, npt.ArrayLike], ragged: Mapping[str, Sequence[Floats]] | None = None
    ) -> FeatureTable:
        """The same rows with some columns added or replaced."""
        arrays = {name: np.asarray(column) for name, column in columns.items()}
        lists = {name: tuple(rows) for name, rows in (ragged or {}).items()}
        return FeatureTable({**self.columns, **arrays}, {**self.ragged, **lists}, self.names)

    @cached_property
    def clip_ids(self) -> tuple[str, ...]:
        """(N,) clip of each row."""
        return tuple(self.columns["clip_ids"].tolist())

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """(N,) window of the clip."""
        return self.columns["numbers"]

    @property
    def starts_s(self) -> Floats:
        """(N,) where the row begins in the clip, seconds."""
        return self.columns["starts_s"]

    @property
    def frames(self) -> npt.NDArray[np.int64]:
        """(N,) number of frames."""
        return self.columns["frames"]

    @property
    def fps(self) -> Floats:
        """(N,) frames per second, NaN where unknown."""
        return self.columns["fps"]

    @property
    def kinetic_columns(self) -> tuple[str, ...]:
        """D names."""
        return self.names["kinetic"]

    @property
    def geometric_columns(self) -> tuple[str, ...]:
        """D names."""
        return self.names["geometric"]

    @property
    def kinetic(self) -> Array:
        """(N, D) kinetic features."""
        return self.columns["kinetic"]

    @property
    def geometric(self) -> Array:
        """(N, D) geometric features."""
        return self.columns["geometric"]

    @property
    def heard(self) -> npt.NDArray[np.bool_]:
        """(N,) whether there was music."""
        return self.columns["heard"]

    @property
    def motion_beats(self) -> tuple[Floats, ...]:
        """N arrays of beats of the dancer."""
        return self.ragged["motion_beats"]

    @property
    def music_beats(self) -> tuple[Floats, ...]:
        """N arrays of beats of the music."""
        return self.ragged["music_beats"]

    @property
    def downbeats(self) -> tuple[Floats, ...]:
        """N arrays of downbeats of the music.

        Raises:
            ValueError: nobody said where bars begin.
        """
        if "downbeats" not in self.ragged:
            raise ValueError(
                "nobody said where bars begin: give --beats FOLDER with SONG.beats of each song, as Beat This! or "
                "madmom write them"
            )
        return self.ragged["downbeats"]

    def kept(self, name: str) -> tuple[Floats, ...]:
        """N arrays of what was kept of each clip under ``name``.

        Raises:
            ValueError: nothing was.
        """
        if f"kept/{name}" not in self.ragged:
            raise ValueError(f"the features hold no {name}: they were measured without it")
        return self.ragged[f"kept/{name}"]

    @property
    def scalars(self) -> dict[str, Floats]:
        """Name -> (N,) numbers of single clips, NaN where a row has none."""
        return self._group("scalars")

    @property
    def scores(self) -> dict[str, Floats]:
        """Name -> (N,) what was seen in the pictures, NaN where a video has none."""
        return self._group("value")

    def score(self, name: str) -> Floats:
        """(N,) of one score; NaN where nobody looked for it."""
        return self.columns.get(f"value/{name}", np.full(len(self), np.nan))

    def samples(self, name: str) -> npt.NDArray[np.int64]:
        """(N,) how many frames, or pairs of frames, a score is the mean of."""
        return self.columns.get(f"samples/{name}", np.zeros(len(self), np.int64))

    def reasons(self, name: str) -> tuple[str, ...]:
        """(N,) why a row has no such score: the fault of its file, or what the score says; empty texts elsewhere."""
        stated = self.columns.get(f"reason/{name}", np.full(len(self), "")).tolist()
        if "fault" not in self.columns:
            return tuple(stated)
        faults = zip(self.faults, self.columns["message"].tolist(), stated, strict=True)
        return tuple(message if fault else own for fault, message, own in faults)

    @property
    def faults(self) -> tuple[str, ...]:
        """(N,) short reason of files that are not scored; empty texts for the others."""
        return tuple(self.columns["fault"].tolist())

    @property
    def scored_clips(self) -> list[str]:
        """Videos without a fault."""
        return [clip for clip, fault in zip(self.clip_ids, self.faults, strict=True) if not fault]

    @property
    def logits(self) -> npt.NDArray[np.float32]:
        """(N, D) of I3D, NaN where a video has none; D is 0 where nobody looked for them."""
        return self.columns.get("logits", np.empty((len(self), 0), np.float32))

    def _group(self, prefix: str) -> dict[str, Floats]:
        start = f"{prefix}/"
        return {name.removeprefix(start): one for name, one in self.columns.items() if name.startswith(start)}

    def check(self) -> None:
        """Refuse a table that is not whole, which a file of others may hold.

        Raises:
            KeyError: a column is absent.
            ValueError: columns differ in length, or hold values of another kind.
        """
        wanted = _VIDEOS if "fault" in self.columns else _MOTION
        for name in ("clip_ids", *wanted, *(_BEATS if wanted is _MOTION else ())):
            if name not in self.columns and name not in self.ragged:
                raise KeyError(name)
        sizes = {len(column) if column.ndim else 0 for column in self.columns.values()}
        sizes |= {len(lists) for lists in self.ragged.values()}
        if sizes != {len(self)}:
            raise ValueError(f"{len(self)} clips, but columns of {sorted(sizes)} rows")
        for name, column in self.columns.items():
            base = name.partition("/")[0]
            if column.dtype.kind not in _KINDS.get(base, "") or column.ndim != (2 if base in _WIDE else 1):
                raise ValueError(f"column {name} cannot be of {column.dtype} {column.shape}")
        if any(lists.dtype.kind != "f" or lists.ndim != 1 for rows in self.ragged.values() for lists in rows):
            raise ValueError("beats, or what is kept of clips, are not lists of numbers")


def concatenate(parts: Sequence[FeatureTable]) -> FeatureTable:
    """Rows of several parts, one after the other; columns and lists a part lacks are empty there."""
    first: dict[str, Array] = {}
    ragged = dict.fromkeys(name for part in parts for name in part.ragged)
    for part in parts:
        first = {**part.columns, **first}
    return FeatureTable(
        {
            name: np.concatenate([part.columns.get(name, _empty(like, len(part))) for part in parts])
            for name, like in first.items()
        },
        {
            name: tuple(
                lists for part in parts for lists in part.ragged.get(name, (np.empty(0),) * len(part))
            )
            for name in ragged
        },
        parts[0].names,
    )


def _empty(like: Array, rows: int) -> Array:
    nothing: Any = {"f": np.nan, "U": "", "b": False}.get(like.dtype.kind, 0)
    return np.full((rows, *like.shape[1:]), nothing, like.dtype)


@dataclass(frozen=True)
class RunFeatures:
    """Everything the numbers of one run are made of.

    Attributes:
        prediction, reference: motion, a row for each clip or window; ``None`` where none was measured, for the
            reason ``no_motion``.
        videos: pictures, a row for each video; sides without any are absent.
        missing: score -> why nobody looked for it in the pictures.
    """

    protocol: Protocol
    prediction: FeatureTable | None = None
    reference: FeatureTable | None = None
    videos: Mapping[Side, FeatureTable] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    no_motion: str = "no motion was measured"
