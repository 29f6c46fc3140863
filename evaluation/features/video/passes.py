"""One pass over a video, or over a prediction and its reference side by side.

Frames come as a player shows them (turned, in the shape of their pixels) and go in chunks to every accumulator
at once, so that memory does not depend on the length of a video. The pass that scores the pictures also finds the
performer for the metrics of motion. A file that is damaged or ends early is not scored: what it lacks would be scored
as if it were motion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evaluation.features.extractors import Extractors
from evaluation.features.keypoints import VideoKeypoints, damage_of
from evaluation.features.table import FeatureTable
from evaluation.features.video.frames import FrameChunk, UInt8Array, chunked
from evaluation.features.video.one_pass import VideoScorer
from evaluation.features.video.pairs import METRICS, PairQuality, score_pair
from evaluation.features.video.scores import VideoScore
from evaluation.problems import plain_message
from madata.errors import MediaError
from madata.formats import is_a

if TYPE_CHECKING:
    from madata.video import Decoder, Frame

__all__ = ["extract_pair", "extract_video", "still_row", "video_row"]

_CHUNK_ON_CPU, _CHUNK = 4, 16
"""Frames per chunk. A CPU's chunk is small: it stays in reach of its caches and of the allocator's pool."""


def video_row(
    clip_id: str,
    *,
    sha256: str = "",
    frames: int = 0,
    fps: float = float("nan"),
    size: tuple[int, int] = (0, 0),
    scores: Mapping[str, VideoScore] | None = None,
    logits: npt.NDArray[np.float32] | None = None,
    fault: tuple[str, str] = ("", ""),
) -> FeatureTable:
    """The row of one video; see :mod:`evaluation.features.table`.

    Args:
        fault: short reason and message of a file that is not scored.

    Example:
        >>> row = video_row("a", frames=3, scores={"psnr": VideoScore("psnr", 30.0, 3, 3)})
        >>> row.score("psnr").tolist(), row.samples("psnr").tolist()
        ([30.0], [3])
    """
    ragged = {
        f"kept/{name}": (score.kept,) for name, score in (scores or {}).items() if score.kept is not None
    }
    columns: dict[str, Any] = {
        "clip_ids": [clip_id],
        "sha256": [sha256],
        "fault": [fault[0]],
        "message": [fault[1]],
        "frames": np.array([frames], np.int64),
        "fps": np.array([fps], np.float64),
        "size": np.array([size], np.int64),
    }
    for name, score in (scores or {}).items():
        columns[f"value/{name}"] = np.array([np.nan if score.value is None else score.value], np.float64)
        columns[f"samples/{name}"] = np.array([score.num_samples], np.int64)
        columns[f"reason/{name}"] = [score.reason or ""]
    if logits is not None:
        columns["logits"] = logits[None]
    return FeatureTable({name: np.asarray(column) for name, column in columns.items()}, ragged)


def extract_video(
    path: Path, extractors: Extractors, keypoints: VideoKeypoints | None = None
) -> FeatureTable:
    """Every appearance dimension of one video, from one decode.

    Args:
        keypoints: finds the performer in the same pass, unless that is known already.

    Returns:
        The row of the video, with a fault where the file cannot be scored.
    """
    seen = _Pass(extractors)
    try:
        if is_a(path, "picture"):  # a reference picture: it is looked at beside the videos
            return still_row(path)
        if keypoints is None or keypoints.knows(path):
            _decode(path, seen)
        else:
            keypoints.extract(path, seen.see)
        return seen.row(path.stem)
    except MediaError as error:
        return video_row(path.stem, frames=seen.frames, fault=(error.reason, plain_message(error, path)))


def still_row(path: Path) -> FeatureTable:
    """The row of a picture in the place of a real video: it has no second to score.

    Raises:
        MediaError: it cannot be read.
    """
    from madata.video.stills import read_still

    height, width = read_still(path).shape[:2]
    return video_row(path.stem, frames=1, size=(width, height))


def _decode(path: Path, seen: _Pass) -> None:
    from madata.video import Decoder

    with Decoder(path) as decoder:
        for frame in decoder:
            seen.see(decoder, frame)


def _chunk_size(device: str) -> int:
    return _CHUNK_ON_CPU if device == "cpu" else _CHUNK


class _Pass:
    """Collects frames and scores them a chunk at a time; no accumulator keeps a chunk."""

    def __init__(self, extractors: Extractors) -> None:
        self.frames = 0
        self._device = extractors.device
        self._scorer = VideoScorer(extractors.panel)
        self._waiting: list[UInt8Array] = []
        self._times_s: list[float] = []
        self._start_s = 0.0
        self._decoder: Decoder | None = None
        self._stored: tuple[int, int] | None = None

    def see(self, decoder: Decoder, frame: Frame) -> None:
        """Take the next frame."""
        self._decoder = decoder
        self._stored = _same_size(frame, self._stored)
        self._waiting.append(frame.scaled(decoder.info.size))
        if not self.frames:
            self._start_s = frame.time_s
        self._times_s.append(frame.time_s - self._start_s)
        self.frames += 1
        if len(self._waiting) == _chunk_size(self._device):
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._scorer.update(FrameChunk(self._waiting, self._device, self._times_s))
            self._waiting, self._times_s = [], []

    def row(self, clip_id: str) -> FeatureTable:
        """The scores after the last frame.

        Raises:
            MediaError: there was none, or not all of the file could be decoded.
        """
        self._flush()
        if self._decoder is None:
            raise MediaError("no frame of its video can be decoded", reason="unreadable")
        _refuse_damage(self._decoder)
        info = self._decoder.info
        scores = self._scorer.compute()
        return video_row(clip_id, frames=self.frames, fps=info.fps, size=info.size, scores=scores)


def _same_size(frame: Frame, first: tuple[int, int] | None) -> tuple[int, int]:
    size = (frame.picture.width, frame.picture.height)
    if first is not None and size != first:
        raise MediaError(
            f"frame {frame.index} is {size[0]}x{size[1]} px, the first is {first[0]}x{first[1]}: a video that "
            "changes its size is not scored",
            reason="size_changes",
        )
    return size


def _refuse_damage(decoder: Decoder) -> None:
    if damage := damage_of(decoder.report):
        reason = "truncated" if decoder.report.truncated else "damaged"
        raise MediaError(f"{damage}: a damaged video is not scored", reason=reason)


def extract_pair(
    prediction: Path, reference: Path, extractors: Extractors
) -> tuple[FeatureTable, FeatureTable]:
    """A prediction against its reference, each decoded once, frame by frame at the same time.

    Returns:
        The rows of the prediction, which holds the scores, and of the reference.
    """
    rule = extractors.pairs
    if rule is None:
        raise ValueError("these extractors compare no pairs")
    true, predicted = _PairedVideo(reference, rule.fvd.frames), _PairedVideo(prediction, rule.fvd.frames)
    quality = PairQuality(rule, extractors.lpips, 1 if extractors.device == "cpu" else _CHUNK)
    try:
        scores = score_pair(true.chunks(extractors.device), predicted.chunks(extractors.device), quality)
        for video in (true, predicted):
            video.finish()
    except ValueError as error:  # pictures smaller than the windows of SSIM
        scores = {name: VideoScore.undefined(name, predicted.frames, str(error)) for name in METRICS}
    finally:
        for video in (true, predicted):
            video.close()
    if true.fault and not predicted.fault:
        reason = f"its reference cannot be used: {true.fault[1]}"
        scores = {name: VideoScore.undefined(name, predicted.frames, reason) for name in METRICS}
    kept = {
        name: VideoScore.undefined(name, predicted.frames, extractors.missing[name])
        if name in extractors.missing
        else score
        for name, score in scores.items()
    }
    return predicted.row(extractors, kept), true.row(extractors, {})


class _PairedVideo:
    """One of the two videos of a pair."""

    def __init__(self, path: Path, keep: int) -> None:
        self.path = path
        self.frames = 0
        self.fault: tuple[str, str] | None = None
        self._keep = keep
        self._first: list[UInt8Array] = []
        self._decoder: Decoder | None = None
        self._rest: Iterator[FrameChunk] = iter(())

    def chunks(self, device: str) -> Iterator[FrameChunk]:
        """Its frames; none more after a fault."""
        self._rest = self._guarded(device)
        return self._rest

    def _guarded(self, device: str) -> Iterator[FrameChunk]:
        try:
            yield from chunked(self._shown(), _chunk_size(device), device)
        except MediaError as error:
            self.fault = (error.reason, plain_message(error, self.path))

    def _shown(self) -> Iterator[UInt8Array]:
        from madata.video import Decoder

        self._decoder = Decoder(self.path)
        stored = None
        for frame in self._decoder:
            stored = _same_size(frame, stored)
            rgb = frame.scaled(self._decoder.info.size)
            self.frames += 1
            if len(self._first) < self._keep:
                self._first.append(rgb)
            yield rgb
        _refuse_damage(self._decoder)

    def finish(self) -> None:
        """Decode what is left, to know whether all of it can be."""
        for _ in self._rest:
            pass

    def close(self) -> None:
        """Close the file."""
        if self._decoder is not None:
            self._decoder.close()

    def row(self, extractors: Extractors, scores: dict[str, VideoScore]) -> FeatureTable:
        """What is known of it."""
        clip = self.path.stem
        if self.fault is not None or self._decoder is None or not self.frames:
            fault = self.fault or ("unreadable", "no frame of its video can be decoded")
            return video_row(clip, frames=self.frames, fault=fault)
        info = self._decoder.info
        logits = self._logits(extractors)
        return video_row(clip, frames=self.frames, fps=info.fps, size=info.size, scores=scores, logits=logits)

    def _logits(self, extractors: Extractors) -> npt.NDArray[np.float32] | None:
        rule = extractors.pairs
        if extractors.i3d is None or rule is None or len(self._first) < self._keep:
            return None
        from evaluation.features.video.logits import video_logits

        return video_logits(extractors.i3d, np.stack(self._first), rule.fvd, extractors.device)
