"""Ten ways to spoil a set of dances; the corrected metrics must notice each, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from evaluation.definitions import VARIANTS
from evaluation.features.motion.body import body_track
from evaluation.features.motion.geometric import limb_angles
from evaluation.features.motion.kinetic import log_energies
from evaluation.features.motion.published import official_features
from evaluation.metrics.distances import diversity, frechet_distance
from evaluation.metrics.scaling import fit_scale, scale_officially
from evaluation.stats.estimate import estimate_noise_floor
from madata.files import read_npz
from madata.skeletons import skeleton

COCO = skeleton("coco-25").joints
HEIGHT = 1280.0


@dataclass(frozen=True)
class Row:
    fid_k: float
    fid_g: float
    div_k: float
    missing: float


@dataclass(frozen=True)
class Judge:
    """The reference, its scale, and what two halves of it say of each other."""

    clips: np.ndarray
    kinetic: np.ndarray
    pose: np.ndarray
    floor_k: float
    floor_g: float
    div_k: float

    def score(self, clips: np.ndarray) -> Row:
        kinetic, pose, missing = corrected(clips)
        kinetic_scale, pose_scale = fit_scale(self.kinetic), fit_scale(self.pose)
        return Row(
            fid_k=frechet_distance(kinetic_scale.apply(kinetic), kinetic_scale.apply(self.kinetic)),
            fid_g=frechet_distance(pose_scale.apply(pose), pose_scale.apply(self.pose)),
            div_k=diversity(kinetic_scale.apply(kinetic)),
            missing=missing,
        )


def corrected(clips: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    bodies = [body_track(clip[..., :2], COCO, fps=16, up="-y", score=clip[..., 2]) for clip in clips]
    kinetic, pose = (
        np.stack([log_energies(body) for body in bodies]),
        np.stack([limb_angles(body) for body in bodies]),
    )
    return kinetic, pose, float(np.mean([body.missing_rate for body in bodies]))


def judge_of(clips: np.ndarray) -> Judge:
    kinetic, pose, _ = corrected(clips)
    floors = []
    for features in (kinetic, pose):
        scaled = fit_scale(features).apply(features)
        floors.append(
            estimate_noise_floor(frechet_distance, scaled, len(clips), np.random.default_rng(0)).value
        )
    return Judge(clips, kinetic, pose, *floors, div_k=diversity(fit_scale(kinetic).apply(kinetic)))


@pytest.fixture(scope="module")
def procedural(dances) -> Judge:
    return judge_of(dances.points)


@pytest.fixture(scope="module")
def stored(golden_companion) -> Judge:
    points = read_npz(golden_companion("motion/twod_pair_full.npz"))["gt"].astype(np.float64)
    return judge_of(points[..., [1, 0, 2]])


@pytest.fixture(params=["procedural", pytest.param("stored", marks=pytest.mark.golden)])
def judge(request) -> Judge:
    return request.getfixturevalue(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def slowed(clips: np.ndarray, factor: float) -> np.ndarray:
    out = clips.copy()
    mean = clips[..., :2].mean(axis=1, keepdims=True)
    out[..., :2] = mean + factor * (clips[..., :2] - mean)
    return out


def noisy(clips: np.ndarray, pixels: float, rng) -> np.ndarray:
    out = clips.copy()
    out[..., :2] += rng.normal(0, pixels, out[..., :2].shape)
    return out


def official_fid_k(reference: np.ndarray, generated: np.ndarray) -> tuple[float, float]:
    """What the published protocol says: FID_k and DIV_k."""
    variant = VARIANTS["mace2d"]
    sets = [official_features(clips[..., [1, 0]], variant)[0] for clips in (reference, generated)]
    real, made = scale_officially(*sets, variant.scaling)
    return frechet_distance(made, real), diversity(made)


def test_half_the_movement(judge):
    spoiled = slowed(judge.clips, 0.5)
    assert judge.score(spoiled).fid_k > 5 * judge.floor_k
    assert official_fid_k(judge.clips, spoiled)[0] < 0.1


def test_a_tenth_of_the_movement(judge):
    spoiled = slowed(judge.clips, 0.1)
    assert judge.score(spoiled).fid_k > 50 * judge.floor_k
    assert official_fid_k(judge.clips, spoiled)[0] < 0.5


def test_frozen_pose(judge, rng):
    spoiled = noisy(np.repeat(judge.clips[:, :1], 64, axis=1), 0.1, rng)
    row = judge.score(spoiled)
    assert row.div_k < 0.6 * judge.div_k
    assert row.fid_k > 50 * judge.floor_k
    real_diversity = official_fid_k(judge.clips, judge.clips)[1]
    assert official_fid_k(judge.clips, spoiled)[1] > real_diversity


def test_frames_in_random_order(judge, rng):
    row = judge.score(np.stack([clip[rng.permutation(len(clip))] for clip in judge.clips]))
    assert row.fid_k > 50 * judge.floor_k
    assert row.fid_g < 1e-6


def test_jitter(judge, rng):
    assert judge.score(noisy(judge.clips, 8.0, rng)).fid_k > 20 * judge.floor_k


def test_missing_frames_are_no_movement(judge, rng):
    spoiled = judge.clips.copy()
    lost = rng.random(spoiled.shape[:2]) < 0.05
    spoiled[lost] = 0.0
    row = judge.score(spoiled)
    assert row.fid_k < judge.floor_k and row.fid_g < judge.floor_g
    assert row.missing == pytest.approx(lost.mean(), abs=1e-9)


def test_resolution_does_not_matter(judge):
    spoiled = judge.clips.copy()
    spoiled[::2, ..., :2] *= 0.375
    row = judge.score(spoiled)
    assert abs(row.fid_k) < 1e-6 and abs(row.fid_g) < 1e-6
    assert official_fid_k(judge.clips, spoiled)[0] > 0.5


def test_upside_down(judge):
    spoiled = judge.clips.copy()
    spoiled[..., 1] = HEIGHT - spoiled[..., 1]
    assert judge.score(spoiled).fid_g > 50 * judge.floor_g
    assert official_fid_k(judge.clips, spoiled)[0] < 1e-3


def test_one_clip_repeated(judge, rng):
    spoiled = noisy(np.repeat(judge.clips[:1], len(judge.clips), axis=0), 0.5, rng)
    assert judge.score(spoiled).div_k < 0.2 * judge.div_k
    assert official_fid_k(judge.clips, spoiled)[1] > official_fid_k(judge.clips, judge.clips)[1]


def test_nothing_wrong(judge):
    row = judge.score(judge.clips)
    assert abs(row.fid_k) < 1e-6 and abs(row.fid_g) < 1e-6 and row.missing == 0
    assert judge.floor_k > 1 and judge.floor_g > 1
