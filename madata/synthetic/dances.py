"""A small data set of made-up dances with music: motions and sound files side by side, all of it known.

    test/music/<clip>.wav   test/motions/<clip>.npz   train/...

Legend: a recipe says everything about one dance and its music.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from madata.errors import ConfigError
from madata.files import read_json, write_json
from madata.motion import write_motion
from madata.music import write_wav
from madata.synthetic.dance import STYLES, Dance, make_dance
from madata.synthetic.music import MadeTrack, make_music

__all__ = ["DanceRecipe", "dance_recipes", "make_dances"]

_FPS = 30.0
_RATE_HZ = 22050


@dataclass(frozen=True)
class DanceRecipe:
    """A dance of one tempo and style; ``seed`` chooses its steps, ``tune`` its music; ``first_beat_s`` is a beat."""

    seconds: float
    tempo_bpm: float
    style: str
    seed: int
    tune: int
    first_beat_s: float

    def dance(self, fps: float = _FPS) -> Dance:
        """The motion."""
        return make_dance(
            self.seconds,
            tempo_bpm=self.tempo_bpm,
            fps=fps,
            style=self.style,
            seed=self.seed,
            first_beat_s=self.first_beat_s,
        )

    def track(self, rate_hz: int = _RATE_HZ) -> MadeTrack:
        """The music on whose beats it is danced."""
        return make_music(
            self.seconds,
            tempo_bpm=self.tempo_bpm,
            seed=self.tune,
            first_beat_s=self.first_beat_s,
            rate_hz=rate_hz,
        )


def dance_recipes(
    count: int,
    seconds: float,
    seed: int = 0,
    *,
    tempi_bpm: tuple[float, float] = (80.0, 160.0),
    styles: Sequence[str] = STYLES,
    choreographies: int | None = None,
) -> list[DanceRecipe]:
    """Recipes whose tempi fill a range evenly in a random order, styles in turn.

    Args:
        choreographies: of each style, in turn; every dance has its own by default.

    Raises:
        ConfigError: there is to be nothing.
    """
    if count < 1 or not seconds > 0:
        raise ConfigError(f"{count} dances of {seconds} s: both must be positive")
    rng = np.random.default_rng([seed, 0xDA7A])
    slow, fast = tempi_bpm
    place = (rng.permutation(count) + rng.uniform(size=count)) / count
    recipes = []
    for number in range(count):
        tempo_bpm = round(float(slow + (fast - slow) * place[number]), 2)
        first_beat_s = round(float(rng.uniform(0, 60 / tempo_bpm)), 3)
        style = styles[number % len(styles)]
        tune = int(rng.integers(2**31))
        steps = tune if choreographies is None else number // len(styles) % choreographies
        recipes.append(DanceRecipe(seconds, tempo_bpm, style, steps, tune, first_beat_s))
    return recipes


def make_dances(folder: Path, splits: Mapping[str, int], seconds: float, seed: int = 0) -> None:
    """Write dances and music, ``splits[name]`` of them into ``folder / name``; equal seeds give equal files.

    A folder that already holds them is left as it is.
    """
    recipes = dance_recipes(sum(splits.values()), seconds, seed)
    places = [(split, number) for split, count in splits.items() for number in range(count)]
    truth = {
        f"{split}-{number:02d}": asdict(recipe)
        for (split, number), recipe in zip(places, recipes, strict=True)
    }
    path = folder / "truth.json"
    if path.exists() and read_json(path) == truth:
        return
    for (split, _), (clip, recipe) in zip(places, zip(truth, recipes, strict=True), strict=True):
        write_motion(folder / split / "motions" / f"{clip}.npz", recipe.dance().motion)
        write_wav(folder / split / "music" / f"{clip}.wav", recipe.track().music)
    write_json(path, truth)
