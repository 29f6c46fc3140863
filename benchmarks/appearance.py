"""Appearance scores: one decode for all dimensions against one decode for each, in one run.

python benchmarks/appearance.py [--video FILE] [--frames 120] [--networks] [--device cpu|cuda]

The plain way is VBench's, written anew: for every dimension the whole video is decoded, kept in memory and turned
into floats at once. Networks are replaced by means of pixels, which both ways share, so that what is timed is
everything else; the scores of both ways must agree. Times are CPU seconds (set OMP_NUM_THREADS=1 for one core), memory
is the highest of a child process. ``--networks`` times the real architectures with random weights as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

GOALS = {
    "TF decode + score": 4.0,
    "TF score": 10.0,
    "all six, decode + everything but networks": 3.0,
    "memory": 3.0,
}
TOLERANCE = {"temporal_flickering": 1e-6}
SIZE = (1280, 720)


def make_video(path: Path, count: int) -> None:
    """A camera that pans over textured ground."""
    import cv2

    from madata.video import write_video

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (60, 160, 3), dtype=np.uint8)
    ground = cv2.resize(coarse, (SIZE[0] * 2, SIZE[1]), interpolation=cv2.INTER_CUBIC)
    write_video(path, (ground[:, (5 * n) % SIZE[0] :][:, : SIZE[0]].copy() for n in range(count)), 30)


def plain_frames(path: Path) -> list[np.ndarray]:
    """Every frame of a video, BGR."""
    import cv2

    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        read, frame = capture.read()
        if not read:
            return frames
        frames.append(frame)


def plain_flickering(frames: list[np.ndarray]) -> float:
    """A pair at a time, in floats."""
    import cv2

    means = [
        np.mean(cv2.absdiff(np.array(a, np.float32), np.array(b, np.float32))) for a, b in pairwise(frames)
    ]
    return (255.0 - float(np.mean(means))) / 255.0


def plain_smoothness(frames: list[np.ndarray]) -> float:
    """Every second frame as a padded float tensor, all of them kept; predictions as bytes."""
    import cv2
    import torch
    import torch.nn.functional as F

    ends = [torch.from_numpy(np.array(f[..., ::-1])).permute(2, 0, 1)[None] / 255.0 for f in frames[::2]]
    height, width = frames[0].shape[:2]
    extra_h, extra_w = -height % 16, -width % 16
    pad = (extra_w // 2, extra_w - extra_w // 2, extra_h // 2, extra_h - extra_h // 2)
    padded = [F.pad(end, pad, mode="replicate") for end in ends]
    means = []
    for number, (before, after) in enumerate(pairwise(padded)):
        between = blend(before, after)[..., pad[2] : pad[2] + height, pad[0] : pad[0] + width]
        picture = (between[0].permute(1, 2, 0).numpy() * 255.0).clip(0, 255).astype(np.uint8)[..., ::-1]
        true = frames[2 * number + 1]
        means.append(np.mean(cv2.absdiff(np.array(true, np.float32), np.array(picture, np.float32))))
    return (255.0 - float(np.mean(means))) / 255.0


def plain_tensor(path: Path) -> object:
    """The whole video as floats (T, 3, H, W), 0..255."""
    import torch

    frames = np.stack([frame[..., ::-1] for frame in plain_frames(path)])
    return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous().float()


def plain_consistency(features: np.ndarray) -> float:
    """Cosine with the first and with the previous frame, a frame at a time."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    total = 0.0
    for number in range(1, len(unit)):
        total += (
            max(0.0, float(unit[number] @ unit[0])) + max(0.0, float(unit[number] @ unit[number - 1]))
        ) / 2
    return total / (len(unit) - 1)


def plain_scores(path: Path) -> dict[str, float]:
    """All six dimensions, each with a decode of its own."""
    from evaluation.features.video.preprocess import clip_input, quality_input, subject_input

    weights, bias = head()
    aesthetic = encode(clip_input(plain_tensor(path))).numpy()
    unit = aesthetic / np.linalg.norm(aesthetic, axis=1, keepdims=True)
    return {
        "imaging_quality": float(np.mean([float(rate(f[None])) for f in quality_input(plain_tensor(path))])),
        "aesthetic_quality": float(np.mean(unit @ weights + bias)) / 10.0,
        "subject_consistency": plain_consistency(encode(subject_input(plain_tensor(path))).numpy()),
        "background_consistency": plain_consistency(encode(clip_input(plain_tensor(path))).numpy()),
        "motion_smoothness": plain_smoothness(plain_frames(path)),
        "temporal_flickering": plain_flickering(plain_frames(path)),
    }


