"""Decide about every stretch of a shot, by the filters named in the settings, in their order.

A whole stretch is judged first: frames that no clip may show are taken out, then each filter is asked. What is kept
is divided into windows, and each window is held against the same filters with the samples inside it, so that a
second dancer who enters late costs the windows he is in. The paper's order asks cheap questions first.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from madata.bars import crop_of
from madata.curation.filter import Excluded, Filter, Rejection
from madata.curation.filters import FILTERS
from madata.curation.observe import Sample
from madata.curation.piece import Piece
from madata.curation.settings import CurationConfig, WindowsConfig
from madata.curation.stills import write_thumbnail
from madata.files import write_npz
from madata.manifest import Column, span_row, split_of
from madata.types import Span
from madata.video.geometry import Crop, Framing
from madata.windows import LengthLaw, draw_windows, window_seed

__all__ = ["Decisions", "PieceJudge", "filters_of", "measured_columns"]

_WINDOWS = "windows"


def filters_of(config: CurationConfig) -> tuple[Filter[Any], ...]:
    """The filters of the settings, in their order."""
    return _filters(config.filters)


@functools.cache
def _filters(names: tuple[str, ...]) -> tuple[Filter[Any], ...]:
    """Found once: every look for a part reads what all installed packages offer."""
    return tuple(FILTERS.load(name) for name in names)


def measured_columns(config: CurationConfig) -> dict[str, Column]:
    """The columns that the filters add to the tables of clips and of dropped stretches."""
    return {name: column for one in filters_of(config) for name, column in one.columns.items()}


@dataclass
class Decisions:
    """Rows for the tables of :mod:`madata.manifest`."""

    clips: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)


class PieceJudge:
    """Called with every stretch of one source in order; ``decisions`` holds what came of them.

    Args:
        out: the folder of the data set; the keypoints of kept windows and the thumbnails are written there at once.
            ``None``: nothing is written, only decided.
        framing: from the size of a shown picture, and what of it is used, to the picture of its clip.
    """

    def __init__(
        self,
        source_id: str,
        *,
        out: Path | None,
        config: CurationConfig,
        framing: Callable[[tuple[int, int], Crop | None], Framing],
    ) -> None:
        self._source_id = source_id
        self._out = out
        self._config = config
        self._framing = framing
        self._pictures: Sequence[Sample] = ()
        self._filters = filters_of(config)
        self.pieces = 0
        self.decisions = Decisions()

    def __call__(self, piece: Piece, pictures: Sequence[Sample] = ()) -> None:
        """Judge a stretch; thumbnails are made of its ``pictures``."""
        self._pictures = pictures
        self._judge(piece)

    def _judge(self, piece: Piece) -> None:
        """Take out what no clip may show, then judge the rest as a whole, then its windows."""
        for one in self._filters:
            excluded = one.exclude(piece, self._config.of(one))
            if excluded:
                self._divide(piece, one, excluded)
                return
            rejection = one.examine(piece, self._config.of(one))
            if rejection is not None:
                self.pieces += 1
                self._drop(piece, piece, one.section, rejection, until=one)
                return
        self.pieces += 1
        for span in self._windows(piece):
            window = piece.part(span, is_window=True)
            found = self._problem(window)
            if found is None:
                self._keep(piece, window)
            else:
                self._drop(piece, window, _WINDOWS, found[1], until=found[0])

    def _divide(self, piece: Piece, one: Filter[Any], excluded: Sequence[Excluded]) -> None:
        """Drop the excluded spans and judge what lies between them."""
        start = piece.span.start
        for gap in excluded:
            if start < gap.span.start:
                self._judge(piece.part(piece.span_of(start, gap.span.start)))
            self._drop(None, piece.part(gap.span), one.section, gap.rejection, until=one)
            start = gap.span.end
        if start < piece.span.end:
            self._judge(piece.part(piece.span_of(start, piece.span.end)))

    def _problem(self, window: Piece) -> tuple[Filter[Any], Rejection] | None:
        for one in self._filters:
            rejection = one.examine(window, self._config.of(one))
            if rejection is not None:
                return one, rejection
        return None

    def _windows(self, piece: Piece) -> list[Span]:
        settings = self._config.windows
        return draw_windows(
            piece.frame_times_s,
            law=length_law(settings),
            seed=window_seed(self._config.seed, self._source_id, piece.span.start),
            overlap=settings.overlap,
            min_s=settings.min_s,
            max_s=settings.max_s,
            first_frame=piece.span.start,
        )

    def _keep(self, piece: Piece, window: Piece) -> None:
        clip_id = f"{self._source_id}-{window.span.start:06d}"
        measured = self._measured(window, self._filters[-1] if self._filters else None)
        keypoints = Path("keypoints") / f"{clip_id}.npz"
        if self._out is not None:
            _write_keypoints(self._out / keypoints, window, self._framing(window.size, crop_of(measured)))
        output = self._config.output
        self.decisions.clips.append(
            {
                "clip_id": clip_id,
                "source_id": self._source_id,
                **span_row(window.span),
                "split": split_of(self._source_id, val_share=output.val_share, test_share=output.test_share),
                "subset": output.subset,
                **_segment_row(piece),
                **measured,
                "path": str(Path("clips") / f"{clip_id}.mp4"),
                "keypoints": str(keypoints),
                "thumbnail": self._thumbnail(window.span, clip_id),
            }
        )

    def _drop(
        self, piece: Piece | None, part: Piece, stage: str, rejection: Rejection, *, until: Filter[Any]
    ) -> None:
        name = f"{self._source_id}-{part.span.start:06d}-dropped"
        self.decisions.dropped.append(
            {
                "source_id": self._source_id,
                **span_row(part.span),
                "stage": stage,
                "reason": rejection.reason,
                "value": rejection.value,
                "threshold": rejection.threshold,
                "message": rejection.message,
                **_segment_row(piece),
                **self._measured(part, until),
                "thumbnail": self._thumbnail(part.span, name),
            }
        )

    def _thumbnail(self, span: Span, name: str) -> str | None:
        return None if self._out is None else write_thumbnail(self._out, self._pictures, span, name)

    def _measured(self, piece: Piece, until: Filter[Any] | None) -> Mapping[str, Any]:
        """The columns of the filters that were asked, up to and with ``until``."""
        row: dict[str, Any] = {}
        for one in self._filters:
            row.update(one.measure(piece, self._config.of(one)))
            if one is until:
                break
        return row


def _segment_row(piece: Piece | None) -> dict[str, Any]:
    """Of what is taken out of a stretch the stretch is not a part, hence ``None``."""
    if piece is None:
        return {}
    return {
        "segment_start_frame": piece.span.start,
        "segment_end_frame": piece.span.end,
        "segment_s": piece.span.duration_s,
    }


def length_law(settings: WindowsConfig) -> LengthLaw:
    """The law of window lengths that the settings name."""
    if settings.law == "fixed":
        return LengthLaw.fixed(settings.min_s)
    if settings.law == "uniform":
        return LengthLaw.uniform(settings.min_s, settings.max_s)
    return LengthLaw.with_mean(settings.mean_s, settings.min_s, settings.max_s)


def _write_keypoints(path: Path, window: Piece, framing: Framing) -> None:
    """The performer's keypoints in pixels of the clip, at the sampled times of a window."""
    seen = window.people
    if not len(seen.counts):
        return
    picture = window.bars.picture
    xy = seen.xy * (np.array(picture.size) / seen.size) + (picture.left, picture.top)
    write_npz(
        path,
        xy=framing.points(xy, window.size),
        score=seen.score,
        times_s=seen.times_s - window.span.start_s,
        skeleton=np.array(seen.skeleton),
        size=np.array(framing.out),
        backend=np.array(json.dumps(seen.backend, sort_keys=True)),
    )
