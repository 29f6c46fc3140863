"""How the clips of one run are looked at: what every extractor of features is given."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.features.cache import FeatureCache
from evaluation.features.keypoints import VideoKeypoints
from evaluation.features.wanted import WantedFeatures
from evaluation.options import Options
from evaluation.protocol import Protocol

__all__ = ["Extraction"]


@dataclass(frozen=True)
class Extraction:
    """The conditions under which features are extracted.

    Attributes:
        wanted: what the metrics of the protocol need to know of clips.
        cache: what was extracted before.
        keypoints: finds the performer of videos; ``None`` where the protocol is not about keypoints.
    """

    protocol: Protocol
    wanted: WantedFeatures
    options: Options
    cache: FeatureCache
    keypoints: VideoKeypoints | None

    @classmethod
    def of(cls, protocol: Protocol, wanted: WantedFeatures, options: Options) -> Extraction:
        """With the cache and the pose backend of ``options``; the backend loads when a video asks for it."""
        cache = FeatureCache(options.cache)
        keypoints = None
        if protocol.input == "keypoints2d":
            keypoints = VideoKeypoints(options.backend, cache, options.device, options.weights)
        return cls(protocol, wanted, options, cache, keypoints)
