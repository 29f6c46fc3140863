"""Bailando (Li et al. 2022, arXiv:2203.13055): music -> codes of dance, one for upper and one for lower body -> joints.

**Choreographic memory.** Two codebooks, one of the 15 joints of the upper body and one of the 9 of the lower; 8 frames
at 60 per second become one code. Joint positions are relative to the root; where the root would be stands its velocity,
which a decoder of its own reads from the codes of the lower body.

**Motion GPT.** Three streams, music, upper and lower codes, lie behind each other; every position attends to all three
streams up to its own time. Head and base are two halves of one Transformer; reinforcement learning
(``actor-critic``) trains the head alone, beside a critic of the same form. The context is 28 codes long and slides
under absolute positions. Until it is full, keys and values of the past stay as they are and are kept; from then on each
position changes with every step, nothing can be kept, and only the newest position of the last layer is left to save.

Modules bear the names of the authors' checkpoints (key ``model``, prefix ``module.``), which load strictly.

Legend: B batch, T frames, N = T / 8 codes, K music features, M width, V codes of a book.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.codebook import Codebook
from baselines.conv_stack import MotionDecoder, MotionEncoder
from baselines.three_streams import LOWER, STREAMS, UPPER, Past, StreamAttention
from madata.config import ClosedModel
from madata.errors import ConfigError

__all__ = [
    "FRAMES_PER_CODE",
    "ChoreographicMemory",
    "MemoryConfig",
    "MotionGpt",
    "MotionGptConfig",
    "choreograph",
    "gpt_loss",
    "memory_loss",
    "root_loss",
]

_LEVELS = 3
FRAMES_PER_CODE = 2**_LEVELS


class MemoryConfig(ClosedModel):
    """Size of the codebooks.

    Attributes:
        root: a decoder of the root's velocity stands beside that of the lower body.
        commit, velocity, acceleration: weights of the loss.
    """

    codes: int = Field(default=512, ge=1)
    code_width: int = Field(default=512, ge=1)
    width: int = Field(default=512, ge=1)
    depth: int = Field(default=3, ge=1)
    decay: float = Field(default=0.99, ge=0, lt=1)
    root: bool = True
    commit: float = Field(default=0.02, ge=0)
    velocity: float = Field(default=1.0, ge=0)
    acceleration: float = Field(default=1.0, ge=0)


class MotionGptConfig(ClosedModel):
    """Size of the GPT.

    Attributes:
        context: codes of a stream that it takes at most; sampling uses one less.
        critic_layers: of the critic; 0 for none.
    """

    codes: int = Field(default=512, ge=1)
    music_features: int = Field(default=438, ge=1)
    width: int = Field(default=768, ge=1)
    heads: int = Field(default=12, ge=1)
    base_layers: int = Field(default=6, ge=1)
    head_layers: int = Field(default=6, ge=1)
    critic_layers: int = Field(default=0, ge=0)
    context: int = Field(default=29, ge=2)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _divisible(self) -> MotionGptConfig:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


class _Half(nn.Module):
    """The codebook of a half of the body, with upstream's lists of one level."""

    def __init__(self, config: MemoryConfig, joints: int, *, root: bool) -> None:
        super().__init__()
        sizes = (config.code_width, config.width, _LEVELS, config.depth)
        self.encoders = nn.ModuleList([MotionEncoder(3 * joints, *sizes)])
        self.decoders = nn.ModuleList([MotionDecoder(3 * joints, *sizes)])
        if root:
            self.decoders_root = nn.ModuleList([MotionDecoder(3, *sizes)])
        self.bottleneck = _Bottleneck(Codebook(config.codes, config.code_width, config.decay))
        self.root = root

    @property
    def codebook(self) -> Codebook:
        codebook: Codebook = self.bottleneck.level_blocks[0]  # type: ignore[assignment]
        return codebook

    def latents(self, x: Tensor) -> Tensor:
        """(B, T, 3 joints) -> (B, code width, N); of a body with a root, whose velocity is not coded."""
        if self.root:
            x = torch.cat([torch.zeros_like(x[..., :3]), x[..., 3:]], dim=-1)
        out: Tensor = self.encoders[0](x.transpose(1, 2))
        return out

    def frames(self, chosen: Tensor, in_place: bool = False) -> Tensor:
        """(B, code width, N) -> (B, T, 3 joints); ``in_place`` leaves the root's own decoder aside."""
        out: Tensor = self.decoders[0](chosen).transpose(1, 2)
        if self.root and not in_place:
            velocity = self.decoders_root[0](chosen).transpose(1, 2)
            out = torch.cat([velocity, out[..., 3:]], dim=-1)
        return out

    def forward(
        self, x: Tensor, in_place: bool = False, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T, 3 joints) -> what comes back of it, and the commitment loss; with a generator the codebook learns."""
        latents, codebook = self.latents(x), self.codebook
        at_hand = latents.detach().float()
        if generator is not None and not codebook.begun:
            codebook.begin_from(at_hand, generator)
        codes, chosen, commitment = codebook(latents)
        if generator is not None:
            codebook.follow(at_hand, codes, generator)
        return self.frames(chosen, in_place), commitment


class _Bottleneck(nn.Module):
    def __init__(self, codebook: Codebook) -> None:
        super().__init__()
        self.level_blocks = nn.ModuleList([codebook])


class ChoreographicMemory(nn.Module):
    """Both codebooks; poses are (B, T, 72) positions in metres, the root's place taken by its velocity a frame."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        self.vqvae_up = _Half(config, len(UPPER), root=False)
        self.vqvae_down = _Half(config, len(LOWER), root=config.root)

    def encode(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 72) -> (B, N) codes of the upper and of the lower body.

        Raises:
            ConfigError: T is no multiple of 8.
        """
        upper, lower = _halves(poses)
        return (
            self.vqvae_up.codebook.encode(self.vqvae_up.latents(upper)),
            self.vqvae_down.codebook.encode(self.vqvae_down.latents(lower)),
        )

    def decode(self, upper: Tensor, lower: Tensor) -> Tensor:
        """(B, N) codes of each half -> (B, T, 72)."""
        return _whole(
            self.vqvae_up.frames(self.vqvae_up.codebook.decode(upper)),
            self.vqvae_down.frames(self.vqvae_down.codebook.decode(lower)),
        )

    def forward(
        self, poses: Tensor, in_place: bool = False, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 72) -> what comes back of it, and the commitment losses of the upper and the lower body.

        Args:
            poses: see the class.
            in_place: leave the root's decoder aside; the root is what the lower body's decoder says.
            generator: given in training, the codebooks follow what chose their codes.
        """
        upper, lower = _halves(poses)
        up, up_commitment = self.vqvae_up(upper, in_place, generator)
        down, down_commitment = self.vqvae_down(lower, in_place, generator)
        return _whole(up, down), up_commitment, down_commitment


