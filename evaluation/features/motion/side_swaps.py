"""Left and right exchanged from one frame to the next: a fault of pose estimation and of generation, never of dance.

Legend: T frames, C coordinates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.body import Body, clip_body
from evaluation.features.motion.limbs import LIMBS
from evaluation.inputs.pose_files import JointTrack

__all__ = ["side_swaps"]

Flags = npt.NDArray[np.bool_]

_CLEARLY = 0.5
"""Exchanged, the limbs move less than this share of what they move as named ..."""
_APART = 0.15
"""... and the step is larger than this many torso lengths a joint: limbs that cross are near each other."""


def side_swaps(clip: JointTrack) -> float:
    """How often arms or legs change sides between two frames, per second.

    A step counts where the pair of limbs would have moved less than half as far with left and right exchanged, and did
    move far. Arms that cross slowly never do. An exchange that lasts counts twice: as it comes and as it goes.

    Raises:
        ValueError: no pair of limbs was seen in two frames in a row.

    Example:
        >>> from madata.skeletons import skeleton
        >>> smpl = skeleton("smpl-24")
        >>> rest = np.array(smpl.offsets, np.float64)
        >>> for child, parent in enumerate(smpl.parents[1:], 1):
        ...     rest[child] += rest[parent]
        >>> still = np.tile(rest, (11, 1, 1))
        >>> still[5:] = still[5:, smpl.mirrored]
        >>> side_swaps(JointTrack(still, None, "smpl-24", 10.0, "y", "made"))
        2.0
    """
    body = clip_body(clip)
    counts, steps = 0, 0
    for left, right in (LIMBS[:2], LIMBS[2:]):
        swapped, seen = _steps(body, left, right)
        counts += int(swapped.sum())
        steps = max(steps, int(seen.sum()))
    if not steps:
        raise ValueError("no pair of limbs was seen in two frames in a row")
    return counts / (steps / body.fps)


def _steps(body: Body, left: tuple[str, ...], right: tuple[str, ...]) -> tuple[Flags, Flags]:
    """Which steps exchange two limbs, and of which it can be told: (T - 1,) each."""
    seen = np.stack([body.joint(name)[1] for name in (*left, *right)])
    there: Flags = np.asarray(seen.all(axis=0))
    both = there[1:] & there[:-1]
    here = np.stack([body.joint(name)[0] for name in (*left, *right)], axis=1)
    turned = here[:, [*range(len(left), 2 * len(left)), *range(len(left))]]
    moved = np.linalg.norm(here[1:] - here[:-1], axis=-1).mean(axis=1)
    exchanged = np.linalg.norm(turned[1:] - here[:-1], axis=-1).mean(axis=1)
    return both & (moved > _APART) & (exchanged < _CLEARLY * moved), both
