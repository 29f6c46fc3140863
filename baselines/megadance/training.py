"""MEGADance as families for ``madance train motion``: codes of poses, the GPT on them, and a classifier of genres.

| preset | trains | on |
|---|---|---|
| ``megadance-codes`` | both halves of the codes | poses and their joints: values, velocities, accelerations |
| ``megadance-gpt`` | the GPT and its genre experts | cross entropy of the codes that follow |
| ``megadance-genres`` | the classifier, by itself | cross entropy of the genre |

The authors publish losses, epochs and no training: optimiser, rates and batches of the presets are ours. They measure
joints with the root at its velocity, which is kept. Their reading of axis-angles as angles about x, y and z is not:
what is trained here codes true rotations, so that poses come back as they are
(:func:`baselines.megadance.pose_codes.pose_vectors`).

Windows are EDGE's motion vectors beside the music features ``megadance``, both at 30 frames per second.

Legend: B batch, T frames, N = T / 8 codes, K music features.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.code_training import (
    commonest_begin,
    context_problem,
    first_codes,
    vectors_of_poses,
    whole_codes_problem,
)
from baselines.megadance.classifier import GENRES_KIND, LABELS, ClassifierConfig, GenreReader
from baselines.megadance.model import (
    MEGADANCE_KIND,
    MegaDance,
    MegaDanceConfig,
    motion_of_pose_vectors,
)
from baselines.megadance.network import choose_codes, genre_gpt_loss
from baselines.megadance.pose_codes import FRAMES_PER_CODE, halves_of
from mace_dance.training.motion.data import WindowBatch
from mace_dance.training.motion.family import Lesson, MotionFamily
from madata.errors import MediaError
from madata.motion import decode, encode, layout, with_up
from madata.rotations import axis_angle_to_matrix, forward_kinematics, matrix_to_rot6d, rot6d_to_matrix
from madata.skeletons import skeleton
from madata.types import FloatArray

__all__ = ["codes", "genres", "gpt", "poses_of_windows"]

_VECTOR = "edge-151"
_BODY = skeleton("smpl-24")
_ROOT = 3
_VELOCITY, _ACCELERATION = 0.5, 0.25
_LEAST_DEVIATION = 1e-3
"""Below it a number of a pose counts as one that never moves."""

Loss = tuple[Tensor, dict[str, Tensor]]


def poses_of_windows(vectors: Tensor, *, velocity: bool = True) -> Tensor:
    """(B, T, 147) poses, not normalised, of (B, T, 151) motion vectors; y up, rotations as they are.

    Args:
        vectors: of windows.
        velocity: of the root, or where it is.
    """

    def poses(window: FloatArray) -> FloatArray:
        motion = with_up(decode(window, _VECTOR), "y")
        root = motion.translation
        if velocity:
            root = np.diff(root, axis=0, append=root[-1:])
        rot6d = matrix_to_rot6d(axis_angle_to_matrix(motion.rotation)).reshape(len(root), -1)
        return np.concatenate([root, rot6d], axis=1).astype(np.float32)

    return torch.from_numpy(np.stack([poses(each) for each in vectors.cpu().numpy()])).to(vectors.device)


def _normalised(network: MegaDance, batch: WindowBatch) -> Tensor:
    return (poses_of_windows(batch.motion) - network.pose_mean) / network.pose_std


def _slow_music(network: MegaDance, music: Tensor) -> Tensor:
    """(B, T, K) -> (B, N, K), every eighth row, normalised."""
    slow: Tensor = (music[:, ::FRAMES_PER_CODE] - network.music_mean) / network.music_std
    return slow


def _fit(network: MegaDance, windows: WindowBatch) -> None:
    """Take means and deviations from the training set."""
    _take_statistics(network, "pose", poses_of_windows(windows.motion))
    _take_statistics(network, "music", windows.music)


def _take_statistics(network: nn.Module, name: str, values: Tensor) -> None:
    flat = values.flatten(0, 1).double()
    deviation = flat.std(0)
    still = deviation < _LEAST_DEVIATION
    network.get_buffer(f"{name}_mean").copy_(flat.mean(0))
    network.get_buffer(f"{name}_std").copy_(torch.where(still, 1.0, deviation))


def _movement_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute error of values (B, T, ...), their velocities and their accelerations."""
    total = F.l1_loss(found, wanted)
    for order, weight in ((1, _VELOCITY), (2, _ACCELERATION)):
        total = total + weight * F.l1_loss(found.diff(order, dim=1), wanted.diff(order, dim=1))
    return total


def _joints(network: MegaDance, poses: Tensor) -> Tensor:
    """(B, T, 24, 3) of normalised poses, the root at its velocity."""
    values = poses * network.pose_std + network.pose_mean
    rotation = rot6d_to_matrix(values[..., _ROOT:].reshape(*values.shape[:2], _BODY.num_joints, 6))
    offsets = torch.tensor(_BODY.offsets, dtype=values.dtype, device=values.device)
    joints: Tensor = forward_kinematics(rotation, values[..., :_ROOT], offsets, _BODY.parents)
    return joints


