import collections
import io
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest

from madata.errors import MadanceError, MediaError
from madata.files import (
    atomic_path,
    hold_file,
    hold_folder,
    npz_names,
    read_json,
    read_npz,
    read_pickle,
    read_torch,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_npz,
    write_text,
)


class Runs:
    """Whatever ``pickle.load`` would call on loading."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile_pickles(marker):
    touch = f"open({str(marker)!r}, 'w')"
    getattr_chain = b"cbuiltins\ngetattr\n(c__builtin__\neval\nV__call__\ntR."
    for protocol in (0, 2, 4, 5):
        yield pickle.dumps(Runs(os.system, f"touch {marker}"), protocol)
        yield pickle.dumps({"smpl_poses": np.zeros(3), "extra": Runs(eval, touch)}, protocol)
        yield pickle.dumps([Runs(exec, touch)], protocol)
        yield pickle.dumps(Runs(subprocess.call, ["touch", str(marker)]), protocol)
    yield getattr_chain
    yield f"cos\nsystem\n(Vtouch {marker}\ntR.".encode()
    yield f"cnumpy\ntesting._private.utils.runstring\n(V{touch}\n}}tR.".encode()
    yield b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__class__\x93."  # a dotted name leaves the allowed object
    yield b"\x80\x04\x8c\x0bcollections\x8c\x0bOrderedDict\x93\x8c\x01x\x81b."
    yield b"\x80\x02\x82\x01."  # an extension code
    yield b"Psomewhere\n."  # a persistent id


def test_hostile_pickles_run_nothing(tmp_path):
    marker = tmp_path / "ran"
    path = tmp_path / "motion.pkl"
    for content in hostile_pickles(marker):
        path.write_bytes(content)
        with pytest.raises(MediaError) as caught:
            read_pickle(path)
        assert "motion.pkl" in str(caught.value) and caught.value.reason == "unsafe_pickle"
        assert not marker.exists()


def test_every_class_of_ours_is_refused_too(tmp_path):
    path = tmp_path / "motion.pkl"
    path.write_bytes(pickle.dumps(collections.Counter("aab")))
    with pytest.raises(MediaError, match=r"collections\.Counter"):
        read_pickle(path)


@pytest.mark.parametrize("content", [b"", b"\x80", b"junk", b"(" * 5000, pickle.dumps(list(range(99)))[:-5]])
def test_damaged_pickles_are_one_clear_error(tmp_path, content):
    path = tmp_path / "motion.pkl"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"motion\.pkl: refused"):
        read_pickle(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_content_is_read_at_any_protocol(tmp_path, protocol):
    content = {
        "smpl_poses": np.arange(12, dtype=np.float32).reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "scaling": np.float64(93.5),
        "names": ["a", "\u00e9", b"raw"],
        "nested": collections.OrderedDict(x=(1, 2.5, None, True)),
    }
    path = tmp_path / "motion.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    found = read_pickle(path)
    np.testing.assert_array_equal(found["smpl_poses"], content["smpl_poses"])
    np.testing.assert_array_equal(found["fortran"], content["fortran"])
    assert (
        found["scaling"] == 93.5
        and found["names"] == content["names"]
        and found["nested"] == content["nested"]
    )


def test_pickles_of_python_2_and_old_numpy(tmp_path):
    path = tmp_path / "motion.pkl"
    old = pickle.dumps({"trans": np.ones(3)}, 2).replace(b"numpy._core", b"numpy.core")
    path.write_bytes(old)
    np.testing.assert_array_equal(read_pickle(path)["trans"], np.ones(3))


def test_npz_of_objects_is_refused(tmp_path):
    path = tmp_path / "features.npz"
    marker = tmp_path / "ran"
    np.savez(path, good=np.zeros(3), bad=np.array([Runs(os.system, f"touch {marker}")], object))
    with pytest.raises(MediaError, match=r"features\.npz: not a readable \.npz of plain arrays"):
        read_npz(path)
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip", pickle.dumps({"a": 1})])
def test_damaged_npz_is_one_clear_error(tmp_path, content):
    path = tmp_path / "features.npz"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"features\.npz") as caught:
        read_npz(path)
    assert "unsafely" not in str(caught.value)


def test_a_truncated_npz_is_noticed(tmp_path):
    path = tmp_path / "features.npz"
    write_npz(path, a=np.random.default_rng(0).normal(size=1000))
    data = path.read_bytes()
    for cut in (10, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:cut])
        with pytest.raises(MediaError):
            read_npz(path)
    broken = bytearray(data)
    broken[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(broken))
    with pytest.raises(MediaError):
        read_npz(path)


def test_write_npz_round_trip_and_same_bytes_at_any_time(tmp_path, monkeypatch):
    arrays = {
        "file": np.arange(6, dtype=np.float32).reshape(2, 3),
        "empty": np.zeros((0, 4)),
        "name": np.asarray("smpl-24"),
        "scalar": np.float64(2.5),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    write_npz(tmp_path / "a.npz", **arrays)
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2040, 1, 2, 3, 4, 5, 0, 0, 0))
    write_npz(tmp_path / "b.npz", **dict(reversed(arrays.items())))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = read_npz(tmp_path / "a.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.asarray(array).dtype
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_write_npz_refuses_objects_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        write_npz(tmp_path / "a.npz", bad=np.array([{}], object))
    assert not list(tmp_path.iterdir())


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "deep" / "result.json"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == path.parent and temporary.name.startswith(".tmp-")
        assert temporary.suffix == ".json"
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["result.json"]


def test_a_killed_writer_leaves_no_file_under_the_final_name(tmp_path):
    path = tmp_path / "video.mp4"
    script = f"""
        import os, signal
        from pathlib import Path
        from madata.files import atomic_path
        with atomic_path(Path({str(path)!r})) as temporary:
            temporary.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=600, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not path.exists()
    assert all(entry.name.startswith(".tmp-") for entry in tmp_path.iterdir())


