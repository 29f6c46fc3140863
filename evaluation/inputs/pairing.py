"""Which prediction belongs to which reference and to which music, by stem, and which clips have no counterpart.

Folders are listed and matched once, here. Every problem of every folder is found before anything is refused, so that
one run names them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.inputs.discovery import Folder, find_clips
from evaluation.inputs.run_folder import clips_of_run
from evaluation.protocol import ClipRule, Protocol
from evaluation.result import Problem, Side
from madata.formats import is_a

__all__ = ["Inputs", "Match", "find_inputs", "find_music", "match_clips"]


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


@dataclass(frozen=True)
class Inputs:
    """The files of one run.

    Attributes:
        reference: the real clips that are to be looked at; ``None`` where there are none, or they were saved.
        music: the files that are listened to; ``None`` where there are none, or nothing asks for them.
        music_promised: the music was given, so that a clip without it is a problem; nobody promised that a
            reference video has sound.
        run: folder of the run of ``madance generate`` that made the predictions.
    """

    predictions: Folder
    reference: Folder | None
    music: Folder | None
    music_promised: bool
    match: Match
    run: Path | None

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with names: stems that occur twice, clips without a counterpart."""
        real = self.reference.problems if self.reference else []
        return [*self.predictions.problems, *real, *self.match.problems]

    @property
    def prediction_files(self) -> dict[str, Path]:
        """Clip id -> file of the predictions that take part."""
        return {clip: self.predictions.files[clip] for clip in self.match.predictions}

    @property
    def reference_files(self) -> dict[str, Path]:
        """Clip id -> file of the real clips that are looked at."""
        files = self.reference.files if self.reference else {}
        return {clip: files[clip] for clip in self.match.references if clip in files}

    @property
    def music_files(self) -> dict[str, Path]:
        """Clip id -> file of the music of either side."""
        files = self.music.files if self.music else {}
        clips = dict.fromkeys((*self.match.predictions, *self.match.references))
        return {clip: files[clip] for clip in clips if clip in files}


def find_inputs(
    predictions: Path,
    reference: Path | None,
    music: Path | None,
    protocol: Protocol,
    *,
    listens: bool,
    limit: int | None = None,
    saved: Mapping[str, str] | None = None,
) -> Inputs:
    """List the folders of a run and match their clips.

    Args:
        predictions: folder of clips, or a run of ``madance generate``.
        reference: folder of real clips; ``None`` where there is none.
        music: folder of sound files or videos; by default the reference videos are listened to.
        listens: whether the music matters.
        limit: only the first clips.
        saved: clip id -> file name of a saved reference, in place of a folder.

    Raises:
        MadanceError: a folder is absent or empty.
    """
    folder, run = clips_of_run(predictions)
    kind = "video" if protocol.watches else protocol.input
    found = find_clips(folder, kind)
    real = None if saved is not None or reference is None else find_clips(reference, kind, side="reference")
    sounds = find_music(music, real) if listens else None
    promised = sounds is not None and music is not None
    names = _names(found)
    rule = protocol.clips
    if saved is None and real is None:  # nothing to be paired with
        rule = rule.model_copy(update={"pairing": "set"})
    others = saved if saved is not None else _names(real) if real else {}
    match = match_clips(names, others, _names(sounds) if sounds and promised else None, rule).limited(
        limit, rule
    )
    if protocol.pairs is not None:  # a real clip is looked at beside its prediction only
        match = replace(match, references=match.predictions)
    return Inputs(found, real, sounds, promised, match, run)


def find_music(music: Path | None, reference: Folder | None) -> Folder | None:
    """The folder of sound files, else the reference videos with their sound, else nothing."""
    if music is not None:
        return find_clips(music, "music", side="music")
    files = reference.files if reference else {}
    videos = {clip: path for clip, path in files.items() if is_a(path, "video")}
    return replace(reference, files=videos, problems=[], unused=[]) if reference and videos else None


def _names(folder: Folder) -> dict[str, str]:
    return {clip: path.name for clip, path in folder.files.items()}
