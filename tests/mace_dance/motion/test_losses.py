import dataclasses
import math

import numpy as np
import pytest
import torch

from mace_dance.motion.config import Choices
from mace_dance.motion.losses import LossWeights, motion_losses
from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError
from madata.motion import encode
from madata.types import Motion3D

EQUAL = LossWeights(1, 1, 1, 1)


def standing(frames=6, batch=2):
    """(B, T, 151) a body that stands still in the rest pose, feet in contact."""
    motion = Motion3D(
        np.zeros((frames, 24, 3), np.float32), np.zeros((frames, 3), np.float32), 30.0, "z", "smpl-24"
    )
    values = torch.tensor(encode(motion, "edge-151"))
    values[:, :4] = 1
    return values.expand(batch, -1, -1).clone()


def parts(losses):
    return {field.name: getattr(losses, field.name).item() for field in dataclasses.fields(losses)}


def test_no_difference_no_loss():
    found = parts(motion_losses(standing(), standing()))
    assert found == {"reconstruction": 0, "velocity": 0, "joints": 0, "foot": 0}


def test_a_shifted_root_moves_every_joint_and_has_no_velocity():
    moved = standing()
    moved[..., 4] += 0.3
    found = parts(motion_losses(moved, standing(), weights=EQUAL))
    assert found["reconstruction"] == pytest.approx(0.09 / 151)
    assert found["joints"] == pytest.approx(0.09 / 3, rel=1e-4)
    assert found["velocity"] == pytest.approx(0, abs=1e-12)
    assert found["foot"] == pytest.approx(0, abs=1e-12)


def test_a_body_that_slides_is_charged_where_it_says_it_stands():
    frames = 6
    sliding = standing(frames)
    sliding[..., 4] += 0.1 * torch.arange(frames)
    found = parts(motion_losses(sliding, standing(frames), weights=EQUAL))
    per_foot = 0.01 / 3 * (frames - 1) / frames
    assert found["foot"] == pytest.approx(per_foot, rel=1e-4)
    assert found["velocity"] == pytest.approx(0.01 / 147, rel=1e-4)
    sliding[..., :2] = 0.9  # the left foot says it moves
    half = parts(motion_losses(sliding, standing(frames), weights=EQUAL))
    assert half["foot"] == pytest.approx(per_foot / 2, rel=1e-4)
    product = parts(motion_losses(sliding, standing(frames), weights=EQUAL, choices=Choices(foot="product")))
    assert product["foot"] == pytest.approx(per_foot * (1 + 0.81) / 2, rel=1e-4)


def pose(row, frames=2):
    """A body at the origin, upright but for the root, whose 6D is ``row``."""
    values = standing(frames, batch=1)
    values[..., 7:13] = torch.tensor(row)
    return values


def test_parallel_rows_are_the_rotation_the_official_code_makes_of_them():
    # No turn at all, and one of pi / 2 about -z, short by the length of the quaternion (1, 0, 0, -1) / 2.
    angle = math.pi / 2 / math.sqrt(2)
    turned = (math.cos(angle), math.sin(angle), 0.0, -math.sin(angle), math.cos(angle), 0.0)
    for row, meant in (
        ((0.0,) * 6, (1.0, 0, 0, 0, 1, 0)),
        ((1.0, 0, 0, -1, 0, 0), (1.0, 0, 0, 0, 1, 0)),
        ((0.0, 1, 0, 0, 1, 0), turned),
    ):
        values = pose(row).requires_grad_()
        losses = motion_losses(values, pose(meant), weights=EQUAL)
        assert losses.joints.item() == pytest.approx(0, abs=1e-12)
        losses.total.backward()
        assert torch.isfinite(values.grad).all()


def test_velocity_of_joints_counts_joints():
    frames = 6
    sliding = standing(frames)
    sliding[..., 4] += 0.1 * torch.arange(frames)
    choices = Choices(velocity="joints")
    found = parts(motion_losses(sliding, standing(frames), weights=EQUAL, choices=choices))
    assert found["velocity"] == pytest.approx(0.01 / 3, rel=1e-4)


def test_joints_in_metres_are_those_of_the_motion_before_normalisation():
    scale = np.full(151, 0.5, np.float32)
    normaliser = Normaliser(scale, np.zeros(151, np.float32))
    moved = standing()
    moved[..., 4] += 0.3
    choices = Choices(joints="metres")
    found = motion_losses(
        moved * 0.5, standing() * 0.5, weights=EQUAL, choices=choices, normaliser=normaliser
    )
    assert parts(found)["joints"] == pytest.approx(0.09 / 3, rel=1e-4)
    with pytest.raises(ConfigError, match="needs the normaliser"):
        motion_losses(moved, standing(), choices=choices)


def test_weights_multiply_and_the_total_is_the_sum():
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(2, 5, 151, generator=generator) for _ in range(2)]
    plain, weighted = (motion_losses(*given, weights=weights) for weights in (EQUAL, LossWeights()))
    for name, weight in dataclasses.asdict(LossWeights()).items():
        assert parts(weighted)[name] == pytest.approx(weight * parts(plain)[name])
    assert weighted.total.item() == pytest.approx(sum(parts(weighted).values()))


def test_other_layouts_train_too():
    values = torch.randn(1, 4, 319, generator=torch.Generator().manual_seed(0)).requires_grad_()
    motion_losses(values, torch.zeros(1, 4, 319) + 0.1, "finedance-319").total.backward()
    assert torch.isfinite(values.grad).all()


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ConfigError, match="at least 2 frames"):
        motion_losses(standing(1), standing(1))
    with pytest.raises(ConfigError, match=r"\(B, T, 151\) motions of edge-151"):
        motion_losses(standing(3)[..., :-1], standing(3)[..., :-1])
    with pytest.raises(ConfigError, match="no contacts"):
        motion_losses(standing(), standing(), "lodge-135")


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_diffusion*.npz")
def test_golden_losses_of_a_given_prediction(golden_file, golden_deviations):
    stored = np.load(golden_file)
    given = [torch.tensor(stored[f"in/{name}"]).float() for name in ("const_pred", "x0")]
    losses = motion_losses(*given)
    ours = [*parts(losses).values(), losses.total.item()]
    theirs = [*stored["out/const_loss_parts"], stored["out/const_loss_total"]]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    golden_deviations("losses", np.abs(np.subtract(ours, theirs)).max())
