"""Folders of predictions, references and music: which file belongs to which clip, and what is wrong with any
of them.

Files are matched by stem, in subfolders too. Every problem of every folder is found before anything is
refused, so that one run names them all.

Example:
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.json", "a.json", "notes.txt"):
    ...     _ = (folder / name).write_text("{}")
    >>> list(find_clips(folder, "keypoints2d").files)
    ['a', 'b']
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.clip_files import clip_files
from evaluation.protocol import ClipRule, InputKind
from evaluation.results import Problem
from evaluation.tracks import Track
from madata.errors import MadanceError
from madata.files import sha256_bytes

__all__ = [
    "AUDIO_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Folder",
    "Match",
    "check_track",
    "find_clips",
    "fps_fault",
    "guess_kind",
    "match_clips",
    "needed_frames",
    "plain_message",
    "set_sha256",
    "windows_of",
]

Side = Literal["prediction", "reference", "music"]

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".m4a", ".ogg", ".aac"})
_SUFFIXES: dict[InputKind | Literal["music"], frozenset[str]] = {
    "keypoints2d": frozenset({".json", ".npz"}) | VIDEO_SUFFIXES,
    "motion3d": frozenset({".pkl", ".npy", ".npz", ".bvh"}),
    "video": VIDEO_SUFFIXES,
    "music": AUDIO_SUFFIXES | VIDEO_SUFFIXES,
}


@dataclass(frozen=True)
class Folder:
    """The clips of one folder.

    Attributes:
        files: stem -> file, sorted by stem.
        problems: stems that occur twice.
        unused: files of other kinds, by name.
    """

    path: Path
    files: dict[str, Path]
    problems: list[Problem] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def find_clips(folder: Path, kind: InputKind | Literal["music"], *, side: Side = "prediction") -> Folder:
    """Find the files of ``kind`` in ``folder`` and below.

    Raises:
        MadanceError: the folder is absent or holds no such file.
    """
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder ({side})")
    found: dict[str, list[Path]] = {}
    unused = []
    for path in clip_files(folder):
        if path.suffix.lower() in _SUFFIXES[kind]:
            found.setdefault(path.stem, []).append(path)
        else:
            unused.append(path.relative_to(folder).as_posix())
    if not found:
        expected = ", ".join(sorted(_SUFFIXES[kind]))
        other = f"; it holds {', '.join(unused[:3])}" if unused else ""
        raise MadanceError(f"{folder}: no file of {side} in it (expected {expected}){other}")
    problems = [_twice(stem, paths, folder, side) for stem, paths in found.items() if len(paths) > 1]
    return Folder(folder, {stem: found[stem][0] for stem in sorted(found)}, problems, unused)


def _twice(stem: str, paths: Sequence[Path], folder: Path, side: Side) -> Problem:
    names = [path.relative_to(folder).as_posix() for path in paths]
    return Problem(
        clip_id=stem,
        side=side,
        file=names[0],
        reason="ambiguous",
        message=f"{len(names)} files have this stem: {', '.join(names)}; keep one",
        dropped=True,
    )


def guess_kind(folder: Path) -> InputKind:
    """What a folder holds, from its first file that can be scored.

    Raises:
        MadanceError: the folder is absent, or nothing in it can be scored.
    """
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder")
    for path in clip_files(folder):
        suffix = path.suffix.lower()
        if suffix == ".npz" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return "keypoints2d" if "xy.npy" in archive.namelist() else "motion3d"
        for kind in ("keypoints2d", "motion3d"):
            if suffix in _SUFFIXES[kind]:
                return kind
    raise MadanceError(f"{folder}: holds neither keypoints or videos nor 3D motions")


@dataclass(frozen=True)
class Match:
    """Which clips are scored.

    Attributes:
        predictions, references: clip ids to read on each side.
        expected: clip ids that should have been there.
        extra: predictions without a counterpart.
    """

    predictions: tuple[str, ...]
    references: tuple[str, ...]
    expected: tuple[str, ...]
    extra: tuple[str, ...]
    problems: list[Problem]

    def limited(self, limit: int | None, rule: ClipRule) -> Match:
        """The first clips only; problems of the others are nobody's concern then."""
        if limit is None:
            return self
        wanted = self.predictions[:limit]
        among = set(wanted)
        paired = rule.pairing != "set"
        return Match(
            predictions=wanted,
            references=tuple(clip for clip in self.references if clip in among)
            if paired
            else self.references,
            expected=tuple(clip for clip in self.expected if clip in among),
            extra=(),
            problems=[problem for problem in self.problems if problem.clip_id in among],
        )