def _halves(poses: Tensor) -> tuple[Tensor, Tensor]:
    if poses.ndim != 3 or poses.shape[2] != 3 * (len(UPPER) + len(LOWER)) or poses.shape[1] % FRAMES_PER_CODE:
        raise ConfigError(
            f"poses are (B, T, 72), T a multiple of {FRAMES_PER_CODE}, got {tuple(poses.shape)}"
        )
    joints = poses.reshape(*poses.shape[:2], -1, 3)
    return joints[:, :, UPPER].flatten(2), joints[:, :, LOWER].flatten(2)


def _whole(upper: Tensor, lower: Tensor) -> Tensor:
    joints = upper.new_empty(*upper.shape[:2], len(UPPER) + len(LOWER), 3)
    joints[:, :, UPPER] = upper.reshape(*upper.shape[:2], -1, 3)
    joints[:, :, LOWER] = lower.reshape(*lower.shape[:2], -1, 3)
    return joints.flatten(2)


def memory_loss(
    memory: ChoreographicMemory, poses: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """What the codebooks are trained on, the root's decoder apart.

    The mean over both halves of the body of: absolute errors of positions, velocities and accelerations, and the
    commitment loss.

    Args:
        memory: both codebooks.
        poses: (B, T, 72).
        generator: given in training, the codebooks follow.
    """
    config = memory.config
    out, *commitments = memory(poses, in_place=True, generator=generator)
    total = poses.new_zeros(())
    for joints, commitment in zip((UPPER, LOWER), commitments, strict=True):
        found, wanted = (each.reshape(*each.shape[:2], -1, 3)[:, :, joints] for each in (out, poses))
        total = total + F.l1_loss(found, wanted) + config.commit * commitment
        for order, weight in ((1, config.velocity), (2, config.acceleration)):
            total = total + weight * F.l1_loss(found.diff(order, dim=1), wanted.diff(order, dim=1))
    return total / 2


def gpt_loss(logits: tuple[Tensor, Tensor], upper: Tensor, lower: Tensor) -> Tensor:
    """(B N,) cross entropy of the codes (B, N) that follow, summed over both halves."""
    pairs = zip(logits, (upper, lower), strict=True)
    return torch.stack(
        [F.cross_entropy(found.flatten(0, 1), wanted.flatten(), reduction="none") for found, wanted in pairs]
    ).sum(0)


def root_loss(memory: ChoreographicMemory, poses: Tensor) -> Tensor:
    """What the decoder of the root is trained on, everything else being frozen: velocity, and how it changes.

    Args:
        memory: with a decoder of the root.
        poses: (B, T, 72).
    """
    out, _, _ = memory(poses)
    found, wanted = out[..., :3], poses[..., :3]
    changes = F.l1_loss(found.diff(dim=1), wanted.diff(dim=1))
    return F.l1_loss(found, wanted) + memory.config.acceleration * changes


def _causal(context: int) -> Tensor:
    """(1, 1, N, N) of ones where attention may look, as the checkpoint has it."""
    return torch.ones(context, context).tril()[None, None]


class _Block(nn.Module):
    def __init__(self, config: MotionGptConfig) -> None:
        super().__init__()
        width = config.width
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = StreamAttention(width, config.heads, config.dropout, _causal(config.context))
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(config.dropout)
        )

    def forward(self, x: Tensor, past: Past | None = None, newest: bool = False) -> tuple[Tensor, Past]:
        attended, present = self.attn(self.ln1(x), past, newest)
        x = (x[:, :, -1:] if newest else x) + attended
        out: Tensor = x + self.mlp(self.ln2(x))
        return out, present


