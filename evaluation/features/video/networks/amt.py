"""AMT-S, the frame interpolator behind motion smoothness (Li et al. 2023, CVPR).

Coarse to fine, the network predicts how each picture moves to the moment halfway between them. At every level
it looks up how well the two pictures match there, in a pyramid of all-pairs correlations at 1/8 of the size,
and corrects its flows. At full size three pairs of flows are warped, blended and refined. :class:`AmtSmall`
loads the tensors of the official ``amt-s.pth`` as they are named there; that file also pickles training
settings, which :mod:`~evaluation.features.video.networks.checkpoints` leaves unopened.

The correlation pyramid has four levels, so a side under 128 px ends in a level one pixel wide and in a
division by zero: 100 % NaN. :data:`MINIMUM_SIDE` says so to callers.

Legend: B pairs, C channels, H and W pixels, h = H/8 and w = W/8, r search radius. Flows are (B, 2, ., .)
pixels, x first.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from evaluation.features.video.networks.checkpoints import load_exactly, read_state_dict

__all__ = ["MINIMUM_SIDE", "AmtSmall", "load_amt", "pair_bytes"]

MINIMUM_SIDE = 128
"""Smallest sound side in px, after padding to a multiple of 16."""

_CHANNELS = (20, 32, 44, 56)
_SIDE_CHANNELS = 20
_FLOWS = 3
_RADIUS = 3
_LEVELS = 4
_MATCH_CHANNELS = 84


class AmtSmall(nn.Module):
    """Pictures (B, 3, H, W) in 0..1, H and W multiples of 16, to the pictures halfway between them."""

    def __init__(self) -> None:
        super().__init__()
        c1, c2, c3, c4 = _CHANNELS
        self.feat_encoder = _MatchEncoder()
        self.encoder = _PyramidEncoder()
        self.decoder4 = _Decoder(2 * c4 + 1, 2 * c4, c3 + 4)
        self.decoder3 = _Decoder(3 * c3 + 4, 3 * c3, c2 + 4)
        self.decoder2 = _Decoder(3 * c2 + 4, 3 * c2, c1 + 4)
        self.decoder1 = _Decoder(3 * c1 + 4, 3 * c1, 8 * _FLOWS)
        self.update4 = _Correction(c3, 1)
        self.update3 = _Correction(c2, 2)
        self.update2 = _Correction(c1, 4)
        self.comb_block = nn.Sequential(
            nn.Conv2d(3 * _FLOWS, 6 * _FLOWS, 3, 1, 1),
            nn.PReLU(6 * _FLOWS),
            nn.Conv2d(6 * _FLOWS, 3, 3, 1, 1),
        )

    def forward(self, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) each, 0..1 -> the frame between, (B, 3, H, W)."""
        mean = torch.cat([before, after], dim=2).mean(dim=(1, 2, 3), keepdim=True)
        before, after = before - mean, after - mean
        matches = _Correlation(*self.feat_encoder(torch.cat([before, after])).chunk(2))
        pyramid0, pyramid1 = self.encoder(before), self.encoder(after)

        halfway = pyramid0[3].new_full((len(before), 1, *pyramid0[3].shape[-2:]), 0.5)
        decoded = self.decoder4(torch.cat([pyramid0[3], pyramid1[3], halfway], dim=1))
        flows, features = self._corrected(self.update4, matches, decoded[:, :4], decoded[:, 4:])
        steps = ((self.decoder3, self.update3, 2), (self.decoder2, self.update2, 1))
        for decoder, update, level in steps:
            decoded = decoder(_decoder_input(features, pyramid0[level], pyramid1[level], flows))
            finer = decoded[:, :4] + 2.0 * _resize(flows, 2.0)
            flows, features = self._corrected(update, matches, finer, decoded[:, 4:])

        decoded = self.decoder1(_decoder_input(features, pyramid0[0], pyramid1[0], flows))
        parts = decoded.split([2 * _FLOWS, 2 * _FLOWS, _FLOWS, 3 * _FLOWS], dim=1)
        up = 2.0 * _resize(flows, 2.0)
        flow0 = parts[0] + up[:, :2].repeat(1, _FLOWS, 1, 1)
        flow1 = parts[1] + up[:, 2:].repeat(1, _FLOWS, 1, 1)
        return self._blend(before, after, mean, flow0, flow1, torch.sigmoid(parts[2]), parts[3])

    @staticmethod
    def _corrected(
        update: _Correction, matches: _Correlation, flows: torch.Tensor, features: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        coarse = flows if update.scale == 1 else _resize(flows, 1 / update.scale) / update.scale
        delta_features, delta_flows = update(features, coarse, matches.around(coarse))
        return flows + delta_flows, features + delta_features

    def _blend(
        self,
        before: torch.Tensor,
        after: torch.Tensor,
        mean: torch.Tensor,
        flow0: torch.Tensor,
        flow1: torch.Tensor,
        mask: torch.Tensor,
        residual: torch.Tensor,
    ) -> torch.Tensor:
        size = before.shape[-2:]
        mask = mask.reshape(-1, 1, *size)
        warped0 = _warp(before.repeat_interleave(_FLOWS, 0), flow0.reshape(-1, 2, *size))
        warped1 = _warp(after.repeat_interleave(_FLOWS, 0), flow1.reshape(-1, 2, *size))
        guesses = mask * warped0 + (1 - mask) * warped1 + mean.repeat_interleave(_FLOWS, 0)
        guesses = (guesses + residual.reshape(-1, 3, *size)).reshape(-1, _FLOWS, 3, *size)
        refined: torch.Tensor = guesses.mean(1) + self.comb_block(guesses.flatten(1, 2))
        return refined.clamp(0, 1)


def _resize(x: torch.Tensor, factor: float) -> torch.Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def _warp(pictures: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Take from ``pictures`` (B, C, H, W) at the places ``flow`` (B, 2, H, W) pixels away; borders repeat."""
    height, width = flow.shape[-2:]
    ys = torch.linspace(-1.0, 1.0, height, device=flow.device, dtype=flow.dtype)[:, None].expand(
        height, width
    )
    xs = torch.linspace(-1.0, 1.0, width, device=flow.device, dtype=flow.dtype)[None].expand(height, width)
    x = xs + flow[:, 0] / ((width - 1.0) / 2.0)
    y = ys + flow[:, 1] / ((height - 1.0) / 2.0)
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _decoder_input(
    features: torch.Tensor, level0: torch.Tensor, level1: torch.Tensor, flows: torch.Tensor
) -> torch.Tensor:
    return torch.cat([features, _warp(level0, flows[:, :2]), _warp(level1, flows[:, 2:]), flows], dim=1)


def _conv_prelu(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.PReLU(outputs))


class _PyramidEncoder(nn.Module):
    """Features at 1/2, 1/4, 1/8 and 1/16 of the size."""

    def __init__(self) -> None:
        super().__init__()
        previous = 3
        for level, channels in enumerate(_CHANNELS, 1):
            stage = nn.Sequential(_conv_prelu(previous, channels, 2), _conv_prelu(channels, channels))
            self.add_module(f"pyramid{level}", stage)
            previous = channels

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        levels = []
        for stage in self.children():
            x = stage(x)
            levels.append(x)
        return levels


class _Decoder(nn.Module):
    """Convolution, residual block, and a step to twice the size."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.convblock = nn.Sequential(
            _conv_prelu(inputs, hidden), _SideBlock(hidden), nn.ConvTranspose2d(hidden, outputs, 4, 2, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = self.convblock(x)
        return decoded


class _SideBlock(nn.Module):
    """Residual block whose last channels pass through convolutions of their own in between."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv_prelu(channels, channels)
        self.conv2 = _conv_prelu(_SIDE_CHANNELS, _SIDE_CHANNELS)
        self.conv3 = _conv_prelu(channels, channels)
        self.conv4 = _conv_prelu(_SIDE_CHANNELS, _SIDE_CHANNELS)
        self.conv5 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.prelu = nn.PReLU(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.conv3(self._with_side(self.conv1(x), self.conv2))
        out = self.conv5(self._with_side(out, self.conv4))
        activated: torch.Tensor = self.prelu(x + out)
        return activated

    @staticmethod
    def _with_side(x: torch.Tensor, side: nn.Module) -> torch.Tensor:
        return torch.cat([x[:, :-_SIDE_CHANNELS], side(x[:, -_SIDE_CHANNELS:])], dim=1)


class _MatchEncoder(nn.Module):
    """Features at 1/8 of the size for matching the two pictures (RAFT's small encoder, instance norm)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 7, 2, 3)
        self.layer1 = nn.Sequential(_MatchBlock(32, 32, 1), _MatchBlock(32, 32, 1))
        self.layer2 = nn.Sequential(_MatchBlock(32, 64, 2), _MatchBlock(64, 64, 1))
        self.layer3 = nn.Sequential(_MatchBlock(64, 96, 2), _MatchBlock(96, 96, 1))
        self.conv2 = nn.Conv2d(96, _MATCH_CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(F.instance_norm(self.conv1(x)))
        features: torch.Tensor = self.conv2(self.layer3(self.layer2(self.layer1(x))))
        return features


class _MatchBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs // 4, 1)
        self.conv2 = nn.Conv2d(outputs // 4, outputs // 4, 3, stride, 1)
        self.conv3 = nn.Conv2d(outputs // 4, outputs, 1)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride)) if stride > 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for conv in (self.conv1, self.conv2, self.conv3):
            y = F.relu(F.instance_norm(conv(y)))
        if self.downsample is not None:
            x = F.instance_norm(self.downsample(x))
        return F.relu(x + y)


class _Correction(nn.Module):
    """What to add to features and flows, given how well the pictures match around the flows.

    Works at 1/8 of the size; ``scale`` is how much finer the level it serves is.
    """

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        matches = 2 * _LEVELS * (2 * _RADIUS + 1) ** 2
        self.convc1 = nn.Conv2d(matches, 64, 1)
        self.convf1 = nn.Conv2d(4, 40, 7, padding=3)
        self.convf2 = nn.Conv2d(40, 20, 3, padding=1)
        self.conv = nn.Conv2d(64 + 20, 68, 3, padding=1)
        self.gru = _leaky_pair(68 + 4 + channels, 76)
        self.feat_head = _leaky_pair(76, channels)
        self.flow_head = _leaky_pair(76, 4)

    def forward(
        self, features: torch.Tensor, flows: torch.Tensor, matches: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        scale = self.scale
        if scale > 1:
            features = _resize(features, 1 / scale)
        match = _leaky(self.convc1(matches))
        flow = _leaky(self.convf2(_leaky(self.convf1(flows))))
        joint = _leaky(self.conv(torch.cat([match, flow], dim=1)))
        hidden = self.gru(torch.cat([joint, flows, features], dim=1))
        delta_features, delta_flows = self.feat_head(hidden), self.flow_head(hidden)
        if scale > 1:
            delta_features, delta_flows = _resize(delta_features, scale), scale * _resize(delta_flows, scale)
        return delta_features, delta_flows


def _leaky(x: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(x, 0.1)


def _leaky_pair(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, 76, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(76, outputs, 3, padding=1)
    )


class _Correlation:
    """All-pairs correlation of two feature maps (B, C, h, w), in both directions, at four scales."""

    def __init__(self, features0: torch.Tensor, features1: torch.Tensor) -> None:
        self._batch, channels, self._height, self._width = features0.shape
        flat0, flat1 = features0.flatten(2), features1.flatten(2)
        size = (-1, 1, self._height, self._width)
        forward = (flat0.transpose(1, 2) @ flat1) / channels**0.5
        self._forward = _pyramid(forward.reshape(size))
        self._backward = _pyramid(forward.transpose(1, 2).reshape(size))

    def around(self, flows: torch.Tensor) -> torch.Tensor:
        """Correlations within the search radius of where ``flows`` (B, 4, h, w) point in the far picture.

        Both flows start halfway between the pictures, so each is doubled; the forward table is indexed by
        pixels of the first picture.

        Returns:
            (B, 2 * levels * (2 r + 1)^2, h, w).
        """
        device, dtype = flows.device, flows.dtype
        ys, xs = torch.meshgrid(
            torch.arange(self._height, device=device, dtype=dtype),
            torch.arange(self._width, device=device, dtype=dtype),
            indexing="ij",
        )
        here = torch.stack([xs, ys])
        found = [self._lookup(self._forward, here + 2.0 * flows[:, 2:])]
        found.append(self._lookup(self._backward, here + 2.0 * flows[:, :2]))
        return torch.cat(found, dim=1)

    def _lookup(self, pyramid: list[torch.Tensor], places: torch.Tensor) -> torch.Tensor:
        reach = torch.linspace(-_RADIUS, _RADIUS, 2 * _RADIUS + 1, device=places.device, dtype=places.dtype)
        window = torch.stack(torch.meshgrid(reach, reach, indexing="ij"), dim=-1)
        centres = places.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
        found = []
        for level, table in enumerate(pyramid):
            height, width = table.shape[-2:]
            spots = centres / 2**level + window
            grid = 2 * spots / spots.new_tensor([width - 1, height - 1]) - 1
            sampled = F.grid_sample(table, grid, align_corners=True)
            found.append(sampled.reshape(self._batch, self._height, self._width, -1))
        return torch.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()


def _pyramid(table: torch.Tensor) -> list[torch.Tensor]:
    levels = [table]
    for _ in range(_LEVELS - 1):
        levels.append(F.avg_pool2d(levels[-1], 2, stride=2))
    return levels


def pair_bytes(height: int, width: int) -> int:
    """Memory that the correlation tables of one pair of (padded) pictures take: 2.2 GB at 1280x720."""
    places = (height // 8) * (width // 8)
    return 2 * 4 * places**2 * 4 // 3


def load_amt(path: Path, device: str = "cpu") -> AmtSmall:
    """Load ``amt-s.pth``.

    Raises:
        WeightsError: the file is absent or holds another network.
    """
    network = AmtSmall()
    load_exactly(network, read_state_dict(path), path)
    return network.to(device).eval()
