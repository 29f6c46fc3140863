"""What codes of dance and the music to them have in common in Bailando and, after it, MEGADance.

Codes of the upper and the lower body and the music are three streams of one clock, one behind the other in a
Transformer: every position attends to all three up to its own time.

Modules bear upstream's names.

Legend: B batch, N positions of a stream, n new ones among them, M width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["LOWER", "STREAMS", "UPPER", "Past", "StreamAttention", "as_one_batch", "frames_of_songs"]

LOWER = (0, 1, 2, 4, 5, 7, 8, 10, 11)
UPPER = (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
"""SMPL joints of each half of the body; the first of ``LOWER`` is the root."""

STREAMS = 3

Past = tuple[Tensor, Tensor]
"""(B, heads, 3, N, M / heads) keys and values of a layer."""


class StreamAttention(nn.Module):
    """Attention over three streams.

    Args:
        width: M.
        heads: of it.
        dropout: of the attention and of its output.
        mask: (1, 1, N, N), kept as the checkpoint has it: numbers above 0 where a position may look, or, of type bool,
            ``True`` where it may not.
    """

    def __init__(self, width: int, heads: int, dropout: float, mask: Tensor) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.key, self.query, self.value = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)
        self.resid_drop = nn.Dropout(dropout)
        self.register_buffer("mask", mask)
        self.mask: Tensor

    def forward(self, x: Tensor, past: Past | None = None, newest: bool = False) -> tuple[Tensor, Past]:
        """(B, 3, n, M) new positions of each stream -> the same, and keys and values of all.

        Args:
            x: new positions.
            past: keys and values of the positions before.
            newest: only the last position is wanted.
        """
        query, key, value = (
            layer(part).reshape(*part.shape[:3], self.heads, -1).permute(0, 3, 1, 2, 4)
            for layer, part in (
                (self.query, x[:, :, -1:] if newest else x),
                (self.key, x),
                (self.value, x),
            )
        )
        if past is not None:
            key, value = (torch.cat(pair, dim=3) for pair in zip(past, (key, value), strict=True))
        count, known = query.shape[3], key.shape[3]
        square = self.mask[0, 0]
        allowed = ~square if square.dtype == torch.bool else square > 0
        attended = F.scaled_dot_product_attention(
            query.flatten(2, 3),
            key.flatten(2, 3),
            value.flatten(2, 3),
            attn_mask=allowed[known - count : known, :known].repeat(STREAMS, STREAMS),
            dropout_p=self.dropout if self.training else 0.0,
        )
        together = attended.reshape(len(x), self.heads, STREAMS, count, -1).permute(0, 2, 3, 1, 4).flatten(3)
        out: Tensor = self.resid_drop(self.proj(together))
        return out, (key, value)


def as_one_batch(songs: Sequence[Tensor] | Tensor) -> Tensor:
    """(B, N, K) songs (N', K) as one batch; shorter ones go on with their last row.

    What is chosen looks back alone, so that the codes of a song do not depend on what follows it here.
    """
    longest = max(len(song) for song in songs)
    return torch.stack([torch.cat([song, song[-1:].expand(longest - len(song), -1)]) for song in songs])


def frames_of_songs(
    decode: Callable[[Tensor, Tensor], Tensor], upper: Tensor, lower: Tensor, counts: Sequence[int]
) -> list[Tensor]:
    """(T', D) frames of each song, of the first codes of (B, N) ones of each half.

    Args:
        decode: (B, N) codes of each half -> (B, T, D). Frames depend on what follows them, so that only songs of one
            length are decoded together.
        upper, lower: codes.
        counts: codes of each song.
    """
    frames: dict[int, Tensor] = {}
    for count in set(counts):
        alike = [number for number, own in enumerate(counts) if own == count]
        frames |= zip(alike, decode(upper[alike, :count], lower[alike, :count]), strict=True)
    return [frames[number] for number in range(len(counts))]
