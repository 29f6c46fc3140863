"""MEGADance's classifier of dance genres, by which its authors measure how well a genre is met.

Eight layers of a Transformer, between which the clock is halved; the mean over what is left says the genre. A layer for
joints is in the checkpoint and takes part in nothing.

Modules bear upstream's names. A classifier that was trained here is a model folder (:data:`GENRES_KIND`) with the
statistics of its training set in it.

Legend: B batch, T frames.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.megadance.pose_codes import POSE_WIDTH
from mace_dance.motion.config import NetworkConfig
from mace_dance.motion.pretrained import Kind

__all__ = ["GENRES_KIND", "LABELS", "ClassifierConfig", "GenreClassifier", "GenreReader"]

LABELS = 20
"""Outputs; the genres of FineDance are the first 16."""


class _Former(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, dropout=0.25, batch_first=True)
        self.layer = nn.TransformerEncoder(layer, num_layers=1, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


class _HalfClock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool1d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pool(x.transpose(1, 2)).transpose(1, 2)
        return out


class GenreClassifier(nn.Module):
    """(B, T, 147) root positions and 6D rotations, normalised -> (B, 20) logits.

    Args:
        width: of the Transformer; the defaults are the published sizes, 25,925,780 parameters.
        heads: of its attention.
        layers: of it.
    """

    def __init__(self, width: int = 512, heads: int = 8, layers: int = 8) -> None:
        super().__init__()
        self.MLP_input = nn.Sequential(nn.Linear(POSE_WIDTH, width), nn.Linear(width, width))
        self.MLP_keypoint = nn.Sequential(nn.Linear(72, width), nn.Linear(width, width))
        self.MLP_output = nn.Sequential(nn.Linear(width, 128), nn.Linear(128, LABELS))
        self.dance_encoder = nn.Sequential()
        for index in range(layers):
            self.dance_encoder.add_module(f"Dance_Former_{index}", _Former(width, heads))
            self.dance_encoder.add_module(f"Dance_DownSample_{index}", _HalfClock())

    def forward(self, poses: Tensor) -> Tensor:
        """(B, T, 147) -> (B, 20)."""
        out: Tensor = self.MLP_output(self.dance_encoder(self.MLP_input(poses)).mean(dim=1))
        return out


class ClassifierConfig(NetworkConfig):
    """Size of a classifier; the defaults are the published ones."""

    features: int = Field(default=POSE_WIDTH, ge=POSE_WIDTH, le=POSE_WIDTH)
    width: int = Field(default=512, ge=1)
    heads: int = Field(default=8, ge=1)
    layers: int = Field(default=8, ge=1)


class GenreReader(nn.Module):
    """A classifier of poses as they are.

    Attributes:
        pose_mean, pose_std: (147,) of the training set.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.classifier = GenreClassifier(config.width, config.heads, config.layers)
        self.register_buffer("pose_mean", torch.zeros(config.features))
        self.register_buffer("pose_std", torch.ones(config.features))
        self.pose_mean: Tensor
        self.pose_std: Tensor

    def forward(self, poses: Tensor) -> Tensor:
        """(B, T, 147) root positions and 6D rotations -> (B, 20) logits."""
        out: Tensor = self.classifier((poses - self.pose_mean) / self.pose_std)
        return out


GENRES_KIND: Kind[GenreReader, ClassifierConfig] = Kind("megadance-genres", ClassifierConfig, GenreReader)
