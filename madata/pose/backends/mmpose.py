"""Any top-down model of MMPose 1.x, for whoever has an environment in which it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from madata.cache import remembered_sha256
from madata.errors import ConfigError, MissingDependencyError
from madata.pose.base import Detections, Image, Poses, check_images, empty_poses
from madata.pose.detectors import load_detector
from madata.pose.topdown import presence_of, skeleton_of

__all__ = ["BACKEND", "RECIPE", "MMPose"]

RECIPE = (
    "mmpose is not installed here and cannot be a dependency: it needs an environment of its own. In this "
    "order: "
    "python 3.10; pip install torch torchvision 'setuptools<80' 'numpy<2' six tqdm openmim; mim install "
    "'mmcv==2.1.0' mmengine 'mmdet<3.4'; pip install --no-deps mmpose==1.3.2; pip install xtcocotools "
    "munkres json_tricks; pip install --no-deps madance"
)


class MMPose:
    """See :class:`madata.pose.base.PoseBackend`."""

    def __init__(
        self,
        *,
        config: str | None = None,
        checkpoint: str | None = None,
        detector: str = "blazepose",
        weights: Path | None = None,
        device: str = "cpu",
        min_score: float = 0.3,
    ) -> None:
        """Build the model.

        Args:
            config, checkpoint: files of MMPose, both on this machine.
            detector: ``"blazepose"``, or a detector of transformers (folder, weights name, cached hub id).
            min_score: of a detection.

        Raises:
            ConfigError: a file is not named or does not exist.
            MissingDependencyError: mmpose is not installed; the message holds the recipe of an environment.
        """
        files = {"config": config, "checkpoint": checkpoint}
        for name, file in files.items():
            if file is None or not Path(file).is_file():
                raise ConfigError(f"mmpose: the option {name} must name a file, got {file!r}")
        try:
            from mmpose.apis import inference_topdown, init_model
        except ImportError as error:
            raise MissingDependencyError(f"{RECIPE} ({error})") from error
        self._model = init_model(config, checkpoint, device=device)
        self._infer = inference_topdown
        self._num_joints = int(self._model.dataset_meta["num_keypoints"])
        self._detector = load_detector(detector, weights=weights, device=device, min_score=min_score)
        self.skeleton = skeleton_of(self._num_joints, str(config))
        self.identity: dict[str, Any] = {
            "name": "mmpose",
            "weights": {name: remembered_sha256(Path(str(file))) for name, file in files.items()},
            "detector": self._detector.identity,
            "settings": {},
        }

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The detector's people."""
        return self._detector.detect(images)

    def estimate(self, images: Sequence[Image], people: Sequence[Detections]) -> list[Poses]:
        """Joints of each person. MMPose takes BGR and counts from the centre of the first pixel."""
        check_images(images, people)
        poses = []
        for image, found in zip(images, people, strict=True):
            if len(found) == 0:
                poses.append(empty_poses(self._num_joints))
                continue
            bgr = np.ascontiguousarray(image[:, :, ::-1])
            results = self._infer(self._model, bgr, bboxes=found.boxes, bbox_format="xyxy")
            xy = (
                np.concatenate([np.asarray(one.pred_instances.keypoints, np.float32) for one in results])
                + 0.5
            )
            score = np.concatenate(
                [np.asarray(one.pred_instances.keypoint_scores, np.float32) for one in results]
            )
            score = np.clip(score, 0.0, 1.0)
            poses.append(Poses(xy.astype(np.float32), score, presence_of(score)))
        return poses


BACKEND = MMPose
