import json
import os

import pytest

from madata.files import sha256_file
from madata.weights import digests, remembered_sha256


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "_REMEMBERED_FROM", 4)
    return tmp_path / "cache" / "madance" / "weights" / "sha256.json"


@pytest.fixture
def reads(monkeypatch):
    """Paths whose bytes were read."""
    done = []
    monkeypatch.setattr(digests, "sha256_file", lambda path: (done.append(path), sha256_file(path))[1])
    return done


def test_a_large_file_is_read_once_until_it_changes(tmp_path, reads):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"first")
    assert remembered_sha256(path) == remembered_sha256(path) == sha256_file(path)
    assert reads == [path]
    path.write_bytes(b"other")
    os.utime(path, ns=(0, 1))
    assert remembered_sha256(path) == sha256_file(path)
    assert reads == [path, path]


def test_a_small_file_is_always_read(tmp_path, reads, cache):
    path = tmp_path / "s"
    path.write_bytes(b"abc")
    assert remembered_sha256(path) == remembered_sha256(path)
    assert len(reads) == 2
    assert not cache.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"x": 1}'])
def test_a_damaged_memory_is_not_trusted(tmp_path, cache, content):
    path = tmp_path / "w"
    path.write_bytes(b"bytes")
    cache.parent.mkdir(parents=True)
    cache.write_text(content)
    assert remembered_sha256(path) == sha256_file(path)
    assert json.loads(cache.read_text())[str(path)]["sha256"] == sha256_file(path)


def test_a_file_of_the_hub_cache_is_named_by_its_hash(tmp_path, reads):
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"large")
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert remembered_sha256(link) == "ab" * 32
    assert not reads
