"""What verbs cost on the tables of a large data set, no media opened: python -m benchmarks.tables --clips 100000

Makes a folder of that many clips (one small video stands for all of them, under as many names, and nothing of it is
recognised), then runs each verb in a process of its own and prints its CPU seconds and peak memory as JSON. Ten test
clips are cut; the search for duplicates has a benchmark of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from madata.dataset.folder import FolderTables, write_folder
from madata.dataset.recognise import signature_row, write_signatures
from madata.dataset.signatures import MOTION_COLUMNS, SOUND_BANDS, Signature
from madata.files import sha256_file, write_text
from madata.manifest import SOURCE_COLUMNS, clip_columns
from madata.video import write_video

_CLIPS_A_SOURCE = 20
_GENRES = ("house", "jazz", "krump", "locking", "popping", "tap", "vogue", "waacking")
_READ = "import sys; from pathlib import Path; from madata.dataset.clips import ClipTable; "
_VERBS: dict[str, list[str]] = {
    "split": ["-m", "madata", "dataset", "split", "FOLDER", "--clips", "10", "-q"],
    "split again": ["-m", "madata", "dataset", "split", "FOLDER", "--clips", "10", "-q"],
    "verify": ["-m", "madata", "dataset", "verify", "FOLDER", "-q"],
    "read, every clip one by one": [
        "-c",
        _READ + "print(sum(1 for _ in ClipTable.read(Path(sys.argv[1]))))",
        "FOLDER",
    ],
    "stats": ["-m", "madata", "dataset", "stats", "FOLDER"],
    "card": ["-m", "madata", "dataset", "card", "FOLDER"],
    "export csv": ["-m", "madata", "dataset", "export", "FOLDER", "--format", "csv", "--out", "FOLDER-csv"],
    "health": ["-m", "madata", "dataset", "health", "FOLDER", "FOLDER/list.txt"],
}


def make_tables(folder: Path, clips: int) -> None:
    """A data set of ``clips`` clips from a twentieth as many sources."""
    rows: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    (folder / "clips").mkdir(parents=True)
    first = folder / "first.mp4"
    write_video(first, (np.full((36, 64, 3), frame, np.uint8) for frame in range(140)), 25.0)
    digest, size = sha256_file(first), first.stat().st_size
    nothing = Signature(np.zeros((0, MOTION_COLUMNS), np.float32), np.zeros((0, SOUND_BANDS), np.float32))
    for number in range(clips):
        source, part = divmod(number, _CLIPS_A_SOURCE)
        source_id, clip = f"video-{source:06d}", f"video-{source:06d}-{part * 150:06d}"
        path = f"clips/{clip}.mp4"
        if number % 50_000 == 0:  # a file has 65,000 names at most on common file systems
            first = Path(shutil.copyfile(first, folder / path))
        else:
            os.link(first, folder / path)
        if part == 0:
            sources.append(
                {
                    "source_id": source_id, "file": f"{source_id}.mp4", "sha256": f"{source:064x}", "status": "done",
                    "clips": _CLIPS_A_SOURCE, "url": f"https://example.org/{source}", "duration_s": 200.0,
                    "uploader_id": f"u{source // 3}",
                }
            )  # fmt: skip
        rows.append(
            {
                "clip_id": clip, "source_id": source_id, "start_frame": part * 150, "end_frame": part * 150 + 140,
                "start_s": part * 6.0, "end_s": part * 6.0 + 5.6, "fps": 25.0, "num_frames": 140, "duration_s": 5.6,
                "width": 720, "height": 1280, "has_audio": True, "split": "train", "subset": "wild",
                "genre": _GENRES[source % len(_GENRES)], "path": path, "bytes": size, "sha256": digest,
                "group_id": source_id,
            }
        )  # fmt: skip
    filled = [dict.fromkeys(clip_columns({})) | row for row in rows]
    known = [{name: row.get(name) for name in SOURCE_COLUMNS} for row in sources]
    write_folder(FolderTables(folder, known, filled, [], {}))
    write_signatures(folder, [signature_row(row["clip_id"], nothing, digest) for row in rows])
    write_text(folder / "settings.toml", "seed = 0\n")
    write_text(folder / "list.txt", "".join(f"{row['url']}\n" for row in sources[::2]))


def run_alone(command: list[str]) -> dict[str, Any]:
    """Exit code, CPU seconds and peak memory (GB) of a command."""
    process = os.posix_spawn(
        sys.executable, [sys.executable, *command], dict(os.environ),
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, used = os.wait4(process, 0)
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_gb": round(used.ru_maxrss / 1e6, 2),
    }


def main() -> None:
    """Make, measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="madance-") as place:
        folder = Path(place) / "data"
        _in_a_process(make_tables, folder, given.clips)
        for name, command in _VERBS.items():
            words = [word.replace("FOLDER", str(folder)) for word in command]
            print(json.dumps({"verb": name, **run_alone(words)}), flush=True)


def _in_a_process(function: Callable[..., None], *given: Any) -> None:
    maker = get_context("spawn").Process(target=function, args=given)
    maker.start()
    maker.join()
    if maker.exitcode:
        raise SystemExit(maker.exitcode)


if __name__ == "__main__":
    main()
