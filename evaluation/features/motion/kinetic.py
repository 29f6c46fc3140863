"""Kinetic features: how much each joint moves, sideways, vertically, and how abruptly.

Published forms (after Onuma et al. 2008, fairmotion). Every joint gives three columns, joint-major:
``E_h = mean_t |v_h(t)|^2``, ``E_v = mean_t |v_v(t)|^2`` and ``A = mean_t |a(t)|``, where v and a are means
of five frames. Two schemes are in use:

* ``fairmotion`` (LODGE, Bailando, mint): windows shrink at the ends of the clip, and the "acceleration" has a
  misplaced parenthesis, so that A measures the distance from the origin rather than acceleration;
* ``box`` (MACE-Dance, MEGADance): the five-frame mean pads with zeros at the ends.

:func:`log_energies` is the corrected form: torso lengths and true seconds, gaps left out, logarithms.

Legend: N clips, T frames, J joints, C coordinates (2 or 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from evaluation.definitions import KineticRule
from evaluation.features.motion.body import HIP_NAMES, Body

__all__ = ["kinetic_features", "log_energies", "log_energy_columns"]

Array = npt.NDArray[np.floating[Any]]

_HALF_WINDOW = 2
_CHUNK_VALUES = 1 << 16

SMOOTHING_S = 0.03
SPEED_FLOOR = 0.05
ACCELERATION_FLOOR = 0.5


def kinetic_features(joints: Array, rule: KineticRule) -> npt.NDArray[np.float32]:
    """Kinetic features of clips of equal length.

    Args:
        joints: (N, T, J, C) positions, already placed as the variant wants them, T >= 2.

    Returns:
        (N, 3 J) float32, joint-major [horizontal, vertical, energy]. T = 2 gives NaN energies in
        ``fairmotion``, as upstream does.

    Example:
        >>> rule = KineticRule("box", fps=30, horizontal=(0,), vertical=(1,))
        >>> walk = np.zeros((1, 64, 1, 2)); walk[0, :, 0, 0] = np.arange(64) / 30
        >>> bool(0.9 < kinetic_features(walk, rule)[0, 0] < 1.0)  # 1 m/s, zeros beyond both ends
        True
    """
    _check(joints)
    if rule.centre:
        joints = joints - joints[:, :, list(rule.centre)].mean(axis=2, keepdims=True)
    joints = joints[:, :, : rule.joints]
    count, frames, width, dims = joints.shape
    step = max(1, _CHUNK_VALUES // (frames * width * dims))
    kernel = _fairmotion if rule.scheme == "fairmotion" else _box
    features = np.empty((count, width * 3), np.float32)
    for start in range(0, count, step):
        track = np.ascontiguousarray(joints[start : start + step].transpose(2, 3, 0, 1))
        columns = kernel(track, rule)  # (J, 3, n)
        features[start : start + step] = columns.reshape(width * 3, -1).T
    return features


def _check(joints: Array) -> None:
    if joints.ndim != 4 or joints.shape[1] < 2:
        raise ValueError(f"expected joints (N, T >= 2, J, C), got {joints.shape}")


def _padded(shape: tuple[int, ...], dtype: npt.DTypeLike) -> tuple[Array, Array]:
    """Zeros with room for half a window at both ends of the last axis, and a view of what lies between."""
    whole = np.zeros((*shape[:-1], shape[-1] + 2 * _HALF_WINDOW), dtype)
    return whole, whole[..., _HALF_WINDOW : whole.shape[-1] - _HALF_WINDOW]


def _window_sum(padded: Array) -> Array:
    """Sum over five neighbours along the last axis of a padded array."""
    pairs = padded[..., :-1] + padded[..., 1:]
    total = pairs[..., :-3] + pairs[..., 2:-1]
    total += padded[..., 4:]
    return total


def _columns(velocity: Array, size: Array, rule: KineticRule) -> Array:
    """(J, C, n, T') velocities and (J, n, T') sizes of the acceleration -> (J, 3, n)."""
    energies = np.einsum("jcnt,jcnt->jcn", velocity, velocity) / velocity.shape[-1]
    sideways, upwards = (energies[:, list(axes)].sum(axis=1) for axes in (rule.horizontal, rule.vertical))
    return np.stack([sideways, upwards, size.mean(axis=-1)], axis=1)


def _length(vectors: Array) -> Array:
    """(J, C, n, T') -> (J, n, T')."""
    squares: Array = np.einsum("jcnt,jcnt->jnt", vectors, vectors)
    np.sqrt(squares, out=squares)
    return squares


def _fairmotion(track: Array, rule: KineticRule) -> Array:
    """``track`` (J, C, n, T) -> (J, 3, n). Differences have the precision of the input, as upstream."""
    seconds = 1.0 / rule.fps
    step = np.diff(track, axis=-1)
    moved, steps = _padded(step.shape, np.float64)
    steps[...] = step
    known, inside = _padded(step.shape[-1:], np.float64)
    inside[...] = 1.0
    velocity = _window_sum(moved)
    velocity /= _window_sum(known) * seconds
    earlier, here = track[..., :-2], track[..., 1:-1]
    steps[..., :-1] = (step[..., 1:] / seconds - (here - earlier / seconds)) / seconds
    steps[..., -1] = 0.0
    inside[-1] = 0.0
    with np.errstate(invalid="ignore"):
        return _columns(velocity, _length(_window_sum(moved)) / _window_sum(known), rule)


def _box(track: Array, rule: KineticRule) -> Array:
    """``track`` (J, C, n, T) -> (J, 3, n)."""
    velocity = _smooth_rate(track, 1.0 / rule.fps)
    return _columns(velocity, _length(_smooth_rate(velocity, 1.0 / rule.fps)), rule)


def _smooth_rate(values: Array, seconds: float) -> Array:
    """Five-frame mean of the change per second, whose first value is repeated so that the length stays."""
    padded, rate = _padded(values.shape, values.dtype)
    np.subtract(values[..., 1:], values[..., :-1], out=rate[..., 1:])
    rate[..., 0] = rate[..., 1]
    rate /= seconds
    smooth = _window_sum(padded)
    smooth /= 2 * _HALF_WINDOW + 1
    return smooth


def log_energies(body: Body) -> npt.NDArray[np.float64]:
    """Logarithms of the mean squared speeds and of the mean acceleration of every joint.

    Positions are relative to the hips, in torso lengths; in 3D three more columns hold the travel of the hips
    themselves. Derivatives exist only between two seen frames and are smoothed over ``SMOOTHING_S`` with
    weights for what was seen, so a gap neither adds movement nor pulls towards zero, and the ends of a clip
    are not special.

    Returns:
        (D,) float64, columns as :func:`log_energy_columns` names them; NaN where a joint has no two seen
        frames in a row.

    Example:
        >>> from evaluation.features.motion.body import body_track
        >>> names = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
        >>> pose = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]])
        >>> still = log_energies(body_track(np.tile(pose, (64, 1, 1)), names, fps=16, up="y"))
        >>> still.round(2)[:3].tolist()
        [-5.99, -5.99, -0.69]
    """
    keep = _moving_joints(body.names)
    track, seen = body.points[:, keep], body.valid[:, keep]
    if body.dims == 3:
        track = np.concatenate([track, body.hips[:, None]], axis=1)
        seen = np.concatenate([seen, body.hips_valid[:, None]], axis=1)
    sigma = SMOOTHING_S * body.fps
    velocity, moving = _masked_rate(track, seen, body.fps, sigma)
    acceleration, changing = _masked_rate(velocity, moving, body.fps, sigma)
    horizontal = [axis for axis in range(body.dims) if axis != 1]
    sideways = np.square(velocity[..., horizontal]).sum(axis=-1)
    upwards = np.square(velocity[..., 1])
    abrupt = np.sqrt(np.square(acceleration).sum(axis=-1))
    columns = np.stack(
        [
            np.log(_masked_mean(sideways, moving) + SPEED_FLOOR**2),
            np.log(_masked_mean(upwards, moving) + SPEED_FLOOR**2),
            np.log(_masked_mean(abrupt, changing) + ACCELERATION_FLOOR),
        ],
        axis=-1,
    )
    return columns.reshape(-1)


def log_energy_columns(names: tuple[str, ...], dims: int) -> tuple[str, ...]:
    """Names of the columns of :func:`log_energies` for a skeleton of these joint names.

    Example:
        >>> log_energy_columns(("hip", "neck"), 2)
        ('neck:horizontal', 'neck:vertical', 'neck:acceleration')
    """
    joints = [names[index] for index in _moving_joints(names)] + (["hips_travel"] if dims == 3 else [])
    return tuple(f"{joint}:{part}" for joint in joints for part in ("horizontal", "vertical", "acceleration"))


def _moving_joints(names: tuple[str, ...]) -> list[int]:
    """Every joint but the hip centre, which is the origin."""
    return [index for index, name in enumerate(names) if name not in HIP_NAMES]


def _masked_rate(
    values: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_], fps: float, sigma: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Smoothed change per second of (T, J, C) values, (T-1, J, C), and where it is known, (T-1, J)."""
    known = seen[1:] & seen[:-1]
    rate = np.where(known[..., None], np.diff(values, axis=0), 0.0) * fps
    weight = gaussian_filter1d(known.astype(np.float64), sigma, axis=0, mode="constant")
    smooth = gaussian_filter1d(rate, sigma, axis=0, mode="constant")
    return smooth / np.where(known, weight, 1.0)[..., None], known


def _masked_mean(values: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    count = known.sum(axis=0)
    total: npt.NDArray[np.float64] = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
