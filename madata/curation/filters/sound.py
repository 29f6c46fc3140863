"""No sound: a clip of dance without its music is of no use to a music data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from madata.config import ClosedModel
from madata.curation.filter import Chart, Filter, Rejection
from madata.curation.piece import Piece
from madata.manifest import Column

__all__ = ["FILTER", "SoundSettings"]

_SPEECH_FROM = 0.25
"""Of :attr:`madata.curation.sound.SoundLevels.quiet_share`: between the largest of music and the smallest of speech."""


class SoundSettings(ClosedModel):
    """When a stretch has no sound.

    Attributes:
        required: drop what has no sound.
        silent_below: dBFS, the mean level of a second below which it is silent.
        silent_share: share of silent or missing seconds from which on a stretch is dropped.
    """

    required: bool = True
    silent_below: float = Field(default=-50.0, le=0)
    silent_share: float = Field(default=0.5, gt=0, le=1)


def examine(piece: Piece, settings: SoundSettings) -> Rejection | None:
    """No track, a muted one, one that is mostly silent, or one that mostly is not there."""
    row = measure(piece, settings)
    absent = max(row["silent_share"], row["sound_missing_share"])
    if not settings.required or absent < settings.silent_share:
        return None
    if piece.sound is None:
        said = "the file holds no sound track"
    elif row["sound_missing_share"] >= settings.silent_share:
        said = f"the sound track holds nothing for {row['sound_missing_share']:.0%} of the time"
    elif not piece.sound.power.any():
        said = "the sound track is muted: digital silence"
    else:
        said = f"{row['silent_share']:.0%} of the seconds are silent (below {settings.silent_below:g} dBFS)"
    return Rejection("no_sound", absent, settings.silent_share, said)


def measure(piece: Piece, settings: SoundSettings) -> Mapping[str, Any]:
    """Level, silence, what is missing, and a guess at what it is."""
    sound = piece.sound
    if sound is None:
        return {"silent_share": 1.0, "sound_missing_share": 1.0}
    quiet = sound.quiet_share
    silent = sound.silent_share(settings.silent_below)
    guess = None if quiet is None else "speech" if quiet >= _SPEECH_FROM else "music"
    return {
        "sound_level_db": sound.level_db,
        "silent_share": silent,
        "sound_missing_share": sound.missing_share,
        "sound_missing_s": sound.missing_share * piece.span.duration_s,
        "quiet_share": quiet,
        "sound_guess": "silence" if silent >= settings.silent_share else guess,
    }


FILTER = Filter(
    section="sound",
    settings=SoundSettings,
    reasons={"no_sound": "no sound track, a muted one, or one that is mostly silent or missing"},
    examine=examine,
    columns={
        "sound_level_db": Column(
            "float64", "mean level of the sound, dB below full scale; null without a track"
        ),
        "silent_share": Column("float64", "share of the seconds that are silent; 1 without a track"),
        "sound_missing_share": Column("float64", "share of the time for which the file holds no sound"),
        "sound_missing_s": Column("float64", "seconds of silence put where the file holds no sound"),
        "quiet_share": Column("float64", "share of quiet 20 ms frames: high in speech, low in music"),
        "sound_guess": Column("string", "music, speech or silence: a guess by quiet_share"),
    },
    measure=measure,
    charts=(Chart("silent_share", "Silence", "share of seconds", "below", "silent_share"),),
)
