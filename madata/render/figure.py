"""A dressed human figure of tapered capsules around the joints of a motion.

The figure is built for all frames at once: each part is one capsule whose ends are joints plus an offset in
a frame of the body (chest, hips, head, foot, hand). Sizes are those of a 1.70 m adult and scale with the
skeleton's limbs.

Legend: T frames, J = 24 joints in SMPL order, K capsules. Metres, y up; left is the dancer's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from madata.skeletons import skeleton
from madata.types import FloatArray

__all__ = ["OUTFITS", "CapsuleFigure", "Outfit", "build_figure"]

Colour = tuple[float, float, float]

_SMPL = skeleton("smpl-24")
_LIMBS = ((1, 4), (2, 5), (4, 7), (5, 8), (16, 18), (17, 19), (18, 20), (19, 21))
_FOOT_SLOPE_RAD = 0.45


@dataclass(frozen=True)
class Outfit:
    """Colours (sRGB, 0..1), and how far the clothes reach.

    Attributes:
        sleeves: share of the arm from shoulder to wrist that the top covers.
        legs: share of the leg from hip to ankle that the bottom covers.
        hair_style: ``"short"``, ``"long"``, ``"bun"`` or ``"fringe"``.
    """

    skin: Colour = (0.86, 0.67, 0.55)
    hair: Colour = (0.16, 0.11, 0.08)
    top: Colour = (0.80, 0.16, 0.20)
    bottom: Colour = (0.17, 0.22, 0.36)
    shoes: Colour = (0.90, 0.90, 0.92)
    soles: Colour = (0.98, 0.98, 0.98)
    sleeves: float = 0.28
    legs: float = 0.94
    hair_style: str = "short"


OUTFITS: tuple[Outfit, ...] = (
    Outfit(),
    Outfit(
        skin=(0.55, 0.38, 0.28), hair=(0.07, 0.06, 0.06), top=(0.98, 0.76, 0.18), bottom=(0.20, 0.20, 0.22),
        shoes=(0.78, 0.14, 0.16), sleeves=0.28, legs=0.48, hair_style="short",
    ),
    Outfit(
        skin=(0.93, 0.76, 0.66), hair=(0.42, 0.24, 0.12), top=(0.13, 0.55, 0.52), bottom=(0.13, 0.14, 0.17),
        shoes=(0.16, 0.16, 0.18), sleeves=0.0, legs=0.94, hair_style="bun",
    ),
    Outfit(
        skin=(0.80, 0.60, 0.46), hair=(0.09, 0.07, 0.07), top=(0.36, 0.28, 0.66), bottom=(0.70, 0.68, 0.64),
        shoes=(0.20, 0.22, 0.30), sleeves=0.95, legs=0.94, hair_style="long",
    ),
    Outfit(
        skin=(0.42, 0.28, 0.21), hair=(0.15, 0.35, 0.62), top=(0.92, 0.92, 0.90), bottom=(0.22, 0.34, 0.55),
        shoes=(0.93, 0.55, 0.16), sleeves=0.30, legs=0.90, hair_style="fringe",
    ),
    Outfit(
        skin=(0.90, 0.72, 0.60), hair=(0.72, 0.54, 0.26), top=(0.94, 0.42, 0.30), bottom=(0.36, 0.40, 0.36),
        shoes=(0.95, 0.95, 0.95), sleeves=0.50, legs=0.55, hair_style="long",
    ),
)  # fmt: skip
"""Outfits that tell dancers apart."""


@dataclass(frozen=True)
class CapsuleFigure:
    """A figure over time.

    Attributes:
        joints: (T, 24, 3) metres, y up, SMPL order.
        a, b: (T, K, 3) capsule ends.
        ra, rb: (K,) radii at the ends.
        colours: (K, 2, 3) linear RGB before and behind ``split``.
        split: (K,) share of the axis at which the colour changes.
        names: (K,) of the parts of face and hands, empty for others; see :meth:`part`.
    """

    joints: FloatArray
    a: FloatArray
    b: FloatArray
    ra: FloatArray
    rb: FloatArray
    colours: FloatArray
    split: FloatArray
    names: tuple[str, ...]

    def part(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Where a part of face or hands begins and ends, each (T, 3) metres.

        Parts are ``nose``, and with ``left_`` or ``right_`` before them ``pupil``, ``brow``, ``mouth`` (from its middle
        to its corner), ``thumb``, and the fingers ``index``, ``middle`` and ``ring``, which stands for the little one
        as well.
        """
        column = self.names.index(name)
        return self.a[:, column], self.b[:, column]

    def lowest(self) -> float:
        """Height of the lowest point of the sole, as the 2nd percentile over time: where the floor is."""
        bottom = np.minimum(self.a[..., 1] - self.ra, self.b[..., 1] - self.rb).min(1)
        return float(np.percentile(bottom, 2))


