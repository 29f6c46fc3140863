from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madata.render.camera import Camera, facing_direction, front_camera
from madata.rotations import forward_kinematics
from madata.skeletons import skeleton

BODY = skeleton("smpl-24")


def rest_pose(yaw=0.0, at=(0.0, 0.95, 0.0)):
    rotation = np.zeros((1, 24, 3))
    rotation[:, 0, 1] = yaw
    return forward_kinematics(rotation, np.array([at]), np.asarray(BODY.offsets, float), BODY.parents)


def test_projection_is_the_similar_triangles_of_a_camera_on_the_z_axis():
    camera = Camera(np.array([0.0, 1.0, 4.0]), np.eye(3), 300.0, (512, 256))
    u, v = camera.project(np.array([0.5, 1.5, 1.0]))
    assert u == pytest.approx(256 + 300 * 0.5 / 3, abs=1e-4)
    assert v == pytest.approx(128 - 300 * 0.5 / 3, abs=1e-4)
    assert np.isnan(camera.project(np.array([0.0, 0.0, 5.0]))).all()


def test_projection_agrees_with_homogeneous_matrices_within_a_thousandth_of_a_pixel():
    rng = np.random.default_rng(0)
    joints = rest_pose(0.7)
    camera = front_camera([joints], (360, 640), pitch_deg=12)
    points = joints[0] + rng.normal(0, 0.3, (24, 3))
    intrinsic = np.array([[camera.focal_px, 0, 180.0], [0, camera.focal_px, 320.0], [0, 0, 1.0]])
    to_vision = np.diag([1.0, -1.0, -1.0]) @ camera.rotation
    extrinsic = np.concatenate([to_vision, (-to_vision @ camera.position)[:, None]], 1)
    seen = intrinsic @ extrinsic @ np.concatenate([points, np.ones((24, 1))], 1).T
    assert np.abs(camera.project(points) - (seen[:2] / seen[2]).T).max() < 1e-3


def test_rays_pass_through_pixel_centres():
    camera = front_camera([rest_pose()], (64, 48))
    x, y = camera.rays()
    direction = np.array([x[10], y[7], -1.0]) @ camera.rotation
    assert np.allclose(camera.project(camera.position + 2.5 * direction), [10.5, 7.5], atol=1e-3)


@pytest.mark.media
def test_the_convention_of_the_shared_renderings_is_reproduced(media_dir):
    for path in sorted((media_dir / "rendered").glob("*.npz")):
        with np.load(path) as file:
            size = int(file["size"])
            camera = Camera(
                file["camera_position"], np.eye(3), float(file["camera_f"]) * size / 2, (size, size)
            )
            wanted = np.moveaxis(file["keypoints2d"], 0, 1)
            assert np.abs(camera.project(file["joints3d"]) - wanted).max() < 1e-3, path.name


@given(yaw=st.floats(-3, 3), x=st.floats(-2, 2), z=st.floats(-2, 2))
@settings(max_examples=25, deadline=None)
def test_the_dancer_faces_the_camera_wherever_it_looks(yaw, x, z):
    joints = rest_pose(yaw, (x, 0.95, z))
    assert np.allclose(facing_direction(joints[0]), [np.sin(yaw), 0, np.cos(yaw)], atol=0.15)
    camera = front_camera([joints], (256, 256))
    left, right = camera.project(joints[0, [16, 17]])
    assert left[0] > right[0], "the dancer's left is on the viewer's right"
    straight = camera.position - joints[0, 0]
    assert straight @ facing_direction(joints[0]) > 0


@pytest.mark.parametrize("size", [(512, 512), (360, 640), (640, 360)])
def test_the_whole_motion_is_in_view_and_touches_an_edge(size):
    rng = np.random.default_rng(1)
    joints = rest_pose() + rng.normal(0, 0.6, (40, 1, 3)) * [1, 0.2, 1]
    camera = front_camera([joints], size, margin_m=0.0, border=0.0)
    uv = camera.project(joints)
    width, height = size
    assert uv.min() > -1e-2
    assert (uv <= np.array(size) + 1e-2).all()
    slack = min(
        max(uv[..., 0].min(), width - uv[..., 0].max()), max(uv[..., 1].min(), height - uv[..., 1].max())
    )
    assert slack < 0.5, "the camera is closer than anything looser would be"
    assert front_camera([joints], size).visible(joints).all()


def test_only_the_first_frame_decides_the_direction():
    turning = np.concatenate([rest_pose(yaw) for yaw in (0.4, 0.6, 1.2, 2.0, 2.7)])
    assert np.allclose(
        front_camera([turning], (64, 64)).rotation, front_camera([rest_pose(0.4)], (64, 64)).rotation
    )


def test_a_calibration_pose_in_front_of_a_recording_does_not_turn_the_camera():
    dance = np.concatenate([rest_pose(2.5)] * 5)
    recording = np.concatenate([rest_pose(0.0), dance])
    assert np.allclose(front_camera([recording], (64, 64)).rotation, front_camera([dance], (64, 64)).rotation)
