"""Who is to be seen: the face and the whole body of the performer, as networks of the user's see them.

The pose backend finds the largest person in one frame of every second. A **face** is turned and scaled so that eyes,
nose and corners of the mouth lie where face networks are trained to find them (the five points of ArcFace, Deng et
al., CVPR 2019, in its crop of 112 px). One that is small, turned away or in profile does not fit these points and is no
face. A **body** is the box around the joints that are seen.

Legend: S seconds, D numbers of a network, J joints.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evaluation.features.video.frames import FrameChunk, UInt8Array
from evaluation.features.video.one_pass import LONGEST_COURSE_S
from evaluation.features.video.scores import VideoScore
from evaluation.protocol import IdentityRule
from madata.errors import WeightsError

if TYPE_CHECKING:
    from madata.pose import PoseBackend

__all__ = ["LOOK_WEIGHTS", "Likeness", "Look", "LookNetwork", "face_map"]

Floats = npt.NDArray[np.float64]

LOOK_WEIGHTS: Mapping[str, str] = {"face_identity": "identity-face", "body_identity": "identity-body"}
"""What is looked for -> the network of the weights manifest that sees it."""

_FIVE_POINTS = {
    "right_eye": (38.2946, 51.6963),
    "left_eye": (73.5318, 51.5014),
    "nose": (56.0252, 71.7366),
    "mouth_right": (41.5493, 92.3655),
    "mouth_left": (70.7299, 92.2041),
}
"""Px of a crop of 112 px, as in the reference code of ArcFace."""
_FIVE_POINTS_PX = 112.0
_SEEN = 0.3
_LARGEST_PX = 1024
_BODY_PADDING = 1.25
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class LookNetwork:
    """A network that turns a crop into numbers by which people are told apart.

    Attributes:
        size: (width, height) px of its crops.
    """

    def __init__(self, path: Path, device: str) -> None:
        """Open the ONNX file ``path``.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            WeightsError: it is no network of pictures.
        """
        from madata.networks.onnx import open_onnx

        self._session = open_onnx(path, device, "identity")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [list(end.shape) for end in (*inputs, *outputs)]
        if len(inputs) != 1 or not outputs or not _takes_pictures(shapes[0]) or len(shapes[1]) != 2:
            raise WeightsError(
                f"{path}: expected one input (N, 3, height, width) of fixed size, at most {_LARGEST_PX} px, and an "
                f"output (N, D), got {' and '.join(map(str, shapes[: len(inputs)]))} -> {shapes[len(inputs) :]}"
            )
        self._name = inputs[0].name
        self.size = (int(shapes[0][3]), int(shapes[0][2]))
        self._try(path)

    def _try(self, path: Path) -> None:
        """Look at one picture of noise.

        Raises:
            WeightsError: it cannot, or sees nothing.
        """
        noise = np.random.default_rng(0).uniform(-1, 1, (self.size[1], self.size[0], 3)).astype(np.float32)
        try:
            seen = self(noise)
        except Exception as error:  # onnxruntime's errors share no public base class
            said = " ".join(str(error).split())[:200]
            raise WeightsError(f"{path}: cannot look at one float32 picture: {said}") from error
        if seen is None:
            raise WeightsError(f"{path}: gives numbers without a direction (zeros, or none at all)")

    def __call__(self, crop: npt.NDArray[np.float32]) -> Floats | None:
        """(D,) of unit length, of a crop (H, W, 3) as the network wants it; ``None`` where it sees nothing."""
        found = self._session.run(None, {self._name: np.ascontiguousarray(crop.transpose(2, 0, 1))[None]})[0]
        numbers = np.asarray(found[0], np.float64)
        length = float(np.linalg.norm(numbers))
        return np.asarray(numbers / length) if np.isfinite(length) and length > 0 else None


def _takes_pictures(shape: Sequence[Any]) -> bool:
    """Whether (N, 3, H, W) is such a shape, of a size that is fixed and that crops have."""
    fixed = len(shape) == 4 and all(isinstance(side, int) and 0 < side <= _LARGEST_PX for side in shape[2:])
    return fixed and shape[1] == 3


def face_map(points: Mapping[str, npt.NDArray[np.floating[Any]]], rule: IdentityRule) -> Floats | None:
    """(2, 3) map from the picture to a crop of 112 px, both measured from the corner; ``None`` where there is no face.

    Turn, scale and shift that bring the points nearest to their places, by least squares.

    Args:
        points: name -> (2,) px of the points of a face that are seen.

    Example:
        >>> there = {name: np.array(xy) + 0.5 for name, xy in _FIVE_POINTS.items()}
        >>> np.abs(face_map(there, IdentityRule(least_eyes_px=8, most_misfit=0.1))).round(6).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if not {"left_eye", "right_eye", "nose"} <= points.keys():
        return None
    if float(np.linalg.norm(points["left_eye"] - points["right_eye"])) < rule.least_eyes_px:
        return None
    names = [name for name in _FIVE_POINTS if name in points]
    there = np.array([points[name] for name in names], np.float64) @ (1, 1j)
    wanted = (np.array([_FIVE_POINTS[name] for name in names]) + 0.5) @ (1, 1j)
    centred = there - there.mean()
    turn = np.vdot(centred, wanted - wanted.mean()) / np.vdot(centred, centred).real
    shift = wanted.mean() - turn * there.mean()
    misfit = np.sqrt(np.mean(np.abs(turn * there + shift - wanted) ** 2)) / _FIVE_POINTS_PX
    if misfit > rule.most_misfit:
        return None
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


