import numpy as np
import pytest

from evaluation.features.motion.body import body_track
from madata.skeletons import skeleton

COCO = skeleton("coco-25").joints
COCO_17 = skeleton("coco-17").joints
SMPL = skeleton("smpl-24").joints


def body_of(clip, **changes):
    return body_track(clip[..., :2], COCO, **{"fps": 16, "up": "-y", "score": clip[..., 2]} | changes)


def test_origin_unit_and_up(dances):
    body = body_of(dances.points[0])
    hips = (body.joint("left_hip")[0] + body.joint("right_hip")[0]) / 2
    np.testing.assert_allclose(hips, 0, atol=1e-12)
    neck, _ = body.joint("neck")
    assert np.median(np.linalg.norm(neck, axis=1)) == pytest.approx(1.0)
    assert neck[:, 1].mean() > 0.5
    assert body.joint("left_ankle")[0][:, 1].mean() < 0


def test_resolution_and_place_do_not_matter(dances):
    clip = dances.points[0]
    moved = clip.copy()
    moved[..., :2] = 0.3 * clip[..., :2] + [50.0, -20.0]
    np.testing.assert_allclose(body_of(moved).points, body_of(clip).points, atol=1e-9)
    assert body_of(moved).unit == pytest.approx(0.3 * body_of(clip).unit)


def test_low_confidence_and_nan_are_gaps(dances):
    clip = dances.points[0].copy()
    clip[3, 8, 2] = 0.1
    clip[5, :, :2] = np.nan
    body = body_of(clip)
    assert not body.valid[3, 8] and not body.valid[5].any() and not body.hips_valid[5]
    assert body.missing_rate == pytest.approx((1 + 25) / clip[..., 0].size)
    assert np.isfinite(body.points).all()


def test_a_lost_hip_hides_the_frame(dances):
    clip = dances.points[0].copy()
    clip[7, COCO.index("left_hip"), 2] = 0.0
    body = body_of(clip)
    assert not body.valid[7].any()
    assert body.missing_rate == pytest.approx(1 / clip[..., 0].size)


def test_skeleton_without_neck_uses_the_shoulders(dances):
    columns = [COCO.index(name) for name in COCO_17]
    clip = dances.points[0][:, columns]
    body = body_track(clip[..., :2], COCO_17, 16, up="-y")
    neck, _ = body.joint("neck")
    shoulders = (body.joint("left_shoulder")[0] + body.joint("right_shoulder")[0]) / 2
    np.testing.assert_allclose(neck, shoulders)


def test_z_up_equals_y_up(walkers):
    clip = walkers(1, np.random.default_rng(0))[0]
    turned = np.stack([clip[..., 0], -clip[..., 2], clip[..., 1]], axis=-1)
    first, second = body_track(clip, SMPL, 30, up="y"), body_track(turned, SMPL, 30, up="z")
    np.testing.assert_allclose(first.points, second.points, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 0}, "frame rate"),
        ({"up": "z"}, "up axis"),
        ({"score": np.zeros((64, 25))}, "torso is never seen"),
    ],
)
def test_refused(dances, changes, message):
    with pytest.raises(ValueError, match=message):
        body_of(dances.points[0], **changes)


def test_wrong_names_are_refused(dances):
    with pytest.raises(ValueError, match="17 joint names"):
        body_track(dances.points[0][..., :2], COCO_17, 16, up="-y")
    with pytest.raises(ValueError, match="no left_hip"):
        body_track(dances.points[0][:, :2, :2], ("nose", "neck"), 16, up="-y")
