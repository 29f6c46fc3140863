"""Small data folders to train on: a MA-Data folder and the release's layout, two clips of a moving square each."""

import csv

import numpy as np

from madata.files import sha256_file, write_npz
from madata.manifest import CLIP_COLUMNS, write_table
from madata.skeletons import skeleton
from madata.video import EncodeSettings, write_video

SIZE, FPS = (48, 64), 30.0
JOINTS = skeleton("coco-17").joints


def person(times_s):
    """(T, 17, 2) px: a standing figure that walks to the right, 10 px a second."""
    height = {"ankle": 60, "knee": 50, "hip": 38, "wrist": 38, "elbow": 30, "shoulder": 20}
    column = {"left": 28.0, "right": 20.0}
    xy = np.zeros((len(times_s), len(JOINTS), 2))
    for number, joint in enumerate(JOINTS):
        side, _, part = joint.partition("_")
        xy[:, number] = (column.get(side, 24.0), height.get(part, 10.0))
    xy[..., 0] += 10.0 * np.asarray(times_s)[:, None]
    return xy


def square(number):
    """Frame ``number``: a bright square whose left edge is at 2 px a frame, its grey 120 and 3 times the number."""
    picture = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    picture[20:44, (2 * number) % 36 : (2 * number) % 36 + 12] = 120 + 3 * number
    return picture


def video(path, frames, fps=FPS, start=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, (square(start + i) for i in range(frames)), fps, settings=EncodeSettings(crf=1))
    return path


def ma_data(folder, frames=(30, 30), splits=()):
    """A MA-Data folder; keypoints at 10 rows a second."""
    rows, splits = [], splits or ("train",) * len(frames)
    for number, (count, split) in enumerate(zip(frames, splits, strict=True)):
        name = f"clip-{number}"
        path = video(folder / "clips" / f"{name}.mp4", count, start=5 * number)
        times_s = np.arange(0, count / FPS, 0.1)
        write_npz(
            folder / "keypoints" / f"{name}.npz",
            xy=person(times_s).astype(np.float32),
            score=np.ones((len(times_s), len(JOINTS)), np.float32),
            times_s=times_s,
            skeleton="coco-17",
            size=np.array(SIZE),
        )
        rows.append(
            {
                "clip_id": name,
                "source_id": name,
                "duration_s": count / FPS,
                "fps": FPS,
                "num_frames": count,
                "split": split,
                "subset": "wild",
                "path": f"clips/{name}.mp4",
                "keypoints": f"keypoints/{name}.npz",
                "sha256": sha256_file(path),
            }
        )
    write_table(folder / "clips.parquet", rows, CLIP_COLUMNS)
    return folder


def release(folder, faces=True, table=False):
    """Folders 0001 and 0002 of the release, the poses at 16 frames per second."""
    for number in (1, 2):
        place = folder / f"{number:04d}"
        video(place / "video.mp4", 30, start=3 * number)
        video(place / "pose_video.mp4", 16, fps=16.0, start=10)
        if faces:
            video(place / "face_video.mp4", 30, start=7)
    if table:
        with (folder / "data.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["video", "prompt", "animate_pose_video", "animate_face_video"])
            for number in (1, 2):
                files = [f"{number:04d}/{name}.mp4" for name in ("video", "pose_video", "face_video")]
                writer.writerow([files[0], "someone dances", *files[1:]])
    return folder


TINY = (
    "data.width=32",
    "data.height=48",
    "data.fps=15",
    "data.frames=9",
    "loop.precision=no",
    "loop.learning_rate=1e-2",
    "loop.log_every=1",
    "samples.steps=1",
    "samples.every_steps=0",
)
"""Settings under which a step takes milliseconds."""