def encode(pictures):
    """Six numbers of each picture, in place of a network."""
    import torch

    return torch.cat([pictures.mean(dim=(2, 3)), pictures.std(dim=(2, 3))], dim=1)


def rate(pictures):
    """One number of each picture, in place of MUSIQ."""
    return 100.0 * pictures.mean(dim=(1, 2, 3))


def blend(before, after):
    """The mean of two frames, in place of AMT."""
    return (before + after) * 0.5


def head() -> tuple[np.ndarray, float]:
    """A linear head on six numbers."""
    return np.linspace(-1.0, 1.0, 6, dtype=np.float32), 5.0


def toy_extractors(dimensions: list[str] | None = None):
    """Our accumulators with the means in place of networks."""
    from evaluation.features.extractors import Extractors
    from evaluation.features.video.aesthetic_quality import AestheticQuality
    from evaluation.features.video.consistency import background_consistency, subject_consistency
    from evaluation.features.video.imaging_quality import ImagingQuality
    from evaluation.features.video.motion_smoothness import MotionSmoothness
    from evaluation.features.video.one_pass import Panel
    from evaluation.features.video.temporal_flickering import TemporalFlickering

    start = {
        "imaging_quality": lambda: ImagingQuality(rate, batch=1),
        "aesthetic_quality": lambda: AestheticQuality(encode, head(), 4),
        "subject_consistency": lambda: subject_consistency(encode, 4),
        "background_consistency": lambda: background_consistency(encode, 4),
        "motion_smoothness": lambda: MotionSmoothness(blend),
        "temporal_flickering": TemporalFlickering,
    }
    kept = {name: start[name] for name in dimensions or start}
    return Extractors("cpu", Panel(kept), None, None, None)


def our_scores(path: Path, dimensions: list[str] | None = None) -> dict[str, float]:
    """The dimensions of one video from one decode."""
    from evaluation.features.video.passes import extract_video

    row = extract_video(path, toy_extractors(dimensions))
    if any(row.faults):
        raise SystemExit(f"{path}: {row.columns['message'][0]}")
    return {name: float(values[0]) for name, values in row.scores.items()}


def cpu_seconds(work: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    value = work()
    return time.process_time() - start, value


def peak_mib(way: str, path: Path) -> float:
    """Memory of a child that scores ``path``, above that of one that only imports."""
    command = [sys.executable, __file__, "--child", way, "--video", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]) / 1024


def child(way: str, path: Path) -> None:
    import cv2  # noqa: F401
    import torch  # noqa: F401

    base = peak_kib()
    {"plain": plain_scores, "ours": our_scores}[way](path)
    print(json.dumps(peak_kib() - base))


