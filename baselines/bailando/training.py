"""Bailando as four families for ``madance train motion``, one for each stage of its training.

| preset | trains | on |
|---|---|---|
| ``bailando-codebook`` | both codebooks, root left aside | reconstruction, velocity, acceleration, commitment |
| ``bailando-root`` | the decoder of the root | velocity of the root and its change |
| ``bailando-gpt`` | the GPT, codes of the dance given | cross entropy of the codes that follow |
| ``bailando-actor-critic`` | its head, and a critic | :mod:`baselines.bailando.reward` |

The last stage dances to the music of a batch with the network as it is, and moves the head by what came out better
than the critic had expected, and the critic towards it; both share no parameter that is trained. Upstream makes such
dances once an epoch, moves either for five steps in turn, and takes the music of the test set: the music here is that
of the training side.

Windows are motion vectors of FACT at 60 frames per second beside 438 music features at 7.5, from which poses
(:class:`baselines.bailando.network.ChoreographicMemory`) are computed.

Legend: B batch, T frames, N = T / 8 codes, K music features.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from baselines.bailando.model import (
    BAILANDO_KIND,
    Bailando,
    BailandoConfig,
    dance_to,
    motion_of_poses,
)
from baselines.bailando.network import FRAMES_PER_CODE, choreograph, gpt_loss, memory_loss, root_loss
from baselines.bailando.reward import dance_reward
from baselines.code_training import (
    commonest_begin,
    context_problem,
    first_codes,
    vectors_of_poses,
    whole_codes_problem,
)
from mace_dance.training.motion.data import WindowBatch
from mace_dance.training.motion.data.music_rows import MusicRows
from mace_dance.training.motion.family import Lesson, MotionFamily
from madata.errors import ConfigError, MediaError
from madata.motion import encode, layout
from madata.rotations import forward_kinematics
from madata.skeletons import skeleton

__all__ = ["actor_critic", "codebook", "gpt", "poses_of_vectors", "root"]

_VECTOR, _LAYOUT = "fact-225", "bailando-72"
_BEAT = MusicRows("bailando", 7.5).beat_column

Loss = tuple[Tensor, dict[str, Tensor]]


def poses_of_vectors(vectors: Tensor) -> Tensor:
    """(B, T, 72) poses of (B, T, 225) motion vectors; the last velocity of the root is that before it."""
    columns, body = layout(_VECTOR).columns, skeleton("smpl-24")
    root = vectors[..., columns["root"]]
    matrices = vectors[..., columns["matrix"]].reshape(*vectors.shape[:2], body.num_joints, 3, 3)
    offsets = torch.tensor(body.offsets, dtype=vectors.dtype, device=vectors.device)
    # forward_kinematics() puts the pelvis at its own offset from the origin
    poses = forward_kinematics(matrices, torch.zeros_like(root), offsets, body.parents)
    poses = poses - poses[:, :, :1]
    velocity = root.diff(dim=1)
    poses[:, :, 0] = torch.cat([velocity, velocity[:, -1:]], dim=1)
    return poses.flatten(2)


def _rooted(poses: Tensor) -> Tensor:
    """Poses of somebody whose root stays where it is."""
    return torch.cat([torch.zeros_like(poses[..., :3]), poses[..., 3:]], dim=-1)


def _slowly(music: Tensor) -> Tensor:
    """(B, T, K) rows held over 8 frames -> (B, N, K)."""
    return music[:, ::FRAMES_PER_CODE]


def _codebook_loss(network: Bailando, lesson: Lesson, batch: WindowBatch, generator: torch.Generator) -> Loss:
    return memory_loss(network.memory, _rooted(poses_of_vectors(batch.motion)), generator), {}


def _root_loss(network: Bailando, lesson: Lesson, batch: WindowBatch, generator: torch.Generator) -> Loss:
    return root_loss(network.memory, poses_of_vectors(batch.motion)), {}


def _gpt_loss(network: Bailando, lesson: Lesson, batch: WindowBatch, generator: torch.Generator) -> Loss:
    with torch.no_grad():
        upper, lower = network.memory.encode(poses_of_vectors(batch.motion))
    logits = network.gpt(upper[:, :-1], lower[:, :-1], _slowly(batch.music)[:, 1:])
    return gpt_loss(logits, upper[:, 1:], lower[:, 1:]).mean(), {}


def _actor_critic_loss(
    network: Bailando, lesson: Lesson, batch: WindowBatch, generator: torch.Generator
) -> Loss:
    memory, music = network.memory, _slowly(batch.music)
    network.eval()  # without dropout, as upstream; the loop sets the mode anew at every step
    with torch.no_grad():
        upper, lower = first_codes(*memory.encode(poses_of_vectors(batch.motion)))
        upper, lower = choreograph(network.gpt, upper, lower, music[:, 1:])
        reward = dance_reward(memory.decode(upper[:, 1:-1], lower[:, 1:-1]), music[:, 1:-1, _BEAT])
    expected = network.gpt.value(upper[:, :-1], lower[:, :-1], music[:, 1:])[..., 0]
    better = reward + expected[:, 1:].detach() - expected[:, :-1]
    critic = better.square().mean()
    logits = network.gpt(upper[:, :-2], lower[:, :-2], music[:, 1:-1])
    actor = (gpt_loss(logits, upper[:, 1:-1], lower[:, 1:-1]) * better.detach().flatten()).mean()
    return actor + critic, {"reward": reward.mean(), "critic": critic}


def _what_comes_back(network: Bailando, poses: Tensor) -> Tensor:
    return network.memory.decode(*network.memory.encode(poses))


def _codebook_sample(network: Bailando, lesson: Lesson, batch: WindowBatch) -> Tensor:
    return _vectors(_rooted(_what_comes_back(network, poses_of_vectors(batch.motion))))


def _root_sample(network: Bailando, lesson: Lesson, batch: WindowBatch) -> Tensor:
    return _vectors(_what_comes_back(network, poses_of_vectors(batch.motion)))


def _dance_sample(network: Bailando, lesson: Lesson, batch: WindowBatch) -> Tensor:
    begin = first_codes(*network.memory.encode(poses_of_vectors(batch.motion)))
    poses = torch.stack(dance_to(network, _slowly(batch.music), begin))
    return _vectors(poses[:, FRAMES_PER_CODE:])


def _vectors(poses: Tensor) -> Tensor:
    """(B, T, 225) motion vectors."""
    return vectors_of_poses(
        poses,
        lambda each: encode(motion_of_poses(each), _VECTOR),
        layout(_VECTOR).width,
        (MediaError, ConfigError, ValueError),
    )


def _codebook_parts(network: Bailando) -> Sequence[nn.Module]:
    halves = (network.memory.vqvae_up, network.memory.vqvae_down)
    for half in halves:
        half.codebook.train_by_averages()
    return [part for half in halves for part in (half.encoders, half.decoders, half.bottleneck)]


def _with_begin(network: Bailando, config: BailandoConfig, windows: WindowBatch) -> BailandoConfig:
    """Dances begin with the codes that most takes begin with."""
    upper, lower = network.memory.encode(poses_of_vectors(windows.motion))
    return config.model_copy(update={"begin": commonest_begin(upper, lower)})


def _coded(config: BailandoConfig, frames: int) -> str | None:
    return whole_codes_problem(frames, FRAMES_PER_CODE)


def _in_context(config: BailandoConfig, frames: int) -> str | None:
    return context_problem(frames, FRAMES_PER_CODE, fewest_codes=3, context=config.gpt.context)


def _actor_critic_problem(config: BailandoConfig, frames: int) -> str | None:
    if not config.gpt.critic_layers:
        return "the settings have no critic: --set model.gpt.critic_layers=3"
    return _in_context(config, frames)


_stage = partial(
    MotionFamily[Bailando, BailandoConfig],
    kind=BAILANDO_KIND,
    music_width=lambda config: config.gpt.music_features,
    vector=_VECTOR,
    layout=_LAYOUT,
    normalised=False,
    finish=_with_begin,
)

codebook: MotionFamily[Bailando, BailandoConfig] = _stage(
    loss=_codebook_loss,
    sample=_codebook_sample,
    window_problem=_coded,
    trains=_codebook_parts,
)
"""The first stage; held-out dances are judged by what comes back of them."""

root: MotionFamily[Bailando, BailandoConfig] = _stage(
    loss=_root_loss,
    sample=_root_sample,
    window_problem=_coded,
    trains=lambda network: [network.memory.vqvae_down.decoders_root],
    begins_with="bailando-codebook",
)
"""The second stage."""

gpt: MotionFamily[Bailando, BailandoConfig] = _stage(
    loss=_gpt_loss,
    sample=_dance_sample,
    window_problem=_in_context,
    given=lambda config: FRAMES_PER_CODE,
    trains=lambda network: [network.gpt],
    begins_with="bailando-root",
)
"""The third stage; held-out music is danced to from the first code of the real dance on."""

actor_critic: MotionFamily[Bailando, BailandoConfig] = _stage(
    loss=_actor_critic_loss,
    sample=_dance_sample,
    window_problem=_actor_critic_problem,
    given=lambda config: FRAMES_PER_CODE,
    trains=lambda network: [network.gpt.gpt_head, network.gpt.critic_net],
    begins_with="bailando-gpt",
    new=("gpt.critic_net.",),
)
"""The last stage; it begins with a critic that knows nothing."""