@dataclass
class _Parts:
    scale: float
    a: list[npt.NDArray[np.float64]] = field(default_factory=list)
    b: list[npt.NDArray[np.float64]] = field(default_factory=list)
    radii: list[tuple[float, float]] = field(default_factory=list)
    colours: list[tuple[Colour, Colour]] = field(default_factory=list)
    split: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(
        self,
        a: npt.NDArray[np.float64],
        b: npt.NDArray[np.float64],
        radii: tuple[float, float],
        colour: Colour,
        beyond: Colour | None = None,
        split: float = 1.0,
        name: str = "",
    ) -> None:
        """One capsule; from ``split`` of its axis on it has the colour ``beyond``."""
        self.names.append(name)
        self.a.append(a)
        self.b.append(b)
        self.radii.append((radii[0] * self.scale, radii[1] * self.scale))
        self.colours.append((colour, beyond or colour))
        self.split.append(split if beyond else 2.0)


def build_figure(
    joints: npt.NDArray[np.floating],
    outfit: Outfit = OUTFITS[0],
    head_axes: npt.NDArray[np.floating] | None = None,
) -> CapsuleFigure:
    """Dress a motion.

    Args:
        joints: (T, 24, 3) metres, y up, SMPL order.
        outfit: colours and cut of the clothes.
        head_axes: (T, 3, 3) columns left, up and forward of the head, where the motion knows them; by
            default the head looks where the chest points.
    """
    p = np.asarray(joints, np.float64)
    scale = _scale(p[0])
    parts = _Parts(scale)
    hips = _frame(p[:, 1] - p[:, 2], p[:, 3] - p[:, 0])
    chest = _frame(p[:, 16] - p[:, 17], p[:, 12] - p[:, 6])
    head = chest if head_axes is None else np.moveaxis(np.asarray(head_axes, np.float64), -1, 0)
    _add_torso(parts, p, hips, chest, outfit)
    _add_head(parts, p, head, outfit)
    for side in (0, 1):
        _add_arm(parts, p, side, chest, outfit)
        _add_leg(parts, p, side, hips, outfit)
    radii = np.array(parts.radii, np.float32)
    return CapsuleFigure(
        joints=p.astype(np.float32),
        a=np.stack(parts.a, 1).astype(np.float32),
        b=np.stack(parts.b, 1).astype(np.float32),
        ra=radii[:, 0].copy(),
        rb=radii[:, 1].copy(),
        colours=np.array(parts.colours, np.float32) ** 2.2,
        split=np.array(parts.split, np.float32),
        names=tuple(parts.names),
    )


def _scale(pose: npt.NDArray[np.float64]) -> float:
    assert _SMPL.offsets is not None
    own = sum(float(np.linalg.norm(pose[b] - pose[a])) for a, b in _LIMBS)
    mean = sum(float(np.linalg.norm(_SMPL.offsets[b])) for _, b in _LIMBS)
    return own / mean


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9))