def peak_kib() -> int:
    """Highest memory of this process; unlike ``ru_maxrss`` it does not begin with that of the parent."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def time_networks(path: Path, device: str, frames: int) -> None:
    """Frames per second of every dimension with random weights."""
    import torch

    from evaluation.features.video.aesthetic_quality import AestheticQuality
    from evaluation.features.video.consistency import background_consistency, subject_consistency
    from evaluation.features.video.frames import chunked
    from evaluation.features.video.imaging_quality import ImagingQuality
    from evaluation.features.video.motion_smoothness import MotionSmoothness
    from evaluation.features.video.networks import amt, clip, dino, musiq
    from madata.video import Decoder

    torch.manual_seed(0)
    batch = 4 if device == "cpu" else 16
    wide = np.zeros(768, np.float32)

    def ready(network):
        return network.to(device).eval()

    made = {
        "imaging_quality": lambda net: ImagingQuality(net, batch=1 if device == "cpu" else batch),
        "aesthetic_quality": lambda net: AestheticQuality(net, (wide, 5.0), batch),
        "subject_consistency": lambda net: subject_consistency(net, batch),
        "background_consistency": lambda net: background_consistency(net, batch),
        "motion_smoothness": lambda net: MotionSmoothness(net, amt.MINIMUM_SIDE),
    }
    networks = {
        "imaging_quality": musiq.Musiq,
        "aesthetic_quality": lambda: clip.ClipVision(*clip.CLIP_SHAPES["ViT-L/14"]),
        "subject_consistency": dino.DinoViT,
        "background_consistency": lambda: clip.ClipVision(*clip.CLIP_SHAPES["ViT-B/32"]),
        "motion_smoothness": amt.AmtSmall,
    }
    for name, start in made.items():
        accumulator = start(ready(networks[name]()))
        with Decoder(path) as decoder, torch.inference_mode():
            pictures = (f.scaled(decoder.info.size) for f, _ in zip(decoder, range(frames), strict=False))
            begin = time.perf_counter()
            for chunk in chunked(pictures, 16, device):
                accumulator.update(chunk)
            accumulator.compute()
        print(
            f"  {name:24s} {frames / (time.perf_counter() - begin):8.2f} frames/s on {device}, decode included"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, help="video to score (default: a made one of 1280x720)")
    parser.add_argument("--frames", type=int, default=120, help="length of the made video")
    parser.add_argument("--networks", action="store_true", help="also time the networks, with random weights")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--child", choices=["plain", "ours"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child, chosen.video)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        path = chosen.video or Path(scratch) / "made.mp4"
        if chosen.video is None:
            make_video(path, chosen.frames)
        ratios = compare(path)
        ratios["memory"] = memory(path)
        if chosen.networks:
            time_networks(path, chosen.device, 8 if chosen.device == "cpu" else chosen.frames)
    missed = [
        f"{name} {ratios[name]:.1f}x of {goal:g}x" for name, goal in GOALS.items() if ratios[name] < goal
    ]
    print("all goals met" if not missed else "goals missed: " + "; ".join(missed))
    return 1 if missed else 0


def compare(path: Path) -> dict[str, float]:
    """Ratios of CPU time, after both ways were found to agree."""
    import torch

    torch.set_num_threads(1)
    cpu_seconds(lambda: our_scores(path, ["temporal_flickering"]))
    count, plain_tf, ratio = compare_flickering(plain_frames(path))
    ratios = {"TF score": ratio}
    slow, _ = cpu_seconds(lambda: plain_flickering(plain_frames(path)))
    fast, ours = cpu_seconds(lambda: our_scores(path, ["temporal_flickering"]))
    check("temporal_flickering", plain_tf, ours["temporal_flickering"])
    ratios["TF decode + score"] = report("TF decode + score", slow, fast, count)
    slow, plain = cpu_seconds(lambda: plain_scores(path))
    fast, ours = cpu_seconds(lambda: our_scores(path))
    for name, value in plain.items():
        check(name, value, ours[name])
    name = "all six, decode + everything but networks"
    ratios[name] = report(name, slow, fast, count)
    return ratios


def compare_flickering(frames: list[np.ndarray]) -> tuple[int, float, float]:
    """Number of frames, the plain score, and the ratio of scoring frames that are in memory."""
    from evaluation.features.video.temporal_flickering import mean_absolute_difference

    slow, plain = cpu_seconds(lambda: plain_flickering(frames))
    fast, _ = cpu_seconds(lambda: [mean_absolute_difference(a, b) for a, b in pairwise(frames)])
    return len(frames), plain, report("TF score", slow, fast, len(frames))


def report(name: str, slow: float, fast: float, count: int) -> float:
    per = 1000 / count
    print(
        f"  {name:44s} plain {slow * per:7.2f} s   ours {fast * per:6.2f} s per 1000 frames   {slow / fast:5.1f}x"
    )
    return slow / fast


def memory(path: Path) -> float:
    plain, ours = peak_mib("plain", path), peak_mib("ours", path)
    print(f"  {'peak memory':44s} plain {plain:7.0f} MiB ours {ours:6.0f} MiB{'':17s} {plain / ours:5.1f}x")
    return plain / ours


def check(name: str, plain: float, ours: float) -> None:
    if not abs(plain - ours) <= TOLERANCE.get(name, 1e-5) * max(1.0, abs(plain)):
        raise SystemExit(f"{name}: the plain way gives {plain}, ours {ours}")


if __name__ == "__main__":
    raise SystemExit(main())
