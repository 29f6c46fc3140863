"""Dances made up on the beat.

A dance is a list of key poses, one per beat, taken from an eight-count phrase of steps and arm figures.
Between two beats every quantity goes from one key to the next along 3 q^2 - 2 q^3, so the whole body comes
to rest on each beat and nowhere else: the minima of joint speed are the beats. Feet are planted: a foot that
does not step does not move, the pelvis travels over it and the knees bend.

Legend: T frames, B keys (beats), J = 24 joints in SMPL order. Metres, radians, y up, facing +z, left at +x.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError, did_you_mean
from madata.rotations import matrix_to_axis_angle
from madata.skeletons import skeleton
from madata.synthetic.limbs import aim_limb, bend_to_reach, turn
from madata.synthetic.music import beat_times
from madata.types import FloatArray, Motion3D

__all__ = ["STYLES", "Dance", "make_dance"]

Array = npt.NDArray[np.float64]
Vector = tuple[float, float, float]

_BODY = skeleton("smpl-24")
_ANKLE_M = 0.098
_HIP_HALF_M = 0.10
# How high a stepping foot swings: a share of the step, and a limit.
_SWING, _SWING_MAX_M = 0.14, 0.05

# Directions of upper arm and forearm of the left arm, chest axes (left, up, forward).
_ARMS: dict[str, tuple[Vector, Vector]] = {
    "down": ((0.28, -0.95, 0.05), (0.16, -0.92, 0.36)),
    "hip": ((0.72, -0.66, -0.22), (-0.62, -0.62, 0.45)),
    "up": ((0.38, 0.92, 0.10), (0.10, 0.98, 0.20)),
    "vee": ((0.76, 0.64, 0.12), (0.60, 0.76, 0.25)),
    "side": ((0.98, 0.02, 0.12), (0.90, 0.10, 0.42)),
    "front": ((0.34, -0.12, 0.93), (0.12, 0.16, 0.98)),
    "guard": ((0.52, -0.80, 0.30), (-0.36, 0.50, 0.78)),
    "across": ((0.34, -0.34, 0.88), (-0.90, 0.06, 0.42)),
    "goal": ((0.96, 0.12, 0.14), (0.18, 0.96, 0.22)),
    "goal_down": ((0.96, 0.06, 0.14), (0.14, -0.94, 0.30)),
    "head": ((0.84, 0.52, 0.12), (-0.62, 0.74, 0.02)),
    "swing_back": ((0.26, -0.86, -0.42), (0.18, -0.96, 0.10)),
    "swing_front": ((0.22, -0.72, 0.66), (-0.06, -0.08, 0.99)),
    "low_side": ((0.80, -0.58, 0.10), (0.78, -0.48, 0.40)),
}

# One count of steps: which foot moves (L or R, l or r when it stays in the air, - for none), where to (left
# and forward of home, metres), turn in eighths.
_STEPS: dict[str, tuple[tuple[str, float, float, int], ...]] = {
    "side_touch": (("R", -0.40, 0.0, 0), ("L", -0.20, 0.03, 0), ("L", 0.40, 0.0, 0), ("R", 0.20, 0.03, 0)),
    "vine": (("R", -0.32, 0.0, 0), ("L", -0.30, -0.10, 0), ("R", -0.58, 0.0, 0), ("L", -0.38, 0.05, 0),
             ("L", 0.02, 0.0, 0), ("R", -0.02, -0.10, 0), ("L", 0.30, 0.0, 0), ("R", 0.10, 0.05, 0)),
    "kick": (("l", 0.12, 0.24, 0), ("L", 0.12, 0.02, 0), ("r", -0.12, 0.24, 0), ("R", -0.12, 0.02, 0)),
    "knee": (("r", -0.16, 0.10, 0), ("R", -0.16, 0.0, 0), ("l", 0.16, 0.10, 0), ("L", 0.16, 0.0, 0)),
    "mambo": (("L", 0.12, 0.26, 0), ("R", -0.12, -0.02, 0), ("L", 0.12, -0.06, 0), ("R", -0.12, 0.05, 0),
              ("R", -0.12, 0.26, 0), ("L", 0.12, -0.02, 0), ("R", -0.12, -0.06, 0), ("L", 0.12, 0.05, 0)),
    "turn": (("L", 0.14, 0.0, 2), ("R", -0.14, 0.0, 0), ("L", 0.14, 0.0, 2), ("R", -0.14, 0.0, 0),
             ("L", 0.14, 0.0, 2), ("R", -0.14, 0.0, 0), ("L", 0.14, 0.0, 2), ("R", -0.14, 0.0, 0)),
    "half_turn": (("L", 0.16, 0.0, 1), ("R", -0.16, 0.0, 0), ("L", 0.16, 0.0, -2), ("R", -0.16, 0.0, 0),
                  ("L", 0.16, 0.0, 1), ("R", -0.16, 0.0, 0), ("-", 0, 0, 0), ("-", 0, 0, 0)),
    "wide": (("L", 0.30, 0.0, 0), ("R", -0.30, 0.0, 0), ("-", 0, 0, 0), ("-", 0, 0, 0)),
}  # fmt: skip


@dataclass(frozen=True)
class _Style:
    """How a style moves; metres and radians per beat."""

    steps: tuple[str, ...]
    arms: tuple[str, ...]
    bounce_m: float
    sway_m: float
    hip_roll: float
    twist: float
    lean: float
    lift_m: float
    mirrored: float = 0.5
    nod: float = 0.12


_STYLES = {
    "groove": _Style(
        ("side_touch", "knee", "wide", "half_turn"),
        ("down", "guard", "swing_front", "swing_back", "low_side", "front", "goal"),
        bounce_m=0.070, sway_m=0.05, hip_roll=0.09, twist=0.24,
        lean=0.16, lift_m=0.17, mirrored=0.35, nod=0.2,
    ),
    "pop": _Style(
        ("wide", "knee", "side_touch"),
        ("goal", "goal_down", "side", "guard", "front", "across", "hip"),
        bounce_m=0.045, sway_m=0.04, hip_roll=0.05, twist=0.34,
        lean=0.10, lift_m=0.14, mirrored=0.4,
    ),
    "latin": _Style(
        ("mambo", "side_touch", "turn", "vine"),
        ("hip", "side", "up", "across", "head", "guard", "low_side"),
        bounce_m=0.030, sway_m=0.075, hip_roll=0.20, twist=0.30,
        lean=0.05, lift_m=0.10, mirrored=0.35, nod=0.06,
    ),
    "house": _Style(
        ("vine", "mambo", "kick", "turn"),
        ("swing_front", "swing_back", "guard", "low_side", "down", "vee"),
        bounce_m=0.085, sway_m=0.03, hip_roll=0.07, twist=0.28,
        lean=0.22, lift_m=0.20, mirrored=0.1, nod=0.16,
    ),
    "jazz": _Style(
        ("vine", "half_turn", "kick", "side_touch"),
        ("up", "vee", "side", "hip", "front", "goal", "head", "across"),
        bounce_m=0.050, sway_m=0.06, hip_roll=0.12, twist=0.30,
        lean=0.12, lift_m=0.26, mirrored=0.6,
    ),
}  # fmt: skip
STYLES = tuple(_STYLES)
"""Names of the styles."""


@dataclass(frozen=True)
class Dance:
    """A made-up dance.

    Attributes:
        beats_s: (K,) seconds, the beats that fall inside the motion.
    """

    motion: Motion3D
    beats_s: FloatArray
    style: str
    tempo_bpm: float


@dataclass
class _Keys:
    """Key values, one per beat."""

    feet: list[Array] = field(default_factory=list)
    yaw: list[float] = field(default_factory=list)
    feet_yaw: list[Array] = field(default_factory=list)
    pelvis: list[Array] = field(default_factory=list)
    hips: list[Vector] = field(default_factory=list)
    spine: list[Vector] = field(default_factory=list)
    neck: list[Vector] = field(default_factory=list)
    arms: list[Array] = field(default_factory=list)


def make_dance(
    duration_s: float,
    *,
    tempo_bpm: float = 118.0,
    fps: float = 30.0,
    style: str = "groove",
    seed: int = 0,
    first_beat_s: float = 0.0,
) -> Dance:
    """Make up a dance; the same arguments give the same dance.

    Args:
        duration_s: length; the motion has ``round(duration_s * fps)`` frames.
        style: one of :data:`STYLES`.
        first_beat_s: time of a beat; the others follow from the tempo in both directions.

    Raises:
        ConfigError: the style is unknown, or a number is not positive.
    """
    if style not in _STYLES:
        raise ConfigError(f"unknown style {style!r}{did_you_mean(style, STYLES)}")
    if not (duration_s > 0 and fps > 0 and tempo_bpm > 0):
        raise ConfigError(
            f"length, frame rate and tempo must be positive, got {duration_s}, {fps}, {tempo_bpm}"
        )
    period = 60.0 / tempo_bpm
    times = np.arange(round(duration_s * fps)) / fps
    start = first_beat_s - period * np.ceil(first_beat_s / period)
    beat = (times - start) / period
    number = np.floor(beat + 1e-9).astype(np.intp)
    keys = _choreograph(
        _STYLES[style], int(number[-1]) + 2, np.random.default_rng([seed, STYLES.index(style)])
    )
    rotation, translation = _perform(keys, number, beat - number)
    motion = Motion3D(rotation=rotation, translation=translation, fps=fps, up="y", skeleton=_BODY.name)
    return Dance(motion, beat_times(duration_s, tempo_bpm, first_beat_s), style, tempo_bpm)


def _choreograph(style: _Style, count: int, rng: np.random.Generator) -> _Keys:
    """Key values of ``count`` beats: phrases of eight, each with one step figure and one arm figure."""
    keys = _Keys()
    feet = np.array([[_HIP_HALF_M, 0.0, 0.0], [-_HIP_HALF_M, 0.0, 0.0]])
    feet_yaw = np.array([0.12, -0.12])
    yaw = 0.0
    steps: tuple[tuple[str, float, float, int], ...] = (("-", 0.0, 0.0, 0),)
    figure = _arm_figure(style, rng)
    mirror = 1
    for beat in range(count):
        # The very first key is a plain stance, so that every dance begins facing the front.
        step = (beat - 1) % 8
        if step == 0:
            calm = tuple(name for name in style.steps if not name.endswith("turn"))
            steps = _STEPS[str(rng.choice(style.steps if beat > 1 else calm))]
            mirror = int(rng.choice([-1, 1]))
            figure = _arm_figure(style, rng)
        foot, left, forward, eighths = steps[step % len(steps)]
        yaw += mirror * eighths * np.pi / 4
        if foot != "-":
            side = ("LR" if mirror > 0 else "RL").index(foot.upper())
            feet, feet_yaw = feet.copy(), feet_yaw.copy()
            c, s = np.cos(yaw), np.sin(yaw)
            x, z = mirror * left, forward
            height = style.lift_m * rng.uniform(1.0, 1.6) if foot.islower() else 0.0
            feet[side] = [c * x + s * z, height, c * z - s * x]
            feet_yaw[side] = yaw + (0.12 if side == 0 else -0.12)
        keys.feet.append(feet)
        keys.feet_yaw.append(feet_yaw)
        keys.yaw.append(yaw)
        _carry(keys, style, beat, feet, yaw, rng)
        keys.arms.append(figure[step])
    return keys


def _arm_figure(style: _Style, rng: np.random.Generator) -> list[Array]:
    """Eight arm poses (2 sides, 2 bones, 3): four counts, then the same four mirrored."""
    names = [str(name) for name in rng.choice(style.arms, 4, replace=len(style.arms) < 4)]
    flip = np.array([-1.0, 1.0, 1.0])
    figure = []
    for count, name in enumerate(names):
        other = name if rng.uniform() < style.mirrored else names[(count + 1) % 4]
        left = np.array(_ARMS[name]) + rng.normal(0, 0.04, (2, 3))
        right = np.array(_ARMS[other]) + rng.normal(0, 0.04, (2, 3))
        figure.append(np.stack([left, right * flip]))
    return figure + [pose[::-1] * flip for pose in figure]


def _carry(keys: _Keys, style: _Style, beat: int, feet: Array, yaw: float, rng: np.random.Generator) -> None:
    """The trunk of one beat: down on even beats, up on odd ones, swaying to either side in turn."""
    side = 1.0 if (beat // 2) % 2 else -1.0
    down = 1.0 if beat % 2 == 0 else 0.0
    jitter = rng.uniform(0.8, 1.2, 6)
    grounded = feet[:, 1] == 0
    middle = feet[grounded].mean(0) * 0.6 + feet.mean(0) * 0.4
    sway = side * style.sway_m * jitter[0] * (1.0 if grounded.all() else 0.3)
    x, z = middle[0] + np.cos(yaw) * sway, middle[2] - np.sin(yaw) * sway
    keys.pelvis.append(
        np.array([x, _pelvis_height(feet, (x, z)) - 0.03 - down * style.bounce_m * jitter[1], z])
    )
    keys.hips.append((0.05 + 0.06 * down, side * style.twist * 0.35, -side * style.hip_roll * jitter[2]))
    keys.spine.append(
        (
            style.lean * (0.5 + down * jitter[3]) - 0.02,
            -side * style.twist * jitter[4],
            side * style.hip_roll * 1.3,
        )
    )
    keys.neck.append((style.nod * (down - 0.4) - 0.05, -side * style.twist * 0.3 * jitter[5], 0.0))


def _pelvis_height(feet: Array, pelvis: tuple[float, float]) -> float:
    """Highest pelvis from which the legs reach both feet."""
    offsets = np.asarray(_BODY.offsets, np.float64)
    heights = []
    for side in (0, 1):
        length = np.linalg.norm(offsets[4 + side]) + np.linalg.norm(offsets[7 + side])
        away = max(
            float(np.hypot(feet[side, 0] - pelvis[0], feet[side, 2] - pelvis[1])) - 0.5 * _HIP_HALF_M, 0.0
        )
        rise = float(np.sqrt(max(float(length**2 - away**2), 0.2)))
        heights.append(rise - float(offsets[1 + side, 1]) + _ANKLE_M)
    return min(heights)


def _perform(keys: _Keys, number: npt.NDArray[np.intp], phase: Array) -> tuple[FloatArray, FloatArray]:
    """Rotations (T, 24, 3) and root positions (T, 3) at ``phase`` (T,) after key ``number`` (T,)."""
    eased = phase * phase * (3 - 2 * phase)

    def between(values: list[Array] | list[float] | list[Vector]) -> Array:
        table = np.asarray(values, np.float64)
        weight = eased.reshape(-1, *[1] * (table.ndim - 1))
        return np.asarray(table[number] + (table[number + 1] - table[number]) * weight)

    pitch, twist, roll = between(keys.hips).T
    hips = turn("y", between(keys.yaw) + twist) @ turn("z", roll) @ turn("x", pitch)
    pelvis = between(keys.pelvis)
    local = np.broadcast_to(np.eye(3), (len(number), 24, 3, 3)).copy()
    local[:, 0] = hips
    lean, spin, bend = between(keys.spine).T / 3
    chest = hips
    for joint in (3, 6, 9):
        local[:, joint] = turn("y", spin) @ turn("z", bend) @ turn("x", lean)
        chest = chest @ local[:, joint]
    nod, look, tilt = between(keys.neck).T
    for joint in (12, 15):
        local[:, joint] = turn("y", look / 2) @ turn("z", tilt / 2) @ turn("x", nod / 2)
    arms = _along_arcs(np.asarray(keys.arms), number, eased)
    for side in (0, 1):
        _set_arm(local, side, arms[:, side])
    feet, feet_yaw = between(keys.feet), between(keys.feet_yaw)
    path = np.diff(np.asarray(keys.feet), axis=0)[number][..., [0, 2]]
    swing = np.minimum(_SWING * np.linalg.norm(path, axis=-1), _SWING_MAX_M)
    feet[..., 1] += swing * (16 * phase**2 * (1 - phase) ** 2)[:, None]
    for side in (0, 1):
        ankle = feet[:, side] + np.array([0.0, _ANKLE_M, 0.0])
        _set_leg(local, side, pelvis, hips, ankle, feet_yaw[:, side], 1.6 * feet[:, side, 1])
    return matrix_to_axis_angle(local).astype(np.float32), pelvis.astype(np.float32)


def _along_arcs(keys: Array, number: npt.NDArray[np.intp], eased: Array) -> Array:
    """Directions (T, ..., 3) on the great circles from each key to the next, so that no arm rushes half-way."""
    before, after = (
        pose / np.linalg.norm(pose, axis=-1, keepdims=True) for pose in (keys[number], keys[number + 1])
    )
    angle = np.arccos(np.clip((before * after).sum(-1, keepdims=True), -0.999, 1 - 1e-9))
    weight = eased.reshape(-1, *[1] * (before.ndim - 1))
    arc = np.sin((1 - weight) * angle) * before + np.sin(weight * angle) * after
    return np.asarray(arc / np.sin(angle))


def _set_arm(local: Array, side: int, directions: Array) -> None:
    """Point one arm; ``directions`` (T, 2, 3) of upper arm and forearm in chest axes."""
    offsets = np.asarray(_BODY.offsets, np.float64)
    sign = 1.0 if side == 0 else -1.0
    upper, lower = (
        vector / np.linalg.norm(vector, axis=-1, keepdims=True) for vector in np.moveaxis(directions, 1, 0)
    )
    raised = np.clip(upper[:, 1], -0.3, 1.0)
    local[:, 13 + side] = turn("z", sign * 0.28 * np.maximum(raised, 0.0) ** 2)
    rest_hinge = np.array([0.0, -sign, 0.0])
    hinge = np.cross(upper, lower) + 0.05 * rest_hinge
    turned, bent = aim_limb(offsets[18 + side], offsets[20 + side], rest_hinge, upper, lower, hinge)
    local[:, 16 + side] = np.swapaxes(local[:, 13 + side], -1, -2) @ turned
    local[:, 18 + side] = np.swapaxes(turned, -1, -2) @ bent


def _set_leg(
    local: Array, side: int, pelvis: Array, hips: Array, ankle: Array, yaw: Array, point: Array
) -> None:
    """Plant one foot at ``ankle`` (T, 3), turned by ``yaw``, its toes pointing down by ``point``."""
    offsets = np.asarray(_BODY.offsets, np.float64)
    thigh, shin = offsets[4 + side], offsets[7 + side]
    hip = pelvis + hips @ offsets[1 + side]
    outwards = hips[..., 0] + np.stack([np.cos(yaw), np.zeros_like(yaw), -np.sin(yaw)], -1)
    upper, lower, hinge = bend_to_reach(
        hip, ankle, outwards, float(np.linalg.norm(thigh)), float(np.linalg.norm(shin))
    )
    turned, bent = aim_limb(thigh, shin, np.array([1.0, 0.0, 0.0]), upper, lower, hinge)
    foot = turn("y", yaw) @ turn("x", point)
    local[:, 1 + side] = np.swapaxes(hips, -1, -2) @ turned
    local[:, 4 + side] = np.swapaxes(turned, -1, -2) @ bent
    local[:, 7 + side] = np.swapaxes(bent, -1, -2) @ foot
