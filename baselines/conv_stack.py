"""The convolutional encoder and decoder of motion codebooks: Jukebox's (Dhariwal et al. 2020), as Bailando took it.

Every level halves the rate by a convolution of stride 2, or doubles it by a transposed one, beside a stack of residual
blocks whose dilation grows from one to the next; the decoder has the dilations in the opposite order.

Modules bear upstream's names, empty levels of its lists included.

Legend: B batch, C channels, T frames, W width.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["MotionDecoder", "MotionEncoder"]


class _Residual(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation),
            nn.ReLU(),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.model(x)
        return out


class _Residuals(nn.Module):
    def __init__(self, width: int, depth: int, growth: int, *, falling: bool) -> None:
        super().__init__()
        dilations = [growth**index for index in range(depth)]
        self.model = nn.Sequential(*(_Residual(width, each) for each in sorted(dilations, reverse=falling)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out


class _Level(nn.Module):
    """Upstream's block around the layers of one level."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out


class MotionEncoder(nn.Module):
    """(B, C, T) -> (B, code width, T / 2^levels).

    Args:
        channels: C.
        code_width: of a code.
        width: of the convolutions.
        levels: halvings of the rate.
        depth: residual blocks of a level.
        growth: of the dilation from one block to the next.
    """

    def __init__(
        self, channels: int, code_width: int, width: int, levels: int, depth: int, growth: int = 3
    ) -> None:
        super().__init__()
        down = [
            nn.Sequential(
                nn.Conv1d(width if index else channels, width, 4, stride=2, padding=1),
                _Residuals(width, depth, growth, falling=False),
            )
            for index in range(levels)
        ]
        self.level_blocks = nn.ModuleList([_Level(*down, nn.Conv1d(width, code_width, 3, padding=1))])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, code width, T / 2^levels)."""
        out: Tensor = self.level_blocks[0](x)
        return out


class MotionDecoder(nn.Module):
    """(B, code width, T) -> (B, C, T 2^levels); the arguments are those of :class:`MotionEncoder`."""

    def __init__(
        self, channels: int, code_width: int, width: int, levels: int, depth: int, growth: int = 3
    ) -> None:
        super().__init__()
        up = [
            nn.Sequential(
                _Residuals(width, depth, growth, falling=True),
                nn.ConvTranspose1d(
                    width, width if index < levels - 1 else code_width, 4, stride=2, padding=1
                ),
            )
            for index in range(levels)
        ]
        self.level_blocks = nn.ModuleList([_Level(nn.Conv1d(code_width, width, 3, padding=1), *up)])
        self.out = nn.Conv1d(code_width, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, code width, T) -> (B, C, T 2^levels)."""
        out: Tensor = self.out(self.level_blocks[0](x))
        return out
