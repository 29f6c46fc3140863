"""Windows of made-up dances, prepared in memory: what the trainer of motion networks needs of a data set."""

import numpy as np

from mace_dance.motion.normaliser import Normaliser
from mace_dance.training.motion.data import DataReport, MotionWindows, PreparedDances
from mace_dance.training.motion.data.music_rows import MusicRows
from madata.motion import encode, layout
from madata.synthetic.dance import make_dance

EDGE_ROWS = MusicRows("edge", 30)


def prepared(
    frames=30,
    takes=4,
    seconds=4.0,
    content_id="made",
    genres=("a", "b"),
    vector="edge-151",
    music=EDGE_ROWS,
    stride=None,
):
    """The last take is held out."""
    motions, beats, fps = [], [], layout(vector).fps
    for take in range(takes):
        dance = make_dance(seconds, tempo_bpm=100.0 + 10 * take, fps=fps, seed=take)
        motions.append(encode(dance.motion, vector))
        beats.append(music.of_beats(dance.beats_s, len(motions[-1]), fps))
    normaliser = Normaliser.fit(np.concatenate(motions[:-1]))
    sides = [
        _windows(motions[side], beats[side], frames, stride or frames, normaliser, genres)
        for side in (slice(0, takes - 1), slice(takes - 1, takes))
    ]
    train, held_out = sides
    return PreparedDances(
        train=train,
        held_out=held_out,
        normaliser=normaliser,
        music_source="synthetic",
        vector=vector,
        genres=genres,
        report=DataReport(takes - 1, 1, len(train), len(held_out), seconds * (takes - 1), seconds, 0.0),
        content_id=content_id,
        from_cache=True,
        fps=round(fps),
        beat_column=music.beat_column,
    )


def _windows(motions, beats, frames, stride, normaliser, genres):
    starts, takes, first = [], [], 0
    for take, motion in enumerate(motions):
        begins = range(first, first + len(motion) - frames + 1, stride)
        starts += begins
        takes += [take] * len(begins)
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