def match_clips(
    predictions: Mapping[str, str],
    references: Mapping[str, str],
    music: Mapping[str, str] | None,
    rule: ClipRule,
) -> Match:
    """Decide which clips take part, and name every clip that has no counterpart.

    Args:
        predictions, references, music: clip id -> file name. ``music`` is ``None`` when none was given.

    Example:
        >>> rule = ClipRule(pairing="matched", bad_files="refuse", fps="any", skeleton="coco-17")
        >>> match = match_clips({"a": "a.npz", "c": "c.npz"}, {"a": "a.npz", "b": "b.npz"}, None, rule)
        >>> match.predictions, [(one.clip_id, one.reason) for one in match.problems]
        (('a',), [('b', 'missing'), ('c', 'extra')])
    """
    if rule.pairing == "set":
        silent = [
            _silent(clip, predictions, rule)
            for clip in predictions
            if music is not None and clip not in music
        ]
        return Match(tuple(predictions), tuple(references), tuple(predictions), (), silent)
    problems = [
        _absent(clip, "prediction", "missing", f"no prediction for reference {references[clip]}")
        for clip in references
        if clip not in predictions
    ]
    extra = tuple(clip for clip in predictions if clip not in references)
    problems += [
        _absent(clip, "prediction", "extra", "no reference has this stem", predictions[clip])
        for clip in extra
    ]
    both = tuple(clip for clip in references if clip in predictions)
    problems += [_silent(clip, predictions, rule) for clip in both if music is not None and clip not in music]
    if rule.pairing == "intersection":
        both = tuple(clip for clip in both if music is None or clip in music)
        return Match(both, both, tuple(references), extra, problems)
    return Match(both, tuple(references), tuple(references), extra, problems)


def _absent(clip: str, side: Side, reason: str, message: str, file: str = "") -> Problem:
    return Problem(clip_id=clip, side=side, file=file, reason=reason, message=message, dropped=True)


def _silent(clip: str, predictions: Mapping[str, str], rule: ClipRule) -> Problem:
    """Without music a clip loses its beat score only, except where upstream leaves it out altogether."""
    return Problem(
        clip_id=clip,
        side="music",
        file="",
        reason="missing",
        message=f"no music for {predictions[clip]}",
        dropped=rule.pairing == "intersection",
    )


def check_track(
    track: Track, rule: ClipRule, *, strict: bool, reference_fps: float | None = None
) -> list[tuple[str, str]]:
    """Everything that is wrong with a clip under ``rule``, as (reason, message).

    Args:
        strict: whether oddities upstream code does not look at (joint names, frame rate) count.
        reference_fps: frame rate the clip must have when the rule says so.
    """
    found = list(track.oddities) if strict else []
    if not np.isfinite(track.points).all() or (
        track.score is not None and not np.isfinite(track.score).all()
    ):
        bad = ~np.isfinite(track.points).all(axis=(1, 2))
        found.append(("not_finite", f"{int(bad.sum())} of {track.frames} frames hold NaN or infinity"))
    elif track.score is not None and strict and not (track.score > 0).any():
        found.append(("no_person", "no joint is seen in any frame"))
    if strict and (fault := fps_fault(track, rule, reference_fps)):
        found.append(fault)
    need = needed_frames(track, rule)
    if track.frames < need:
        found.append(("too_short", f"{track.frames} frames, {need} are needed"))
    return found


def fps_fault(track: Track, rule: ClipRule, reference_fps: float | None) -> tuple[str, str] | None:
    """What is wrong with the frame rate, if anything; 1 % is allowed (23.976 passes for 24)."""
    wanted = reference_fps if rule.fps == "reference" else None if rule.fps == "any" else rule.fps
    if track.fps is None:
        return ("no_fps", "gives no frame rate")
    if isinstance(wanted, float) and abs(track.fps / wanted - 1) > 0.01:
        return ("wrong_fps", f"{track.fps:g} frames per second, expected {wanted:g}")
    return None


def needed_frames(track: Track, rule: ClipRule) -> int:
    """Frames a clip must have; half a frame of rounding is forgiven."""
    if rule.duration_s is None or track.fps is None:
        return rule.min_frames
    return max(rule.min_frames, int(np.floor(rule.duration_s * track.fps + 0.5)))


def windows_of(track: Track, rule: ClipRule) -> list[Track]:
    """The part of the clip that is scored: its first frames, or windows of equal length.

    Example:
        >>> rule = ClipRule(
        ...     pairing="set", bad_files="skip", fps="any", skeleton="coco-17", duration_s=2.0, windows=True
        ... )
        >>> clip = Track(np.zeros((70, 17, 2)), None, "coco-17", 16.0, "-y", "made")
        >>> [window.frames for window in windows_of(clip, rule)]
        [32, 32]
    """
    if rule.duration_s is None:
        return [track.cut(0, rule.max_frames)]
    length = needed_frames(track, rule)
    starts: Iterable[int] = range(0, track.frames - length + 1, length) if rule.windows else (0,)
    return [track.cut(start, start + length) for start in starts]


def set_sha256(hashes: Mapping[str, str]) -> str:
    """One hash for a set of files: over their clip ids and contents, whatever they are called on disk.

    Example:
        >>> set_sha256({"a": "0f", "b": "1e"}) == set_sha256({"b": "1e", "a": "0f"})
        True
    """
    lines = "".join(f"{clip}\0{digest}\n" for clip, digest in sorted(hashes.items()))
    return sha256_bytes(lines.encode("utf-8", "surrogateescape"))


def plain_message(error: Exception, path: Path) -> str:
    """What an error says of a file, without the folder, which is nobody's business in a result.

    Example:
        >>> plain_message(ValueError("/home/me/a.npz: is empty"), Path("/home/me/a.npz"))
        'is empty'
    """
    return str(error).removeprefix(f"{path}: ").replace(str(path), path.name)
