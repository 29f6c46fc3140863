"""Videos -> the performer's keypoints, through a pose backend, kept in the user's cache by content.

Every frame is looked at, and the largest person is followed through the clip. The backend, its weights and
its settings are part of the key and of the result: keypoints of two backends are different measurements.

Legend: T frames, J joints.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evaluation.features.cache import FeatureCache
from evaluation.inputs.pose_files import JointTrack
from madata.errors import MediaError, MissingDependencyError, WeightsError
from madata.files import read_npz, sha256_bytes, write_npz

if TYPE_CHECKING:
    from madata.pose import PoseBackend
    from madata.pose.performer import OnFrame
    from madata.video import DecodeReport

__all__ = ["VideoKeypoints", "damage_of", "performer_of"]

_VERSION = 1


@dataclass
class VideoKeypoints:
    """Extracts keypoints with one backend; it is loaded when the first video is not in the cache.

    Attributes:
        backend: name for :func:`madata.pose.load`.
        cache: where found keypoints are kept.
        device: where the backend runs.
        weights: folder of weights searched first.
    """

    backend: str
    cache: FeatureCache
    device: str = "cpu"
    weights: Path | None = None
    _loaded: PoseBackend | None = None

    @property
    def pose(self) -> PoseBackend:
        """The backend."""
        if self._loaded is None:
            from madata.pose import load

            self._loaded = load(self.backend, weights=self.weights, device=self.device)
        return self._loaded

    def unusable(self) -> str | None:
        """Why the backend cannot be used here, with the command that helps; ``None`` when it can."""
        try:
            _ = self.pose
        except (WeightsError, MissingDependencyError) as error:
            reason = f"the pose backend {self.backend} cannot be used"
            command = str(error).rpartition("run: ")[2] if "run: " in str(error) else ""
            return f"{reason}; run: {command}" if command else reason
        return None

    @property
    def used(self) -> bool:
        """Whether any video was asked for."""
        return self._loaded is not None

    @property
    def identity(self) -> dict[str, Any]:
        """What the keypoints depend on besides the video."""
        from madata.pose.performer import long_side_px

        return {
            **self.pose.identity,
            "skeleton": self.pose.skeleton,
            "long_side": long_side_px(self.pose),
            "extraction": _VERSION,
        }

    @property
    def origin(self) -> str:
        """Name of the backend and a hash of its identity."""
        return f"{self.backend}-{self._fingerprint[:12]}"

    @property
    def _fingerprint(self) -> str:
        return sha256_bytes(json.dumps(self.identity, sort_keys=True, default=str).encode())

    def knows(self, path: Path) -> bool:
        """Whether the keypoints of a video are in the cache."""
        return self._stored(path).is_file()

    def extract(self, path: Path, on_frame: OnFrame | None = None) -> None:
        """Find the keypoints of a video and keep them; whoever else wants its frames gets them on the way.

        Raises:
            MediaError: the video cannot be decoded.
        """
        try:
            arrays = performer_of(path, self.pose, on_frame)
        except MediaError as error:
            if error.reason != "no_person":
                raise
            arrays = {"nobody": np.array(str(error))}
        write_npz(self._stored(path), **arrays)

    def _stored(self, path: Path) -> Path:
        return self.cache.path("keypoints", self._fingerprint[:16], self.cache.sha256(path))

    def track(self, path: Path) -> JointTrack:
        """Keypoints of the performer of a video, px of the shown picture.

        Raises:
            MediaError: the video cannot be decoded, or nobody is in it.
        """
        if not self.knows(path):
            self.extract(path)
        arrays = read_npz(self._stored(path))
        if "nobody" in arrays:
            raise MediaError(str(arrays["nobody"]), reason="no_person")
        oddities = ("truncated", str(arrays["damage"])) if str(arrays["damage"]) else None
        return JointTrack(
            points=arrays["xy"].astype(np.float64),
            score=arrays["score"],
            skeleton=self.pose.skeleton,
            fps=float(arrays["fps"]),
            up="-y",
            origin=self.origin,
            oddities=(oddities,) if oddities else (),
            size=(int(arrays["size"][0]), int(arrays["size"][1])),
        )


def damage_of(report: DecodeReport) -> str:
    """What of a file could not be decoded, or an empty text."""
    damage = f"{report.damaged_frames} frames are damaged" if report.damaged_frames else ""
    if report.truncated:
        damage = f"it ends early, after {report.frames_decoded} frames" + (f"; {damage}" if damage else "")
    return damage


def performer_of(
    path: Path, pose: PoseBackend, on_frame: OnFrame | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Keypoints of the performer of a video, as :func:`madata.pose.performer.follow_performer` finds them.

    Args:
        on_frame: called with the decoder and each frame, in order, in the same pass.

    Returns:
        ``xy`` (T, J, 2) px and ``score`` (T, J), 0 in frames in which the performer is not seen; ``fps``,
        ``size``, and ``damage``, a text that says what of the file could not be decoded.

    Raises:
        MediaError: the video cannot be decoded, or nobody is in it.
    """
    from madata.pose.performer import follow_performer

    found, report = follow_performer(path, pose, on_frame)
    return {
        "xy": found.xy.astype(np.float32),
        "score": found.score.astype(np.float32),
        "fps": np.array(found.fps),
        "size": np.array(found.size, np.int64),
        "damage": np.array(damage_of(report)),
    }
