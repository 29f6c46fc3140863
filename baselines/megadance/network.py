"""The GPT of MEGADance (Yang et al. 2025, arXiv:2505.17543): music and a genre -> codes of poses.

Codes of the upper and the lower body and the music at the same 3.75 steps a second are three streams
(:mod:`baselines.three_streams`). Every layer is a block that all genres share and one of the genre's own, and every
block a Mamba for each stream, attention over all three, feed-forward. Music is every eighth row of the 35 features
``megadance`` of :func:`madata.music.music_features`, normalised.

There are no positions; order comes from Mamba. The window of sampling holds 22 codes and slides. Until it is full, what
a Mamba and the attention keep of the past stays as it is, so that a step is one position; from then on Mamba begins
anew with every window, nothing can be kept, and only the newest position of the last block is left to save.

Modules bear the names of the authors' checkpoint (prefix ``gpt.``).

Legend: B batch, N codes, K music features, M width, V codes there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.three_streams import STREAMS, Past, StreamAttention
from mace_dance.motion.mamba import Mamba, MambaState
from madata.config import ClosedModel
from madata.errors import ConfigError

__all__ = ["GenreGpt", "GenreGptConfig", "choose_codes", "genre_gpt_loss"]


_MUSIC_HIDDEN = 128


class GenreGptConfig(ClosedModel):
    """Size of the GPT; the defaults are the published ones, 848,749,847 parameters.

    Attributes:
        genres: experts of a layer.
        window: codes that a position sees at most, itself included.
        context: codes of a stream that it takes at most, in training.
        output: width between the last layer and the logits.
    """

    codes: int = Field(default=4375, ge=1)
    music_features: int = Field(default=35, ge=1)
    width: int = Field(default=512, ge=1)
    heads: int = Field(default=8, ge=1)
    layers: int = Field(default=6, ge=1)
    genres: int = Field(default=16, ge=1)
    output: int = Field(default=768, ge=1)
    window: int = Field(default=22, ge=1)
    context: int = Field(default=29, ge=1)
    dropout: float = Field(default=0.4, ge=0, lt=1)

    @model_validator(mode="after")
    def _fitting(self) -> GenreGptConfig:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if self.window > self.context:
            raise ValueError(f"the window ({self.window}) is longer than the context ({self.context})")
        return self


@dataclass(frozen=True, eq=False)
class BlockPast:
    """What a block keeps of the positions before: a state for each stream, and keys and values."""

    mambas: tuple[MambaState, ...]
    attention: Past


class _StreamMambas(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        for stream in range(1, STREAMS + 1):
            self.add_module(f"mamba{stream}", Mamba(width))
            self.add_module(f"norm{stream}", nn.LayerNorm(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, N, M) -> (B, 3, N, M)."""
        streams = zip(self._parts(), x.unbind(1), strict=True)
        return torch.stack([norm(stream + mamba(stream)) for (mamba, norm), stream in streams], dim=1)

    def step(self, x: Tensor, past: tuple[MambaState, ...] | None) -> tuple[Tensor, tuple[MambaState, ...]]:
        """(B, 3, 1, M) -> (B, 3, 1, M), and the states after it."""
        out, states = [], []
        for index, (mamba, norm) in enumerate(self._parts()):
            stream = x[:, index, 0]
            mixed, state = mamba.step(stream, past[index] if past else None)  # type: ignore[operator]
            out.append(norm(stream + mixed))
            states.append(state)
        return torch.stack(out, dim=1)[:, :, None], tuple(states)

    def _parts(self) -> list[tuple[nn.Module, nn.Module]]:
        return [
            (self.get_submodule(f"mamba{stream}"), self.get_submodule(f"norm{stream}"))
            for stream in range(1, STREAMS + 1)
        ]


class _Block(nn.Module):
    def __init__(self, config: GenreGptConfig) -> None:
        super().__init__()
        width = config.width
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = StreamAttention(width, config.heads, config.dropout, _blocked(config))
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(config.dropout)
        )
        self.mamba = _StreamMambas(width)

    def forward(self, x: Tensor, newest: bool = False) -> Tensor:
        """(B, 3, N, M) whole streams -> the same, or their last position alone."""
        x = self.mamba(x)
        attended, _ = self.attn(self.ln1(x), newest=newest)
        return self._fed(x[:, :, -1:] if newest else x, attended)

    def step(self, x: Tensor, past: BlockPast | None) -> tuple[Tensor, BlockPast]:
        """(B, 3, 1, M) the next position -> the same, and what to keep."""
        x, states = self.mamba.step(x, past.mambas if past else None)
        attended, kept = self.attn(self.ln1(x), past.attention if past else None)
        return self._fed(x, attended), BlockPast(states, kept)

    def _fed(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + attended
        out: Tensor = x + self.mlp(self.ln2(x))
        return out


def _blocked(config: GenreGptConfig) -> Tensor:
    """(1, 1, N, N) ``True`` where a position may not look: ahead, and behind its window."""
    apart = torch.arange(config.context)[:, None] - torch.arange(config.context)
    return ((apart < 0) | (apart >= config.window))[None, None]


LayerPast = tuple[BlockPast, dict[int, BlockPast]]
"""Of the shared block, and of each genre's."""


class _Layer(nn.Module):
    def __init__(self, config: GenreGptConfig) -> None:
        super().__init__()
        self.genre_swab = nn.ModuleList(_Block(config) for _ in range(config.genres))
        self.global_swab = _Block(config)

    def forward(self, x: Tensor, genre: Tensor, newest: bool = False) -> Tensor:
        """(B, 3, N, M), every sample through the shared block and through its genre's."""
        x = self.global_swab(x)
        out = x[:, :, -1:] if newest else x
        for label in sorted(set(genre.tolist())):
            mine = genre == label
            out = out.index_put((mine.nonzero()[:, 0],), self.genre_swab[label](x[mine], newest))
        return out

    def step(self, x: Tensor, genre: Tensor, past: LayerPast | None) -> tuple[Tensor, LayerPast]:
        """(B, 3, 1, M) the next position -> the same, and what to keep."""
        shared, own = past if past else (None, {})
        x, kept = self.global_swab.step(x, shared)
        out, kept_own = x.clone(), {}
        for label in sorted(set(genre.tolist())):
            mine = genre == label
            expert = self.genre_swab[label]
            out[mine], kept_own[label] = expert.step(x[mine], own.get(label))
        return out, (kept, kept_own)


class _Decoder(nn.Module):
    def __init__(self, config: GenreGptConfig) -> None:
        super().__init__()
        width = config.width
        self.MLP_Output = nn.Sequential(
            nn.Linear(width, config.output), nn.Linear(config.output, config.codes)
        )
        self.pose_up_emb = nn.Embedding(config.codes, width)
        self.pose_down_emb = nn.Embedding(config.codes, width)
        self.music_MLP = nn.Sequential(
            nn.Linear(config.music_features, _MUSIC_HIDDEN), nn.Linear(_MUSIC_HIDDEN, width)
        )
        self.decoder_layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))