def test_files_get_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a.bin", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o640


def test_storage_faults_are_told_in_words(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MadanceError, match=r"the disk is full while writing .*a\.json"):
        write_text(tmp_path / "a.json", "x")
    assert not list(tmp_path.iterdir())


def test_json(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": None})
    assert path.read_text() == '{\n "a": null,\n "b": 1\n}\n'
    assert read_json(path) == {"a": None, "b": 1}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, float("nan"))
    path.write_text("{")
    with pytest.raises(MadanceError, match=r"a\.json: not valid JSON"):
        read_json(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(MadanceError, match="not valid JSON"):
        read_json(path)
    with pytest.raises(MadanceError, match="no such file"):
        read_json(tmp_path / "none.json")


def test_sha256(tmp_path):
    data = io.BytesIO(b"abc" * 1_000_000).getvalue()
    write_bytes(tmp_path / "a", data)
    assert sha256_file(tmp_path / "a") == sha256_bytes(data)
    assert sha256_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("place", ["file/a.json", "folder", f"{'x' * 300}.json"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(MadanceError, match=r"^cannot write .*: [A-Z]"):
        write_json(tmp_path / place, 1)
    assert not list(tmp_path.rglob(".tmp-*"))


def test_one_process_at_a_time_holds_a_folder(tmp_path):
    code = f"""
        from pathlib import Path
        from madata.files import hold_folder
        with hold_folder(Path({str(tmp_path / "run")!r})):
            print("held", flush=True)
            input()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        words = rf"another process works there \(process {other.pid} on "
        with pytest.raises(MadanceError, match=words), hold_folder(tmp_path / "run"):
            pass
        with hold_file(tmp_path / "run" / "other.lock") as held:
            assert held
        other.kill()
        other.wait()
    with hold_folder(tmp_path / "run"):
        pass


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "\udc80"])
def test_json_that_cannot_be_read_is_one_line(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(MadanceError, match=r"a\.json: "):
        read_json(tmp_path / "a.json")
    with pytest.raises(MadanceError):
        read_json(tmp_path)


def test_json_behind_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_text('\ufeff{"a": 1}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_an_npz_that_unpacks_without_end(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", large=np.zeros(1000), small=np.zeros(10))
    monkeypatch.setenv("MADANCE_LIMITS", "unpacked_bytes=4000")
    with pytest.raises(MediaError, match="unpack to more"):
        read_npz(tmp_path / "a.npz")
    assert list(read_npz(tmp_path / "a.npz", {"small"})) == ["small"]


def test_text_of_letters_that_do_not_exist_is_refused(tmp_path):
    for number, letter in enumerate((0x110000, 0xD800)):
        path = tmp_path / f"{number}.npz"
        np.savez(path, skeleton=np.array([letter], "<u4").view("<U1")[0:1])
        with pytest.raises(MediaError, match="letters that do not exist"):
            read_npz(path)


def test_a_member_whose_name_is_no_text_is_one_error(tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("\u00e4rchive/data.pkl", b"")
    path.write_bytes(path.read_bytes().replace("\u00e4".encode(), b"\xff\xfe"))
    for read in (read_torch, npz_names):
        with pytest.raises(MediaError, match=r"a\.pt"):
            read(path)
