"""Which prediction belongs to which reference and to which music, by stem, and which clips have no counterpart.

Folders are listed and matched once, here. Every problem of every folder is found before anything is refused, so that
one run names them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.inputs.discovery import Folder, find_clips
from evaluation.inputs.names import clip_name, whole_name
from evaluation.inputs.run_folder import clips_of_run
from evaluation.inputs.sounds import Sounds, find_sounds
from evaluation.inputs.splits import OfficialSplit, chosen_by, compares_with_all, official_split
from evaluation.options import Options
from evaluation.protocol import ClipRule, Protocol
from evaluation.result import Problem, Side

__all__ = ["Inputs", "Match", "find_inputs", "match_clips"]


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
    silent: Mapping[str, str],
    rule: ClipRule,
) -> Match:
    """Decide which clips take part, and name every clip that has no counterpart.

    Args:
        predictions, references: clip id -> file name.
        silent: clip id -> why it has no music, where music was given.

    Example:
        >>> rule = ClipRule(pairing="matched", bad_files="refuse", fps="any", skeleton="coco-17")
        >>> match = match_clips({"a": "a.npz", "c": "c.npz"}, {"a": "a.npz", "b": "b.npz"}, {}, rule)
        >>> match.predictions, [(one.clip_id, one.reason) for one in match.problems]
        (('a',), [('b', 'missing'), ('c', 'extra')])
    """
    if rule.pairing == "set":
        problems = [_silent(clip, predictions, silent, rule) for clip in predictions if clip in silent]
        return Match(tuple(predictions), tuple(references), tuple(predictions), (), problems)
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
    problems += [_silent(clip, predictions, silent, rule) for clip in both if clip in silent]
    if rule.pairing == "intersection":
        both = tuple(clip for clip in both if clip not in silent)
        return Match(both, both, tuple(references), extra, problems)
    return Match(both, tuple(references), tuple(references), extra, problems)


def _absent(clip: str, side: Side, reason: str, message: str, file: str = "") -> Problem:
    return Problem(clip_id=clip, side=side, file=file, reason=reason, message=message, dropped=True)


def _silent(clip: str, predictions: Mapping[str, str], silent: Mapping[str, str], rule: ClipRule) -> Problem:
    """Without music a clip loses its beat score only, except where upstream leaves it out altogether."""
    return Problem(
        clip_id=clip,
        side="music",
        file="",
        reason="missing",
        message=f"no music for {predictions[clip]}: {silent[clip]}",
        dropped=rule.pairing == "intersection",
    )


@dataclass(frozen=True)
class Inputs:
    """The files of one run.

    Attributes:
        reference: the real clips that are to be looked at; ``None`` where there are none, or they were saved.
        music: the files that are listened to; ``None`` where there are none, or nothing asks for them.
        run: folder of the run of ``madance generate`` that made the predictions.
        split: the official list that chose the clips.
    """

    predictions: Folder
    reference: Folder | None
    music: Sounds | None
    match: Match
    run: Path | None
    split: OfficialSplit | None = None

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
    def clips(self) -> tuple[str, ...]:
        """Of either side."""
        return tuple(dict.fromkeys((*self.match.predictions, *self.match.references)))


def find_inputs(
    predictions: Path,
    reference: Path | None,
    music: Path | None,
    protocol: Protocol,
    *,
    listens: bool,
    options: Options,
    saved: Mapping[str, str] | None = None,
) -> Inputs:
    """List the folders of a run and match their clips.

    Args:
        predictions: folder of clips, or a run of ``madance generate``.
        reference: folder of real clips; ``None`` where there is none.
        music: folder of sound files or videos; by default the reference videos are listened to.
        listens: whether the music matters.
        saved: clip id -> file name of a saved reference, in place of a folder.

    Raises:
        MadanceError: a folder is absent or empty, or holds nothing of the split.
    """
    folder, run = clips_of_run(predictions)
    kind = "video" if protocol.has_pictures else protocol.input
    found = find_clips(folder, kind)
    beside = "video or picture" if protocol.identity is not None else kind
    real = None if saved is not None or reference is None else find_clips(reference, beside, side="reference")
    rule = protocol.clips
    if saved is None and real is None:  # nothing to be paired with
        rule = rule.model_copy(update={"pairing": "set"})
    split = None if options.split is None else official_split(options.split)
    if split is not None:
        found = chosen_by(split, found)
        if real is not None and not compares_with_all(protocol):
            real = chosen_by(split, real)
    others = saved if saved is not None else _names(real) if real else {}
    if rule.pairing != "set":
        found = _named_like(others, found)
    clips = dict.fromkeys((*found.files, *others))
    sounds = find_sounds(music, real, clips, table=options.music_map) if listens else None
    match = match_clips(_names(found), others, sounds.absent if sounds else {}, rule)
    if split is not None:
        match = _complete(match, split, others, rule)
    match = match.limited(options.limit, rule)
    if protocol.pairs is not None:  # a real clip is looked at beside its prediction only
        match = replace(match, references=match.predictions)
    return Inputs(found, real, sounds, match, run, split)


def _named_like(references: Mapping[str, str], found: Folder) -> Folder:
    """Predictions under the name of the dance they are of, where that tells them from one another.

    EDGE puts epoch and number in front of a name, FineDance's tools a take behind it.
    """
    own = {clip: whole_name(clip) for clip in found.files if clip not in references}
    taken = Counter([*own.values(), *(clip for clip in found.files if clip not in own)])
    names = {clip: name for clip, name in own.items() if name in references and taken[name] == 1}
    files = {names.get(clip, clip): path for clip, path in found.files.items()}
    return replace(found, files=dict(sorted(files.items())))


def _complete(match: Match, split: OfficialSplit, references: Mapping[str, str], rule: ClipRule) -> Match:
    """Expect every dance of the split, and name those that are in neither folder."""
    known = match.predictions if rule.pairing == "set" else references
    there = {clip_name(clip).dance for clip in known}
    side: Side = "prediction" if rule.pairing == "set" else "reference"
    absent = [dance for dance in split.dances if dance not in there]
    problems = [
        _absent(dance, side, "missing", f"no {side} for it, and {split.name} holds it") for dance in absent
    ]
    return replace(match, expected=(*match.expected, *absent), problems=[*match.problems, *problems])


def _names(folder: Folder) -> dict[str, str]:
    return {clip: path.name for clip, path in folder.files.items()}
