"""A disk that is full is said so in one line by everything that writes, and nothing half written stays.

The disk of a child is full: no file of it may grow (``RLIMIT_FSIZE``), which the system tells as it tells a full disk.
"""

import os
import resource
import signal

import numpy as np
import pytest

from madata.errors import MadanceError
from madata.files import (
    atomic_path,
    copy_file,
    hold_folder,
    scratch_folder,
    write_json,
    write_npz,
    write_pickle,
)
from madata.manifest import write_table
from madata.music import write_wav
from madata.types import Music
from madata.video import write_video


def wav(path):
    write_wav(path, Music(np.zeros(9000, np.float32), 22050))


def npy(path):
    with atomic_path(path) as temporary:
        np.save(temporary, np.zeros(9000))


def archive(path):
    from leaderboard.archive import write_archive

    write_archive(path, {"a.json": b"x" * 9000})


def tensors(path):
    import torch

    from mace_dance.appearance.run_folder import write_tensor

    write_tensor(path, torch.zeros(9000))


WRITERS = {
    "a.json": lambda path: write_json(path, list(range(9000))),
    "a.npz": lambda path: write_npz(path, a=np.random.default_rng(0).normal(size=9000)),
    "a.pkl": lambda path: write_pickle(path, {"a": np.zeros(9000)}),
    "a.parquet": lambda path: write_table(path, [{"n": n} for n in range(9000)], {"n": "int64"}),
    "a.mp4": lambda path: write_video(
        path, np.random.default_rng(0).integers(0, 255, (9, 48, 64, 3), np.uint8), 10
    ),
    "copy": lambda path: copy_file(path.parent / "source", path),
    "a.wav": wav,
    "a.npy": npy,
    "a.zip": archive,
    "a.safetensors": tensors,
}


def in_a_child_with_a_full_disk(work):
    """What ``work`` raised there, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
            try:
                work()
            except BaseException as error:
                os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, name):
    (tmp_path / "source").write_bytes(b"x" * 9000)
    said = in_a_child_with_a_full_disk(lambda: WRITERS[name](tmp_path / name))
    assert said.startswith(f"MadanceError: the disk is full while writing {tmp_path / name}")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(MadanceError, match="out: it is a file"), hold_folder(tmp_path / "out"):
        pass
    with pytest.raises(MadanceError, match="cannot write"), scratch_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_no_folder_for_temporary_files_is_one_line(monkeypatch):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(MadanceError, match="set TMPDIR"), scratch_folder():
        pass
