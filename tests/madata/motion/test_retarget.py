from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from madata.errors import MediaError
from madata.motion import bvh_to_motion, joint_positions, read_bvh, with_up
from madata.motion.bvh.joint_names import find_slots
from madata.rotations import axis_angle_to_matrix
from madata.skeletons import skeleton

SMPL = skeleton("smpl-24")
BODY = [joint for joint in SMPL.joints if joint not in ("left_hand", "right_hand")]

# SMPL joints in order, in the words of common rigs.
RIGS = {
    "mixamo": (
        "mixamorig:Hips mixamorig:LeftUpLeg mixamorig:RightUpLeg mixamorig:Spine mixamorig:LeftLeg "
        "mixamorig:RightLeg mixamorig:Spine1 mixamorig:LeftFoot mixamorig:RightFoot mixamorig:Spine2 "
        "mixamorig:LeftToeBase mixamorig:RightToeBase mixamorig:Neck mixamorig:LeftShoulder "
        "mixamorig:RightShoulder mixamorig:Head mixamorig:LeftArm mixamorig:RightArm "
        "mixamorig:LeftForeArm mixamorig:RightForeArm mixamorig:LeftHand mixamorig:RightHand"
    ),
    "smpl": (
        "Pelvis L_Hip R_Hip Spine1 L_Knee R_Knee Spine2 L_Ankle R_Ankle Spine3 L_Foot R_Foot Neck "
        "L_Collar R_Collar Head L_Shoulder R_Shoulder L_Elbow R_Elbow L_Wrist R_Wrist"
    ),
    "unreal": (
        "pelvis thigh_l thigh_r spine_01 calf_l calf_r spine_02 foot_l foot_r spine_03 ball_l ball_r "
        "neck_01 clavicle_l clavicle_r head upperarm_l upperarm_r lowerarm_l lowerarm_r hand_l "
        "hand_r"
    ),
    "biped": (
        "Bip01_Pelvis|Bip01 L Thigh|Bip01 R Thigh|Bip01 Spine|Bip01 L Calf|Bip01 R Calf|Bip01 Spine1|"
        "Bip01 L Foot|Bip01 R Foot|Bip01 Spine2|Bip01 L Toe0|Bip01 R Toe0|Bip01 Neck|"
        "Bip01 L Clavicle|Bip01 R Clavicle|Bip01 Head|Bip01 L UpperArm|Bip01 R UpperArm|"
        "Bip01 L Forearm|Bip01 R Forearm|Bip01 L Hand|Bip01 R Hand"
    ),
    "poser": (
        "hip lThigh rThigh abdomen lShin rShin chest lFoot rFoot - - - neck lCollar rCollar head "
        "lShldr rShldr lForeArm rForeArm lHand rHand"
    ),
    "bandai": (
        "Hips UpperLeg_L UpperLeg_R Spine LowerLeg_L LowerLeg_R Chest Foot_L Foot_R - Toes_L Toes_R "
        "Neck Shoulder_L Shoulder_R Head UpperArm_L UpperArm_R LowerArm_L LowerArm_R Hand_L Hand_R"
    ),
    "elbow and wrist": (
        "Hips LeftHip RightHip Chest LeftKnee RightKnee Chest2 LeftAnkle RightAnkle Chest3 LeftToe "
        "RightToe Neck LeftCollar RightCollar Head LeftShoulder RightShoulder LeftElbow RightElbow "
        "LeftWrist RightWrist"
    ),
    "no collars": (
        "Hips LeftHip RightHip Spine LeftKnee RightKnee - LeftAnkle RightAnkle - - - Neck - - Head "
        "LeftShoulder RightShoulder LeftElbow RightElbow LeftWrist RightWrist"
    ),
}


def rig(name):
    words = RIGS[name].split("|") if "|" in RIGS[name] else RIGS[name].split()
    return {joint: word for joint, word in zip(BODY, words, strict=True) if word != "-"}


def random_axes(seed):
    """A random change of axes for every node, as rigs with joint orients have."""
    turns = Rotation.random(24, rng=np.random.default_rng(seed)).as_matrix()
    return dict(zip(SMPL.joints, turns, strict=True))


