import numpy as np
import pytest

from evaluation.definitions import KineticRule
from evaluation.features.motion.body import body_track
from evaluation.features.motion.kinetic import kinetic_features, log_energies, log_energy_columns
from madata.skeletons import skeleton

COCO = skeleton("coco-25").joints
SMPL = skeleton("smpl-24").joints
BOX = KineticRule("box", fps=30, horizontal=(0, 2), vertical=(1,))
FAIRMOTION = KineticRule("fairmotion", fps=60, horizontal=(0, 2), vertical=(1,))


def test_constant_velocity_by_hand():
    seconds = np.arange(20) / 60
    track = np.stack([3 * seconds, 2 * seconds, 4 * seconds], axis=-1)[None, :, None]
    sideways, upwards, energy = kinetic_features(track, FAIRMOTION)[0]
    assert sideways == pytest.approx(25) and upwards == pytest.approx(4)
    assert energy > 100  # no acceleration at all: the misplaced parenthesis of upstream


def test_box_has_zero_edges():
    seconds = np.arange(20) / 30
    track = np.stack([seconds, 0 * seconds, 0 * seconds], axis=-1)[None, :, None]
    expected = np.mean(np.minimum(1, np.r_[[3, 4], np.full(16, 5), [4, 3]] / 5) ** 2)
    assert kinetic_features(track, BOX)[0, 0] == pytest.approx(expected)


def test_chunks_and_sets_agree(walkers):
    clips = walkers(30, np.random.default_rng(0), frames=200)
    whole = kinetic_features(clips, FAIRMOTION)
    single = np.concatenate([kinetic_features(clip[None], FAIRMOTION) for clip in clips])
    np.testing.assert_array_equal(whole, single)


def test_two_frames_have_no_energy():
    features = kinetic_features(np.random.default_rng(0).normal(size=(1, 2, 3, 3)), FAIRMOTION)[0]
    assert np.isnan(features[2::3]).all() and np.isfinite(np.delete(features, [2, 5, 8])).all()


@pytest.mark.parametrize("shape", [(64, 25, 2), (1, 1, 25, 2)])
def test_refused_shapes(shape):
    with pytest.raises(ValueError, match="expected joints"):
        kinetic_features(np.zeros(shape), BOX)


def coco_energies(clip, fps=16):
    return log_energies(body_track(clip[..., :2], COCO, fps, up="-y", score=clip[..., 2]))


def test_columns_are_named(dances, walkers):
    assert len(log_energy_columns(COCO, 2)) == len(coco_energies(dances.points[0])) == 72
    body = body_track(walkers(1, np.random.default_rng(0))[0], SMPL, 30, up="y")
    names = log_energy_columns(SMPL, 3)
    assert len(names) == len(log_energies(body)) == 72
    assert names[0] == "left_hip:horizontal" and names[-1] == "hips_travel:acceleration"


def test_half_the_speed_is_a_quarter_of_the_energy(make_dances):
    clip = make_dances(1, np.random.default_rng(0)).points[0]
    slow = np.repeat(clip, 2, axis=0)
    slow[1:-1:2, :, :2] = (clip[:-1, :, :2] + clip[1:, :, :2]) / 2
    fast, half = coco_energies(clip, fps=32), coco_energies(slow[:-1], fps=32)
    horizontal = [
        column for column, name in enumerate(log_energy_columns(COCO, 2)) if name.endswith("wrist:horizontal")
    ]
    np.testing.assert_allclose((fast - half)[horizontal], np.log(4), atol=0.35)


def test_frame_rate_matters_little(walkers):
    rng = np.random.default_rng(1)
    fine = walkers(1, rng, frames=241, fps=60)[0]
    first = log_energies(body_track(fine, SMPL, 60, up="y"))
    second = log_energies(body_track(fine[::2], SMPL, 30, up="y"))
    assert np.abs(first - second).max() < 0.1


def test_heading_does_not_matter(walkers):
    clip = walkers(1, np.random.default_rng(0))[0]
    angle = 0.7
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    first = log_energies(body_track(clip, SMPL, 30, up="y"))
    second = log_energies(body_track(clip @ turn.T, SMPL, 30, up="y"))
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_gaps_neither_add_nor_remove_movement(dances):
    clip = dances.points[0].copy()
    whole = coco_energies(clip)
    clip[[10, 11, 30, 50]] = 0
    assert np.abs(coco_energies(clip) - whole).mean() < 0.1


def test_a_joint_never_seen_has_no_value(dances):
    clip = dances.points[0].copy()
    clip[:, COCO.index("left_wrist"), 2] = 0
    values = dict(zip(log_energy_columns(COCO, 2), coco_energies(clip), strict=True))
    missing = {name for name, value in values.items() if np.isnan(value)}
    assert missing == {"left_wrist:horizontal", "left_wrist:vertical", "left_wrist:acceleration"}
