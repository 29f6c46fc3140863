"""Motion metrics the plain way against ours, in one run: `python benchmarks/motion_metrics.py [--golden
DIR]`.

The plain way is what published scripts do: one frame, one joint, one window at a time. It is written anew
here, is first checked against ours (and, with ``--golden``, against the stored numbers), and then both are
timed in CPU seconds on the same clips. Set OMP_NUM_THREADS=1 for figures of one core.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evaluation.definitions import VARIANTS, KineticRule, Variant
from evaluation.features.motion.geometric import RELATIONS
from evaluation.features.motion.published import official_features, official_motion_beats, place
from evaluation.metrics.beats import official_alignment
from evaluation.metrics.distances import diversity, frechet_distance
from evaluation.metrics.scaling import scale_officially

GOALS = {"2D features": 60.0, "3D features (LODGE)": 400.0, "DIV, N = 500": 50.0}

_SMPL = (
    "root", "lhip", "rhip", "belly", "lknee", "rknee", "spine", "lankle",
    "rankle", "chest", "ltoes", "rtoes", "neck", "linshoulder", "rinshoulder", "head",
    "lshoulder", "rshoulder", "lelbow", "relbow", "lwrist", "rwrist", "lhand", "rhand",
)  # fmt: skip
_HUMERUS = math.dist((0.199113488, 0.236807942, -0.0180702247), (0.454445392, 0.221158922, -0.0410167128))
_SHOULDERS = math.dist((0.199113488, 0.236807942, -0.0180702247), (-0.191692337, 0.236928746, -0.0123055102))
_HIPS = math.dist((0.0564076714, -0.323069185, 0.0109197125), (-0.0624834076, -0.331302464, 0.0150412619))
_COCO_17 = {
    "lshoulder": 5, "rshoulder": 6, "lelbow": 7, "relbow": 8, "lwrist": 9, "rwrist": 10,
    "lhip": 11, "rhip": 12, "lknee": 13, "rknee": 14, "lankle": 15, "rankle": 16,
}  # fmt: skip


def plain_kinetic_fairmotion(clip: np.ndarray, rule: KineticRule) -> np.ndarray:
    """(T, J, 3) -> (3 J,), a window at a time."""
    frames, joints, _ = clip.shape
    seconds = 1 / rule.fps
    features = []
    for joint in range(joints):
        sideways = upwards = energy = 0.0
        for frame in range(1, frames):
            velocity, steps = np.zeros(3), 0
            for near in range(frame - 2, frame + 3):
                if 1 <= near < frames:
                    velocity += clip[near][joint] - clip[near - 1][joint]
                    steps += 1
            velocity = velocity / (steps * seconds)
            sideways += np.linalg.norm(velocity[list(rule.horizontal)]) ** 2
            upwards += np.linalg.norm(velocity[list(rule.vertical)]) ** 2
            change, steps = np.zeros(3), 0
            for near in range(frame - 2, frame + 3):
                if 1 <= near < frames - 1:
                    later = (clip[near + 1][joint] - clip[near][joint]) / seconds
                    earlier = clip[near][joint] - clip[near - 1][joint] / seconds
                    change += (later - earlier) / seconds
                    steps += 1
            energy += np.linalg.norm(change / steps) if steps else np.nan
        features += [sideways / (frames - 1), upwards / (frames - 1), energy / (frames - 1)]
    return np.array(features, np.float32)


def plain_kinetic_box(clip: np.ndarray, rule: KineticRule) -> np.ndarray:
    """(T, J, C) -> (3 J,), one convolution per joint and coordinate."""
    seconds = 1 / rule.fps
    if rule.centre:
        clip = clip - sum(clip[:, column : column + 1] for column in rule.centre) / len(rule.centre)

    def smooth(values: np.ndarray) -> np.ndarray:
        out = np.zeros_like(values)
        for joint in range(values.shape[1]):
            for axis in range(values.shape[2]):
                full = np.convolve(values[:, joint, axis], np.full(5, 0.2))
                out[:, joint, axis] = full[2 : 2 + len(values)]
        return out

    def rate(values: np.ndarray) -> np.ndarray:
        change = np.diff(values, axis=0) / seconds
        return np.concatenate([change[:1], change])

    velocity = smooth(rate(clip))
    sideways, upwards = (
        smooth(rate(clip)[..., list(rule.horizontal)]),
        smooth(rate(clip)[..., list(rule.vertical)]),
    )
    acceleration = smooth(rate(velocity))
    features = []
    for joint in range(clip.shape[1]):
        features.append(np.mean(np.sum(sideways[:, joint] ** 2, axis=-1)))
        features.append(np.mean(np.sum(upwards[:, joint] ** 2, axis=-1)))
        features.append(np.mean(np.linalg.norm(acceleration[:, joint], axis=-1)))
    return np.array(features, np.float32)


def plain_geometric_3d(clip: np.ndarray) -> np.ndarray:
    """(T, J, 3) -> (32,), a frame and a relation at a time."""
    lengths = {"hl": _HUMERUS, "sw": _SHOULDERS, "hw": _HIPS}
    seconds = 1 / 120

    def point(name: str, frame: int) -> np.ndarray:
        if name == "zero":
            return np.zeros(3)
        if name in ("y_unit", "minus_y_unit"):
            return np.array([0.0, 1.0 if name == "y_unit" else -1.0, 0.0])
        if name == "y_min":
            return np.array([0.0, min(height for _, height, _ in clip[frame]), 0.0])
        return np.array(clip[frame][_SMPL.index(name)])

    rows = []
    for frame in range(1, len(clip)):
        row = []
        for relation in RELATIONS:
            p = [point(name, frame) for name in relation.joints]
            limit = relation.factor * lengths[relation.unit]
            if relation.kind in ("nmove", "move", "fast"):
                q = [point(name, frame - 1) for name in relation.joints]
            if relation.kind == "nmove":
                velocity = p[3] - p[0] - (q[3] - q[0])
                normal = np.cross(p[2] - p[0], p[1] - p[0])
                row.append(np.dot(velocity, normal) / np.linalg.norm(normal) / seconds > limit)
            elif relation.kind == "move":
                velocity = p[2] - p[0] - (q[2] - q[0])
                row.append(np.dot(velocity, p[1] - p[0]) / np.linalg.norm(p[1] - p[0]) / seconds > limit)
            elif relation.kind == "fast":
                row.append(np.linalg.norm(p[0] - q[0]) / seconds > limit)
            elif relation.kind == "nplane":
                row.append(np.dot(p[1] - p[0], p[3] - p[2]) / np.linalg.norm(p[1] - p[0]) > limit)
            elif relation.kind == "plane":
                normal = np.cross(p[2] - p[0], p[1] - p[0])
                row.append(np.dot(normal, p[3] - p[0]) / np.linalg.norm(normal) > limit)
            else:
                first, second = p[1] - p[0], p[3] - p[2]
                cosine = np.dot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second))
                row.append(relation.degrees[0] < np.degrees(np.arccos(cosine)) < relation.degrees[1])
        rows.append(row)
    return np.mean(np.array(rows, np.float32), axis=0)


def plain_geometric_2d(clip: np.ndarray) -> np.ndarray:
    """(T, 25, 2) -> (32,), a frame and a relation at a time."""
    middle = {"root": (11, 12), "belly": (11, 12), "chest": (5, 6), "neck": (5, 6)}

    def point(name: str, frame: int) -> np.ndarray:
        if name in middle:
            first, second = middle[name]
            return np.array((clip[frame][first] + clip[frame][second]) / 2, np.float32)
        return np.array(clip[frame][_COCO_17[name]], np.float32)

    tiny = np.float32(1e-6)
    unit = np.linalg.norm(point("lshoulder", 0) - point("rshoulder", 0)) + tiny
    rows = []
    for frame in range(1, len(clip)):
        row = []
        for relation in RELATIONS:
            if relation.kind in ("nplane", "plane"):
                row.append(False)
            elif relation.kind in ("nmove", "move", "fast"):
                moved = point(relation.joints[0], frame) - point(relation.joints[0], frame - 1)
                row.append(np.linalg.norm(moved) > np.float32(relation.factor) * unit)
            else:
                first = point(relation.joints[1], frame) - point(relation.joints[0], frame)
                if relation.joints[2] == "zero":
                    second = np.array([0.0, 1.0])
                else:
                    second = point(relation.joints[3], frame) - point(relation.joints[2], frame)
                first = first / (np.linalg.norm(first) + tiny)
                second = second / (np.linalg.norm(second) + 1e-6)
                angle = np.degrees(np.arccos(np.clip(np.dot(first, second.astype(first.dtype)), -1, 1)))
                row.append(relation.degrees[0] <= angle <= relation.degrees[1])
        rows.append(row)
    return np.mean(np.array(rows, np.float32), axis=0)


def plain_features(clips: np.ndarray, variant: Variant) -> tuple[np.ndarray, np.ndarray]:
    """Kinetic and geometric features of clips (N, T, J, C), one clip at a time."""
    kinetic, geometric = [], []
    for clip in clips:
        placed = place(clip[None], variant.placement)[0]
        moving = placed[:, : variant.kinetic.joints]
        form = plain_kinetic_fairmotion if variant.kinetic.scheme == "fairmotion" else plain_kinetic_box
        kinetic.append(form(moving, variant.kinetic))
        geometric.append((plain_geometric_2d if clips.shape[-1] == 2 else plain_geometric_3d)(placed))
    return np.stack(kinetic), np.stack(geometric)


def plain_diversity(features: np.ndarray) -> float:
    """One pair at a time."""
    count, total = len(features), 0.0
    for first in range(count):
        for second in range(first + 1, count):
            total += np.linalg.norm(features[first] - features[second])
    return total / (count * (count - 1) / 2)


def made_clips(count: int, frames: int, joints: int, dims: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random movement about a random pose: (N, T, J, C)."""
    rest = rng.normal(size=(count, 1, joints, dims))
    pace, phase = rng.uniform(0.1, 0.6, (2, count, 1, joints, dims))
    sway = 0.3 * np.sin(pace * np.arange(frames)[None, :, None, None] + 10 * phase)
    clips = rest + sway
    return clips * 100 + 500 if dims == 2 else clips.astype(np.float32)


