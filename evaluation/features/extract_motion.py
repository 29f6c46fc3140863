"""One side of a comparison, from files to features: read, check, cut, measure.

Whatever cannot be used is named. Clips are read a few at a time, so memory does not grow with the set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.features.cache import cache_dir
from evaluation.features.keypoints import VideoKeypoints
from evaluation.features.table import Features, Window, concatenate, measure_windows
from evaluation.features.wanted import Wanted
from evaluation.inputs.pose_files import Track, convert_track, read_keypoint_file, read_motion_file
from evaluation.inputs.validation import check_track, fps_fault, windows_of
from evaluation.options import Options
from evaluation.problems import plain_message
from evaluation.protocol import Protocol
from evaluation.result import Problem, Side
from madata.errors import MadanceError, MediaError, MissingDependencyError, WeightsError
from madata.files import sha256_file
from madata.formats import is_a

__all__ = ["MeasuredSide", "SideReader", "reader_for"]

_BATCH = 64


@dataclass(frozen=True)
class MeasuredSide:
    """What became of one side.

    Attributes:
        features: ``None`` when no clip could be used.
        sha256: clip id -> hash of its file, also of those that could not be used.
        fps: clip id -> frame rate.
        origins: what made the clips (pose backends, motion formats).
        skeleton: the one the features are of.
        warnings: oddities that were let pass.
    """

    features: Features | None
    sha256: dict[str, str]
    fps: dict[str, float | None]
    origins: tuple[str, ...]
    skeleton: str
    problems: list[Problem]
    warnings: list[str]


@dataclass
class SideReader:
    """Reads sides by one protocol.

    Attributes:
        keypoints: extracts keypoints from videos; ``None`` where videos are not taken.
        on_clip: called after each clip.
        wanted: what is measured on each clip besides its features.
    """

    protocol: Protocol
    keypoints: VideoKeypoints | None = None
    on_clip: Callable[[], None] = lambda: None
    wanted: Wanted = field(default_factory=Wanted)

    def measure(
        self,
        files: Mapping[str, Path],
        side: Side,
        *,
        skeleton: str | None = None,
        reference_fps: Mapping[str, float | None] | None = None,
    ) -> MeasuredSide:
        """Measure every file of a side.

        Args:
            files: clip id -> file.
            skeleton: the one clips must have where the protocol says "that of the reference"; that of the
                first clip by default.
            reference_fps: frame rate of each clip's reference, where the protocol asks for it.
        """
        state = _State(side, files, skeleton, reference_fps or {})
        batches = (self._batch(batch, state) for batch in _batches(self._windows(files, state)))
        parts = [part for part in batches if part is not None]
        return MeasuredSide(
            features=concatenate(parts) if parts else None,
            sha256=state.sha256,
            fps=state.fps,
            origins=tuple(sorted(state.origins)),
            skeleton=state.skeleton or "",
            problems=state.problems,
            warnings=state.warnings(),
        )

    def _windows(self, files: Mapping[str, Path], state: _State) -> Iterator[list[Window]]:
        for clip, path in files.items():
            state.sha256[clip] = sha256_file(path)
            track = self._usable(clip, path, state)
            self.on_clip()
            if track is None:
                continue
            windows, start = [], 0
            for number, window in enumerate(windows_of(track, self.protocol.clips)):
                windows.append(Window(clip, number, start / track.fps if track.fps else 0.0, window))
                start += window.frames
            yield windows

    def _usable(self, clip: str, path: Path, state: _State) -> Track | None:
        """The clip as the protocol wants it, or ``None`` after its problems were noted."""
        rule, strict = self.protocol.clips, self.protocol.kind == "corrected"
        try:
            track = self._read(path)
            wanted = state.skeleton if rule.skeleton == "reference" else rule.skeleton
            if rule.skeleton != "reference":
                track = convert_track(track, rule.skeleton)
        except (MissingDependencyError, WeightsError):
            raise
        except MadanceError as error:
            state.note(clip, getattr(error, "reason", "unreadable"), plain_message(error, path))
            return None
        state.fps[clip] = track.fps
        faults = check_track(track, rule, strict=strict, reference_fps=state.reference_fps.get(clip))
        if wanted is not None and track.skeleton != wanted:
            faults.append(("wrong_skeleton", f"skeleton {track.skeleton}, the others have {wanted}"))
        for reason, message in faults:
            state.note(clip, reason, message)
        if faults:
            return None
        if not strict:
            fault = fps_fault(track, rule, state.reference_fps.get(clip))
            for reason, message in (*track.oddities, *([fault] if fault else [])):
                state.oddities.setdefault(reason, []).append(f"{path.name}: {message}")
        state.origins[track.origin] += 1
        state.skeleton = state.skeleton or track.skeleton
        return track

    def _read(self, path: Path) -> Track:
        if self.protocol.input == "motion3d":
            return read_motion_file(path)
        if not is_a(path, "video"):
            return read_keypoint_file(path)
        if self.keypoints is None:
            raise MediaError("is a video, and no pose backend was given", reason="no_backend")
        return self.keypoints.track(path)

    def _batch(self, clips: Sequence[list[Window]], state: _State) -> Features | None:
        """Measure some clips together where the definition allows it, each alone where it may refuse one."""
        definition, per_clip = self.protocol.definition, self.wanted.per_clip
        if definition != "corrected":
            return measure_windows([window for clip in clips for window in clip], definition, per_clip)
        parts = []
        for windows in clips:
            try:
                parts.append(measure_windows(windows, definition, per_clip))
            except MediaError as error:
                state.note(windows[0].clip_id, error.reason, str(error))
        return concatenate(parts) if parts else None


class _State:
    """What is learnt while a side is read."""

    def __init__(
        self, side: Side, files: Mapping[str, Path], skeleton: str | None, fps: Mapping[str, float | None]
    ) -> None:
        self.side: Side = side
        self.files = files
        self.skeleton = skeleton
        self.reference_fps = fps
        self.sha256: dict[str, str] = {}
        self.fps: dict[str, float | None] = {}
        self.origins: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self.oddities: dict[str, list[str]] = {}

    def note(self, clip: str, reason: str, message: str) -> None:
        file = self.files[clip].name
        self.problems.append(
            Problem(clip_id=clip, side=self.side, file=file, reason=reason, message=message, dropped=True)
        )

    def warnings(self) -> list[str]:
        """One line for each kind of oddity."""
        return [
            f"odd {self.side} files, taken as upstream takes them: {len(found)} x {reason}, first {found[0]}"
            for reason, found in self.oddities.items()
        ]


def _batches(clips: Iterator[list[Window]]) -> Iterator[list[list[Window]]]:
    batch: list[list[Window]] = []
    for windows in clips:
        batch.append(windows)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def reader_for(protocol: Protocol, options: Options, wanted: Wanted) -> SideReader:
    """A reader with the pose backend of ``options``, where the protocol is about pictures."""
    keypoints = None
    if protocol.input == "keypoints2d":
        keypoints = VideoKeypoints(
            options.backend, options.cache or cache_dir(), options.device, options.weights
        )
    return SideReader(protocol, keypoints, options.on_clip, wanted)