def angles_between(first, second):
    a, b = (axis_angle_to_matrix(motion.rotation.astype(np.float64)) for motion in (first, second))
    cosine = (np.trace(np.swapaxes(a, -1, -2) @ b, axis1=-2, axis2=-1) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@pytest.fixture
def through_bvh(bvh_text, tmp_path):
    def convert(motion, *args, kwargs=None, **options):
        path = tmp_path / "take.bvh"
        path.write_text(bvh_text(motion, *args, **options))
        return bvh_to_motion(read_bvh(path), path, **(kwargs or {}))

    return convert


@pytest.mark.parametrize("name", RIGS)
def test_rigs_are_known_by_their_names(name):
    names = rig(name)
    joints = list(names)
    parents = []
    for joint in joints:
        parent = SMPL.parents[SMPL.index(joint)]
        while parent >= 0 and SMPL.joints[parent] not in names:
            parent = SMPL.parents[parent]
        parents.append(joints.index(SMPL.joints[parent]) if parent >= 0 else -1)
    assert find_slots(list(names.values()), parents) == {joint: index for index, joint in enumerate(joints)}


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YZX"])
@pytest.mark.parametrize("positions", [False, True])
def test_a_t_pose_rig_gives_back_the_rotations(dancer, through_bvh, order, positions):
    motion = dancer(own_bones=True)
    found = through_bvh(motion, order=order, positions=positions)
    np.testing.assert_allclose(found.rotation, motion.rotation, atol=2e-6)
    np.testing.assert_allclose(found.translation, motion.translation, atol=2e-6)
    np.testing.assert_allclose(found.offsets, motion.offsets, atol=2e-6)
    assert (found.fps, found.up, found.skeleton) == (30.0, "y", "smpl-24")


@pytest.mark.parametrize("name", RIGS)
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_positions_are_exact_whatever_the_rig_and_its_axes(dancer, through_bvh, name, seed):
    motion = dancer(own_bones=True)
    found = through_bvh(motion, rig(name), random_axes(seed) if seed is not None else None)
    columns = [SMPL.index(joint) for joint in rig(name)]
    if name in ("poser", "bandai", "no collars"):
        # A slot without a node cannot turn, so what hangs on it is a mean in its parent's view.
        columns = [c for c in columns if SMPL.joints[c].split("_")[-1] in ("pelvis", "hip", "knee", "ankle")]
    error = np.abs(joint_positions(found) - joint_positions(motion))[:, columns].max()
    assert error < 1e-5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_joint_orients_are_taken_out(dancer, through_bvh, seed):
    """Nodes with axes turned at random give the rotations back, up to a few constant degrees."""
    motion = dancer(frames=300, seed=seed)
    found = through_bvh(motion, axes=random_axes(seed))
    angles = angles_between(motion, found)[:, [SMPL.index(joint) for joint in BODY]]
    assert angles.mean() < 8
    assert angles.max() < 40
    bones = np.linalg.norm(found.offsets - SMPL.offsets, axis=-1)
    assert bones.max() < 0.06


def test_a_rig_that_rests_in_other_world_axes(dancer, through_bvh):
    motion = dancer()
    quarter = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    found = through_bvh(motion, axes=dict.fromkeys(SMPL.joints, quarter))
    np.testing.assert_allclose(found.rotation, motion.rotation, atol=2e-6)


def test_z_up_files_say_so(dancer, through_bvh):
    motion = dancer()
    found = through_bvh(with_up(motion, "z"))
    assert found.up == "z"
    np.testing.assert_allclose(joint_positions(found, "y"), joint_positions(motion), atol=1e-5)


@pytest.mark.parametrize("unit", [1.0, 100.0, 1000.0, 1 / 0.0254, 0.45 / 0.0254])
def test_units_are_found_from_the_body(dancer, through_bvh, unit):
    motion = dancer()
    np.testing.assert_allclose(through_bvh(motion, unit=unit).translation, motion.translation, atol=1e-5)


def test_a_body_of_no_human_size_needs_a_unit(dancer, through_bvh):
    motion = dancer()
    with pytest.raises(MediaError, match=r"take\.bvh: the body is 5\.\d+ file units tall.*--unit centimetre"):
        through_bvh(motion, unit=3.0)
    found = through_bvh(motion, unit=3.0, kwargs={"metres_per_unit": 1 / 3})
    np.testing.assert_allclose(found.translation, motion.translation, atol=1e-5)


def test_unknown_names_are_asked_for_and_taken(dancer, through_bvh):
    motion = dancer()
    names = {joint: joint for joint in SMPL.joints} | {"left_hip": "Oberschenkel"}
    with pytest.raises(
        MediaError, match=r"take\.bvh: no node found for left_hip among .*Oberschenkel.*--joint left_hip="
    ):
        through_bvh(motion, names)
    found = through_bvh(motion, names, kwargs={"names": {"left_hip": "Oberschenkel"}})
    np.testing.assert_allclose(found.rotation, motion.rotation, atol=2e-6)
    with pytest.raises(MediaError, match="no such SMPL joint or no such node"):
        through_bvh(motion, names, kwargs={"names": {"left_hip": "Unterschenkel"}})


def test_missing_slots_are_filled_at_the_scale_of_the_body(dancer, through_bvh):
    motion = dancer()
    tall = replace(motion, offsets=(SMPL.offsets * 1.2).astype(np.float32))
    found = through_bvh(tall, rig("no collars"))
    for joint in ("left_foot", "left_hand", "left_collar", "spine3"):
        column = SMPL.index(joint)
        assert not found.rotation[:, column].any()
        np.testing.assert_allclose(found.offsets[column], 1.2 * SMPL.offsets[column], rtol=0.05)
