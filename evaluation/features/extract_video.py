"""One pass over a video, or over a generated video and its reference side by side.

Frames come as a player shows them (turned, in the shape of their pixels) and go in chunks to every accumulator
at once, so that memory does not depend on the length of a video. A file that is damaged or ends early is not
scored: what it lacks would be scored as if it were motion.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation.features.extractors import Instruments
from evaluation.features.keypoints import VideoKeypoints, damage_of
from evaluation.features.video.frames import FrameChunk, UInt8Array, chunked
from evaluation.features.video.one_pass import VideoScorer
from evaluation.features.video.pairs import METRICS, PairQuality, score_pair
from evaluation.features.video.scores import VideoScore
from evaluation.features.video_rows import Logits, VideoRow
from evaluation.problems import plain_message
from madata.errors import MediaError
from madata.files import sha256_file

if TYPE_CHECKING:
    from madata.video import Decoder, Frame

__all__ = ["watch", "watch_pair"]

_CHUNK_ON_CPU, _CHUNK = 4, 16
"""Frames per chunk. A CPU's chunk is small: it stays in reach of its caches and of the allocator's pool."""


def watch(path: Path, instruments: Instruments, keypoints: VideoKeypoints | None = None) -> VideoRow:
    """Every appearance dimension of one video, from one decode.

    Args:
        keypoints: finds the performer in the same pass, unless that is known already.

    Returns:
        The row of the video, with a fault where the file cannot be scored.
    """
    clip, digest = path.stem, sha256_file(path)
    viewer = _Viewer(instruments)
    try:
        if keypoints is None or keypoints.knows(path):
            _decode(path, viewer)
        else:
            keypoints.extract(path, viewer.see)
        return viewer.row(clip, digest)
    except MediaError as error:
        fault = (error.reason, plain_message(error, path))
        return VideoRow(clip, digest, viewer.frames, fault=fault)


def _decode(path: Path, viewer: _Viewer) -> None:
    from madata.video import Decoder

    with Decoder(path) as decoder:
        for frame in decoder:
            viewer.see(decoder, frame)


def _chunk_size(device: str) -> int:
    return _CHUNK_ON_CPU if device == "cpu" else _CHUNK


class _Viewer:
    """Collects frames and scores them a chunk at a time; no accumulator keeps a chunk."""

    def __init__(self, instruments: Instruments) -> None:
        self.frames = 0
        self._device = instruments.device
        self._scorer = VideoScorer(instruments.panel)
        self._waiting: list[UInt8Array] = []
        self._decoder: Decoder | None = None
        self._stored: tuple[int, int] | None = None

    def see(self, decoder: Decoder, frame: Frame) -> None:
        """Take the next frame."""
        self._decoder = decoder
        self._stored = _same_size(frame, self._stored)
        self._waiting.append(frame.scaled(decoder.info.size))
        self.frames += 1
        if len(self._waiting) == _chunk_size(self._device):
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._scorer.update(FrameChunk(self._waiting, self._device))
            self._waiting = []

    def row(self, clip_id: str, sha256: str) -> VideoRow:
        """The scores after the last frame.

        Raises:
            MediaError: there was none, or not all of the file could be decoded.
        """
        self._flush()
        if self._decoder is None:
            raise MediaError("no frame of its video can be decoded", reason="unreadable")
        _refuse_damage(self._decoder)
        info = self._decoder.info
        return VideoRow(clip_id, sha256, self.frames, info.fps, info.size, self._scorer.compute())


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


def watch_pair(reference: Path, generated: Path, instruments: Instruments) -> tuple[VideoRow, VideoRow]:
    """A generated video against its reference, each decoded once, frame by frame at the same time.

    Returns:
        The rows of the generated video, which holds the scores, and of the reference.
    """
    rule = instruments.pairs
    if rule is None:
        raise ValueError("these instruments compare no pairs")
    true, made = _Side(reference, rule.fvd.frames), _Side(generated, rule.fvd.frames)
    quality = PairQuality(rule, instruments.lpips, 1 if instruments.device == "cpu" else _CHUNK)
    try:
        scores = score_pair(true.chunks(instruments.device), made.chunks(instruments.device), quality)
        for side in (true, made):
            side.finish()
    except ValueError as error:  # pictures smaller than the windows of SSIM
        reason = str(error)
        scores = {name: VideoScore.undefined(name, made.frames, reason) for name in METRICS}
    finally:
        for side in (true, made):
            side.close()
    if true.fault and not made.fault:
        reason = f"its reference cannot be used: {true.fault[1]}"
        scores = {name: VideoScore.undefined(name, made.frames, reason) for name in METRICS}
    kept = {
        name: VideoScore.undefined(name, made.frames, instruments.missing[name])
        if name in instruments.missing
        else score
        for name, score in scores.items()
    }
    return made.row(instruments, kept), true.row(instruments, {})


class _Side:
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

    def row(self, instruments: Instruments, scores: dict[str, VideoScore]) -> VideoRow:
        """What is known of it."""
        digest = sha256_file(self.path)
        if self.fault is not None or self._decoder is None or not self.frames:
            fault = self.fault or ("unreadable", "no frame of its video can be decoded")
            return VideoRow(self.path.stem, digest, self.frames, fault=fault)
        info = self._decoder.info
        logits = self._logits(instruments)
        return VideoRow(self.path.stem, digest, self.frames, info.fps, info.size, scores, logits)

    def _logits(self, instruments: Instruments) -> Logits | None:
        if instruments.i3d is None or instruments.pairs is None or len(self._first) < self._keep:
            return None
        from evaluation.features.video.logits import video_logits

        return video_logits(instruments.i3d, np.stack(self._first), instruments.pairs.fvd, instruments.device)
