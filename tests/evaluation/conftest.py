"""A procedural dancer: poses that change from beat to beat and come to rest on every beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from madata.skeletons import skeleton

COCO = skeleton("coco-25").joints
SMPL = skeleton("smpl-24")

# joint, parent, rest direction (degrees, 0 = right, 90 = up), length in torsos, how far it swings (degrees)
LIMBS = (
    ("neck", "hip", 90, 1.0, 20),
    ("nose", "neck", 90, 0.35, 25),
    ("left_shoulder", "neck", -10, 0.33, 8),
    ("right_shoulder", "neck", 190, 0.33, 8),
    ("left_elbow", "left_shoulder", -60, 0.55, 60),
    ("right_elbow", "right_shoulder", 240, 0.55, 60),
    ("left_wrist", "left_elbow", -70, 0.5, 70),
    ("right_wrist", "right_elbow", 250, 0.5, 70),
    ("left_hip", "hip", -5, 0.2, 3),
    ("right_hip", "hip", 185, 0.2, 3),
    ("left_knee", "left_hip", -85, 0.8, 35),
    ("right_knee", "right_hip", 265, 0.8, 35),
    ("left_ankle", "left_knee", -90, 0.8, 40),
    ("right_ankle", "right_knee", 270, 0.8, 40),
    ("left_big_toe", "left_ankle", -30, 0.2, 10),
    ("right_big_toe", "right_ankle", 210, 0.2, 10),
    ("left_small_toe", "left_ankle", -20, 0.22, 10),
    ("right_small_toe", "right_ankle", 200, 0.22, 10),
    ("left_heel", "left_ankle", -110, 0.12, 10),
    ("right_heel", "right_ankle", 290, 0.12, 10),
    ("left_eye", "nose", 60, 0.06, 4),
    ("right_eye", "nose", 120, 0.06, 4),
    ("left_ear", "nose", 30, 0.12, 4),
    ("right_ear", "nose", 150, 0.12, 4),
)


@dataclass(frozen=True)
class Dances:
    """Clips of the procedural dancer: points (N, T, 25, 3) x px, y px, score; beats per clip in seconds."""

    points: np.ndarray
    beats_s: list[np.ndarray]
    fps: float


def _eased(poses: np.ndarray, phase: np.ndarray) -> np.ndarray:
    step = np.floor(phase).astype(int)
    blend = ((1 - np.cos(np.pi * (phase - step))) / 2)[:, None]
    return poses[step] * (1 - blend) + poses[step + 1] * blend


def dance(
    count: int, rng: np.random.Generator, frames: int = 64, fps: float = 16.0, height: float = 1280.0
) -> Dances:
    clips, beats = [], []
    seconds = np.arange(frames) / fps
    for _ in range(count):
        period = 60 / rng.uniform(80, 150)
        offset = rng.uniform(0, period)
        phase = (seconds + offset) / period
        energy = 1.2 * np.exp(rng.normal(0, 0.4))
        number = int(phase[-1]) + 3
        stance = rng.normal(0, 0.35, len(LIMBS))
        poses = stance + energy * rng.normal(0, 0.5, (number, len(LIMBS)))
        swing = _eased(poses, phase)
        travel = _eased(np.cumsum(rng.normal(0, 0.15 * energy, (number, 2)), axis=0), phase)
        unit = height * rng.uniform(0.12, 0.2)
        place = {"hip": travel * unit + np.array([rng.uniform(250, 450), height * 0.5])}
        for column, (joint, parent, rest, length, degrees) in enumerate(LIMBS):
            angle = np.radians(rest + degrees * swing[:, column])
            place[joint] = place[parent] + length * unit * np.stack([np.cos(angle), -np.sin(angle)], axis=1)
        xy = np.stack([place[name] for name in COCO], axis=1) + rng.normal(0, 0.5, (frames, 25, 2))
        clips.append(np.concatenate([xy, rng.uniform(0.7, 0.95, (frames, 25, 1))], axis=2))
        times = np.arange(number + 1) * period - offset
        beats.append(times[(times >= 0) & (times < seconds[-1])])
    return Dances(np.stack(clips), beats, fps)


@pytest.fixture(scope="session")
def dances() -> Dances:
    return dance(120, np.random.default_rng(7))


@pytest.fixture(scope="session")
def make_dances():
    return dance


@pytest.fixture(scope="session")
def walkers():
    """(N, T, 24, 3) float32 metres, y up: SMPL's rest pose with swinging limbs, at 30 frames per second."""

    def make(count: int, rng: np.random.Generator, frames: int = 90, fps: float = 30.0) -> np.ndarray:
        rest = np.zeros((24, 3))
        for joint in range(1, 24):
            rest[joint] = rest[SMPL.parents[joint]] + SMPL.offsets[joint]
        rest[:, 1] -= rest[:, 1].min()
        seconds = np.arange(frames)[:, None, None] / fps
        clips = []
        for _ in range(count):
            size = rng.uniform(0.02, 0.15, (1, 24, 3)) * np.minimum(1, rest[None, :, 1:2] + 0.1)
            pace, phase = rng.uniform(0.5, 2.0, (2, 1, 24, 3)) * [[[[1.0]]], [[[6.0]]]]
            clips.append(rest + size * np.sin(2 * np.pi * pace * seconds + phase))
        return np.stack(clips).astype(np.float32)

    return make
