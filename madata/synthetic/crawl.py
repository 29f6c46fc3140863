"""A small crawl of made-up dance videos for which every right decision is known.

Three files with hard cuts, a dissolve and a fade through black, with solo dancers, pairs, a frozen shot, an
empty room and a shot that is too short, danced on the beats of made-up music. ``truth.json`` beside them
says what a correct curation must find.

In the truth, frames are counted from 0 in each file and spans are [start, end). The frames of a dissolve or
fade belong to no shot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.files import read_json, write_json
from madata.render import CapsuleRenderer, front_camera, make_stage
from madata.synthetic.dance import make_dance
from madata.synthetic.music import beat_times, make_music

__all__ = ["make_crawl"]

Image = npt.NDArray[np.uint8]

_NOISE_LEVELS = 6
_NOISE_SIGMA = 0.9
_SHORTEST_S = 5.0
_FIRST_BEAT_S = 0.2


@dataclass(frozen=True)
class _Shot:
    """One shot of the script.

    Attributes:
        dancers: (style, outfit number) of each; none is an empty room.
        seconds: how long it is seen alone, without the transitions.
        transition: how it begins: ``"cut"``, ``"dissolve"`` or ``"fade"`` (through black), and how long that
            lasts.
        frozen: one picture all the time, with nothing but sensor noise.
    """

    dancers: tuple[tuple[str, int], ...]
    backdrop: str
    seconds: float
    transition: str = "cut"
    transition_s: float = 0.0
    frozen: bool = False


@dataclass(frozen=True)
class _Script:
    name: str
    size: tuple[int, int]
    fps: int
    tempo_bpm: float
    shots: tuple[_Shot, ...]


_SCRIPTS = (
    _Script("solo_take.mp4", (360, 640), 25, 112.0, (_Shot((("groove", 0),), "room", 11.0),)),
    _Script(
        "portrait_mix.mp4", (360, 640), 30, 124.0,
        (
            _Shot((("house", 4),), "room", 7.2),
            _Shot((("pop", 1), ("groove", 2)), "studio", 6.0),
            _Shot((("latin", 3),), "stage", 3.0),
            _Shot((("jazz", 5),), "loft", 6.4),
            _Shot((("pop", 2),), "studio", 6.8, "dissolve", 0.6),
        ),
    ),
    _Script(
        "landscape_mix.mp4", (640, 360), 24, 118.0,
        (
            _Shot((("jazz", 0),), "stage", 8.0),
            _Shot((("latin", 5),), "loft", 6.0, "fade", 1.25, frozen=True),
            _Shot((("house", 1), ("pop", 3)), "room", 5.8),
            _Shot((), "loft", 5.5),
        ),
    ),
)  # fmt: skip


def make_crawl(out_dir: Path, seed: int = 0) -> dict[str, Any]:
    """Write the videos and ``truth.json`` into ``out_dir``; the same seed gives the same files.

    A folder that already holds them is left as it is.

    Returns:
        The truth: ``{"seed", "files": [{"file", "fps", "width", "height", "n_frames", "duration",
        "tempo_bpm", "beats_s", "transitions", "shots"}]}``, where a shot has ``start``, ``end``,
        ``seconds``, ``persons``, ``motion`` (moving or static), ``expected`` (keep or drop) and ``reasons``
        (short, static, multi_person, no_person).
    """
    truth = {"seed": seed, "files": [_truth_of_file(script) for script in _SCRIPTS]}
    path = out_dir / "truth.json"
    if (
        path.exists()
        and read_json(path) == truth
        and all((out_dir / script.name).exists() for script in _SCRIPTS)
    ):
        return truth
    for number, script in enumerate(_SCRIPTS):
        _make_file(out_dir, script, seed + 101 * number)
    write_json(path, truth)
    return truth


def _make_file(out_dir: Path, script: _Script, seed: int) -> None:
    from madata.video import EncodeSettings, write_video

    starts, total = _schedule(script)
    track = make_music(total / script.fps, tempo_bpm=script.tempo_bpm, seed=seed, first_beat_s=_FIRST_BEAT_S)
    settings = EncodeSettings(crf=21, preset="superfast", audio_bit_rate=96_000)
    pictures = _frames(script, starts, seed)
    write_video(out_dir / script.name, pictures, script.fps, audio=track.music, settings=settings)


def _truth_of_file(script: _Script) -> dict[str, Any]:
    starts, total = _schedule(script)
    duration = total / script.fps
    beats = beat_times(duration, script.tempo_bpm, _FIRST_BEAT_S)
    return {
        "file": script.name,
        "fps": script.fps,
        "width": script.size[0],
        "height": script.size[1],
        "n_frames": total,
        "duration": duration,
        "tempo_bpm": script.tempo_bpm,
        "beats_s": [round(float(beat), 4) for beat in beats],
        "transitions": _transitions(script, starts),
        "shots": [
            _truth_of(shot, start, script.fps) for shot, start in zip(script.shots, starts, strict=True)
        ],
    }


def _schedule(script: _Script) -> tuple[list[int], int]:
    """First frame of every shot on its own, and the number of frames of the file."""
    starts, at = [], 0
    for shot in script.shots:
        at += round(shot.transition_s * script.fps)
        starts.append(at)
        at += round(shot.seconds * script.fps)
    return starts, at


def _transitions(script: _Script, starts: list[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for shot, start in zip(script.shots[1:], starts[1:], strict=True):
        length = round(shot.transition_s * script.fps)
        if shot.transition == "cut":
            found.append({"type": "hard", "first_new_frame": start})
        else:
            kind = "dissolve" if shot.transition == "dissolve" else "fade_through_black"
            found.append({"type": kind, "start": start - length, "end": start})
    return found


def _truth_of(shot: _Shot, start: int, fps: int) -> dict[str, Any]:
    length = round(shot.seconds * fps)
    static = shot.frozen or not shot.dancers
    reasons = [
        reason
        for reason, holds in (
            ("short", length / fps < _SHORTEST_S),
            ("static", static),
            ("multi_person", len(shot.dancers) > 1),
            ("no_person", not shot.dancers),
        )
        if holds
    ]
    return {
        "start": start,
        "end": start + length,
        "seconds": length / fps,
        "source": " + ".join(style for style, _ in shot.dancers) or "empty",
        "persons": len(shot.dancers),
        "motion": "static" if static else "moving",
        "expected": "drop" if reasons else "keep",
        "reasons": reasons,
    }


def _frames(script: _Script, starts: list[int], seed: int) -> Iterator[Image]:
    """All pictures of a file: shots, transitions, sensor noise."""
    noise = _Noise(script.size, seed)
    shots = script.shots
    before: Iterator[Image] = iter(())
    for number, (shot, start) in enumerate(zip(shots, starts, strict=True)):
        length = round(shot.transition_s * script.fps)
        following = round(shots[number + 1].transition_s * script.fps) if number + 1 < len(shots) else 0
        pictures = _shot_frames(
            script, shot, start - length, length + round(shot.seconds * script.fps) + following, seed
        )
        for step in range(length):
            yield noise.add(_mix(next(before), next(pictures), (step + 1) / (length + 1), shot.transition))
        for _ in range(round(shot.seconds * script.fps)):
            yield noise.add(next(pictures))
        before = pictures


def _mix(old: Image, new: Image, share: float, kind: str) -> Image:
    if kind == "dissolve":
        weights = 1 - share, share
    else:
        weights = max(1 - 2 * share, 0.0), max(2 * share - 1, 0.0)
    mixed = old * np.float32(weights[0]) + new * np.float32(weights[1])
    return np.asarray(np.rint(mixed), np.uint8)


def _shot_frames(script: _Script, shot: _Shot, first: int, count: int, seed: int) -> Iterator[Image]:
    """``count`` pictures of one shot, the first of which is frame ``first`` of the file and its music."""
    renderer = CapsuleRenderer()
    side_by_side = (np.arange(len(shot.dancers)) - (len(shot.dancers) - 1) / 2) * 1.15
    period = 60 / script.tempo_bpm
    figures = []
    for number, ((style, look), left) in enumerate(zip(shot.dancers, side_by_side, strict=True)):
        dance = make_dance(
            count / script.fps,
            tempo_bpm=script.tempo_bpm,
            fps=script.fps,
            style=style,
            seed=seed + first + 31 * number,
            first_beat_s=(_FIRST_BEAT_S - first / script.fps) % period,
        )
        moved = dance.motion.translation + np.array([left, 0, 0], np.float32)
        figures.append(renderer.figure(replace(dance.motion, translation=moved), look))
    joints = [figure.joints for figure in figures] or [_STAND_IN]
    camera = front_camera(joints, script.size)
    floor = min((figure.lowest() for figure in figures), default=0.0)
    stage = make_stage(shot.backdrop, camera, joints, floor, seed=seed + first)
    still = stage.image if not figures else None
    for frame in range(count):
        if still is not None:
            yield still
            continue
        picture = renderer.draw(figures, frame, stage)
        still = picture if shot.frozen else None
        yield picture


_STAND_IN = np.array(
    [[[x, y, 0.0] for x, y in ((-0.8, 0.0), (0.1, 0.9), (-0.1, 0.9), (0.8, 1.7))] * 6], np.float32
)
"""Joints (1, 24, 3) of nobody: they only frame an empty room as if somebody danced there."""


class _Noise:
    """Sensor noise from one random sheet, four times the picture.

    It is laid elsewhere and turned over for every picture. Far apart, two layings have nothing in common; a
    small shift of the same noise would look like motion.
    """

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0x5E])
        width, height = size
        levels = self._rng.normal(0, _NOISE_SIGMA, (2 * height, 2 * width, 3))
        clipped = np.clip(np.rint(levels), -_NOISE_LEVELS, _NOISE_LEVELS)
        self._sheet = clipped.astype(np.int8).view(np.uint8)

    def add(self, image: Image) -> Image:
        height, width, _ = image.shape
        row, column = self._rng.integers(0, (height, width))
        over = self._sheet[row : row + height, column : column + width]
        flip_rows, flip_columns = self._rng.choice([-1, 1], 2)
        # Held away from black and white, bytes that wrap around subtract as well as they add.
        safe = np.clip(image, _NOISE_LEVELS, 255 - _NOISE_LEVELS)
        return safe + over[::flip_rows, ::flip_columns]
