"""The two published ways to compare generated video with its reference, as data.

The paper says "metrics following Wan-Animate", whose evaluation code is not public. Its line of work goes
back to DisCo's script; the other common choice is ``common_metrics_on_video_quality`` (cmvq). They differ in
every metric:

=====================  ======================================  =========================================
\\                      disco                                   cmvq
=====================  ======================================  =========================================
PSNR                   all channels of a frame                 the same; 100 already for mse < 1e-10
SSIM                   grey, uniform 7 x 7                     per channel, Gaussian 11 x 11, sigma 1.5
LPIPS                  VGG, pictures left in 0..1 (a mistake)  AlexNet, -1..1, mean of the spatial map
FVD pictures           bicubic, squashed to 224 x 224          bilinear, shorter side 224, centre crop
I3D batch-norm eps     1e-3                                    1e-5
unequal picture sizes  bilinear to the reference's size        refused
=====================  ======================================  =========================================

Means: disco over all frames, cmvq over videos (it takes videos of one length, where both are the same).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["PROTOCOLS", "FvdRule", "LpipsRule", "PairProtocol"]


@dataclass(frozen=True)
class LpipsRule:
    """Which LPIPS.

    Attributes:
        net: the backbone.
        lowest: what a black pixel becomes, -1 as LPIPS is defined or 0 as DisCo feeds it; white is 1.
        spatial: average an upsampled map of distances instead of each layer.
    """

    net: Literal["alex", "vgg"]
    lowest: float
    spatial: bool


@dataclass(frozen=True)
class FvdRule:
    """How a clip is shown to I3D.

    Attributes:
        resize: ``squash_bicubic`` (antialiased, both sides to 224), ``squash_bilinear``, or ``crop_bilinear``
            (shorter side to 224, centre crop); the bilinear ones without antialiasing.
        byte_cut: whether frames pass through 0..1 floats and are cut to bytes again on the way, which lowers
            some levels by one.
        epsilon: of I3D's batch normalisation.
        frames: how many frames of each video, from its first.
    """

    resize: Literal["squash_bicubic", "squash_bilinear", "crop_bilinear"]
    byte_cut: bool
    epsilon: float
    frames: int = 16


@dataclass(frozen=True)
class PairProtocol:
    """One way to compare a generated video with its reference.

    Attributes:
        same_below: mean squared error (of pictures in 0..1) under which PSNR is given as 100 dB; at 0 only
            equal frames are.
        ssim: ``grey_uniform`` or ``colour_gaussian``.
        resize: whether a generated picture of another size is stretched to the reference's.
        pooled: whether a data set's number is the mean of frames rather than of videos.
    """

    name: str
    same_below: float
    ssim: Literal["grey_uniform", "colour_gaussian"]
    lpips: LpipsRule
    fvd: FvdRule
    resize: bool
    pooled: bool


PROTOCOLS: Mapping[str, PairProtocol] = {
    protocol.name: protocol
    for protocol in (
        PairProtocol(
            name="disco",
            same_below=0.0,
            ssim="grey_uniform",
            lpips=LpipsRule("vgg", lowest=0.0, spatial=False),
            fvd=FvdRule("squash_bicubic", byte_cut=False, epsilon=1e-3),
            resize=True,
            pooled=True,
        ),
        PairProtocol(
            name="cmvq",
            same_below=1e-10,
            ssim="colour_gaussian",
            lpips=LpipsRule("alex", lowest=-1.0, spatial=True),
            fvd=FvdRule("crop_bilinear", byte_cut=True, epsilon=1e-5),
            resize=False,
            pooled=False,
        ),
    )
}
"""By name: ``disco`` and ``cmvq``."""
