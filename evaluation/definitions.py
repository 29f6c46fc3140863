"""Published definitions as data: what each upstream repository means by its motion metrics and its pair metrics.

Motion (``VARIANTS``):

* ``mace2d``: AMAP-ML/MACE-Dance @ 8f92d12, calculate_metric.py. 25 keypoints as in its files.
* ``lodge``: li-ronghui/LODGE @ a898e59. Joints 0..21 of SMPL-X, metres, y up, 30 frames per second.
* ``bailando``: lisiyao21/Bailando @ cc90b98. 24 joints of SMPL.
* ``mint``: google-research/mint @ b8f8bdf and google/aistplusplus_api @ 2dd7b3e. 24 joints, world.
* ``megadance``: XulongT/MEGADance @ e145b8f. 24 joints of SMPL.
* ``mace3d``: AMAP-ML/MACE-Dance @ 8f92d12, metric.py; its geometric.py is not public: MEGADance's stands in.

They place the joints, count time, normalise and align beats each in its own way, so numbers of two variants
are never comparable. Frame rate, units and up axis of the input are not looked at, as upstream does not.

Pairs of videos (``PAIR_PROTOCOLS``): the paper says "metrics following Wan-Animate", whose evaluation code is not
public. Its line of work goes back to DisCo's script; the other common choice is ``common_metrics_on_video_quality``
(cmvq). They differ in
every metric:

=====================  ======================================  =========================================
measure                disco                                   cmvq
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

__all__ = [
    "PAIR_PROTOCOLS",
    "VARIANTS",
    "BeatRule",
    "FrechetRule",
    "FvdRule",
    "KineticRule",
    "LpipsRule",
    "PairProtocol",
    "Placement",
    "Scaling",
    "Variant",
]

FrechetRule = Literal["lodge", "mint"]
Placement = Literal["pixels", "world", "start", "lodge", "turned"]


@dataclass(frozen=True)
class KineticRule:
    """One published definition.

    Attributes:
        scheme: how the five-frame means are taken, see the module.
        fps: frame rate the code assumes, whatever the material has.
        horizontal, vertical: coordinates that make up E_h and E_v.
        centre: joints whose midpoint is subtracted in every frame; empty for none.
        joints: joints that are kept; ``None`` keeps all.
    """

    scheme: Literal["fairmotion", "box"]
    fps: float
    horizontal: tuple[int, ...]
    vertical: tuple[int, ...]
    centre: tuple[int, ...] = ()
    joints: int | None = None


@dataclass(frozen=True)
class BeatRule:
    """One published definition.

    Attributes:
        smoothing: sigma of the Gaussian over the speed curve, frames; 0 for none.
        order: a minimum is below this many neighbours on each side.
        speed: ``mean`` over joints of T - 1 speeds, or ``sum`` over joints of T speeds, the first 0.
        direction: whose beats are averaged over.
        empty_music, empty_motion: score without beats; ``None`` where the script raises.
    """

    smoothing: float
    order: int
    speed: Literal["mean", "sum"]
    direction: Literal["music", "motion"]
    empty_music: float | None
    empty_motion: float | None


@dataclass(frozen=True)
class Scaling:
    """A published normalisation.

    Attributes:
        own: each set by its own statistics; otherwise both by those of the reference.
        library: ``torch`` divides the variance by N - 1, ``numpy`` by N.
        epsilon: what is added to the deviation.
    """

    own: bool
    library: Literal["numpy", "torch"]
    epsilon: float


@dataclass(frozen=True)
class Variant:
    """One published protocol.

    Attributes:
        placement: what is done to the joints before features are taken, see :func:`place`.
        max_frames: features look no further than this; ``None`` for all frames. (That ``mace2d`` takes the
            first 64 frames of every file, beats included, is a matter of which clips are compared.)
        kinetic, scaling, frechet, beats: the rules.
    """

    name: str
    placement: Placement
    max_frames: int | None
    kinetic: KineticRule
    scaling: Scaling
    frechet: FrechetRule
    beats: BeatRule


_FAIRMOTION = KineticRule("fairmotion", fps=60, horizontal=(0, 2), vertical=(1,))
_NUMPY_SCALING = Scaling(own=False, library="numpy", epsilon=1e-10)
_SIGMA_5 = BeatRule(5.0, 1, "mean", "music", empty_music=None, empty_motion=None)
_SIGMA_5_SILENT = BeatRule(5.0, 1, "mean", "music", empty_music=0.0, empty_motion=None)

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            "mace2d",
            placement="pixels",
            max_frames=None,
            kinetic=KineticRule("box", fps=30, horizontal=(0,), vertical=(1,), centre=(11, 12)),
            scaling=Scaling(own=True, library="torch", epsilon=1e-4),
            frechet="lodge",
            beats=BeatRule(3.5, 1, "mean", "music", empty_music=0.0, empty_motion=0.0),
        ),
        Variant("lodge", "lodge", 1024, _FAIRMOTION, _NUMPY_SCALING, "lodge", _SIGMA_5),
        Variant("bailando", "start", 1200, _FAIRMOTION, _NUMPY_SCALING, "lodge", _SIGMA_5),
        Variant(
            "mint",
            placement="world",
            max_frames=None,
            kinetic=_FAIRMOTION,
            scaling=_NUMPY_SCALING,
            frechet="mint",
            beats=BeatRule(0.0, 10, "sum", "motion", empty_music=None, empty_motion=0.0),
        ),
        Variant(
            "megadance",
            placement="start",
            max_frames=None,
            kinetic=KineticRule("box", fps=30, horizontal=(0, 2), vertical=(1,)),
            scaling=Scaling(own=False, library="torch", epsilon=1e-10),
            frechet="lodge",
            beats=_SIGMA_5_SILENT,
        ),
        Variant(
            "mace3d",
            placement="turned",
            max_frames=None,
            kinetic=KineticRule("box", fps=30, horizontal=(0, 2), vertical=(1,), joints=22),
            scaling=Scaling(own=False, library="torch", epsilon=1e-4),
            frechet="lodge",
            beats=_SIGMA_5_SILENT,
        ),
    )
}


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


PAIR_PROTOCOLS: Mapping[str, PairProtocol] = {
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
