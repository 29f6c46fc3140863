"""A complete third-party system in one file: a body that sways to the loudness of the music.

madance check examples/one_file/sway.py
madance generate examples/one_file/sway.py --data DATA --out runs/sway
"""

import numpy as np

from evaluation.systems import Card, Request, system
from madata.types import Motion3D
from madata.video import read_audio


@system("sway", task="motion", card=Card(notes="an example, not a method"))
def sway(request: Request) -> Motion3D:
    """Lean left and right, further where the music is louder."""
    music = read_audio(request.music, start_s=0.0, end_s=request.duration_s)
    frames = request.num_frames
    pieces = np.array_split(music.waveform, frames)
    loudness = np.array([np.sqrt(np.mean(piece**2)) if len(piece) else 0.0 for piece in pieces])
    phase = np.random.default_rng(request.seed).uniform(0, 2 * np.pi)
    lean = (0.1 + 0.5 * loudness) * np.sin(2 * np.pi * np.arange(frames) / request.fps + phase)

    rotation = np.zeros((frames, 24, 3), np.float32)
    rotation[:, 3, 2] = lean  # spine1 about the axis that points forward
    translation = np.tile(np.float32([0, 0.95, 0]), (frames, 1))
    return Motion3D(rotation, translation, fps=request.fps, up="y", skeleton="smpl-24")
