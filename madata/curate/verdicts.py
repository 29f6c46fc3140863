"""Decide about every piece of a shot: long enough? moving? one performer? Then which windows become clips.

The order is the paper's, cheap questions first. A whole piece is judged, then each of its windows is held against the
same thresholds with the samples inside it, so that a second dancer who enters late costs the windows he is in.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from madata import pose
from madata.config import CurationConfig, WindowsConfig
from madata.curate.observe import Piece, Sample
from madata.files import write_bytes, write_npz
from madata.flow import Box, FlowMeter, FlowSample, MotionSummary, is_static, summarize
from madata.manifest import span_row, split_of
from madata.people import PeopleRule, Verdict, examine
from madata.pose import PoseBackend
from madata.report import contact_sheet
from madata.types import Span, VideoInfo
from madata.video import EncodeSettings, encode_jpeg
from madata.video.geometry import Framing
from madata.windows import LengthLaw, draw_windows, window_seed

__all__ = ["Decisions", "PieceJudge"]

_SMALLEST_PERSON = 0.1
"""A person whose box has less than this share of the picture's diagonal is not looked for."""

_THUMBNAIL_PX = 200
_TOLERANCE_S = 1e-6


@dataclass(frozen=True)
class Rejection:
    """Why a span is dropped: the measured ``value`` met the ``threshold``; ``measured`` is all that is known of it."""

    stage: str
    reason: str
    value: float | None
    threshold: float
    message: str
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass
class Decisions:
    """Rows for the tables of :mod:`madata.manifest`."""

    clips: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)


