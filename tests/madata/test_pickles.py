"""Pickles as data: what is read, what is refused, and that refusing costs nothing."""

import collections
import importlib
import io
import pickle
import resource
import zipfile

import numpy as np
import pytest

from madata.errors import MediaError
from madata.files import read_pickle, read_torch
from madata.pickles import MAX_DEPTH, NotPlainError, load_plain


def loaded(data, **more):
    return load_plain(io.BytesIO(data), len(data), **more)


VALUES = {
    "none": None,
    "numbers": [1, -(2**70), 0.5, True, 255, 70000],
    "text": ("é", b"\x00\xff", ""),
    "nested": {"a": {1: [(), {}, [[]]]}},
    "array": np.arange(6, dtype=">i2").reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.float32(1.5),
    "letters": np.array(["ab", "c"]),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back(protocol):
    found = loaded(pickle.dumps(VALUES, protocol))
    assert list(found) == list(VALUES)
    for name, value in VALUES.items():
        if isinstance(value, np.ndarray | np.generic):
            np.testing.assert_array_equal(found[name], value)
            assert found[name].dtype == value.dtype
        else:
            assert found[name] == value, name


def test_shared_values_stay_shared_and_objects_in_arrays_become_lists():
    one = [1.0]
    content = {"first": one, "second": one, "labels": np.array([{"a": 1}, None], object)}
    found = loaded(pickle.dumps(content))
    assert found["first"] is found["second"]
    assert found["labels"] == [{"a": 1}, None]


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_files_of_joblib(tmp_path, compress):
    joblib = pytest.importorskip("joblib")
    tracks = collections.defaultdict(dict)
    tracks[0] = {"pose": np.random.default_rng(0).normal(size=(5, 72)), "trans": np.asfortranarray(np.eye(3))}
    joblib.dump(tracks, tmp_path / "wham_output.pkl", compress=compress)
    found = read_pickle(tmp_path / "wham_output.pkl")
    for name, array in tracks[0].items():
        np.testing.assert_array_equal(found[0][name], array)


def test_archives_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    content = {"body_pose": torch.rand(4, 63), "turned": torch.rand(3, 4).T, "half": torch.ones(2).half()}
    torch.save({"smpl": content, "fps": 30}, tmp_path / "result.pt")
    found = read_torch(tmp_path / "result.pt")
    assert found["fps"] == 30
    for name, tensor in content.items():
        np.testing.assert_array_equal(found["smpl"][name], tensor.numpy())


class Runs:
    def __init__(self, call, *arguments):
        self.reduced = (call, arguments)

    def __reduce__(self):
        return self.reduced


def doubled(times, make):
    value = make(1, 1)
    for _ in range(times):
        value = make(value, value)
    return value


def refused():
    holds_itself = []
    holds_itself.append(holds_itself)
    deep = []
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    array = pickle.dumps(np.zeros(4), 2)
    yield "it wants to call", pickle.dumps(Runs(print, "x"))
    yield "it wants to call builtins.getattr", pickle.dumps(Runs(getattr, "x", "y"))
    yield "it wants to make a", pickle.dumps(collections.UserString("x"))
    yield "written out", pickle.dumps(doubled(60, lambda a, b: [a, b]))
    yield "a key of a dictionary is a tuple", pickle.dumps({doubled(10, lambda a, b: (a, b)): 1})
    yield "it holds itself", pickle.dumps(holds_itself)
    yield "nested more than", pickle.dumps(deep)
    yield "1099511627776 bytes are announced", b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"abc."
    yield "an array of records", pickle.dumps(np.zeros(2, [("a", "f4")]))
    yield "whose numbers are not there", array.replace(b"K\x04\x85", b"K\x05\x85")
    yield "which is no data", b"cnumpy\nndarray\n."
    yield "no plain data (PERSID)", b"Pstorage\n."
    yield "refers to data outside", pickle.dumps(("storage",))[:-1] + b"Q."
    endless = b"]" + b"".join(b"q%c0](h%ch%ce" % (place, place, place) for place in range(100, 140))
    text = b"(X\1\0\0\0a"
    yield "a shape that is none", array.replace(b"K\x04\x85", b"(" + endless + b"t")
    yield "a name in it is a list", text[1:] + endless + b"\x93."
    yield "a name in it is a list", b"cnumpy\ndtype\n" + endless + b"\x85R."
    yield "a name in it is a list", b"c_codecs\nencode\n" + endless + b"\x85R."
    yield "it wants to make a thing", endless + b")\x81."
    yield "beyond measure", pickle.dumps({number * (2**61 - 1): None for number in range(1, 9)})
    yield "too long ones", pickle.dumps({tuple(range(99)): None})
    yield "are tuples", pickle.dumps({(number,): None for number in range(6000)})
    yield "remembers a value", b"Np%d\n." % (2**61 - 1)
    yield "a number of 3000 bits", pickle.dumps(2**2999)
    yield "what are no pairs", b"ccollections\nOrderedDict\n](](NNNee\x85R."
    yield "ends early", pickle.dumps([1, 2])[:-3]
    yield "ends early", b""
    yield "damaged", b"h\x07."


def test_the_state_of_a_network_is_its_tensors(tmp_path):
    torch = pytest.importorskip("torch")
    network = torch.nn.Linear(3, 2)
    torch.save(network.state_dict(), tmp_path / "network.pth")
    found = read_torch(tmp_path / "network.pth")
    assert list(found) == ["weight", "bias"]
    np.testing.assert_array_equal(found["weight"], network.weight.detach().numpy())


@pytest.mark.parametrize(
    ("words", "data"), refused(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_not_plain_is_refused_at_once(words, data):
    before = resource.getrusage(resource.RUSAGE_SELF)
    with pytest.raises(NotPlainError) as caught:
        loaded(data)
    assert words in str(caught.value)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 200_000  # KiB


def test_numbers_that_are_unpacked_again_and_again(monkeypatch):
    monkeypatch.setenv("MADANCE_LIMITS", "unpacked_bytes=100000")
    array = pickle.dumps(np.zeros(1 << 12), 2)
    assert loaded(array) is not None
    with pytest.raises(NotPlainError, match="unpacks to more than"):
        loaded(b"\x80\x02(" + 3 * array[2:-1] + b"t.")
    with pytest.raises(NotPlainError, match="unpacks to more than"):
        loaded(b"(" + b"]" * 1000 + b"t.")


@pytest.mark.parametrize("module", ["zlib", "gzip", "bz2", "lzma"])
def test_a_pickle_that_unpacks_without_end(tmp_path, monkeypatch, module):
    monkeypatch.setenv("MADANCE_LIMITS", f"unpacked_bytes={1 << 16}")
    path = tmp_path / "bomb.pkl"
    path.write_bytes(importlib.import_module(module).compress(pickle.dumps(b"\0" * (1 << 20))))
    with pytest.raises(MediaError, match="unpacks to more than"):
        read_pickle(path)


@pytest.mark.parametrize("content", [b"junk", None])
def test_no_archive_of_torch(tmp_path, content):
    path = tmp_path / "result.pt"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.txt", "x")
    else:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=r"result\.pt: refused") as caught:
        read_torch(path)
    assert caught.value.reason == "unsafe_pickle"


def test_a_tensor_beyond_its_storage(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.zeros(4), tmp_path / "whole.pt")
    with zipfile.ZipFile(tmp_path / "whole.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    storage = next(name for name in members if "/data/" in name)
    members[storage] = members[storage][:4]
    with zipfile.ZipFile(tmp_path / "cut.pt", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(MediaError, match="beyond its storage"):
        read_torch(tmp_path / "cut.pt")
