"""Which prediction belongs to which reference, by stem, and which clips have no counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.protocol import ClipRule
from evaluation.result import Problem, Side

__all__ = ["Match", "match_clips"]


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
