import shutil

import numpy as np
import pytest

from madata.dataset.folder import FolderTables, write_folder
from madata.dataset.placed import place_clips
from madata.files import sha256_file, write_npz, write_text
from madata.manifest import SOURCE_COLUMNS, clip_columns
from madata.video import write_video

FPS, SECONDS = 10.0, 5.4
SOURCES = 8


def moving(seed, seconds=SECONDS, fps=FPS):
    """A bright figure of two limbs that wanders as no other seed does."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * fps)
    phase, pace = rng.uniform(0, 6.28, (4, 3)), rng.uniform(1.5, 9, (4, 3))
    t = np.arange(frames)[:, None] / fps
    x, y, u, v = (np.sin(t * pace[k] + phase[k]).sum(1) for k in range(4))
    rows, columns = np.mgrid[:72, :96]
    for k in range(frames):
        picture = np.full((72, 96, 3), 60, np.uint8)
        for dx, dy, reach in ((0, 0, 9), (u[k] * 8, v[k] * 7, 5)):
            inside = np.hypot(columns - 48 - x[k] * 6 - dx, rows - 36 - y[k] * 5 - dy) < reach
            picture[inside] = 220
        yield picture


def make_folder(folder, sources=range(SOURCES), *, subset="wild", two_of=(), **about):
    """A small data set: a clip for each source, two for some, with everything that curation would have written."""
    clips, rows = [], []
    for number in sources:
        source = f"video-{number:02d}"
        row = {
            "source_id": source,
            "file": f"{source}.mp4",
            "sha256": f"{number:064x}",
            "status": "done",
            "clips": 1,
        }
        more = {name: column(number) for name, column in about.items()}
        rows.append(row | {"url": f"https://example.org/{number}"} | more)
        for part in range(2 if number in two_of else 1):
            clip = f"{source}-{part * 60:06d}"
            path = folder / "clips" / f"{clip}.mp4"
            write_video(path, moving(10 * number + part), FPS)
            frames = round(SECONDS * FPS)
            points = {"xy": np.zeros((frames, 24, 2), np.float32), "score": np.ones((frames, 24), np.float32)}
            write_npz(
                folder / "keypoints" / f"{clip}.npz", **points, fps=FPS, skeleton="smpl-24", size=(96, 72)
            )
            clips.append({"clip_id": clip, "source_id": source, "start_frame": part * 60,
                          "end_frame": part * 60 + frames, "start_s": part * 6.0, "end_s": part * 6.0 + SECONDS,
                          "fps": FPS, "num_frames": frames, "duration_s": SECONDS, "width": 96, "height": 72,
                          "has_audio": False, "split": "train", "subset": subset, "genre": ["pop", "tap"][number % 2],
                          "path": f"clips/{clip}.mp4", "keypoints": f"keypoints/{clip}.npz",
                          "bytes": path.stat().st_size, "sha256": sha256_file(path)})  # fmt: skip
    filled = [dict.fromkeys(clip_columns({})) | row for row in clips]
    write_folder(FolderTables(folder, [dict.fromkeys(SOURCE_COLUMNS) | row for row in rows], filled, [], {}))
    write_text(folder / "settings.toml", "seed = 0\n")
    place_clips(folder, val_share=0.0, test_share=0.1)
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Eight sources, ten clips; not to be changed."""
    return make_folder(tmp_path_factory.mktemp("made") / "data", two_of=(0, 3))


@pytest.fixture
def data(made, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(made, tmp_path / "data")
