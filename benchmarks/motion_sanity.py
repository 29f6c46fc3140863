"""Ten ways to spoil a set of real dances, and what the official and the corrected protocol say of each.

    python benchmarks/motion_sanity.py CLIPS.npz

CLIPS.npz holds ``gt`` (N, T, 25, 3) in the layout of the official extractor (y px, x px, confidence) at 16
frames per second. The table of docs/motion-metrics.md is the output on the stored procedural dancers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from evaluation.features.motion.rows import Window, motion_rows
from evaluation.features.table import FeatureTable
from evaluation.inputs.pose_files import JointTrack, convert_track
from evaluation.metrics.measure import measure
from evaluation.metrics.tables import Tables
from evaluation.protocol import Protocol, load_protocol
from evaluation.report.text import number
from evaluation.result import Metric
from madata.files import read_npz
from madata.keypoints.mace import EXTRACTOR

FPS = 16.0
HEIGHT_PX = 1280.0


def spoiled(clips: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions made of the reference (N, T, 25, 3), by what was done to it."""
    rng = np.random.default_rng(3)
    xy, mean = clips[..., :2], clips[..., :2].mean(axis=1, keepdims=True)

    def of(points: np.ndarray) -> np.ndarray:
        return np.concatenate([points, np.broadcast_to(clips[..., 2:], (*points.shape[:-1], 1))], axis=-1)

    lost = clips.copy()
    lost[rng.random(clips.shape[:2]) < 0.05] = 0.0
    small = xy.copy()
    small[::2] *= 0.375
    turned = np.stack([HEIGHT_PX - xy[..., 0], xy[..., 1]], axis=-1)
    shuffled = np.stack([clip[rng.permutation(len(clip))] for clip in clips])
    return {
        "the reference itself": clips,
        "movement x 0.5": of(mean + 0.5 * (xy - mean)),
        "movement x 0.1": of(mean + 0.1 * (xy - mean)),
        "frozen pose + 0.1 px": of(xy[:, :1] + rng.normal(0, 0.1, xy.shape)),
        "frames shuffled": shuffled,
        "jitter 8 px": of(xy + rng.normal(0, 8, xy.shape)),
        "5 % of frames missing": lost,
        "half of the clips at 0.375 resolution": of(small),
        "upside down": of(turned),
        "one clip repeated + 0.5 px": of(xy[:1] + rng.normal(0, 0.5, xy.shape)),
    }


def features_of(clips: np.ndarray, protocol: Protocol) -> FeatureTable:
    """Features of clips (N, T, 25, 3) by ``protocol``."""
    windows = []
    for index, clip in enumerate(clips.astype(np.float64)):
        track = JointTrack(clip[..., [1, 0]], clip[..., 2], "coco-25", FPS, "-y", EXTRACTOR)
        windows.append(Window(f"c{index:04d}", 0, 0.0, convert_track(track, protocol.clips.skeleton)))
    return motion_rows(windows, protocol.definition, {})


def judged(clips: np.ndarray, protocol: Protocol) -> dict[str, dict[str, Metric]]:
    """Metrics of every spoiled set against ``clips``."""
    few = protocol.statistics.model_copy(update={"resamples": 100})
    quick = protocol.model_copy(update={"statistics": few})
    reference = features_of(clips, quick)
    return {
        name: {
            metric.name: metric
            for metric in measure(Tables(quick, features_of(made, quick), reference)).metrics
        }
        for name, made in spoiled(clips).items()
    }


def main(path: Path) -> None:
    """Print the table in Markdown."""
    clips = read_npz(path)["gt"].astype(np.float64)
    official = judged(clips, load_protocol("mace2d-official"))
    corrected = judged(clips, load_protocol("ma-data-motion2d"))
    print("| prediction | official FID_k | FID_g | DIV_k | corrected FID_k | FID_g | DIV_k | missing |")
    print("|---|---|---|---|---|---|---|---|")
    first = official["the reference itself"], corrected["the reference itself"]
    floors = [number(side[name].noise_floor) for side in first for name in ("fid_k", "fid_g")]
    print(f"| disjoint halves (noise floor) | {floors[0]} | {floors[1]} | | {floors[2]} | {floors[3]} | | |")
    for name in official:
        cells = [official[name][metric].value for metric in ("fid_k", "fid_g", "div_k")]
        cells += [corrected[name][metric].value for metric in ("fid_k", "fid_g", "div_k", "missing_rate")]
        print(
            f"| {name} | "
            + " | ".join(number(abs(cell) if abs(cell) < 1e-9 else cell) for cell in cells)
            + " |"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/golden/motion/twod_pair_full.npz"))