class GenreGpt(nn.Module):
    """See the module."""

    def __init__(self, config: GenreGptConfig) -> None:
        super().__init__()
        self.config = config
        self.dance_decoder = _Decoder(config)

    def forward(
        self, upper: Tensor, lower: Tensor, music: Tensor, genre: Tensor, newest: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Logits of the code that follows each.

        Args:
            upper, lower: (B, N) codes.
            music: (B, N, K), normalised.
            genre: (B,) labels.
            newest: of the last one alone.

        Returns:
            (B, N, V) of each half, or (B, 1, V).

        Raises:
            ConfigError: there are more codes than the context holds, or lengths or widths differ.
        """
        x = self._embedded(upper, lower, music)
        for index, layer in enumerate(self.dance_decoder.decoder_layers):
            x = layer(x, genre, newest and index == self.config.layers - 1)
        return self._logits(x)

    def step(
        self, upper: Tensor, lower: Tensor, music: Tensor, genre: Tensor, past: list[LayerPast] | None
    ) -> tuple[Tensor, Tensor, list[LayerPast]]:
        """Logits (B, 1, V) of each half after one more position, and what to keep; all arguments are (B, 1, ...)."""
        x = self._embedded(upper, lower, music)
        kept = []
        for index, layer in enumerate(self.dance_decoder.decoder_layers):
            x, present = layer.step(x, genre, past[index] if past else None)  # type: ignore[operator]
            kept.append(present)
        return (*self._logits(x), kept)

    def _embedded(self, upper: Tensor, lower: Tensor, music: Tensor) -> Tensor:
        config, decoder = self.config, self.dance_decoder
        expected = (*upper.shape, config.music_features)
        if upper.shape != lower.shape or tuple(music.shape) != expected or upper.shape[1] > config.context:
            raise ConfigError(
                f"the GPT takes as many codes of each half as music (B, N, {config.music_features}), N at most "
                f"{config.context}; got {tuple(upper.shape)}, {tuple(lower.shape)}, {tuple(music.shape)}"
            )
        return torch.stack(
            [decoder.pose_up_emb(upper), decoder.pose_down_emb(lower), decoder.music_MLP(music)], dim=1
        )

    def _logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.dance_decoder.MLP_Output(x[:, 0]), self.dance_decoder.MLP_Output(x[:, 1])


def genre_gpt_loss(logits: tuple[Tensor, Tensor], upper: Tensor, lower: Tensor) -> Tensor:
    """Cross entropy of the codes (B, N) that follow, summed over both halves, a scalar."""
    up, down = (
        F.cross_entropy(found.flatten(0, 1), wanted.flatten())
        for found, wanted in zip(logits, (upper, lower), strict=True)
    )
    return up + down


@torch.no_grad()
def choose_codes(
    network: GenreGpt, upper: Tensor, lower: Tensor, music: Tensor, genre: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(B, N) codes of each half: the likeliest code, one after the other.

    Args:
        network: in ``eval`` mode.
        upper, lower: (B, 1) codes to begin with.
        music: (B, N, K), normalised; of the last row nothing is heard.
        genre: (B,) labels.

    Returns:
        The codes, and (B,) how sure the network is of them: their mean log probability.
    """
    window, steps = network.config.window, music.shape[1] - 1
    past: list[LayerPast] | None = None
    sure = music.new_zeros(len(music))
    for step in range(steps):
        if step < window:  # the window begins where it began: one new position a step
            here = slice(step, step + 1)
            *logits, past = network.step(upper[:, -1:], lower[:, -1:], music[:, here], genre, past)
        else:
            seen = slice(step + 1 - window, step + 1)
            logits = list(network(upper[:, -window:], lower[:, -window:], music[:, seen], genre, newest=True))
        likeliest = [each.log_softmax(-1).max(-1) for each in logits]
        upper, lower = (
            torch.cat([codes, found.indices], dim=1)
            for codes, found in zip((upper, lower), likeliest, strict=True)
        )
        sure = sure + (likeliest[0].values + likeliest[1].values)[:, 0]
    return upper, lower, sure / max(1, 2 * steps)
