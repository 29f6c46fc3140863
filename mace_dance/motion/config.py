"""What can be chosen about the Motion Expert: its size, its ablations, and where paper and code part.

The official code (AMAP-ML/MACE-Dance, Expert-Motion) departs from section 3.2 of the paper in ten places. Where
a choice is left, it is a field of :class:`Choices`; the defaults are what the code does, because published
weights were trained so and Table 2 was measured so. :data:`PAPER` is the paper's reading.

| | place | default (code) | other (paper) |
|---|---|---|---|
| 1 | music encoder | ``genre="on"``: modulated by a genre label | ``"off"``: the paper names none |
| 2 | unconditional branch of equation 3 | ``uncond_beta="same"`` as the conditional one | ``"one"`` |
| 3 | empty condition | ``null="add"``: learnt vector added to both branches | ``"replace"``: instead of the music |
| 4 | guidance | no drop and no weight: the code's two settings are read by nothing | the same |
| 5 | time of a training sample | ``times="below"``: 0 .. T-1 | ``"through"``: 0 .. T |
| 6a | joint and foot losses | ``joints="normalised"``: kinematics of values in -1..1 | ``"metres"`` |
| 6b | velocity loss | ``velocity="vector"``: of the motion vector | ``"joints"``: of joint positions |
| 6c | foot loss | ``foot="threshold"``: feet whose predicted contact is above 0.95 | ``"product"`` with it |
| 7 | stop-gradient pass | ``uncond_dropout="on"``: with dropout | ``"off"`` |

The graph of the stop-gradient pass is never built (7): the gradients are those of the code at less work. Three
places leave no choice: batches of one work (8), every song is generated, not the first batch alone (9), and
the loss is that of ``x_beta`` in both (10).

In the time reading ``"through"`` the extra time stands for the clean sample; the network gets -1 for it, the
time with which the sampler's own list ends.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from madata.config import ClosedModel

__all__ = ["ABLATIONS", "GENRES", "OFFICIAL", "PAPER", "Choices", "MotionExpertConfig", "NetworkConfig"]

Switch = Literal["on", "off"]

GENRES = (
    "Dai",
    "ShenYun",
    "Wei",
    "Korean",
    "Urban",
    "Hiphop",
    "Popping",
    "Miao",
    "HanTang",
    "Breaking",
    "Kun",
    "Locking",
    "Jazz",
    "Choreography",
    "Chinese",
    "DunHuang",
)
"""Names of the official genre labels 0..15, the second-level styles of FineDance."""


class NetworkConfig(ClosedModel):
    """Settings of any network on motion vectors.

    Attributes:
        features: columns of a motion vector.
    """

    features: int = Field(ge=1)


class Choices(ClosedModel):
    """One reading of the method; see the table above."""

    genre: Switch = "on"
    uncond_beta: Literal["same", "one"] = "same"
    null: Literal["add", "replace"] = "add"
    times: Literal["below", "through"] = "below"
    joints: Literal["normalised", "metres"] = "normalised"
    velocity: Literal["vector", "joints"] = "vector"
    foot: Literal["threshold", "product"] = "threshold"
    uncond_dropout: Switch = "on"


class MotionExpertConfig(NetworkConfig):
    """Size and method of a Motion Expert.

    Attributes:
        features: width of a motion vector.
        music_features: width of the music features of a frame.
        latent: width of the network.
        feed_forward: width inside the feed-forward networks.
        heads: attention heads.
        dance_layers: blocks of the generator.
        music_layers: layers of the music encoder.
        genres: labels the genre embedding knows.
        dropout: share of activations dropped in training.
        d_state, d_conv, expand: of every Mamba.
        attention_time: ``"none"`` as published: dance finds its place in the music through Mamba alone, which takes
            long training to learn; ``"relative"`` tells the attention how many frames lie between the two.
        mixer: what relates the frames of one stream: Mamba both ways, one way, or self-attention.
        guidance: ``"gft"`` (guidance-free training, one pass a step) or ``"cfg"`` (classifier-free guidance, two
            passes, no beta).
        condition_drop: share of training samples without music, ``"cfg"`` only.
        guidance_weight: extrapolation towards the condition in sampling, ``"cfg"`` only.
        choices: where paper and code part.
    """

    features: int = Field(default=151, ge=1)
    music_features: int = Field(default=35, ge=1)
    latent: int = Field(default=512, ge=4)
    feed_forward: int = Field(default=1024, ge=1)
    heads: int = Field(default=8, ge=1)
    dance_layers: int = Field(default=8, ge=1)
    music_layers: int = Field(default=2, ge=1)
    genres: int = Field(default=len(GENRES), ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    d_state: int = Field(default=16, ge=1)
    d_conv: int = Field(default=4, ge=1)
    expand: int = Field(default=2, ge=1)
    attention_time: Literal["none", "relative"] = "none"
    mixer: Literal["bimamba", "mamba", "attention"] = "bimamba"
    guidance: Literal["gft", "cfg"] = "gft"
    condition_drop: float = Field(default=0.25, ge=0, le=1)
    guidance_weight: float = 2.0
    choices: Choices = Choices()

    @model_validator(mode="after")
    def _divisible(self) -> MotionExpertConfig:
        if self.latent % self.heads or self.latent % 2:
            raise ValueError(f"latent ({self.latent}) must be even and a multiple of heads ({self.heads})")
        if self.attention_time == "relative" and (self.latent // self.heads) % 2:
            raise ValueError(f"relative time needs an even width of heads, not {self.latent // self.heads}")
        return self


OFFICIAL = MotionExpertConfig()
"""The network of the published code, 66,680,983 parameters."""

PAPER = MotionExpertConfig(
    choices=Choices(
        genre="off",
        uncond_beta="one",
        null="replace",
        times="through",
        joints="metres",
        velocity="joints",
        foot="product",
        uncond_dropout="off",
    )
)
"""Section 3.2 of the paper to the letter."""

ABLATIONS = {
    "gft-to-cfg": OFFICIAL.model_copy(update={"guidance": "cfg"}),
    "bimamba-to-mamba": OFFICIAL.model_copy(update={"mixer": "mamba"}),
    "bimamba-to-transformer": OFFICIAL.model_copy(update={"mixer": "attention"}),
}
"""The rows of Table 2; the paper gives no code for them, these are our definitions."""
