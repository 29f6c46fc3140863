from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest

from madata.errors import ConfigError, MediaError
from madata.render import front_camera, make_stage
from madata.render.clips import make_renderer
from madata.render.mesh import MeshRenderer, paint
from madata.render.smpl import load_smpl
from madata.rotations import axis_angle_to_matrix, forward_kinematics
from madata.skeletons import skeleton
from madata.synthetic.dance import make_dance

_spec = importlib.util.spec_from_file_location("tiny_smpl", Path(__file__).with_name("tiny_smpl.py"))
tiny_smpl = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny_smpl)
BODY = skeleton("smpl-24")


@pytest.fixture(scope="module")
def arrays():
    return tiny_smpl.make_tiny_smpl(np.random.default_rng(0))


@pytest.fixture(scope="module")
def model_path(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("smpl") / "tiny.npz"
    np.savez(path, **arrays)
    return path


def test_the_rest_pose_is_the_template(model_path, arrays):
    model = load_smpl(model_path)
    rest = model.vertices(np.zeros((24, 3), np.float32), model.joints[0])
    assert np.abs(rest - arrays["v_template"]).max() < 1e-6
    assert np.abs(model.offsets - BODY.offsets).max() < 1e-6


def test_joints_follow_forward_kinematics_of_the_model(model_path):
    model = load_smpl(model_path)
    motion = make_dance(0.5, seed=1).motion
    expected = forward_kinematics(motion.rotation, motion.translation, BODY.offsets, BODY.parents)
    assert np.abs(model.joint_positions(motion.rotation, motion.translation) - expected).max() < 1e-5


def test_each_vertex_moves_rigidly_with_its_bone(model_path, arrays):
    """A slow, direct re-implementation: walk down the tree, rotate about each joint in turn."""
    model = load_smpl(model_path)
    rng = np.random.default_rng(2)
    pose = rng.normal(0, 0.5, (24, 3)).astype(np.float32)
    root = np.array([0.3, 1.1, -0.2], np.float32)
    turned = axis_angle_to_matrix(pose.astype(float))
    rotation, place = [None] * 24, [None] * 24
    for joint, parent in enumerate(model.parents):
        if parent < 0:
            rotation[joint], place[joint] = turned[joint], root.astype(float)
        else:
            rotation[joint] = rotation[parent] @ turned[joint]
            place[joint] = place[parent] + rotation[parent] @ (model.joints[joint] - model.joints[parent])
    owner = arrays["weights"].argmax(1)
    expected = [
        place[j] + rotation[j] @ (v - model.joints[j])
        for j, v in zip(owner, arrays["v_template"], strict=True)
    ]
    assert np.abs(model.vertices(pose, root) - expected).max() < 1e-5


def test_pose_directions_are_added_in_the_rest_frame(arrays, tmp_path):
    bulged = dict(arrays)
    bulged["posedirs"] = np.zeros_like(arrays["posedirs"])
    bulged["posedirs"][5, 1, 9 * 3 + 0] = 2.0  # joint 4, entry (0, 0) of R - I
    np.savez(tmp_path / "m.npz", **bulged)
    model = load_smpl(tmp_path / "m.npz")
    pose = np.zeros((24, 3), np.float32)
    pose[4] = [0, np.pi / 2, 0]
    plain = load_smpl_plain(arrays, tmp_path).vertices(pose, np.zeros(3, np.float32))
    moved = model.vertices(pose, np.zeros(3, np.float32)) - plain
    assert np.abs(moved[5] - [0, -2.0, 0]).max() < 1e-5
    assert np.abs(np.delete(moved, 5, 0)).max() < 1e-6


def load_smpl_plain(arrays, folder):
    np.savez(folder / "plain.npz", **arrays)
    return load_smpl(folder / "plain.npz")


def test_shape_coefficients_scale_the_tiny_body(model_path):
    bigger = load_smpl(model_path, betas=np.array([0.1]))
    assert np.allclose(bigger.offsets, load_smpl(model_path).offsets * 1.1, atol=1e-6)


def test_a_plain_pickle_is_read_and_one_with_objects_is_refused_with_the_way_out(
    arrays, tmp_path, model_path
):
    plain = tmp_path / "plain.pkl"
    plain.write_bytes(pickle.dumps(arrays))
    assert (load_smpl(plain).faces == load_smpl(model_path).faces).all()
    from scipy.sparse import csc_matrix

    official = tmp_path / "official.pkl"
    official.write_bytes(pickle.dumps({**arrays, "J_regressor": csc_matrix(arrays["J_regressor"])}))
    with pytest.raises(MediaError, match=r"np\.savez") as caught:
        load_smpl(official)
    assert caught.value.reason == "unsafe_pickle"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": None}, "lacks weights"),
        ({"weights": np.zeros((3, 24))}, "weights has shape"),
        ({"f": np.array([[0, 1, 99999]])}, "vertex numbers"),
        ({"kintree_table": np.full((2, 24), 23)}, "before its parent"),
        ({"v_template": np.full((368, 3), np.nan)}, "NaN"),
    ],
)
def test_what_is_no_smpl_model_is_named(arrays, tmp_path, change, message):
    content = {key: value for key, value in {**arrays, **change}.items() if value is not None}
    np.savez(tmp_path / "bad.npz", **content)
    with pytest.raises(MediaError, match=message):
        load_smpl(tmp_path / "bad.npz")


def test_both_rasterisers_draw_the_same_body(model_path):
    pictures, silhouettes = [], []
    for rasteriser in (paint, None):
        renderer = MeshRenderer(model_path, rasteriser=rasteriser)
        figure = renderer.figure(make_dance(0.5, style="pop", seed=1).motion)
        camera = front_camera([figure.joints], (160, 160))
        stage = make_stage("studio", camera, [figure.joints], figure.lowest())
        pictures.append(renderer.draw([figure], 3, stage))
        silhouettes.append(np.abs(pictures[-1].astype(int) - stage.image).max(2) > 12)
        columns, rows = np.floor(camera.project(figure.joints[3])).astype(int).T
        assert silhouettes[-1][rows, columns].mean() > 0.9
    assert (silhouettes[0] ^ silhouettes[1]).sum() < 0.12 * silhouettes[0].sum()


def test_the_painter_puts_pixel_centres_where_the_convention_says():
    image = np.zeros((20, 20, 3), np.uint8)
    corners = np.array([[4, 4, 1], [4, 14, 1], [14, 14, 1], [14, 4, 1]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    paint(image, corners, np.full((4, 3), 200, np.uint8), faces)
    drawn = image[..., 0] > 0
    assert drawn[5:13, 5:13].all()
    assert not drawn[:3].any()
    assert not drawn[:, 16:].any()
    paint(flipped := np.zeros_like(image), corners, np.full((4, 3), 200, np.uint8), faces[:, ::-1].copy())
    assert not flipped.any(), "faces seen from inside are not drawn"


def test_the_renderer_smpl_without_a_model_says_where_to_get_one():
    with pytest.raises(ConfigError, match=r"--model.*smpl\.is\.tue\.mpg\.de"):
        make_renderer("smpl", None)
    with pytest.raises(ConfigError, match="capsules"):
        make_renderer("blender", None)