def _codes_loss(network: MegaDance, lesson: Lesson, batch: WindowBatch, generator: torch.Generator) -> Loss:
    wanted = _normalised(network, batch)
    found = network.poses(wanted)
    halves = zip(halves_of(found), halves_of(wanted), strict=True)
    poses = torch.stack([_movement_loss(*half) for half in halves]).sum()
    joints = _movement_loss(_joints(network, found), _joints(network, wanted))
    return poses + joints, {"poses": poses, "joints": joints}


def _gpt_loss(network: MegaDance, lesson: Lesson, batch: WindowBatch, generator: torch.Generator) -> Loss:
    with torch.no_grad():
        upper, lower = network.poses.encode(_normalised(network, batch))
    music = _slow_music(network, batch.music)[:, :-1]
    logits = network.gpt(upper[:, :-1], lower[:, :-1], music, batch.genre)
    return genre_gpt_loss(logits, upper[:, 1:], lower[:, 1:]), {}


def _codes_sample(network: MegaDance, lesson: Lesson, batch: WindowBatch) -> Tensor:
    return _vectors(network, network.poses(_normalised(network, batch)))


def _gpt_sample(network: MegaDance, lesson: Lesson, batch: WindowBatch) -> Tensor:
    upper, lower = first_codes(*network.poses.encode(_normalised(network, batch)))
    upper, lower, _ = choose_codes(network.gpt, upper, lower, _slow_music(network, batch.music), batch.genre)
    return _vectors(network, network.poses.decode(upper, lower)[:, FRAMES_PER_CODE:])


def _read(network: GenreReader, batch: WindowBatch) -> Tensor:
    """(B, 20) logits."""
    logits: Tensor = network(poses_of_windows(batch.motion, velocity=False))
    return logits


def _genres_loss(
    network: GenreReader, lesson: Lesson, batch: WindowBatch, generator: torch.Generator
) -> Loss:
    return F.cross_entropy(_read(network, batch), batch.genre), {}


def _genres_measure(network: GenreReader, lesson: Lesson, batch: WindowBatch) -> dict[str, Tensor]:
    logits = _read(network, batch)
    right = (logits.argmax(1) == batch.genre).float()
    return {"accuracy": right, "cross_entropy": F.cross_entropy(logits, batch.genre, reduction="none")}


def _genres_fit(network: GenreReader, windows: WindowBatch) -> None:
    _take_statistics(network, "pose", poses_of_windows(windows.motion, velocity=False))


def _vectors(network: MegaDance, poses: Tensor) -> Tensor:
    """(B, T, 151) motion vectors of normalised poses."""
    return vectors_of_poses(
        poses * network.pose_std + network.pose_mean,
        lambda each: encode(motion_of_pose_vectors(each), _VECTOR),
        layout(_VECTOR).width,
        (MediaError, ValueError),
    )


def _with_begin(network: MegaDance, config: MegaDanceConfig, windows: WindowBatch) -> MegaDanceConfig:
    """Dances begin with the codes that most takes begin with."""
    upper, lower = network.poses.encode(_normalised(network, windows))
    network.begin.copy_(torch.tensor(commonest_begin(upper, lower)))
    return config


def _coded(config: MegaDanceConfig, frames: int) -> str | None:
    return whole_codes_problem(frames, FRAMES_PER_CODE)


def _in_context(config: MegaDanceConfig, frames: int) -> str | None:
    return context_problem(frames, FRAMES_PER_CODE, fewest_codes=2, context=config.gpt.context)


_stage = partial(
    MotionFamily[MegaDance, MegaDanceConfig],
    kind=MEGADANCE_KIND,
    music_width=lambda config: config.gpt.music_features,
    genres=lambda config: config.gpt.genres,
    vector=_VECTOR,
    layout="megadance-147",
    normalised=False,
    finish=_with_begin,
)

codes: MotionFamily[MegaDance, MegaDanceConfig] = _stage(
    loss=_codes_loss,
    sample=_codes_sample,
    window_problem=_coded,
    trains=lambda network: [network.poses],
    fit=_fit,
)
"""The first stage; held-out dances are judged by what comes back of them."""

gpt: MotionFamily[MegaDance, MegaDanceConfig] = _stage(
    loss=_gpt_loss,
    sample=_gpt_sample,
    window_problem=_in_context,
    given=lambda config: FRAMES_PER_CODE,
    trains=lambda network: [network.gpt],
    begins_with="megadance-codes",
)
"""The second stage; held-out music is danced to from the first code of the real dance on."""

genres: MotionFamily[GenreReader, ClassifierConfig] = MotionFamily(
    kind=GENRES_KIND,
    loss=_genres_loss,
    sample=None,
    measure=_genres_measure,
    music_width=lambda config: None,
    genres=lambda config: LABELS,
    vector=_VECTOR,
    layout="megadance-147",
    normalised=False,
    fit=_genres_fit,
)
"""The classifier; held-out windows say how often it is right."""
