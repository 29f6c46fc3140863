"""Our six dimensions against an installed VBench, video by video.

python benchmarks/vbench_crosscheck.py VIDEOS --vbench-python ENV/bin/python [--weights DIR] [--device cuda]
python benchmarks/vbench_crosscheck.py VIDEOS --result RESULT_eval_results.json [--weights DIR]

VBench lives in an environment of its own (docs/appearance-metrics.md says how to make it); it is run there, one
dimension at a time, and what it cannot do is said. Exit code 1: a score differs by more than the tolerance.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from evaluation.features.video.scores import DIMENSIONS
from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.report.vbench_file import read_vbench
from evaluation.scoring import score

TOLERANCE = 1e-4
"""Networks sum in another order; published runs on a GPU have CLIP in float16 besides (3e-4)."""

UPSTREAM = """
import sys
import torch
for name in ("nms", "qnms"):  # a torchvision built for CUDA imports beside a CPU torch once these are declared
    try:
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass
from vbench import VBench
videos, out, dimension, device, info = sys.argv[1:]
run = VBench(torch.device(device), info, out)
run.evaluate(videos_path=videos, name=dimension, dimension_list=[dimension], local=True, mode="custom_input")
"""


def run_upstream(python: Path, videos: Path, device: str, out: Path) -> dict[str, dict[str, float]]:
    """Scores of each dimension VBench can compute in its environment."""
    info = subprocess.run(
        [python, "-c", "import os, vbench; print(os.path.dirname(vbench.__file__))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    found = {}
    for dimension in DIMENSIONS:
        arguments = [str(videos), str(out), dimension, device, f"{info}/VBench_full_info.json"]
        done = subprocess.run(
            [python, "-c", UPSTREAM, *arguments], capture_output=True, text=True, check=False
        )
        file = out / f"{dimension}_eval_results.json"
        if done.returncode or not file.is_file():
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            print(f"{dimension:24s} VBench failed: {last}")
            continue
        found[dimension] = read_vbench(file)[dimension].videos
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--vbench-python", type=Path, help="Python of the environment VBench is installed in")
    parser.add_argument("--result", type=Path, help="a result VBench wrote for these videos earlier")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    if (chosen.vbench_python is None) == (chosen.result is None):
        parser.error("give --vbench-python or --result")
    if chosen.result is not None:
        theirs = {name: scores.videos for name, scores in read_vbench(chosen.result).items()}
    else:
        with tempfile.TemporaryDirectory() as out:
            theirs = run_upstream(chosen.vbench_python, chosen.videos, chosen.device, Path(out))
    options = Options(weights=chosen.weights, device=chosen.device)
    scored = score(chosen.videos, None, load_protocol("vbench"), options=options)
    table = scored.features.videos["prediction"]
    rows = {clip: row for row, clip in enumerate(table.clip_ids)}
    different = 0
    for name, videos in theirs.items():
        scale = 0.01 if name == "imaging_quality" else 1.0
        for clip, value in sorted(videos.items()):
            own = table.score(name)[rows[clip]] if clip in rows else float("nan")
            if own != own:
                reason = table.reasons(name)[rows[clip]] if clip in rows else "no such video"
                print(f"{name:24s} {clip:32s} {value:.6f}  ours: {reason}")
                continue
            gap = abs(own * scale - value)
            different += gap > TOLERANCE
            print(f"{name:24s} {clip:32s} {value:.6f}  ours {own * scale:.6f}  {gap:.1e}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
