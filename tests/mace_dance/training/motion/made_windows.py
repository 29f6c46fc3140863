"""Windows of made-up dances, prepared in memory: what the trainer of motion networks needs of a data set."""

import numpy as np

from mace_dance.motion.normaliser import Normaliser
from mace_dance.training.motion.data import DataReport, MotionWindows, PreparedDances
from madata.motion import encode
from madata.synthetic.dance import make_dance

FPS = 30


def prepared(frames=30, takes=4, seconds=4.0, content_id="made", genres=("a", "b")):
    """The last take is held out."""
    motions, beats = [], []
    for take in range(takes):
        dance = make_dance(seconds, tempo_bpm=100.0 + 10 * take, fps=FPS, seed=take)
        motions.append(encode(dance.motion, "edge-151"))
        heard = np.zeros((len(motions[-1]), 35), np.float32)
        heard[(dance.beats_s * FPS).round().astype(int).clip(max=len(heard) - 1), -1] = 1
        beats.append(heard)
    normaliser = Normaliser.fit(np.concatenate(motions[:-1]))
    sides = [
        _windows(motions[side], beats[side], frames, normaliser, genres)
        for side in (slice(0, takes - 1), slice(takes - 1, takes))
    ]
    train, held_out = sides
    return PreparedDances(
        train=train,
        held_out=held_out,
        normaliser=normaliser,
        music_source="synthetic",
        vector="edge-151",
        genres=genres,
        report=DataReport(takes - 1, 1, len(train), len(held_out), seconds * (takes - 1), seconds, 0.0),
        content_id=content_id,
        from_cache=True,
    )


def _windows(motions, beats, frames, normaliser, genres):
    starts, takes, first = [], [], 0
    for take, motion in enumerate(motions):
        count = len(motion) // frames
        starts += [first + frames * window for window in range(count)]
        takes += [take] * count
        first += len(motion)
    return MotionWindows(
        np.concatenate(motions),
        np.concatenate(beats),
        np.array(starts),
        np.full(len(starts), frames),
        np.array(takes) % len(genres),
        np.array(takes),
        tuple(f"take-{take}" for take in range(len(motions))),
        normaliser,
    )
