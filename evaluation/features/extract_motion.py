"""The motion of a run: files to tracks to rows of features, with the name of whatever cannot be used.

Clips are read a few at a time, so memory does not grow with the set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from evaluation.features.extraction import Extraction
from evaluation.features.motion.rows import Window, motion_rows
from evaluation.features.music import MusicBeats, attach_beats, attach_downbeats, find_music_beats
from evaluation.features.table import FeatureTable, RunFeatures, concatenate
from evaluation.inputs.beat_files import find_downbeats
from evaluation.inputs.pairing import Inputs
from evaluation.inputs.plausibility import implausible
from evaluation.inputs.pose_files import (
    JointTrack,
    convert_track,
    read_keypoint_file,
    read_motion_file,
    resampled_track,
    without_joints_at_origin,
)
from evaluation.inputs.validation import FPS_TOLERANCE, check_track, fps_fault, windows_of
from evaluation.problems import Refused, nothing_left, plain_message, refuse
from evaluation.protocol import Protocol
from evaluation.result import PoseSource, Problem, Side
from madata.convert import UNITS_M
from madata.errors import MadanceError, MediaError, MissingDependencyError, WeightsError
from madata.files import as_json
from madata.formats import is_a

__all__ = ["ExtractedMotion", "ExtractedSide", "extract_motion", "extract_side"]

_BATCH = 64
_TAKEN = {
    "resampled": "resampled",
    "no_fps": "taken at the rate of their reference",
    "joints_at_0_0": "missing there",
}


@dataclass(frozen=True)
class ExtractedSide:
    """The motion of one side.

    Attributes:
        table: ``None`` when no clip could be used.
        fps: clip id -> frame rate.
        origins: what made the clips (pose backends, motion formats).
        skeleton: the one the features are of.
        warnings: oddities that were let pass.
    """

    table: FeatureTable | None
    fps: dict[str, float | None]
    origins: tuple[str, ...]
    skeleton: str
    problems: list[Problem]
    warnings: list[str]


@dataclass(frozen=True)
class ExtractedMotion:
    """The motion of a run.

    Attributes:
        prediction, reference: rows of the clips that can be used, on both sides where they belong together; ``None``
            where there is no motion, for the reason ``absent``.
        beats: of the music that was heard.
        warnings: oddities that were let pass.
    """

    prediction: FeatureTable | None = None
    reference: FeatureTable | None = None
    absent: str = RunFeatures.no_motion
    beats: MusicBeats | None = None
    pose: PoseSource | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def extract_motion(inputs: Inputs, saved: ExtractedSide | None, how: Extraction) -> ExtractedMotion:
    """The motion of both sides, with the beats of its music.

    Args:
        saved: the reference, where its features were saved.

    Raises:
        Refused: files are unusable, and neither the protocol nor the options let them pass; nothing is left.
        MadanceError: two pose backends meet.
    """
    protocol, options = how.protocol, how.options
    bars = None if options.beats is None else find_downbeats(options.beats, inputs.clips)
    options.on_total(len(inputs.match.predictions) + len(inputs.reference_files))
    reference = saved or extract_side(inputs.reference_files, "reference", how)
    prediction = extract_side(
        inputs.prediction_files,
        "prediction",
        how,
        skeleton=reference.skeleton or None,
        reference_fps=reference.fps,
    )
    beats = find_music_beats(inputs.music, inputs.clips, protocol, how.cache, options.jobs)
    pose = _pose(prediction, reference, how)
    problems = [*reference.problems, *prediction.problems, *(beats.problems if beats else [])]
    listed = [*inputs.problems, *problems]
    refuse(listed, protocol, options)
    kept = _usable(prediction.table, reference.table, listed, protocol)
    if kept is None:
        raise Refused(listed or [nothing_left(inputs.predictions.path.name)])
    sides = _with_music(*kept, beats, protocol)
    if bars is not None:
        sides = attach_downbeats(sides[0], bars), attach_downbeats(sides[1], bars)
    return ExtractedMotion(
        *sides,
        beats=beats,
        pose=pose,
        problems=problems,
        warnings=[*prediction.warnings, *reference.warnings, *(beats.warnings if beats else [])],
    )


def extract_side(
    files: Mapping[str, Path],
    side: Side,
    how: Extraction,
    *,
    skeleton: str | None = None,
    reference_fps: Mapping[str, float | None] | None = None,
) -> ExtractedSide:
    """Read, check, cut and measure every file of a side.

    Args:
        files: clip id -> file.
        skeleton: the one clips must have where the protocol says "that of the reference"; that of the first clip by
            default.
        reference_fps: frame rate of each clip of the reference, where the protocol asks for it.
    """
    reading = _Reading(side, files, how, skeleton, reference_fps or {})
    parts = [part for batch in _batches(reading.clips()) if (part := reading.rows(batch)) is not None]
    return ExtractedSide(
        table=concatenate(parts) if parts else None,
        fps=reading.fps,
        origins=tuple(sorted(reading.origins)),
        skeleton=reading.skeleton or "",
        problems=reading.problems,
        warnings=reading.warnings(),
    )


@dataclass
class _Reading:
    """One side while it is read, and what is learnt on the way."""

    side: Side
    files: Mapping[str, Path]
    how: Extraction
    skeleton: str | None
    reference_fps: Mapping[str, float | None]
    fps: dict[str, float | None] = field(default_factory=dict)
    origins: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    oddities: dict[str, list[str]] = field(default_factory=dict)

    @property
    def protocol(self) -> Protocol:
        return self.how.protocol

    def clips(self) -> Iterator[list[Window]]:
        """The windows of every clip that can be used."""
        for clip, path in self.files.items():
            track = self._usable(clip, path)
            self.how.options.on_clip()
            if track is None:
                continue
            windows, start = [], 0
            for number, window in enumerate(windows_of(track, self.protocol.clips)):
                windows.append(Window(clip, number, start / track.fps if track.fps else 0.0, window))
                start += window.frames
            yield windows

    def _usable(self, clip: str, path: Path) -> JointTrack | None:
        """The clip as the protocol wants it, or ``None`` after its problems were noted."""
        rule, strict = self.protocol.clips, self.protocol.kind == "corrected"
        try:
            track = self._read(path)
            strange = implausible(track)
            wanted = self.skeleton if rule.skeleton == "reference" else rule.skeleton
            if rule.skeleton != "reference":
                track = convert_track(track, rule.skeleton)
            track = self._at_rate(track, self._expected_fps(clip), path)
        except (MissingDependencyError, WeightsError):
            raise
        except MadanceError as error:
            self._note(clip, getattr(error, "reason", "unreadable"), plain_message(error, path))
            return None
        if strict:
            track = without_joints_at_origin(track)
        self.fps[clip] = track.fps
        faults = check_track(track, rule, strict=strict, reference_fps=self._expected_fps(clip))
        if wanted is not None and track.skeleton != wanted:
            faults.append(("wrong_skeleton", f"skeleton {track.skeleton}, the others have {wanted}"))
        for reason, message in faults:
            self._note(clip, reason, message)
        if faults:
            return None
        for reason, message in strange:
            self._odd(reason, path, message)
        if not strict:
            fault = fps_fault(track, rule, self._expected_fps(clip))
            for reason, message in (*track.oddities, *([fault] if fault else [])):
                self._odd(reason, path, message)
        self.origins[track.origin] += 1
        self.skeleton = self.skeleton or track.skeleton
        return replace(track, oddities=tuple(strange))

    def _expected_fps(self, clip: str) -> float | None:
        """Frame rate of the clip's reference; where clips do not belong together, the most frequent one of all."""
        if clip in self.reference_fps and self.protocol.clips.pairing != "set":
            return self.reference_fps[clip]
        rates = Counter(rate for rate in self.reference_fps.values() if rate is not None)
        return rates.most_common(1)[0][0] if rates else None

    def _at_rate(self, track: JointTrack, expected: float | None, path: Path) -> JointTrack:
        """The track at the rate asked for, or, in a corrected protocol, at that of the reference.

        A file of keypoints that gives no rate is taken to be of its reference's, which is said.
        """
        target = self.how.options.resample_fps
        if target is None and self.protocol.kind == "corrected" and self.protocol.clips.fps == "reference":
            target = expected
        if target is None:
            return track
        if track.fps is None and self.protocol.kind == "corrected" and expected is not None:
            self._odd("no_fps", path, f"gives no frame rate, taken to be {expected:g} as its reference")
            return replace(track, fps=expected)
        if track.fps is None or abs(track.fps / target - 1) <= FPS_TOLERANCE:
            return track
        self._odd("resampled", path, f"{track.fps:g} frames per second, resampled to {target:g}")
        return resampled_track(track, target)

    def _odd(self, reason: str, path: Path, message: str) -> None:
        self.oddities.setdefault(reason, []).append(f"{path.name}: {message}")

    def _read(self, path: Path) -> JointTrack:
        if self.protocol.input == "motion3d":
            # One body for all, so that a dance is the same dance in every format. LODGE's scripts put whatever they
            # read on SMPL-X as well; the other published ones take the joints as they come.
            one_body = self.protocol.kind == "corrected" or self.protocol.definition == "lodge"
            body = self.protocol.clips.skeleton if one_body else None
            return read_motion_file(path, body, metres_per_unit=self._metres_per_unit)
        if not is_a(path, "video"):
            return read_keypoint_file(path)
        if self.how.keypoints is None:
            raise MediaError("is a video, and no pose backend was given", reason="no_backend")
        return self.how.keypoints.track(path)

    @property
    def _metres_per_unit(self) -> float | None:
        """The unit a user said the predictions are in; files of a reference are in metres."""
        unit = self.how.options.unit
        return None if unit is None or self.side != "prediction" else UNITS_M[unit]

    def rows(self, clips: Sequence[list[Window]]) -> FeatureTable | None:
        """Some clips measured together where the definition allows it, each alone where it may refuse one."""
        definition, wanted = self.protocol.definition, self.how.wanted
        if definition != "corrected":
            return motion_rows(
                [window for clip in clips for window in clip], definition, wanted.per_clip, wanted.kept
            )
        parts = []
        for windows in clips:
            try:
                parts.append(motion_rows(windows, definition, wanted.per_clip, wanted.kept))
            except MediaError as error:
                self._note(windows[0].clip_id, error.reason, str(error))
        return concatenate(parts) if parts else None

    def _note(self, clip: str, reason: str, message: str) -> None:
        file = self.files[clip].name
        self.problems.append(
            Problem(clip_id=clip, side=self.side, file=file, reason=reason, message=message, dropped=True)
        )

    def warnings(self) -> list[str]:
        """One line for each kind of oddity."""
        official = self.protocol.kind == "official"
        as_it_is = "taken as upstream takes them" if official else "scored as they are"
        return [
            f"odd {self.side} files, {_TAKEN.get(reason, as_it_is)}: {len(found)} x {reason}, first {found[0]}"
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


def _pose(prediction: ExtractedSide, reference: ExtractedSide, how: Extraction) -> PoseSource | None:
    """Where the keypoints come from; two backends never meet unasked."""
    keypoints = how.keypoints
    if how.protocol.input != "keypoints2d" or not prediction.origins or not reference.origins:
        return None
    mixed = prediction.origins != reference.origins or len(prediction.origins) > 1
    if mixed and not how.options.mix_backends:
        raise MadanceError(
            f"the predictions' keypoints come from {', '.join(prediction.origins)}, the reference's from "
            f"{', '.join(reference.origins)}: two pose backends are two measurements. Extract both sides with one "
            "backend, or give --mix-backends to compare them all the same (the result is marked)"
        )
    used = keypoints.identity if keypoints and keypoints.used else {}
    return PoseSource(
        prediction="+".join(prediction.origins),
        reference="+".join(reference.origins),
        skeleton=prediction.skeleton,
        mixed=mixed,
        identity=as_json(used, default=str),
    )


def _usable(
    prediction: FeatureTable | None,
    reference: FeatureTable | None,
    problems: Sequence[Problem],
    protocol: Protocol,
) -> tuple[FeatureTable, FeatureTable] | None:
    """Both sides without the clips that fell out, on both sides where they belong together."""
    if prediction is None or reference is None:
        return None

    def lost(side: Side) -> set[str]:
        return {one.clip_id for one in problems if one.dropped and one.side == side}

    of_prediction = set(prediction.clip_ids) - lost("prediction") - lost("music")
    of_reference = set(reference.clip_ids) - lost("reference")
    if protocol.clips.pairing != "set":
        of_prediction &= of_reference
    if protocol.clips.pairing == "intersection":
        of_reference = of_prediction
    first, second = (
        table.take([row for row, clip in enumerate(table.clip_ids) if clip in clips])
        for table, clips in ((prediction, of_prediction), (reference, of_reference))
    )
    return (first, second) if len(first) and len(second) else None


def _with_music(
    prediction: FeatureTable, reference: FeatureTable, beats: MusicBeats | None, protocol: Protocol
) -> tuple[FeatureTable, FeatureTable]:
    """Attach the beats; without music of its own the prediction dances to that of a saved reference."""
    if beats is not None:
        return attach_beats(prediction, beats, protocol), attach_beats(reference, beats, protocol)
    keys = zip(reference.clip_ids, reference.numbers.tolist(), strict=True)
    rows = {key: row for row, key in enumerate(keys) if reference.heard[row]}
    at = [rows.get(key) for key in zip(prediction.clip_ids, prediction.numbers.tolist(), strict=True)]
    known = np.array([row is not None for row in at], bool)
    own = [np.empty(0) if row is None else reference.music_beats[row] for row in at]
    return prediction.having({"heard": known}, {"music_beats": own}), reference
