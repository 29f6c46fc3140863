import multiprocessing
import os
import time

import pytest

from madata import cache
from madata.cache import cache_dir, remembered_sha256, sha256_of_folder
from madata.files import sha256_file

LONG_AGO_NS = 1_600_000_000_123_456_789


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def reads(monkeypatch):
    """Paths whose bytes were read."""
    done = []
    monkeypatch.setattr(cache, "sha256_file", lambda path: (done.append(path), sha256_file(path))[1])
    return done


def old_file(path, content=b"first", mtime_ns=LONG_AGO_NS):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def records():
    return [path for path in (cache_dir() / "sha256").rglob("*") if path.is_file()]


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("MADANCE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "madance"


def test_a_file_is_read_once_until_it_changes(tmp_path, reads):
    path = old_file(tmp_path / "w.safetensors")
    assert remembered_sha256(path) == remembered_sha256(path) == sha256_file(path)
    assert reads == [path]
    old_file(path, b"longer")
    assert remembered_sha256(path) == sha256_file(path)
    old_file(path, b"LONGER", mtime_ns=LONG_AGO_NS + 1)
    assert remembered_sha256(path) == sha256_file(path)
    assert reads == [path] * 3


def test_another_file_in_its_place_is_read(tmp_path, reads):
    path = old_file(tmp_path / "w")
    remembered_sha256(path)
    old_file(tmp_path / "other", b"2nd !").replace(path)
    assert remembered_sha256(path) == sha256_file(path)
    assert len(reads) == 2


def test_a_file_that_is_changed_under_a_clock_set_back_is_read(tmp_path, reads):
    """Same size, same time of content, same inode: as ``cp -p`` over it, or a clock that shows the same hour twice."""
    path = old_file(tmp_path / "w")
    remembered_sha256(path)
    time.sleep(0.05)  # longer than a file system's clock stands still
    old_file(path, b"2nd !")
    assert remembered_sha256(path) == sha256_file(path)
    assert len(reads) == 2


@pytest.mark.parametrize("seconds", [0, 1.5, -3600])
def test_a_file_changed_just_now_is_not_remembered(tmp_path, reads, seconds):
    now = time.time_ns()
    path = old_file(tmp_path / "w", mtime_ns=now - int(seconds * 1e9))
    assert remembered_sha256(path) == remembered_sha256(path) == sha256_file(path)
    assert len(reads) == 2
    assert not records()


def test_a_file_changed_while_it_is_read_is_not_remembered(tmp_path, monkeypatch):
    path = old_file(tmp_path / "w")

    def read(target):
        digest = sha256_file(target)
        old_file(target, b"while reading", mtime_ns=LONG_AGO_NS + 5)
        return digest

    monkeypatch.setattr(cache, "sha256_file", read)
    remembered_sha256(path)
    assert not records()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"1 2 3 " + b"0" * 63 + b"\n"])
def test_a_damaged_record_is_made_again(tmp_path, content):
    path = old_file(tmp_path / "w")
    remembered_sha256(path)
    (record,) = records()
    whole = record.read_bytes()
    record.write_bytes(content)
    assert remembered_sha256(path) == sha256_file(path)
    assert record.read_bytes() == whole


def test_names_that_are_no_text_are_remembered(tmp_path, reads):
    path = old_file(tmp_path / os.fsdecode(b"\xe9 \n.mp4"))
    assert remembered_sha256(path) == remembered_sha256(path)
    assert len(reads) == 1


def test_without_a_cache_files_are_read(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "file"))
    path = old_file(tmp_path / "w")
    assert remembered_sha256(path) == sha256_file(path)


def test_an_absent_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        remembered_sha256(tmp_path / "absent")


def _ask(path):
    return [remembered_sha256(path) for _ in range(20)]


def test_many_processes_share_it(tmp_path):
    path = old_file(tmp_path / "w", os.urandom(1 << 16))
    with multiprocessing.get_context("fork").Pool(3) as pool:
        answers = pool.map(_ask, [path] * 6)
    assert {digest for digests in answers for digest in digests} == {sha256_file(path)}
    assert len(records()) == 1


def test_a_file_of_the_hub_cache_is_named_by_its_hash(tmp_path, reads):
    blob = old_file(tmp_path / "blobs" / ("ab" * 32))
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert remembered_sha256(link) == "ab" * 32
    assert not reads


def test_sha256_of_a_folder_follows_names_and_bytes(tmp_path):
    folder = old_file(tmp_path / "model" / "x.json", b"1").parent
    first = remembered_sha256(folder)
    assert first == sha256_of_folder(folder)
    old_file(folder / ".hidden", b"2")
    assert remembered_sha256(folder) == first
    old_file(folder / "sub" / "y.bin", b"2")
    assert remembered_sha256(folder) != first