class PieceJudge:
    """Called with every piece of one source; ``decisions`` holds what came of them.

    The keypoints of kept windows and all thumbnails are written at once, under names made of the source and the span.
    """

    def __init__(
        self,
        source_id: str,
        info: VideoInfo,
        *,
        out: Path,
        config: CurationConfig,
        encoding: EncodeSettings,
        weights: Path | None,
        device: str,
    ) -> None:
        self._source_id = source_id
        self._info = info
        self._out = out
        self._config = config
        self._encoding = encoding
        self._weights = weights
        self._device = device
        people = config.people
        self._rule = PeopleRule(
            multi_share=people.multi_share, none_share=people.none_share, min_hips=people.min_hips
        )
        self.pieces = 0
        self.decisions = Decisions()

    def _backend(self) -> PoseBackend:
        people = self._config.people
        return _load_backend(people.backend, self._weights, self._device, tuple(people.options.items()))

    def __call__(self, piece: Piece) -> None:
        self.pieces += 1
        flow: list[FlowSample] = []
        people = _PeopleOf(piece, self._backend, self._rule)
        rejection = self._length_problem(piece)
        if rejection is None:
            flow = _flow_of(piece.grey, self._config.motion.pairs_per_s)
            rejection = self._problem(flow, people, piece.span)
        if rejection is not None:
            self._drop(piece, piece.span, rejection)
            return
        for window in self._windows(piece):
            rejection = self._problem(flow, people, window)
            if rejection is None:
                self._keep(piece, window, flow, people)
            else:
                self._drop(piece, window, replace(rejection, stage="windows"))

    def _length_problem(self, piece: Piece) -> Rejection | None:
        seconds, shortest = piece.span.duration_s, self._config.shots.min_s
        if seconds >= shortest - _TOLERANCE_S:
            return None
        return Rejection(
            "shots", "short", seconds, shortest, f"{seconds:.2f} s is shorter than {shortest:g} s"
        )

    def _problem(self, flow: Sequence[FlowSample], people: _PeopleOf, span: Span) -> Rejection | None:
        return self._motion_problem(flow, people, span) or self._people_problem(flow, people, span)

    def _motion_problem(self, flow: Sequence[FlowSample], people: _PeopleOf, span: Span) -> Rejection | None:
        threshold = self._config.motion.static_below
        summary = summarize(flow, span.start_s, span.end_s)
        if (summary.value or 0.0) < threshold and _could_move(flow, span, threshold):
            summary = summarize(flow, span.start_s, span.end_s, boxes=people.boxes())
        judgement = is_static(summary, threshold)
        if not judgement.static:
            return None
        return Rejection(
            "motion", "static", judgement.value, threshold, judgement.reason, _motion_row(summary)
        )

    def _people_problem(self, flow: Sequence[FlowSample], people: _PeopleOf, span: Span) -> Rejection | None:
        shares, rule = people.shares(span), self._rule
        two, none = shares["share_two_or_more"], shares["share_none"]
        measured = {**_motion_row(summarize(flow, span.start_s, span.end_s, boxes=people.boxes())), **shares}
        if two >= rule.multi_share:
            said = f"two or more performers in {two:.0%} of {shares['samples']} samples"
            return Rejection("people", "multi_person", two, rule.multi_share, said, measured)
        if none >= rule.none_share:
            said = f"no performer in {none:.0%} of {shares['samples']} samples"
            return Rejection("people", "no_person", none, rule.none_share, said, measured)
        return None

    def _windows(self, piece: Piece) -> list[Span]:
        settings = self._config.windows
        seed = window_seed(self._config.seed, self._source_id, piece.span.start)
        return draw_windows(
            piece.frame_times_s,
            law=_length_law(settings),
            seed=seed,
            overlap=settings.overlap,
            min_s=settings.min_s,
            max_s=settings.max_s,
            first_frame=piece.span.start,
        )

    def _keep(self, piece: Piece, window: Span, flow: Sequence[FlowSample], people: _PeopleOf) -> None:
        clip_id = f"{self._source_id}-{window.start:06d}"
        summary = summarize(flow, window.start_s, window.end_s, boxes=people.boxes())
        keypoints = Path("keypoints") / f"{clip_id}.npz"
        people.write_keypoints(self._out / keypoints, window, self._encoding.framing(self._info.size))
        output = self._config.output
        self.decisions.clips.append(
            {
                "clip_id": clip_id,
                "source_id": self._source_id,
                **span_row(window),
                "split": split_of(self._source_id, val_share=output.val_share, test_share=output.test_share),
                "subset": output.subset,
                "segment_start_frame": piece.span.start,
                "segment_end_frame": piece.span.end,
                "segment_s": piece.span.duration_s,
                **_motion_row(summary),
                **people.shares(window),
                "path": str(Path("clips") / f"{clip_id}.mp4"),
                "keypoints": str(keypoints),
                "thumbnail": self._thumbnail(piece, window, clip_id),
            }
        )

    def _drop(self, piece: Piece, span: Span, rejection: Rejection) -> None:
        self.decisions.dropped.append(
            {
                "source_id": self._source_id,
                **span_row(span),
                "stage": rejection.stage,
                "reason": rejection.reason,
                "value": rejection.value,
                "threshold": rejection.threshold,
                "message": rejection.message,
                **rejection.measured,
                "thumbnail": self._thumbnail(piece, span, f"{self._source_id}-{span.start:06d}-dropped"),
            }
        )

    def _thumbnail(self, piece: Piece, span: Span, name: str) -> str | None:
        """Three pictures of a span side by side; ``None`` when no sample lies in it."""
        samples = [sample for sample in piece.pictures if span.start <= sample.index < span.end]
        if not samples:
            return None
        chosen = [samples[round(share * (len(samples) - 1))].image for share in (0.0, 0.5, 1.0)]
        height, width = chosen[0].shape[:2]
        scale = _THUMBNAIL_PX / max(height, width)
        sheet = contact_sheet(
            chosen, columns=3, cell=(max(1, round(width * scale)), max(1, round(height * scale)))
        )
        path = Path("thumbnails") / f"{name}.jpg"
        write_bytes(self._out / path, encode_jpeg(sheet, quality=80))
        return str(path)


@functools.cache
def _load_backend(
    name: str, weights: Path | None, device: str, options: tuple[tuple[str, Any], ...]
) -> PoseBackend:
    """A backend, loaded once per process whatever the number of sources."""
    return pose.load(name, weights=weights, device=device, **dict(options))