class Look:
    """Finds the performer of pictures and shows its face and body to the networks.

    Attributes:
        networks: by what they look for, a name of :data:`LOOK_WEIGHTS`.
        skeleton, identity: of the pose backend.
    """

    def __init__(self, pose: PoseBackend, networks: Mapping[str, LookNetwork], rule: IdentityRule) -> None:
        from madata.skeletons import skeleton

        self.networks = networks
        self.skeleton, self.identity = pose.skeleton, pose.identity
        self._pose, self._rule = pose, rule
        self._joints = skeleton(pose.skeleton).joints
        # all that is looked for is looked for in the same frames, one after the other
        self._lately: deque[tuple[UInt8Array, tuple[Any, Any] | None]] = deque(maxlen=16)

    def __call__(self, name: str, image: UInt8Array) -> Floats | None:
        """(D,) of the face or the body (a name of :data:`LOOK_WEIGHTS`) in a picture; ``None`` where there is none."""
        found = self._performer(image)
        if found is None:
            return None
        crop = self._crop(name, image, *found)
        return None if crop is None else self.networks[name](crop)

    def _performer(self, image: UInt8Array) -> tuple[Any, Any] | None:
        from madata.pose.performer import find_performer

        for seen, found in self._lately:
            if seen is image:
                return found
        found = find_performer(self._pose, image)
        self._lately.append((image, found))
        return found

    def _crop(
        self, name: str, image: UInt8Array, xy: Floats, score: Floats
    ) -> npt.NDArray[np.float32] | None:
        from madata.pose.crops import box_crop, warp

        size, seen = self.networks[name].size, score >= _SEEN
        if name == "body_identity":
            if not seen.any():
                return None
            box = np.concatenate([xy[seen].min(axis=0), xy[seen].max(axis=0)])
            body = warp(image, box_crop(box, size, _BODY_PADDING), size).astype(np.float32)
            return (body / 255.0 - _MEAN) / _DEVIATION
        points = {joint: xy[column] for column, joint in enumerate(self._joints) if seen[column]}
        matrix = face_map(points, self._rule)
        if matrix is None:
            return None
        scale = min(size) / _FIVE_POINTS_PX
        matrix = matrix * scale
        matrix[:, 2] += (np.array(size) - min(size)) / 2
        return (warp(image, matrix, size).astype(np.float32) - 127.5) / 127.5


class Likeness:
    """What a network sees of the performer in the middle of every second of a video.

    The score is the share of these seconds in which it sees anything; kept are its (S, D) numbers, NaN elsewhere.
    """

    def __init__(self, name: str, look: Look) -> None:
        self._name, self._look = name, look
        self._frames = 0
        self._seen: dict[int, Floats | None] = {}

    def update(self, chunk: FrameChunk) -> None:
        """Look at the first frame in the second half of each second."""
        self._frames += len(chunk)
        for frame, time_s in zip(chunk.frames, chunk.times_s, strict=True):
            second = int(time_s)
            if time_s - second >= 0.5 and second not in self._seen and second < LONGEST_COURSE_S:
                self._seen[second] = self._look(self._name, frame)

    def compute(self) -> VideoScore:
        """What was seen so far."""
        if not self._seen:
            return VideoScore.undefined(self._name, self._frames, "is shorter than half a second")
        known = {second: numbers for second, numbers in self._seen.items() if numbers is not None}
        if not known:
            reason = f"no {self._name.removesuffix('_identity')} is seen in {len(self._seen)} seconds"
            return VideoScore.undefined(self._name, self._frames, reason)
        kept = np.full((max(self._seen) + 1, len(next(iter(known.values())))), np.nan)
        for second, numbers in known.items():
            kept[second] = numbers
        share, count = len(known) / len(self._seen), len(self._seen)
        return VideoScore(self._name, share, self._frames, count, kept=kept.reshape(-1))
