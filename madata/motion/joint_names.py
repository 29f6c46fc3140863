"""Which joint of a motion capture file is which joint of SMPL.

CMU, Mixamo, Rokoko, Bandai, LAFAN, Poser, Biped and Blender rigs call one joint by a dozen names. Side and
part are read apart (``mixamorig:LeftUpLeg``, ``UpperLeg_L``, ``lThigh``, ``Bip01 L Thigh``), so a name is
known on both sides and in every spelling. The nodes between pelvis and neck fill spine1, spine2 and spine3
from below, whatever they are called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from madata.errors import MediaError
from madata.skeletons import skeleton

__all__ = ["SPINE", "find_slots"]

_SMPL = skeleton("smpl-24")

# Part of the body (sides and punctuation removed, lower case) -> SMPL joint without its side.
_PARTS = {
    "pelvis": ("hips", "pelvis", "hip", "root"),
    "hip": ("upleg", "thigh", "upperleg", "hip", "femur", "legupper"),
    "knee": ("leg", "shin", "lowerleg", "knee", "calf", "tibia", "lowleg", "leglower"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toe", "toes", "toe0", "ball", "foot"),
    "neck": ("neck", "neck1", "neck01", "neck0"),
    "head": ("head",),
    "collar": ("collar", "clavicle", "collarbone", "shoulder", "sternoclavicular"),
    "shoulder": ("arm", "upperarm", "uparm", "shldr", "humerus", "shoulder", "armupper"),
    "elbow": ("forearm", "lowerarm", "elbow", "lowarm", "radius", "armlower"),
    "wrist": ("wrist", "hand"),
    "hand": ("handmiddle1", "mid1", "middle1", "middlefinger1", "middle01", "hand"),
}
_SIDED = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist", "hand")
_REQUIRED = (
    "pelvis", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "neck", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
SPINE = ("spine1", "spine2", "spine3")


def find_slots(
    names: Sequence[str], parents: Sequence[int], given: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Which node fills which SMPL-24 joint.

    Args:
        names: nodes of the file.
        parents: their parents.
        given: SMPL joint -> node name, overrides what the names suggest.

    Returns:
        SMPL joint -> node. Joints without a node are absent.

    Raises:
        MediaError: a node in ``given`` does not exist, or a joint the body cannot do without is not found.
    """
    sides_parts = [_side_and_part(name) for name in names]
    slots: dict[str, int] = {}
    for part, words in _PARTS.items():
        for side in ("left", "right") if part in _SIDED else ("",):
            node = _first(sides_parts, side, words)
            if node is not None:
                slots[f"{side}_{part}" if side else part] = node
    for side in ("left", "right"):
        # A name that could be either ("shoulder", "foot", "hand") is the joint no body lacks.
        for lesser, greater in (("collar", "shoulder"), ("foot", "ankle"), ("hand", "wrist")):
            if slots.get(f"{side}_{lesser}") == slots.get(f"{side}_{greater}"):
                slots.pop(f"{side}_{lesser}", None)
    for slot, name in (given or {}).items():
        if slot not in _SMPL.joints or name not in names:
            raise MediaError(
                f"names: {slot!r} -> {name!r}: no such SMPL joint or no such node", reason="bad_names"
            )
        slots[slot] = list(names).index(name)
    lacking = [slot for slot in _REQUIRED if slot not in slots]
    if lacking:
        raise MediaError(
            f"no node found for {', '.join(lacking)} among {', '.join(names)}: "
            'give them by name, such as names={"left_hip": "MyThighL"}',
            reason="unknown_joints",
        )
    spine = _between(parents, slots["pelvis"], slots["neck"])
    if len(spine) > len(SPINE):
        spine = [spine[0], spine[len(spine) // 2], spine[-1]]
    free = [slot for slot in SPINE if slot not in (given or {})]
    slots.update(zip(free, spine, strict=False))
    return slots


def _side_and_part(name: str) -> tuple[str, str]:
    """("left", "upleg") of ``mixamorig:LeftUpLeg``; side "" where the name has none."""
    bare = _RIG_PREFIX.sub("", name.rsplit(":", 1)[-1])
    patterns = (
        (r"^(left|right)(.+)$", re.IGNORECASE),
        (r"^(l|r)([A-Z_ .-].*)$", 0),
        (r"^(L|R)([A-Z][a-z].*|[_ .-].+)$", 0),
    )
    for pattern, flags in patterns:
        if match := re.match(pattern, bare, flags):
            return _SIDES[match[1].lower()], _letters(match[2])
    if match := re.match(r"^(.+?)[_ .-](l|r|left|right)$", bare, re.IGNORECASE):
        return _SIDES[match[2].lower()], _letters(match[1])
    return "", _letters(bare)


_RIG_PREFIX = re.compile(r"^(mixamorig|bip|character|rig|def|org)\d*[_ .-]+", re.IGNORECASE)
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _first(sides_parts: list[tuple[str, str]], side: str, words: tuple[str, ...]) -> int | None:
    for word in words:
        if (side, word) in sides_parts:
            return sides_parts.index((side, word))
    return None


def _between(parents: Sequence[int], ancestor: int, node: int) -> list[int]:
    """Nodes strictly between ``ancestor`` and ``node``, from the ancestor on; none if it is not one."""
    path = []
    node = parents[node]
    while node >= 0 and node != ancestor:
        path.append(node)
        node = parents[node]
    return path[::-1] if node == ancestor else []