def cpu_seconds(call: Callable[[], object], repeats: int = 1) -> float:
    """Smallest CPU time of a few calls."""
    best = math.inf
    for _ in range(repeats):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


def check(name: str, plain: np.ndarray, ours: np.ndarray, rtol: float, atol: float) -> None:
    """Stop where the two ways disagree."""
    if not np.allclose(plain, ours, rtol=rtol, atol=atol, equal_nan=True):
        raise SystemExit(f"{name}: the plain way and ours differ by {np.nanmax(np.abs(plain - ours)):.3g}")


def check_golden(folder: Path) -> int:
    """Hold the plain way against stored numbers, the first two clips of every case; returns how many."""
    checked = 0
    for path in sorted((folder / "motion").glob("t*d_*.npz")):
        with np.load(path, allow_pickle=False) as case:
            flat = path.name.startswith("twod")
            clips = case["pred"][:2]
            clips = clips[..., :2].astype(np.float64) if flat else clips
            for name, variant in VARIANTS.items():
                if (name == "mace2d") != flat:
                    continue
                with np.errstate(all="ignore"):
                    kinetic, geometric = plain_features(clips, variant)
                prefix = "pred" if flat else f"pred_{name}"
                stored_k, stored_g = case[f"{prefix}_k"][:2], case[f"{prefix}_g"][:2]
                check(f"{path.name} {name} kinetic", kinetic, stored_k, 1e-5, 0.0 if flat else 1e-4)
                check(f"{path.name} {name} geometric", geometric, stored_g, 0.0, 1e-6)
                checked += len(clips)
    return checked


