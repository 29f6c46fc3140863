"""BVH and GLB, as readers see them that know nothing of this package."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from madata.motion import joint_positions, read_motion, with_skeleton, with_up, write_motion
from madata.skeletons import skeleton


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("own_bones", [False, True])
def test_bvh_comes_back(dancer, tmp_path, up, own_bones):
    motion = with_up(dancer(fps=29.97, own_bones=own_bones), up)
    write_motion(tmp_path / "a.bvh", motion)
    found = read_motion(tmp_path / "a.bvh")
    assert found.fps == pytest.approx(29.97, rel=1e-4) and found.up == "y"
    np.testing.assert_allclose(joint_positions(found), joint_positions(motion, "y"), atol=1e-5)
    np.testing.assert_allclose(found.rotation, with_up(motion, "y").rotation, atol=1e-5)


def test_bvh_of_a_body_without_hands(dancer, tmp_path):
    motion = with_skeleton(dancer(), "smplx-22")
    write_motion(tmp_path / "a.bvh", motion)
    found = joint_positions(read_motion(tmp_path / "a.bvh"))
    np.testing.assert_allclose(found[:, :22], joint_positions(motion), atol=1e-5)


def test_bvh_at_the_pole_of_its_angles(dancer, tmp_path):
    motion = dancer()
    motion.rotation[:, 16] = np.linspace([0.5, 0, 0], [2.5, 0.3, 0], 40)  # X passes 90 degrees
    write_motion(tmp_path / "a.bvh", motion)
    np.testing.assert_allclose(
        joint_positions(read_motion(tmp_path / "a.bvh")), joint_positions(motion), atol=1e-5
    )


def test_another_reader_sees_the_same_bvh(dancer, tmp_path):
    bvhio = pytest.importorskip("bvhio")
    motion = dancer(frames=12)
    write_motion(tmp_path / "a.bvh", motion)
    root = bvhio.readAsHierarchy(str(tmp_path / "a.bvh"))
    joints = {joint.Name: joint for joint, _, _ in root.layout()}
    expected = joint_positions(motion)
    for frame in (0, 7, 11):
        root.loadPose(frame)
        for column, name in enumerate(skeleton("smpl-24").joints):
            place = np.array(joints[name].PositionWorld) / 100
            np.testing.assert_allclose(place, expected[frame, column], atol=1e-5)


@pytest.mark.parametrize("name", ["smpl-24", "smplx-55"])
def test_another_reader_sees_the_same_glb(dancer, tmp_path, name):
    pygltflib = pytest.importorskip("pygltflib")
    motion = with_up(with_skeleton(dancer(frames=12), name), "z")
    write_motion(tmp_path / "a.glb", motion)
    first = (tmp_path / "a.glb").read_bytes()
    write_motion(tmp_path / "a.glb", motion)
    assert (tmp_path / "a.glb").read_bytes() == first
    file = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    blob = file.binary_blob()

    def values(number):
        accessor = file.accessors[number]
        view = file.bufferViews[accessor.bufferView]
        kinds = {5126: "<f4", 5123: "<u2", 5121: "u1"}
        found = np.frombuffer(
            blob[view.byteOffset : view.byteOffset + view.byteLength], kinds[accessor.componentType]
        )
        found = found.reshape(accessor.count, -1)
        if accessor.min:
            np.testing.assert_allclose(found.min(0), accessor.min)
            np.testing.assert_allclose(found.max(0), accessor.max)
        return found

    body = skeleton(name)
    (animation,) = file.animations
    local = {}
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        np.testing.assert_allclose(values(sampler.input)[:, 0], np.arange(12) / motion.fps, rtol=1e-6)
        local[channel.target.node, channel.target.path] = values(sampler.output)
    places = [None] * body.num_joints
    turns = [None] * body.num_joints
    for joint, node in enumerate(file.nodes[: body.num_joints]):
        assert node.name == body.joints[joint]
        turn = Rotation.from_quat(local[joint, "rotation"])
        parent = body.parents[joint]
        if parent < 0:
            places[joint], turns[joint] = local[joint, "translation"], turn
        else:
            assert joint in file.nodes[parent].children
            places[joint] = places[parent] + turns[parent].apply(node.translation)
            turns[joint] = turns[parent] * turn
    np.testing.assert_allclose(np.stack(places, 1), joint_positions(motion, "y"), atol=1e-5)
    primitive = file.meshes[0].primitives[0]
    points = values(primitive.attributes.POSITION)
    owners, weights = values(primitive.attributes.JOINTS_0), values(primitive.attributes.WEIGHTS_0)
    assert len(points) == len(owners) == len(weights) and owners.max() < body.num_joints
    np.testing.assert_array_equal(weights.sum(1), 1)
    assert values(primitive.indices).max() < len(points)
    # Bound to its skin, the body stands where its joints rest.
    inverse = values(file.skins[0].inverseBindMatrices).reshape(-1, 4, 4)
    rest = -inverse[:, 3, :3]
    assert np.abs(points[:, None] - rest).min(axis=(0, 2)).max() < 1e-6
