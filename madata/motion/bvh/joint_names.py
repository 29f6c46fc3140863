"""Which joint of a motion capture file is which joint of SMPL.

CMU, Mixamo, Rokoko, Bandai, LAFAN, Poser, Biped, Blender, Rigify, VRM, DAZ, Kinect, MMD and SMPL's own FBX rigs call
one joint by a dozen names. Side and part are read apart (``mixamorig:LeftUpLeg``, ``UpperLeg_L``, ``lThighBend``,
``KneeLeft``, ``Bip01 L Thigh``, ``左ひざ``), so a name is known on both sides and in every spelling. What the tree says
better than names is taken from the tree: the pelvis is the joint from which legs and neck part (DAZ hangs the trunk on
``hip`` and the legs on its child ``pelvis``), an unnamed neck is the first joint above the shoulders, and the nodes
between pelvis and neck fill spine1, spine2 and spine3 from below, whatever they are called.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from madata.errors import MediaError
from madata.skeletons import skeleton

__all__ = ["SPINE", "find_slots"]

_SMPL = skeleton("smpl-24")
_NAMES_SHOWN = 80  # a body with all its fingers

# Part of the body (sides and punctuation removed, lower case) -> SMPL joint without its side.
_PARTS = {
    "pelvis": ("hips", "pelvis", "hip", "root", "spinebase", "hipcenter", "下半身"),
    "hip": ("upleg", "thigh", "upperleg", "hip", "femur", "legupper", "thighbend", "足"),
    "knee": ("leg", "shin", "lowerleg", "knee", "calf", "tibia", "lowleg", "leglower", "ひざ"),
    "ankle": ("ankle", "foot", "足首"),
    "foot": ("toebase", "toe", "toes", "toe0", "ball", "foot", "つま先"),
    "neck": ("neck", "neck1", "neck01", "neck0", "necklower", "shouldercenter", "首"),
    "head": ("head", "spine006", "頭"),
    "collar": ("collar", "clavicle", "collarbone", "shoulder", "sternoclavicular", "肩"),
    "shoulder": ("arm", "upperarm", "uparm", "shldr", "humerus", "shoulder", "armupper", "shldrbend", "腕"),
    "elbow": ("forearm", "lowerarm", "elbow", "lowarm", "radius", "armlower", "forearmbend", "ひじ"),
    "wrist": ("wrist", "hand", "手首"),
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
        if f"{side}_hip" not in slots and (leg := _first(sides_parts, side, ("leg",))) is not None:
            knee = _first(sides_parts, side, ("knee",))  # MMD in English: leg, knee, ankle
            if knee is not None:
                slots[f"{side}_hip"], slots[f"{side}_knee"] = leg, knee
    _by_tree(slots, parents)
    for slot, name in (given or {}).items():
        if slot not in _SMPL.joints or name not in names:
            raise MediaError(
                f"names: {slot!r} -> {name!r}: no such SMPL joint or no such node", reason="bad_names"
            )
        slots[slot] = list(names).index(name)
    lacking = [slot for slot in _REQUIRED if slot not in slots]
    if lacking:
        raise MediaError(
            f"no node found for {', '.join(lacking)} among {', '.join(names[:_NAMES_SHOWN])}"
            f"{' ...' if len(names) > _NAMES_SHOWN else ''}: "
            "give them by name: madance convert IN.bvh OUT.npz --joint left_hip=MyThighL",
            reason="unknown_joints",
        )
    spine = _between(parents, slots["pelvis"], slots["neck"])
    if len(spine) > len(SPINE):
        spine = [spine[0], spine[len(spine) // 2], spine[-1]]
    free = [slot for slot in SPINE if slot not in (given or {})]
    slots.update(zip(free, spine, strict=False))
    return slots


def _by_tree(slots: dict[str, int], parents: Sequence[int]) -> None:
    """Pelvis and neck from where legs, arms and head hang, where names do not tell or tell something else."""
    if "neck" not in slots and {"head", "left_shoulder", "right_shoulder"} <= set(slots):
        chest = _parting(parents, slots["left_shoulder"], slots["right_shoulder"])
        above = _between(parents, chest, slots["head"])
        slots["neck"] = above[0] if above else slots["head"]
    if {"left_hip", "right_hip", "neck"} <= set(slots):
        parting = _parting(parents, slots["left_hip"], slots["right_hip"], slots["neck"])
        if parting >= 0 and "pelvis" in slots and not _carries(parents, slots["pelvis"], parting):
            slots["pelvis"] = parting
        elif parting >= 0:
            slots.setdefault("pelvis", parting)


def _line(parents: Sequence[int], node: int) -> list[int]:
    """``node`` and all its ancestors, from itself up to the root."""
    line = [node]
    while parents[line[-1]] >= 0:
        line.append(parents[line[-1]])
    return line


def _parting(parents: Sequence[int], *nodes: int) -> int:
    """The lowest common ancestor, -1 where there is none."""
    first, *others = (_line(parents, node) for node in nodes)
    return next((node for node in first if all(node in line for line in others)), -1)


def _carries(parents: Sequence[int], ancestor: int, node: int) -> bool:
    """Whether ``ancestor`` is ``node`` or above it."""
    return ancestor in _line(parents, node)


def _side_and_part(name: str) -> tuple[str, str]:
    """("left", "upleg") of ``mixamorig:LeftUpLeg``; side "" where the name has none."""
    bare = _RIG_PREFIX.sub("", unicodedata.normalize("NFKC", name).rsplit(":", 1)[-1])
    bare = _RIG_SUFFIX.sub("", bare)
    patterns = (
        (r"^(left|right|左|右)(.+)$", re.IGNORECASE),
        (r"^(l|r)([A-Z_ .-].*)$", 0),
        (r"^(L|R)([A-Z][a-z].*|[_ .-].+)$", 0),
    )
    for pattern, flags in patterns:
        if match := re.match(pattern, bare, flags):
            return _SIDES[match[1].lower()], _letters(match[2])
    if match := re.match(r"^(.+?)[_ .-](l|r|left|right)$", bare, re.IGNORECASE):
        return _SIDES[match[2].lower()], _letters(match[1])
    if match := re.match(r"^(.+?)(Left|Right)$", bare):
        return _SIDES[match[2].lower()], _letters(match[1])
    return "", _letters(bare)


_RIG_PREFIX = re.compile(
    r"^(?:(?:mixamorig|bip|character|rig|def|org|j_bip|j_sec|[mf]_avg)\d*[_ .-]+(?:c_)?)+", re.IGNORECASE
)
_RIG_SUFFIX = re.compile(r"[_ .-]+(?:jnt|joint|bone)$", re.IGNORECASE)
_SIDES = {"left": "left", "l": "left", "左": "left", "right": "right", "r": "right", "右": "right"}


def _letters(name: str) -> str:
    """Lower-case letters and digits of any script, so that spelling does not matter."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


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
