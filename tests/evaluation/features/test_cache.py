"""A file is hashed once in a run and not at all in the next; what was extracted is kept whole or not at all."""

import os
from collections import Counter

import pytest

from evaluation.features.cache import FeatureCache
from evaluation.features.video.passes import video_row
from evaluation.protocol import load_protocol
from evaluation.scoring import score
from madata import cache as remembered
from tests.evaluation.scoring.makers import blur, frames, write, write_folder

OLD_S = 1_600_000_000


@pytest.fixture
def hashes(tmp_path, monkeypatch):
    """How often the bytes of each file were read for their hash."""
    for name in ("MADANCE_CACHE", "MADANCE_WEIGHTS", "XDG_CACHE_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    count = Counter()
    original = remembered.sha256_file

    def counted(path):
        count[f"{path.parent.name}/{path.name}"] += 1
        return original(path)

    monkeypatch.setattr(remembered, "sha256_file", counted)
    return count


def settled(*folders):
    """Files that were written long ago."""
    for folder in folders:
        for path in folder.iterdir():
            os.utime(path, (OLD_S, OLD_S))


@pytest.mark.parametrize("protocol", ["vbench", "ma-data-animation"])
def test_a_video_is_hashed_once_and_not_at_all_in_the_next_run(tmp_path, hashes, protocol):
    real = write_folder(tmp_path / "real", range(2))
    for seed in range(2):
        write(tmp_path / "made" / f"v{seed}.mp4", blur(frames(seed)))
    settled(real, tmp_path / "made")
    score(tmp_path / "made", real, load_protocol(protocol))
    assert hashes == {f"{side}/v{seed}.mp4": 1 for side in ("real", "made") for seed in range(2)}
    hashes.clear()
    score(tmp_path / "made", real, load_protocol(protocol))
    assert not hashes


def test_a_row_with_a_fault_is_tried_again_and_a_damaged_one_removed(tmp_path):
    cache = FeatureCache(tmp_path)
    path = cache.path("videos", "network", "0f")
    cache.keep(path, {"clip": video_row("a", fault=("truncated", "ends early"))})
    assert cache.tables(path, {"clip"}) is None
    cache.keep(path, {"clip": video_row("a", frames=3)})
    assert cache.tables(path, {"clip"})["clip"].frames.tolist() == [3]
    assert cache.tables(path, {"prediction", "reference"}) is None and not path.exists()
    path.write_bytes(b"damaged")
    assert cache.tables(path, {"clip"}) is None and not path.exists()