def _frame(left: npt.NDArray[np.float64], up: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, T, 3) orthonormal left, up and forward; ``up`` is kept, ``left`` made perpendicular to it."""
    up = _unit(up)
    forward = _unit(np.cross(left, up))
    return np.stack([np.cross(up, forward), up, forward])


def _add_torso(
    parts: _Parts,
    p: npt.NDArray[np.float64],
    hips: npt.NDArray[np.float64],
    chest: npt.NDArray[np.float64],
    outfit: Outfit,
) -> None:
    s = parts.scale

    def at(
        joint: int, frame: npt.NDArray[np.float64], left: float, up: float, forward: float
    ) -> npt.NDArray[np.float64]:
        return np.asarray(p[:, joint] + s * (left * frame[0] + up * frame[1] + forward * frame[2]))

    bottom, top = outfit.bottom, outfit.top
    parts.add(at(0, hips, 0.062, -0.055, -0.012), at(0, hips, -0.062, -0.055, -0.012), (0.102, 0.102), bottom)
    parts.add(at(0, hips, 0.052, 0.03, 0.0), at(0, hips, -0.052, 0.03, 0.0), (0.098, 0.098), bottom)
    for sign in (1, -1):
        waist = at(3, hips, sign * 0.044, 0.0, 0.012)
        ribs = at(9, chest, sign * 0.064, 0.055, 0.012)
        parts.add(waist, ribs, (0.091, 0.106), top)
        parts.add(ribs, p[:, 16 if sign > 0 else 17], (0.096, 0.062), top)
        parts.add(at(12, chest, 0, -0.035, 0), p[:, 16 if sign > 0 else 17], (0.062, 0.056), top)
    parts.add(at(3, hips, 0, 0.0, 0.02), at(9, chest, 0, 0.06, 0.022), (0.092, 0.108), top)


def _add_head(
    parts: _Parts, p: npt.NDArray[np.float64], head: npt.NDArray[np.float64], outfit: Outfit
) -> None:
    s = parts.scale
    origin = p[:, 15]

    def at(left: float, up: float, forward: float) -> npt.NDArray[np.float64]:
        return np.asarray(origin + s * (left * head[0] + up * head[1] + forward * head[2]))

    skin, hair = outfit.skin, outfit.hair
    shade = (skin[0] * 0.93, skin[1] * 0.88, skin[2] * 0.86)
    parts.add(p[:, 12], at(0, 0.01, -0.012), (0.054, 0.052), skin)
    parts.add(at(0, -0.002, 0.034), at(0, 0.083, 0.012), (0.052, 0.086), skin)
    parts.add(at(0, 0.105, -0.008), at(0, 0.082, -0.028), (0.088, 0.090), hair)
    if outfit.hair_style == "long":
        parts.add(at(0.03, 0.07, -0.045), at(0.04, -0.10, -0.055), (0.072, 0.042), hair)
        parts.add(at(-0.03, 0.07, -0.045), at(-0.04, -0.10, -0.055), (0.072, 0.042), hair)
    elif outfit.hair_style == "bun":
        parts.add(at(0, 0.165, -0.075), at(0, 0.185, -0.085), (0.045, 0.042), hair)
    elif outfit.hair_style == "fringe":
        for sign in (1, -1):
            parts.add(at(sign * 0.046, 0.124, 0.048), at(sign * 0.024, 0.108, 0.120), (0.026, 0.014), hair)
        parts.add(at(0, 0.124, 0.060), at(0, 0.108, 0.126), (0.032, 0.016), hair)
    for sign, side in ((1, "left"), (-1, "right")):
        parts.add(at(sign * 0.083, 0.062, -0.004), at(sign * 0.081, 0.042, 0.0), (0.018, 0.013), shade)
        eye, pupil = at(sign * 0.032, 0.071, 0.084), at(sign * 0.0315, 0.071, 0.091)
        parts.add(eye, eye, (0.0125, 0.0125), (0.97, 0.97, 0.97))
        parts.add(pupil, pupil, (0.0082, 0.0082), (0.12, 0.08, 0.07), name=f"{side}_pupil")
        brow = at(sign * 0.021, 0.0955, 0.0925), at(sign * 0.045, 0.0965, 0.084)
        parts.add(*brow, (0.0048, 0.0036), hair, name=f"{side}_brow")
        mouth = at(0, 0.007, 0.0862), at(sign * 0.022, 0.014, 0.0822)
        parts.add(*mouth, (0.0062, 0.0048), (0.66, 0.26, 0.26), name=f"{side}_mouth")
    parts.add(at(0, 0.064, 0.088), at(0, 0.040, 0.100), (0.008, 0.0125), shade, name="nose")


def _add_arm(
    parts: _Parts, p: npt.NDArray[np.float64], side: int, chest: npt.NDArray[np.float64], outfit: Outfit
) -> None:
    s = parts.scale
    shoulder, elbow, wrist, hand = (p[:, joint + side] for joint in (16, 18, 20, 22))
    upper, fore = _clothed(outfit.sleeves)
    bulk = 1.06 if outfit.sleeves > 0.5 else 1.0
    parts.add(shoulder, elbow, (0.055 * bulk, 0.043 * bulk), outfit.top, outfit.skin, upper)
    parts.add(elbow, wrist, (0.042 * bulk, 0.029 * bulk), outfit.top, outfit.skin, fore)
    along = _unit(hand - wrist + 1e-6 * (wrist - elbow))
    thumb = _unit(chest[2] - along * (chest[2] * along).sum(-1, keepdims=True) + 1e-6 * chest[1])
    knuckles = wrist + along * 0.085 * s
    parts.add(wrist, knuckles + thumb * 0.012 * s, (0.027, 0.025), outfit.skin)
    parts.add(wrist, knuckles - thumb * 0.016 * s, (0.026, 0.022), outfit.skin)
    whose = ("left", "right")[side]
    for finger, spread, length in (
        ("index", 0.022, 0.066),
        ("middle", 0.004, 0.076),
        ("ring", -0.018, 0.062),
    ):
        tip = knuckles + along * length * s + thumb * spread * 1.3 * s
        root = knuckles + thumb * spread * s
        parts.add(root, tip, (0.0155, 0.0105), outfit.skin, name=f"{whose}_{finger}")
    root = wrist + along * 0.03 * s + thumb * 0.018 * s
    tip = root + along * 0.045 * s + thumb * 0.035 * s
    parts.add(root, tip, (0.017, 0.011), outfit.skin, name=f"{whose}_thumb")


def _clothed(share: float) -> tuple[float, float]:
    """Where the cloth ends on the upper and on the lower half of a limb."""
    return min(share * 2, 2.0) if share < 0.5 else 2.0, max(share * 2 - 1, -1.0) if share >= 0.5 else -1.0


def _add_leg(
    parts: _Parts, p: npt.NDArray[np.float64], side: int, hips: npt.NDArray[np.float64], outfit: Outfit
) -> None:
    s = parts.scale
    hip, knee, ankle, ball = (p[:, joint + side] for joint in (1, 4, 7, 10))
    thigh, shin = _clothed(outfit.legs)
    bulk = 1.12 if outfit.legs > 0.5 else 1.0
    parts.add(hip, knee, (0.089, 0.058 * bulk), outfit.bottom, outfit.skin, thigh)
    down = _unit(ankle - knee)
    ahead = _unit(hips[2] - down * (hips[2] * down).sum(-1, keepdims=True))
    calf = knee + (ankle - knee) * 0.32 - ahead * 0.012 * s
    covered = (shin - 0.32) / 0.68 if shin > 0.32 else -1.0
    parts.add(knee, calf, (0.056 * bulk, 0.054 * bulk), outfit.bottom, outfit.skin, min(shin / 0.32, 2.0))
    parts.add(calf, ankle, (0.054 * bulk, 0.037 * bulk), outfit.bottom, outfit.skin, covered)
    forward, up = _sole(down, _unit(ball - ankle), hips[0])
    heel = ankle - 0.042 * s * forward - 0.046 * s * up
    toe = ball + 0.058 * s * forward - 0.006 * s * up
    parts.add(ankle + 0.01 * s * up, heel, (0.043, 0.040), outfit.shoes)
    parts.add(ankle + 0.012 * s * forward - 0.008 * s * up, ball, (0.044, 0.036), outfit.shoes)
    parts.add(heel, ball, (0.040, 0.038), outfit.shoes)
    parts.add(ball, toe, (0.038, 0.027), outfit.shoes)
    low = -0.013 * s * up
    parts.add(heel + low, ball + low, (0.035, 0.034), outfit.soles)
    parts.add(ball + low, toe + 0.3 * low, (0.034, 0.026), outfit.soles)


def _sole(
    shin: npt.NDArray[np.float64], towards_ball: npt.NDArray[np.float64], left: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Unit axes (T, 3) along the sole and up from it; the line from ankle to ball slopes towards the sole."""
    across = _unit(np.cross(towards_ball, shin) + 0.1 * left)
    across = _unit(across - towards_ball * (across * towards_ball).sum(-1, keepdims=True))
    above = np.cross(towards_ball, across)
    forward = np.cos(_FOOT_SLOPE_RAD) * towards_ball + np.sin(_FOOT_SLOPE_RAD) * above
    return forward, np.cross(forward, across)
