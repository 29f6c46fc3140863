import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from madata.errors import ConfigError
from madata.motion import FEET
from madata.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    axis_angle_to_rot6d,
    euler_to_matrix,
    facing,
    forward_kinematics,
    global_rotations,
    heading,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_rot6d,
    quaternion_apply,
    quaternion_invert,
    quaternion_multiply,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
    rot6d_to_axis_angle,
    rot6d_to_matrix,
    slerp,
    up_axis_matrix,
)
from madata.skeletons import skeleton

ATOL = 2e-6
KINDS = pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])


def hard_axis_angles(dtype=np.float64):
    """Random rotations, and those where formulas break: tiny angles, quarter turns, half turns."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(40, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    axes = np.concatenate([axes, np.eye(3), -np.eye(3)])
    angles = [
        0.0,
        1e-30,
        1e-9,
        1e-5,
        0.9e-4,
        1.1e-4,
        1e-2,
        1.0,
        np.pi / 2,
        3.0,
        np.pi - 1e-4,
        np.pi - 1e-7,
        np.pi,
    ]
    return (axes[:, None] * np.array(angles)[:, None]).reshape(-1, 3).astype(dtype)


def same_rotation(first, second):
    """Largest angle between two sets of matrices."""
    relative = np.swapaxes(np.asarray(first, np.float64), -1, -2) @ np.asarray(second, np.float64)
    return Rotation.from_matrix(relative.reshape(-1, 3, 3)).magnitude().max()


@KINDS
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_matrices_and_quaternions_equal_scipys(kind, dtype, tolerance):
    values = hard_axis_angles(dtype)
    expected = Rotation.from_rotvec(values.astype(np.float64))
    np.testing.assert_allclose(axis_angle_to_matrix(kind(values)), expected.as_matrix(), atol=tolerance)
    ours = np.asarray(axis_angle_to_quaternion(kind(values)))[:, [1, 2, 3, 0]]
    theirs = expected.as_quat()
    assert np.minimum(np.abs(ours - theirs).max(-1), np.abs(ours + theirs).max(-1)).max() < tolerance


@KINDS
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-7), (np.float32, 2e-3)])
def test_every_form_comes_back_at_any_angle(kind, dtype, tolerance):
    start = kind(axis_angle_to_matrix(hard_axis_angles(np.float64)).astype(dtype))
    for there, back in (
        (matrix_to_quaternion, quaternion_to_matrix),
        (matrix_to_axis_angle, axis_angle_to_matrix),
        (matrix_to_rot6d, rot6d_to_matrix),
        (lambda m: matrix_to_rot6d(m, "columns"), lambda v: rot6d_to_matrix(v, "columns")),
    ):
        again = back(there(start))
        assert np.asarray(again).dtype == dtype
        assert same_rotation(start, again) < tolerance
        np.testing.assert_allclose(again, start, atol=100 * np.finfo(dtype).eps)


def test_small_angles_keep_full_relative_precision():
    tiny = np.array([[1e-9, -2e-9, 3e-9], [1e-5, 2e-5, -1e-5]])
    np.testing.assert_allclose(quaternion_to_axis_angle(axis_angle_to_quaternion(tiny)), tiny, rtol=1e-12)


def test_rot6d_layouts_are_rows_and_columns():
    matrix = axis_angle_to_matrix(np.array([0.3, -0.5, 0.7]))
    np.testing.assert_array_equal(matrix_to_rot6d(matrix), matrix[:2].reshape(-1))
    np.testing.assert_array_equal(matrix_to_rot6d(matrix, "columns"), matrix[:, :2].T.reshape(-1))
    np.testing.assert_array_equal(matrix_to_rot6d(matrix.T, "columns"), matrix_to_rot6d(matrix))
    with pytest.raises(ConfigError, match="'rows' or 'columns'"):
        matrix_to_rot6d(matrix, "diagonal")
    with pytest.raises(ConfigError, match="'rows' or 'columns'"):
        rot6d_to_matrix(np.ones(6), "diagonal")


def test_any_6d_becomes_a_rotation():
    raw = np.random.default_rng(2).normal(size=(100, 6))
    matrix = rot6d_to_matrix(raw)
    np.testing.assert_allclose(
        matrix @ np.swapaxes(matrix, -1, -2), np.broadcast_to(np.eye(3), (100, 3, 3)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(matrix), 1)


@pytest.mark.parametrize(
    "function",
    [
        axis_angle_to_quaternion,
        axis_angle_to_matrix,
        axis_angle_to_rot6d,
        lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v)),
        lambda v: rot6d_to_axis_angle(axis_angle_to_rot6d(v)),
        lambda v: slerp(
            axis_angle_to_quaternion(v), axis_angle_to_quaternion(2 * v), 0.3 * torch.ones_like(v[:, 0])
        ),
        lambda v: forward_kinematics(
            torch.stack([v, v], 1), torch.zeros_like(v), torch.ones(2, 3, dtype=v.dtype), [-1, 0]
        ),
        lambda v: facing(v, "y"),
    ],
)
def test_gradients_are_finite_everywhere_and_right(function):
    for dtype in (np.float32, np.float64):
        values = torch.tensor(hard_axis_angles(dtype), requires_grad=True)
        function(values).sum().backward()
        assert torch.isfinite(values.grad).all()
    points = [[0.0, 0, 0], [1e-6, 0, 2e-6], [0.4, -0.3, 0.9], [1.0, 2.0, -1.5]]
    generic = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, generic, atol=1e-5)


@KINDS
@pytest.mark.parametrize("order", ["XYZ", "ZXY", "ZYX", "YXZ", "YZX", "XZY", "X", "ZY", "ZYZ"])
def test_euler_angles_are_intrinsic(kind, order):
    angles = np.random.default_rng(3).uniform(-3, 3, (20, len(order)))
    expected = Rotation.from_euler(order, angles).as_matrix()
    np.testing.assert_allclose(euler_to_matrix(kind(angles), order), expected, atol=1e-12)


@pytest.mark.parametrize("order", ["", "XQ", "xyz"])
def test_a_bad_rotation_order_is_named(order):
    with pytest.raises(ConfigError, match="rotation order"):
        euler_to_matrix(np.zeros(3), order)


def test_wrong_shapes_are_named():
    with pytest.raises(ConfigError, match=r"axis-angle: expected shape \(\.\.\., 3\), got \(5, 4\)"):
        axis_angle_to_matrix(np.zeros((5, 4)))
    with pytest.raises(ConfigError, match=r"rest offsets.*24, 3.*\(22, 3\)"):
        forward_kinematics(
            np.zeros((1, 24, 3)), np.zeros((1, 3)), np.zeros((22, 3)), skeleton("smpl-24").parents
        )


@KINDS
def test_quaternion_algebra(kind):
    rng = np.random.default_rng(4)
    a, b = (Rotation.random(30, rng=seed) for seed in (rng, rng))
    first, second = (kind(r.as_quat()[:, [3, 0, 1, 2]]) for r in (a, b))
    points = rng.normal(size=(30, 3))
    product = quaternion_to_matrix(quaternion_multiply(first, second))
    np.testing.assert_allclose(product, (a * b).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(quaternion_apply(first, kind(points)), a.apply(points), atol=1e-12)
    np.testing.assert_allclose(
        quaternion_to_matrix(quaternion_invert(first)), a.inv().as_matrix(), atol=1e-12
    )


@KINDS
def test_slerp_moves_evenly_on_the_shorter_arc(kind):
    start = axis_angle_to_quaternion(np.array([0.2, -0.1, 0.4]))
    for turn in (1e-12, 1e-6, 1e-3, 1.0, 3.0):
        end = quaternion_multiply(start, axis_angle_to_quaternion(np.array([0.0, turn, 0.0])))
        weight = np.linspace(0, 1, 5)
        for sign in (1, -1):
            path = slerp(kind(np.tile(start, (5, 1))), kind(np.tile(sign * end, (5, 1))), kind(weight))
            relative = np.asarray(quaternion_multiply(quaternion_invert(kind(np.tile(start, (5, 1)))), path))
            np.testing.assert_allclose(
                np.asarray(quaternion_to_axis_angle(relative))[:, 1], weight * turn, rtol=1e-9, atol=1e-15
            )


def naive_positions(rotation, translation, offsets, parents):
    """Frame by frame, joint by joint, with 4 x 4 matrices."""
    frames = np.zeros((len(rotation), len(parents), 3))
    for t in range(len(rotation)):
        world = []
        for joint, parent in enumerate(parents):
            local = np.eye(4)
            local[:3, :3] = Rotation.from_rotvec(rotation[t, joint]).as_matrix()
            local[:3, 3] = offsets[joint] + (translation[t] if parent < 0 else 0)
            world.append(local if parent < 0 else world[parent] @ local)
            frames[t, joint] = world[joint][:3, 3]
    return frames


@KINDS
@pytest.mark.parametrize("name", ["smpl-24", "smplx-55"])
def test_forward_kinematics_equals_a_naive_one(kind, name):
    body = skeleton(name)
    rng = np.random.default_rng(5)
    rotation = rng.normal(size=(4, body.num_joints, 3))
    translation = rng.normal(size=(4, 3))
    offsets = body.offsets.astype(np.float64)
    expected = naive_positions(rotation, translation, offsets, body.parents)
    args = kind(translation), kind(offsets), body.parents
    np.testing.assert_allclose(forward_kinematics(kind(rotation), *args), expected, atol=1e-12)
    matrices = axis_angle_to_matrix(kind(rotation))
    np.testing.assert_allclose(forward_kinematics(matrices, *args), expected, atol=1e-12)
    assert tuple(global_rotations(matrices, body.parents).shape) == (4, body.num_joints, 3, 3)


def test_forward_kinematics_takes_a_body_per_sample():
    body = skeleton("smpl-24")
    rng = np.random.default_rng(6)
    rotation, translation = rng.normal(size=(2, 3, 24, 3)), rng.normal(size=(2, 3, 3))
    offsets = rng.normal(size=(2, 1, 24, 3))
    both = forward_kinematics(rotation, translation, offsets, body.parents)
    one = forward_kinematics(rotation[1], translation[1], offsets[1, 0], body.parents)
    np.testing.assert_allclose(both[1], one, atol=1e-12)


@KINDS
def test_heading_is_the_turn_to_the_left_in_both_axes(kind):
    for angle in (-3.0, -1.0, 0.0, 0.5, 2.0):
        lean = Rotation.from_euler("x", 0.4)
        root = (Rotation.from_euler("y", angle) * lean).as_rotvec()[None]
        np.testing.assert_allclose(np.asarray(heading(kind(root), "y")), angle, atol=1e-12)
        turned = (Rotation.from_matrix(up_axis_matrix("y", "z")) * Rotation.from_rotvec(root)).as_rotvec()
        np.testing.assert_allclose(np.asarray(heading(kind(turned), "z")), angle, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(np.asarray(facing(kind(root), "y")), axis=-1), 1)


def test_up_axis_matrices_are_quarter_turns_about_x():
    np.testing.assert_array_equal(up_axis_matrix("y", "z") @ [1, 2, 3], [1, -3, 2])
    np.testing.assert_array_equal(up_axis_matrix("y", "z") @ up_axis_matrix("z", "y"), np.eye(3))


def deviation(ours, theirs):
    return float(np.abs(np.asarray(ours, np.float64) - theirs).max())


def far(ours, theirs):
    """Whether positions differ by more than rounding, which grows with the distance from the origin."""
    return bool((np.abs(np.asarray(ours, np.float64) - theirs) > ATOL + 1e-6 * np.abs(theirs)).any())


def up_to_axis_sign(ours, theirs):
    """Largest difference of axis-angles where half turns may differ in the sign of the axis."""
    ours = np.asarray(ours, np.float64)
    plain = np.abs(ours - theirs).max(-1)
    half = np.abs(np.linalg.norm(theirs, axis=-1) - np.pi) < 1e-3
    return np.where(half, np.minimum(plain, np.abs(ours + theirs).max(-1)), plain)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/rotations*.npz")
@KINDS
def test_golden_conversions(golden_file, kind, golden_deviations):
    stored = np.load(golden_file)
    axis_angle, quaternion, matrix, raw = (
        kind(stored[key]) for key in ("in/axis_angle", "out/aa_to_quat", "out/aa_to_matrix", "in/raw_6d")
    )
    from_raw = rot6d_to_matrix(raw)
    # Single precision loses as many digits of a Gram-Schmidt as there are zeros in the sine between the rows.
    first, second = (
        row / np.linalg.norm(row, axis=-1, keepdims=True) for row in np.split(stored["in/raw_6d"], 2, -1)
    )
    raw_atol = ATOL / np.clip(10 * np.linalg.norm(np.cross(first, second), axis=-1), 1e-3, 1)
    plain = {
        "out/aa_to_quat": axis_angle_to_quaternion(axis_angle),
        "out/aa_to_matrix": axis_angle_to_matrix(axis_angle),
        "out/aa_to_6d": axis_angle_to_rot6d(axis_angle),
        "out/quat_to_matrix": quaternion_to_matrix(quaternion),
        "out/quat_multiply": quaternion_multiply(kind(stored["in/q1"]), kind(stored["in/q2"])),
        "out/quat_apply": quaternion_apply(kind(stored["in/q1"]), kind(stored["in/p"])),
        "out/quat_invert": quaternion_invert(kind(stored["in/q1"])),
    }
    for key, ours in plain.items():
        golden_deviations("rotations", deviation(ours, stored[key]))
        assert deviation(ours, stored[key]) < ATOL, key
    off = np.abs(np.asarray(from_raw, np.float64) - stored["out/raw_6d_to_matrix"]).max((-1, -2))
    assert (off < raw_atol).all()
    for key, ours, atol in (
        ("out/matrix_to_quat", matrix_to_quaternion(matrix), ATOL),
        ("out/raw_6d_to_quat", matrix_to_quaternion(from_raw), raw_atol),
    ):
        ours = np.asarray(ours)
        either = np.minimum(np.abs(ours - stored[key]).max(-1), np.abs(ours + stored[key]).max(-1))
        assert (either < atol).all(), key
    for key, ours, atol in (
        ("out/matrix_to_aa", matrix_to_axis_angle(matrix), ATOL),
        ("out/6d_to_aa", rot6d_to_axis_angle(kind(stored["out/aa_to_6d"])), ATOL),
        ("out/raw_6d_to_aa", rot6d_to_axis_angle(raw), raw_atol),
    ):
        assert (up_to_axis_sign(ours, stored[key]) < atol).all(), key
    # Upstream loses the angle of quaternions next to -1; there only the rotation itself is compared.
    ours = np.asarray(quaternion_to_axis_angle(quaternion))
    sound = np.asarray(quaternion)[:, 0] > -0.99999
    assert (up_to_axis_sign(ours[sound], stored["out/quat_to_aa"][sound]) < ATOL).all()
    assert same_rotation(axis_angle_to_matrix(ours), stored["out/quat_to_matrix"]) < 1e-3


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/rotations*.npz")
@KINDS
def test_golden_slerp_and_axis_change(golden_file, kind, golden_deviations):
    stored = np.load(golden_file)
    expected = stored["out/slerp"]
    weight = np.broadcast_to(stored["in/slerp_w"], expected.shape[:-1])
    ends = [kind(stored[key].reshape(expected.shape)) for key in ("in/q1", "in/q2")]
    ours = slerp(*ends, kind(weight.copy()), linear_above=0.99)
    golden_deviations("slerp", deviation(ours, expected))
    assert deviation(ours, expected) < ATOL
    turned = stored["in/p"] @ up_axis_matrix("y", "z").T
    assert deviation(turned, stored["out/rotX90_points"]) < ATOL


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mega_rotations*.npz")
def test_golden_megadance_forms(golden_file):
    stored = np.load(golden_file)
    angles = stored["in/aa"].reshape(-1, 3)
    # MEGADance reads an axis-angle as Euler angles about fixed x, y, z.
    six = matrix_to_rot6d(euler_to_matrix(np.ascontiguousarray(angles[:, ::-1]), "ZYX"))
    assert deviation(six.reshape(stored["out/six"].shape), stored["out/six"]) < ATOL
    matrix = rot6d_to_matrix(stored["in/raw6"].reshape(-1, 6))
    assert deviation(matrix, stored["out/raw6_to_matrix"]) < ATOL
    # Its way back takes an arc cosine, which is good to 1e-2 rad next to 0 and pi.
    theirs = axis_angle_to_matrix(stored["out/raw6_to_aa"].reshape(-1, 3))
    assert same_rotation(matrix, theirs) < 1e-2


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/smpl_fk*.npz")
@KINDS
def test_golden_smpl_kinematics(golden_file, kind, golden_deviations):
    stored = np.load(golden_file)
    rotation, root = (kind(stored[key].astype(np.float32)) for key in ("in/axis_angle", "in/root"))
    offsets = kind(np.array(skeleton("smpl-24").offsets))
    parents = tuple(stored["parents"])
    ours = forward_kinematics(rotation, root, offsets, parents)
    golden_deviations("smpl_fk", deviation(ours, stored["out/joints"]))
    assert not far(ours, stored["out/joints"])
    feet = np.asarray(ours)[..., FEET, :]
    speed = np.linalg.norm(np.diff(feet, axis=-3), axis=-1)
    assert not far(speed, stored["out/foot_speed"][..., :-1, :])
    assert not stored["out/foot_speed"][..., -1, :].any()
    at_rest = forward_kinematics(0 * rotation[:1, :1], 0 * root[:1, :1], offsets, parents)
    assert not far(at_rest, stored["out/rest_joints"])


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/smplx_fk*.npz")
@pytest.mark.parametrize("width", [139, 156, 165])
def test_golden_smplx_kinematics(golden_file, width, golden_deviations):
    stored = np.load(golden_file)
    body = skeleton("smplx-55")
    if width == 139:
        values = stored["in/data139"]
        lead, root = values.shape[:-1], values[..., 4:7]
        pose = rot6d_to_axis_angle(values[..., 7:].reshape(*lead, 22, 6))
        rotation = np.concatenate([pose, np.zeros((*lead, 33, 3), np.float32)], -2)
    else:
        values = stored[f"in/aa{width}"].reshape(-1, width // 3, 3)
        rotation = np.zeros((len(values), 55, 3), np.float32)
        columns = np.arange(55) if width == 165 else np.r_[:22, 25:55]
        rotation[:, columns] = values
        root = stored["in/root"][: len(values)]
    ours = forward_kinematics(rotation, root, body.offsets, body.parents)
    golden_deviations(f"smplx_fk {width}", deviation(ours, stored[f"out/joints{width}"]))
    assert not far(ours, stored[f"out/joints{width}"])
