"""Frames per CPU second that `madata.dataset.DanceClips` gives, against a plain decoder loop, in one run.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/training_data.py [DATASET]

Without a data set three clips of 8 s are made (720 x 1280, 30 fps). The plain loop is what one writes first: PyAV,
every frame to RGB at full size, OpenCV to the wanted one, the window cut out of the list. Both give windows of 5 s at
16 fps; the loop takes the nearest frame, and neither checks nor repairs anything.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from madata.dataset import DanceClips
from madata.manifest import CLIP_COLUMNS, write_table
from madata.types import Music
from madata.video import write_video

FPS, SECONDS = 16.0, 5.0
SIZES = ((480, 832), (240, 416))


def make_dataset(folder: Path, clips: int = 3, frames: int = 240) -> Path:
    """Clips of blurred noise in which a square wanders: about as dear to decode as footage."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(clips):
        path = folder / "clips" / f"clip-{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        ground = np.kron(rng.integers(30, 220, (40, 23, 3)), np.ones((32, 32, 1))).astype(np.uint8)[
            :1280, :720
        ]

        def pictures(ground: np.ndarray = ground, seed: int = number):
            noise = np.random.default_rng(seed)
            for frame in range(frames):
                picture = np.roll(ground, 2 * frame, axis=1) ^ noise.integers(
                    0, 8, ground.shape, dtype=np.uint8
                )
                picture[300 + frame : 700 + frame, 200:500] = (230, 120, 60)
                yield picture

        sound = Music(rng.uniform(-0.2, 0.2, 48000 * frames // 30).astype(np.float32), 48000)
        write_video(path, pictures(), 30.0, audio=sound)
        rows.append(
            {
                "clip_id": f"clip-{number}",
                "source_id": f"source-{number}",
                "fps": 30.0,
                "num_frames": frames,
                "duration_s": frames / 30,
                "width": 720,
                "height": 1280,
                "split": "train",
                "has_audio": True,
                "path": f"clips/{path.name}",
            }
        )
    write_table(folder / "clips.parquet", rows, CLIP_COLUMNS)
    return folder


def plain_loop(clips: DanceClips) -> int:
    """Windows of the clips by the obvious loop; returns how many frames came."""
    import av
    import cv2

    given = 0
    for index in range(len(clips)):
        window, clip = clips.window(index), clips.clips[index]
        with av.open(str(clip.path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            frames = [
                cv2.resize(frame.to_ndarray(format="rgb24"), window.size, interpolation=cv2.INTER_CUBIC)
                for frame in container.decode(video=0)
            ]
        at_s = window.start_s + np.arange(window.num_frames) / window.fps
        chosen = np.minimum(np.round(at_s * clip.fps).astype(int), len(frames) - 1)
        given += len(torch.from_numpy(np.stack([frames[place] for place in chosen])).permute(0, 3, 1, 2))
    return given


def dance_clips(clips: DanceClips) -> int:
    return sum(len(clips[index]["frames"]) for index in range(len(clips)))


def rate(function: Callable[[DanceClips], int], clips: DanceClips, epochs: int) -> float:
    """Frames per CPU second, after a first epoch that is not counted."""
    function(clips)
    began_s, given = time.process_time(), 0
    for epoch in range(1, epochs + 1):
        clips.set_epoch(epoch)
        given += function(clips)
    return given / (time.process_time() - began_s)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, nargs="?")
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = given.dataset or make_dataset(Path(folder))
        print(
            f"{'size':>10}  {'plain loop':>12}  {'DanceClips':>12}  {'ratio':>6}  {'with sound':>12}   frames per CPU s"
        )
        for size in SIZES:
            own = {"split": None, "fps": FPS, "seconds": SECONDS, "size": size}
            frames = DanceClips(data, parts=("frames",), **own)
            plain, ours = (rate(function, frames, given.epochs) for function in (plain_loop, dance_clips))
            sound = rate(dance_clips, DanceClips(data, parts=("frames", "waveform"), **own), given.epochs)
            shown = f"{size[0]}x{size[1]}"
            print(f"{shown:>10}  {plain:12.1f}  {ours:12.1f}  {ours / plain:6.2f}  {sound:12.1f}")


if __name__ == "__main__":
    main()