class _PeopleOf:
    """The people of one piece, looked for when first asked about."""

    def __init__(self, piece: Piece, backend: Callable[[], PoseBackend], rule: PeopleRule) -> None:
        self._samples = piece.pictures
        self._backend = backend
        self._rule = rule

    @cached_property
    def _verdict(self) -> Verdict | None:
        if not self._samples:
            return None
        images = [sample.image for sample in self._samples]
        return examine(self._backend(), images, [sample.time_s for sample in self._samples], self._rule)

    def shares(self, span: Span) -> dict[str, Any]:
        """Share of the samples of a span with two or more performers, and with none."""
        rows = self._rows(span)
        if self._verdict is None or not rows:
            return {"share_two_or_more": 0.0, "share_none": 1.0, "samples": 0}
        return {
            "share_two_or_more": float((self._verdict.counts[rows] >= 2).mean()),
            "share_none": float((~self._verdict.seen[rows]).mean()),
            "samples": len(rows),
        }

    def boxes(self) -> list[tuple[float, Box]]:
        """(time, box as fractions of the picture) of the performer, where he is."""
        if self._verdict is None:
            return []
        found = []
        for sample, box in zip(self._samples, self._verdict.boxes, strict=True):
            height, width = sample.image.shape[:2]
            left, top, right, bottom = np.clip(box / [width, height, width, height], 0.0, 1.0).tolist()
            if math.isfinite(left) and left < right and top < bottom:
                found.append((sample.time_s, (left, top, right, bottom)))
        return found

    def write_keypoints(self, path: Path, window: Span, framing: Framing) -> None:
        """The performer's keypoints in pixels of the clip, at the sampled times of a window."""
        verdict, rows = self._verdict, self._rows(window)
        if verdict is None or not rows:
            return
        height, width = self._samples[0].image.shape[:2]
        scale = np.array([framing.scaled[0] / width, framing.scaled[1] / height])
        xy = verdict.xy[rows] * scale + np.array(framing.offset)
        write_npz(
            path,
            xy=xy.astype(np.float32),
            score=verdict.score[rows],
            times_s=np.array([self._samples[row].time_s - window.start_s for row in rows]),
            skeleton=np.array(verdict.skeleton),
            size=np.array(framing.out),
            backend=np.array(json.dumps(verdict.settings["backend"], sort_keys=True)),
        )

    def _rows(self, span: Span) -> list[int]:
        return [row for row, sample in enumerate(self._samples) if span.start <= sample.index < span.end]


def _length_law(settings: WindowsConfig) -> LengthLaw:
    if settings.law == "fixed":
        return LengthLaw.fixed(settings.min_s)
    if settings.law == "uniform":
        return LengthLaw.uniform(settings.min_s, settings.max_s)
    return LengthLaw.with_mean(settings.mean_s, settings.min_s, settings.max_s)


def _flow_of(samples: Sequence[Sample], pairs_per_s: float) -> list[FlowSample]:
    meter = FlowMeter(pairs_per_s=pairs_per_s)
    found = [meter.push(sample.image, sample.time_s) for sample in samples]
    return [sample for sample in found if sample is not None]


def _could_move(flow: Sequence[FlowSample], span: Span, threshold: float) -> bool:
    """Whether the box of any person could reach the threshold, although the whole picture does not.

    A box moves at most as fast as its fastest cell, in proportion to its own diagonal.
    """
    peaks = [float(one.grid.max()) for one in flow if one.start_s >= span.start_s and one.end_s < span.end_s]
    return bool(peaks) and float(np.median(peaks)) / _SMALLEST_PERSON >= threshold


def _motion_row(summary: MotionSummary) -> dict[str, Any]:
    parts = {
        "flow_whole": summary.whole,
        "flow_residual": summary.residual,
        "flow_person": summary.person,
        "flow_camera": summary.camera,
    }
    return {"flow": summary.value, **{name: part and part.median for name, part in parts.items()}}
