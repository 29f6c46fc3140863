"""Scored runs shared by the tests of this folder; a test that changes one works on a copy."""

import shutil

import numpy as np
import pytest

from evaluation.features import music as beat_finder
from evaluation.protocol import load_protocol
from tests.leaderboard.runs import make_run


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    patch = pytest.MonkeyPatch()
    patch.setenv("MADANCE_CACHE", str(root / "cache"))
    patch.setattr(
        beat_finder,
        "beats_of_file",
        lambda path, method: (np.arange(0.1, 6, 0.4 + path.read_bytes()[0] / 2000), 1.0),
    )
    music = root / "music"
    music.mkdir()
    for number in range(16):
        (music / f"c{number:03d}.wav").write_bytes(bytes([97 + number]))
    make_run(root, "ground-truth", seed=0, music=music)
    make_run(root, "good", seed=200, music=music)
    make_run(root, "alike", seed=500, music=music)
    make_run(root, "stiff", seed=300, movement=0.3, music=music)
    make_run(
        root / "official",
        "good",
        seed=200,
        real=root / "real",
        protocol=load_protocol("mace2d-official"),
        music=music,
    )
    make_run(root / "part", "half", seed=400, real=root / "real", limit=8, music=music)
    patch.undo()
    return root


@pytest.fixture
def runs(made, tmp_path):
    """A copy of the scored runs: ``runs / name``."""
    for name in ("ground-truth", "good", "alike", "stiff", "official", "part", "real", "good-clips", "music"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path
