"""A data set in which everything tells the time: what a sample shows, where its joints are, what it sounds like.

At t seconds of a clip the picture is as grey as 20 + 6 times the frame number, joint x is at 10 t px, the sound is a
ramp of 0.1 t and the first music feature is t.
"""

import numpy as np

from madata.files import sha256_file, write_npz
from madata.manifest import CLIP_COLUMNS, write_table
from madata.skeletons import skeleton
from madata.types import Music
from madata.video import EncodeSettings, write_video

SIZE, FPS, RATE_HZ = (32, 48), 25.0, 16000
JOINTS = len(skeleton("coco-17").joints)


def grey(number):
    return 20 + 6 * number


def make_clip(folder, name, frames, fps=FPS):
    """Files of one clip and its row."""
    seconds = frames / fps
    times_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    video = folder / "clips" / f"{name}.mp4"
    video.parent.mkdir(parents=True, exist_ok=True)
    write_video(
        video,
        (np.full((SIZE[1], SIZE[0], 3), grey(number), np.uint8) for number in range(frames)),
        fps,
        audio=Music((0.1 * times_s).astype(np.float32), RATE_HZ),
        settings=EncodeSettings(crf=1, audio_rate_hz=RATE_HZ),
    )
    at_s = np.arange(0, seconds + 0.1, 0.1)
    xy = np.zeros((len(at_s), JOINTS, 2), np.float32)
    xy[..., 0], xy[..., 1] = 10 * at_s[:, None], SIZE[1] / 2
    write_npz(
        folder / "keypoints" / f"{name}.npz",
        xy=xy,
        score=np.ones(xy.shape[:2], np.float32),
        times_s=at_s,
        skeleton="coco-17",
        size=np.array(SIZE),
    )
    rows = np.zeros((round(seconds * 30), 35), np.float32)
    rows[:, 0] = np.arange(len(rows)) / 30
    write_npz(folder / "features" / "music" / f"{name}.npz", values=rows, fps=30.0, beats_s=np.zeros(0))
    return {
        "clip_id": name,
        "source_id": f"source-of-{name}",
        "start_s": 0.0,
        "end_s": seconds,
        "fps": fps,
        "num_frames": frames,
        "duration_s": seconds,
        "width": SIZE[0],
        "height": SIZE[1],
        "has_audio": True,
        "split": "train",
        "genre": "house",
        "path": f"clips/{name}.mp4",
        "keypoints": f"keypoints/{name}.npz",
        "music": f"features/music/{name}.npz",
        "sha256": sha256_file(video),
    }


def make_folder(folder, frames=(30, 35, 20)):
    """A data set of clips of so many frames; returns its rows."""
    rows = [make_clip(folder, f"clip-{number}", count) for number, count in enumerate(frames)]
    write_table(folder / "clips.parquet", rows, CLIP_COLUMNS)
    return rows