class _Base(nn.Module):
    """Embeds the three streams and mixes them."""

    def __init__(self, config: MotionGptConfig) -> None:
        super().__init__()
        self.context = config.context
        self.pos_emb = nn.Parameter(torch.zeros(1, STREAMS * config.context, config.width))
        self.tok_emb_up = nn.Embedding(config.codes, config.width)
        self.tok_emb_down = nn.Embedding(config.codes, config.width)
        self.cond_emb = nn.Linear(config.music_features, config.width)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.base_layers))

    def embed(self, upper: Tensor, lower: Tensor, music: Tensor, begin: int) -> Tensor:
        """(B, 3, n, M) of positions from ``begin`` on."""
        streams = torch.stack([self.cond_emb(music), self.tok_emb_up(upper), self.tok_emb_down(lower)], dim=1)
        places = self.pos_emb.reshape(1, STREAMS, self.context, -1)
        out: Tensor = self.drop(streams + places[:, :, begin : begin + streams.shape[2]])
        return out


class _Head(nn.Module):
    """Reads codes (or a value) of both halves from the mixed streams."""

    def __init__(self, config: MotionGptConfig, layers: int, outputs: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(config) for _ in range(layers))
        self.ln_f = nn.LayerNorm(config.width)
        self.head_up = nn.Linear(config.width, outputs, bias=False)
        self.head_down = nn.Linear(config.width, outputs, bias=False)

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, n, M) -> (B, n, outputs) of each half."""
        _, upper, lower = self.ln_f(x).unbind(1)
        return self.head_up(upper), self.head_down(lower)


class MotionGpt(nn.Module):
    """See the module."""

    def __init__(self, config: MotionGptConfig) -> None:
        super().__init__()
        self.config = config
        self.gpt_base = _Base(config)
        self.gpt_head = _Head(config, config.head_layers, config.codes)
        if config.critic_layers:
            self.critic_net = _Head(config, config.critic_layers, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
                if isinstance(module, nn.Linear) and module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, upper: Tensor, lower: Tensor, music: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the code that follows each.

        Args:
            upper, lower: (B, N) codes.
            music: (B, N, K), one step ahead of the codes.

        Returns:
            (B, N, V) of each half.

        Raises:
            ConfigError: there are more codes than the context holds, or lengths or widths differ.
        """
        return self.gpt_head.read(self._mixed(upper, lower, music, self.gpt_head))

    def value(self, upper: Tensor, lower: Tensor, music: Tensor) -> Tensor:
        """(B, N, 1) what the critic expects; the base gets no gradient."""
        up, down = self.critic_net.read(self._mixed(upper, lower, music, self.critic_net, frozen=True))
        return up + down

    def _mixed(
        self, upper: Tensor, lower: Tensor, music: Tensor, head: _Head, *, frozen: bool = False
    ) -> Tensor:
        self._check(upper, lower, music)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            x = self.gpt_base.embed(upper, lower, music, 0)
            for block in self.gpt_base.blocks:
                x, _ = block(x)
        for block in head.blocks:
            x, _ = block(x)
        return x

    def newest(
        self, upper: Tensor, lower: Tensor, music: Tensor, past: list[Past] | None = None
    ) -> tuple[Tensor, Tensor, list[Past]]:
        """Logits (B, V) of the code that follows the last one, and keys and values of every layer.

        Args:
            upper, lower, music: positions that ``past`` does not hold yet.
            past: of the positions before.
        """
        self._check(upper, lower, music)
        x = self.gpt_base.embed(upper, lower, music, past[0][0].shape[3] if past else 0)
        blocks = [*self.gpt_base.blocks, *self.gpt_head.blocks]
        present = []
        for index, block in enumerate(blocks):
            x, kept = block(x, past[index] if past else None, newest=index == len(blocks) - 1)
            present.append(kept)
        up, down = self.gpt_head.read(x)
        return up[:, -1], down[:, -1], present

    def _check(self, upper: Tensor, lower: Tensor, music: Tensor) -> None:
        count, config = upper.shape[1], self.config
        expected = (*upper.shape, config.music_features)
        if upper.shape != lower.shape or tuple(music.shape) != expected or count > config.context:
            raise ConfigError(
                f"the GPT takes as many codes of each half as music (B, N, {config.music_features}), N at most "
                f"{config.context}; got {tuple(upper.shape)}, {tuple(lower.shape)}, {tuple(music.shape)}"
            )


@torch.no_grad()
def choreograph(network: MotionGpt, upper: Tensor, lower: Tensor, music: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 1 + N) codes of each half: the likeliest code, one after the other.

    Args:
        network: in ``eval`` mode.
        upper, lower: (B, 1) codes to begin with.
        music: (B, N, K).
    """
    longest = network.config.context - 1
    past: list[Past] | None = None
    for step in range(music.shape[1]):
        if step < longest:  # positions stay: one new one a step
            window = slice(step, step + 1)
            up, down, past = network.newest(upper[:, -1:], lower[:, -1:], music[:, window], past)
        else:
            window = slice(step + 1 - longest, step + 1)
            up, down, _ = network.newest(upper[:, -longest:], lower[:, -longest:], music[:, window])
        upper = torch.cat([upper, up.argmax(-1, keepdim=True)], dim=1)
        lower = torch.cat([lower, down.argmax(-1, keepdim=True)], dim=1)
    return upper, lower
