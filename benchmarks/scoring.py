"""CPU seconds of ``madance score`` on made clips, and what a second run saves.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/scoring.py --motions 500 --videos 20

Motion: keypoints of 64 frames against as many others, corrected and published. Pictures: videos of 64 frames, in what
needs no weights. The second run of the same command finds hashes and pictures in the cache.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.scoring import score
from madata.files import write_npz
from madata.skeletons import skeleton
from madata.video import write_video

FRAMES, FPS = 64, 16.0
AGE_S = 3600
"""Hashes of files that have just been written are not remembered; these count as older."""


def write_motions(folder: Path, count: int, seed: int) -> Path:
    """Keypoints that sway around a made pose, one file for each clip."""
    rng = np.random.default_rng(seed)
    joints = skeleton("coco-25").num_joints
    rest = np.random.default_rng(0).uniform(50, 400, (joints, 2))
    time_s = np.arange(FRAMES)[:, None, None] / FPS
    for clip in range(count):
        phase, rate = rng.uniform(0, 6, (joints, 2)), rng.uniform(0.5, 2, (joints, 2))
        xy = (rest + 20 * np.sin(2 * np.pi * rate * time_s + phase)).astype(np.float32)
        seen = np.ones(xy.shape[:2], np.float32)
        write_npz(folder / f"c{clip:04d}.npz", xy=xy, score=seen, skeleton="coco-25", fps=FPS)
    return folder


def write_videos(folder: Path, count: int) -> Path:
    """Still noise over which a square wanders."""
    folder.mkdir(parents=True)
    for clip in range(count):
        rng = np.random.default_rng(clip)
        pictures = np.repeat(rng.integers(40, 200, (1, 240, 320, 3), dtype=np.uint8), FRAMES, axis=0)
        for number in range(FRAMES):
            pictures[number, 80:120, 3 * number : 3 * number + 40] = 255
        write_video(folder / f"v{clip:03d}.mp4", pictures, FPS)
    return folder


def main() -> None:
    """Print CPU seconds of the first and of the second run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--motions", type=int, default=500)
    parser.add_argument("--videos", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        os.environ["MADANCE_CACHE"] = str(root / "cache")
        prediction = write_motions(root / "prediction", chosen.motions, 1)
        reference = write_motions(root / "reference", chosen.motions, 2)
        videos = write_videos(root / "videos", chosen.videos)
        for path in (*prediction.iterdir(), *reference.iterdir(), *videos.iterdir()):
            os.utime(path, (time.time() - AGE_S,) * 2)
        runs = {
            "ma-data-motion2d": (prediction, reference),
            "mace2d-official": (prediction, reference),
            "vbench": (videos, None),
        }
        print(f"{'protocol':20s} {'first':>8s} {'second':>8s}  CPU seconds")
        for name, folders in runs.items():
            spent = []
            for _ in range(2):
                start = time.process_time()
                score(*folders, load_protocol(name), options=Options())
                spent.append(time.process_time() - start)
            print(f"{name:20s} {spent[0]:8.2f} {spent[1]:8.2f}")


if __name__ == "__main__":
    main()