def time_features(
    variant: Variant, joints: int, dims: int, plain_count: int, rng: np.random.Generator
) -> float:
    """Ratio of CPU times per clip of 64 frames."""
    clips = made_clips(200, 64, joints, dims, rng)
    few = clips[:plain_count]
    plain, ours = plain_features(few, variant), official_features(few, variant)
    check(f"{variant.name} kinetic", plain[0], ours[0], 1e-5, 1e-4)
    check(f"{variant.name} geometric", plain[1], ours[1], 0.0, 1e-6)
    slow = cpu_seconds(lambda: plain_features(few, variant)) / plain_count
    fast = cpu_seconds(lambda: official_features(clips, variant), 5) / len(clips)
    print(
        f"  {variant.name:10s} plain {slow * 1e3:8.2f} ms   ours {fast * 1e3:6.3f} ms   {slow / fast:6.0f}x"
    )
    return slow / fast


def whole_protocol(rng: np.random.Generator) -> float:
    """CPU seconds of mace2d on 500 clips of 64 frames: features of both sets, FID, DIV, BAS; no audio."""
    variant = VARIANTS["mace2d"]
    reference, generated = (made_clips(500, 64, 25, 2, rng) for _ in range(2))
    music = [np.arange(4, 64, 8)] * 500

    def score() -> list[float]:
        sets = official_features(reference, variant), official_features(generated, variant)
        numbers = []
        for first, second in zip(*sets, strict=True):
            real, made = scale_officially(first, second, variant.scaling)
            numbers += [frechet_distance(made, real), diversity(real), diversity(made)]
        for clips in (reference, generated):
            beats = official_motion_beats(clips, variant)
            numbers.append(
                np.mean([official_alignment(*pair, variant.beats) for pair in zip(music, beats, strict=True)])
            )
        return numbers

    return cpu_seconds(score, 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--golden", type=Path, help="folder of golden numbers to hold the plain way against")
    golden = parser.parse_args().golden
    rng = np.random.default_rng(0)
    if golden:
        print(f"plain way against golden numbers: {check_golden(golden)} clips agree")
    print(f"CPU time per clip of 64 frames (OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')})")
    ratios = {
        "2D features": time_features(VARIANTS["mace2d"], 25, 2, 20, rng),
        "3D features (LODGE)": time_features(VARIANTS["lodge"], 24, 3, 5, rng),
    }
    for name in ("bailando", "mint", "megadance", "mace3d"):
        time_features(VARIANTS[name], 24, 3, 5, rng)
    features = rng.normal(size=(500, 75)).astype(np.float32)
    check("DIV", np.array(plain_diversity(features)), np.array(diversity(features)), 1e-5, 0.0)
    slow, fast = cpu_seconds(lambda: plain_diversity(features)), cpu_seconds(lambda: diversity(features), 5)
    ratios["DIV, N = 500"] = slow / fast
    print(f"  DIV N=500  plain {slow * 1e3:8.1f} ms   ours {fast * 1e3:6.2f} ms   {slow / fast:6.0f}x")
    seconds = whole_protocol(rng)
    print(f"  500 clips of 64 frames, whole protocol without audio: {seconds:.2f} s (goal below 1.5 s)")
    missed = [
        f"{name}: {ratio:.0f}x of {GOALS[name]:.0f}x" for name, ratio in ratios.items() if ratio < GOALS[name]
    ]
    missed += [] if seconds < 1.5 else [f"whole protocol: {seconds:.2f} s of 1.5 s"]
    print("all goals met" if not missed else f"goals missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
