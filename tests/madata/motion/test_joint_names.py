"""Rigs by the names their tools give them: tree and slots."""

import pytest

from madata.errors import MediaError
from madata.motion.bvh.joint_names import find_slots


def tree(text):
    """Names and parents of an indented list."""
    names, parents, line = [], [], []
    for row in text.strip("\n").split("\n"):
        depth = (len(row) - len(row.lstrip())) // 2
        line = [*line[:depth], len(names)]
        parents.append(line[-2] if depth else -1)
        names.append(row.strip())
    return names, parents


RIGS = {
    "rigify": """
DEF-spine
  DEF-pelvis.L
  DEF-pelvis.R
  DEF-thigh.L
    DEF-shin.L
      DEF-foot.L
        DEF-toe.L
  DEF-thigh.R
    DEF-shin.R
      DEF-foot.R
        DEF-toe.R
  DEF-spine.001
    DEF-spine.002
      DEF-spine.003
        DEF-shoulder.L
          DEF-upper_arm.L
            DEF-forearm.L
              DEF-hand.L
        DEF-shoulder.R
          DEF-upper_arm.R
            DEF-forearm.R
              DEF-hand.R
        DEF-spine.004
          DEF-spine.005
            DEF-spine.006
""",
    "vrm": """
J_Bip_C_Hips
  J_Bip_C_Spine
    J_Bip_C_Chest
      J_Bip_C_UpperChest
        J_Bip_C_Neck
          J_Bip_C_Head
        J_Bip_L_Shoulder
          J_Bip_L_UpperArm
            J_Bip_L_LowerArm
              J_Bip_L_Hand
        J_Bip_R_Shoulder
          J_Bip_R_UpperArm
            J_Bip_R_LowerArm
              J_Bip_R_Hand
  J_Bip_L_UpperLeg
    J_Bip_L_LowerLeg
      J_Bip_L_Foot
        J_Bip_L_ToeBase
  J_Bip_R_UpperLeg
    J_Bip_R_LowerLeg
      J_Bip_R_Foot
        J_Bip_R_ToeBase
""",
    "smpl": """
m_avg_root
  m_avg_Pelvis
    m_avg_L_Hip
      m_avg_L_Knee
        m_avg_L_Ankle
          m_avg_L_Foot
    m_avg_R_Hip
      m_avg_R_Knee
        m_avg_R_Ankle
          m_avg_R_Foot
    m_avg_Spine1
      m_avg_Spine2
        m_avg_Spine3
          m_avg_Neck
            m_avg_Head
          m_avg_L_Collar
            m_avg_L_Shoulder
              m_avg_L_Elbow
                m_avg_L_Wrist
                  m_avg_L_Hand
          m_avg_R_Collar
            m_avg_R_Shoulder
              m_avg_R_Elbow
                m_avg_R_Wrist
                  m_avg_R_Hand
""",
    "kinect": """
SpineBase
  SpineMid
    SpineShoulder
      Neck
        Head
      ShoulderLeft
        ElbowLeft
          WristLeft
            HandLeft
      ShoulderRight
        ElbowRight
          WristRight
            HandRight
  HipLeft
    KneeLeft
      AnkleLeft
        FootLeft
  HipRight
    KneeRight
      AnkleRight
        FootRight
""",
    "daz": """
hip
  pelvis
    lThighBend
      lThighTwist
        lShin
          lFoot
            lMetatarsals
              lToe
    rThighBend
      rThighTwist
        rShin
          rFoot
            rMetatarsals
              rToe
  abdomenLower
    abdomenUpper
      chestLower
        chestUpper
          lCollar
            lShldrBend
              lShldrTwist
                lForearmBend
                  lForearmTwist
                    lHand
          rCollar
            rShldrBend
              rShldrTwist
                rForearmBend
                  rForearmTwist
                    rHand
          neckLower
            neckUpper
              head
""",
    "mmd": """
全ての親
  センター
    グルーブ
      腰
        上半身
          上半身2
            首
              頭
            左肩
              左腕
                左ひじ
                  左手首
            右肩
              右腕
                右ひじ
                  右手首
        下半身
          左足
            左ひざ
              左足首
                左つま先
          右足
            右ひざ
              右足首
                右つま先
""",
    "mmd in English": """
center
  upper body
    upper body2
      neck
        head
      shoulder_L
        arm_L
          elbow_L
            wrist_L
      shoulder_R
        arm_R
          elbow_R
            wrist_R
  lower body
    leg_L
      knee_L
        ankle_L
          toe_L
    leg_R
      knee_R
        ankle_R
          toe_R
""",
}
EXPECTED = {
    "rigify": {
        "pelvis": "DEF-spine",
        "neck": "DEF-spine.004",
        "head": "DEF-spine.006",
        "spine3": "DEF-spine.003",
        "left_shoulder": "DEF-upper_arm.L",
        "left_collar": "DEF-shoulder.L",
    },
    "vrm": {
        "pelvis": "J_Bip_C_Hips",
        "left_hip": "J_Bip_L_UpperLeg",
        "left_knee": "J_Bip_L_LowerLeg",
        "left_foot": "J_Bip_L_ToeBase",
        "right_collar": "J_Bip_R_Shoulder",
        "right_elbow": "J_Bip_R_LowerArm",
    },
    "smpl": {
        "pelvis": "m_avg_Pelvis",
        "spine1": "m_avg_Spine1",
        "left_hand": "m_avg_L_Hand",
        "right_foot": "m_avg_R_Foot",
        "right_ankle": "m_avg_R_Ankle",
    },
    "kinect": {
        "pelvis": "SpineBase",
        "left_shoulder": "ShoulderLeft",
        "left_foot": "FootLeft",
        "neck": "Neck",
        "spine1": "SpineMid",
        "right_wrist": "WristRight",
    },
    "daz": {
        "pelvis": "hip",
        "left_hip": "lThighBend",
        "left_knee": "lShin",
        "left_ankle": "lFoot",
        "left_foot": "lToe",
        "neck": "neckLower",
        "spine1": "abdomenLower",
        "left_shoulder": "lShldrBend",
        "left_elbow": "lForearmBend",
        "left_wrist": "lHand",
    },
    "mmd": {
        "pelvis": "腰",
        "left_hip": "左足",
        "left_knee": "左ひざ",
        "right_ankle": "右足首",
        "right_foot": "右つま先",
        "neck": "首",
        "head": "頭",
        "left_shoulder": "左腕",
        "left_collar": "左肩",
        "left_wrist": "左手首",
        "spine1": "上半身",
    },
    "mmd in English": {
        "pelvis": "center",
        "left_hip": "leg_L",
        "left_knee": "knee_L",
        "left_ankle": "ankle_L",
        "left_shoulder": "arm_L",
        "left_collar": "shoulder_L",
        "spine1": "upper body",
    },
}


@pytest.mark.parametrize("rig", RIGS)
def test_every_joint_of_a_rig_is_known_by_its_name(rig):
    names, parents = tree(RIGS[rig])
    slots = {slot: names[node] for slot, node in find_slots(names, parents).items()}
    for slot, name in EXPECTED[rig].items():
        assert slots[slot] == name, slot
    for slot, name in slots.items():
        if slot.startswith("left_"):
            assert "right_" + slot.removeprefix("left_") in slots, name


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("suffix", ["_jnt", "_JNT", ".joint", " Bone"])
def test_what_a_rig_appends_to_every_name_says_nothing(rig, suffix):
    names, parents = tree(RIGS[rig])
    assert find_slots([name + suffix for name in names], parents) == find_slots(names, parents)


def test_a_rig_of_unknown_names_is_one_short_error():
    with pytest.raises(MediaError, match="no node found") as caught:
        find_slots([f"node{number}" for number in range(9999)], [-1] * 9999)
    assert len(str(caught.value)) < 2000
