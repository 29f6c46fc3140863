"""Dance primitives: what stands between Lodge's two networks.

A window of 1024 frames has 13 primitives of 8 frames: one at each border of the four slices of 256 frames, and two in
each slice. A slice takes half of the primitives at its borders, fixed, and its own two as hints, each of them again as
its mirror image. Music of more slices has windows of four; the last window ends with the music, so that it overlaps the
one before where their number is no multiple of four. At the seam of two windows both sides take the primitive of the
earlier one.

Legend: W windows, S slices, F motion features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from baselines.dance_beats import dance_beats
from baselines.lodge.network import FEATURES, ROOT, ROTATIONS, lodge_joints
from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError
from madata.rotations import matrix_to_rot6d, rot6d_to_matrix
from madata.skeletons import skeleton

__all__ = [
    "PRIMITIVE",
    "SLICES",
    "Hints",
    "hints_of",
    "key_frames",
    "mirrored_rotations",
    "primitives_of_windows",
    "shared_out",
    "window_starts",
]

SLICES = 4
"""Slices of a window."""

PRIMITIVE = 8
"""Frames of a primitive."""

_SLICE_FRAMES, _LEAST_SLICE_FRAMES = 256, 64
_OF_SLICE = 3 * PRIMITIVE
_HALF = PRIMITIVE // 2
_HINTED = ((28, False, 0), (60, True, 0), (156, False, 8), (188, True, 8))
"""First frame of a hint in 256, whether it is mirrored, and where it begins among the two primitives of a slice."""

_MIRRORED = (1.0, -1.0, -1.0, -1.0, 1.0, 1.0)
"""Signs of a 6D rotation whose axis-angle keeps x and turns y and z around."""
_OTHER_FOOT = (1, 0, 3, 2)


@dataclass(frozen=True, eq=False)
class Hints:
    """What the local network is held to.

    Attributes:
        value: (S, 256, F), normalised.
        mask: (S, 256, F) bool, where ``value`` counts; never the root.
    """

    value: Tensor
    mask: Tensor

    def border(self) -> Tensor:
        """(1, 256, 1) bool: the frames that are held at every step of sampling."""
        held = torch.zeros(self.mask.shape[1], dtype=torch.bool, device=self.mask.device)
        held[:_HALF] = held[-_HALF:] = True
        return held[None, :, None]


def window_starts(slices: int) -> list[int]:
    """First slices of the windows that cover ``slices``.

    Example:
        >>> window_starts(2), window_starts(8), window_starts(9)
        ([0], [0, 4], [0, 4, 5])
    """
    last = max(0, slices - SLICES)
    return [*range(0, last, SLICES), last]


def shared_out(windows: Tensor, slices: int) -> Tensor:
    """(S, 24, F) what each slice knows of the primitives (W, 104, F) of windows that begin at :func:`window_starts`."""
    new_of_last = slices % SLICES or SLICES
    parts = []
    for index, window in enumerate(windows):
        new = new_of_last if 0 < index == len(windows) - 1 else SLICES
        part = window[-(PRIMITIVE + _OF_SLICE * new) :].clone()
        if index:
            part[:PRIMITIVE] = windows[index - 1][-PRIMITIVE:]
        parts.append(part[_HALF:-_HALF].reshape(new, _OF_SLICE, -1))
    return torch.cat(parts)[:slices]


def hints_of(primitives: Tensor, slice_frames: int = _SLICE_FRAMES) -> Hints:
    """Hints from the normalised primitives (S, 24, F) of each slice.

    As published, mirror images are made of the normalised numbers as if they were rotations.

    Args:
        primitives: of the slices.
        slice_frames: of a slice, 64 at least; in a shorter one than the published hints move together.

    Raises:
        ConfigError: a slice is too short for its hints.
    """
    if slice_frames < _LEAST_SLICE_FRAMES:
        raise ConfigError(
            f"a slice of {slice_frames} frames has no room for its hints: {_LEAST_SLICE_FRAMES} at least"
        )
    value = primitives.new_zeros(len(primitives), slice_frames, FEATURES)
    placed = torch.zeros(slice_frames, dtype=torch.bool, device=value.device)
    own = primitives[:, _HALF:-_HALF]
    images = {False: own, True: _mirrored(own)}
    value[:, :_HALF], value[:, -_HALF:] = primitives[:, :_HALF], primitives[:, -_HALF:]
    placed[:_HALF] = placed[-_HALF:] = True
    for first, turned, begin in _HINTED:
        moved = first * slice_frames // _SLICE_FRAMES
        frames = slice(moved, moved + PRIMITIVE)
        value[:, frames] = images[turned][:, begin : begin + PRIMITIVE]
        placed[frames] = True
    mask = placed[:, None].expand(-1, FEATURES).clone()
    mask[:, ROOT] = False
    return Hints(value, mask.expand(len(value), -1, -1))


def _mirrored(vectors: Tensor) -> Tensor:
    out = vectors.clone()
    out[..., :4] = vectors[..., list(_OTHER_FOOT)]
    out[..., ROOT.start] *= -1
    out[..., ROTATIONS] = mirrored_rotations(vectors[..., ROTATIONS])
    return out


def mirrored_rotations(rot6d: Tensor) -> Tensor:
    """(..., 132) 6D rotations of 22 joints -> those of the mirror image."""
    body = skeleton("smplx-22")
    proper = matrix_to_rot6d(rot6d_to_matrix(rot6d.reshape(*rot6d.shape[:-1], body.num_joints, 6)))
    mirrored: Tensor = proper[..., list(body.mirrored), :] * torch.tensor(_MIRRORED).to(rot6d)
    return mirrored.flatten(-2)


def key_frames(beats: Sequence[int], count: int, frames: int) -> list[int]:
    """Frames that the primitives of a training window are cut around, from the beats of its motion.

    More beats than needed are thinned evenly from the first on; where there are fewer, the widest gap is halved until
    there are enough. An upstream slip: beats near the ends of the window are taken out of the list that is being walked
    over, so that one that follows another such is kept.

    Args:
        beats: ascending frames.
        count: how many are wanted.
        frames: of the window.
    """
    kept = list(beats)
    for beat in kept:  # not over a copy: see above
        if beat < 12 or beat > frames - 12:
            kept.remove(beat)
    if len(kept) >= count:
        return kept[:: len(kept) // count][:count]
    for _ in range(count - len(kept)):
        fenced = [PRIMITIVE, *kept, frames - PRIMITIVE]
        gaps = [later - earlier for earlier, later in pairwise(fenced)]
        widest = max(range(len(gaps)), key=lambda index: (gaps[index] >= 10) * gaps[index])
        kept.insert(widest, (fenced[widest] + fenced[widest + 1]) // 2)
    return kept


def primitives_of_windows(windows: Tensor, normaliser: Normaliser, shifts: Sequence[int]) -> Tensor:
    """(W, 104, F) primitives of normalised windows (W, T, F), what the global network learns to dance.

    Each is 8 frames about a border of a slice or about a beat of the dance, and begins at the origin of normalised
    positions.

    Args:
        windows: of four slices each.
        normaliser: of the training set.
        shifts: frames by which the cuts of each window are moved, -2..2.
    """
    frames = windows.shape[1]
    beats = dance_beats(lodge_joints(normaliser.unnormalise(windows)))
    borders = [frames * border // SLICES for border in range(1, SLICES)]
    cut = []
    for window, of_window, shift in zip(windows, beats, shifts, strict=True):
        near = key_frames(of_window.nonzero()[0].tolist(), 2 * SLICES, frames)
        near = [min(max(beat, PRIMITIVE), frames - PRIMITIVE) for beat in near]
        middles = near[:2]
        for index, border in enumerate(borders, start=1):
            middles += [border, *near[2 * index : 2 * index + 2]]
        starts = [0, *(middle - _HALF + shift for middle in middles), frames - PRIMITIVE]
        parts = torch.stack([window[start : start + PRIMITIVE] for start in starts])
        across = [ROOT.start, ROOT.start + 2]
        parts[..., across] = parts[..., across] - parts[:, :1, across]
        cut.append(parts.flatten(0, 1))
    return torch.stack(cut)
