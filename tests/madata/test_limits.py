"""What a stranger's file may cost is bounded before it costs, and every bound can be moved."""

import io
import json
import os
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from madata.errors import ConfigError, MadanceError, MediaError
from madata.files import (
    parse_json,
    parse_toml,
    read_json,
    read_npy,
    read_npz,
    read_pickle,
    read_toml,
    read_torch,
    sha256_file,
    whole_table,
)
from madata.limits import ReadingLimits, reading_limits
from madata.manifest import iterate_rows, write_table
from madata.motion.formats import read_any_motion
from madata.motion.timing import resample
from madata.tensors import open_torch
from madata.video.stills import read_still


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "the key 'a' comes twice"),
        ('{"a": [NaN]}', "nan is no number"),
        ("[1, [-1e999]]", "-inf is no number"),
        ("[" * 101 + "]" * 101, "nested more than 100 deep"),
        ("[" * 100_000, "nested too deep"),
        (f'{{"a": 1{"0" * 20}}}', "an integer of more than 20 digits"),
        (f"[-1{'0' * 5000}]", "not valid JSON"),
        (b'"\xff"', "not valid JSON"),
    ],
)
def test_json_beyond_bounds_is_one_line_that_names_it(text, said):
    with pytest.raises(MadanceError, match=said) as caught:
        parse_json(text, "clip.json")
    assert str(caught.value).startswith("clip.json: ") and "\n" not in str(caught.value)


def test_json_at_its_bounds_is_read():
    assert parse_json("[" * 100 + "]" * 100, "a") and parse_json(f"[{2**64 - 1}]", "a") == [2**64 - 1]


@pytest.mark.parametrize(
    "text", ["a = nan", "a = 1\na = 2", f"a = {'9' * 30}", f"a = {'[' * 101}{']' * 101}", "a = " + "[" * 9999]
)
def test_toml_beyond_bounds_is_one_line_that_names_it(text):
    with pytest.raises(ConfigError, match=r"^mine\.toml: [^\n]+$"):
        parse_toml(text, "mine.toml")


def test_a_document_is_not_read_whole_to_find_it_too_long(tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_LIMITS", "document_bytes=10")
    (tmp_path / "a").write_text("[1,2,3,4,5,6]")
    for read in (read_json, read_toml):
        with pytest.raises(MadanceError, match="document_bytes"):
            read(tmp_path / "a")


def test_limits_are_set_by_name(monkeypatch):
    monkeypatch.setenv("MADANCE_LIMITS", "seconds=60, pixels=100")
    assert reading_limits() == ReadingLimits(seconds=60, pixels=100)
    for wrong, said in (
        ("second=1", "did you mean 'seconds'"),
        ("seconds=-1", "above 0"),
        ("pixels", "above 0"),
    ):
        monkeypatch.setenv("MADANCE_LIMITS", wrong)
        with pytest.raises(ConfigError, match=said):
            reading_limits()


def lying(folder, name, shape, data=b"\0" * 80, descr="<f8"):
    """An array whose header says another shape than is there, in an .npz and as an .npy."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data
    (folder / f"{name}.npy").write_bytes(content)
    with zipfile.ZipFile(folder / f"{name}.npz", "w") as archive:
        archive.writestr("a.npy", content)
    return folder / f"{name}.npy", folder / f"{name}.npz"


@pytest.mark.parametrize(
    ("shape", "data", "descr"),
    [
        ((10**12,), b"\0" * 80, "<f8"),
        ((3,), b"\0" * 80, "<f8"),
        ((10**12, 0), b"", "<f8"),
        ((10**12,), b"", "<U0"),
    ],
)
def test_the_size_an_array_announces_is_held_against_its_bytes(tmp_path, shape, data, descr):
    npy, npz = lying(tmp_path, "a", shape, data, descr)
    with pytest.raises(MediaError, match=r"a\.npy: not a readable"):
        read_npy(npy)
    with pytest.raises(MediaError, match=r"a\.npz: not a readable"):
        read_npz(npz)


def test_an_honest_array_is_read(tmp_path):
    npy, npz = lying(tmp_path, "a", (2, 5))
    assert read_npy(npy).shape == read_npz(npz)["a"].shape == (2, 5)


def test_an_array_that_comes_twice_and_more_arrays_than_anybody_needs(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("a.npy", b"")
    with pytest.raises(MediaError, match="an array twice"):
        read_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", **{f"a{number}": np.zeros(1) for number in range(5)})
    monkeypatch.setenv("MADANCE_LIMITS", "members=4")
    with pytest.raises(MediaError, match="at most 4"):
        read_npz(tmp_path / "b.npz")


def test_tensors_that_unpack_to_more_than_their_file(tmp_path):
    import torch

    torch.save({"a": torch.zeros(1 << 20)}, tmp_path / "a.pt")
    assert open_torch(tmp_path / "a.pt")["a"].shape == (1 << 20,)
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as honest,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in honest.namelist():
            packed.writestr(name, honest.read(name))
    with pytest.raises(MadanceError, match=r"torch\.save never does"):
        open_torch(tmp_path / "b.pt")


def test_a_table_of_a_few_bytes_may_have_a_million_rows(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    write_table(path, [{"clip_id": "x", "n": 1}] * 1000, {"clip_id": "string", "n": "int64"})
    assert whole_table(path, ["n"]).num_rows == 1000
    monkeypatch.setenv("MADANCE_LIMITS", "cells=1999")
    assert whole_table(path, ["n"]).num_rows == 1000
    with pytest.raises(MadanceError, match="cells"):
        whole_table(path)
    with pytest.raises(MadanceError, match="has no column absent"):
        whole_table(path, ["absent"])


@pytest.mark.parametrize("read", [whole_table, lambda path: list(iterate_rows(path))])
def test_a_long_text_may_stand_in_every_row_of_a_small_table(tmp_path, monkeypatch, read):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    names = pa.DictionaryArray.from_arrays([0] * 900, ["x" * 100_000]).cast(pa.string())
    pq.write_table(pa.table({"clip_id": names, "n": [None, *range(899)]}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 1 << 18
    assert len(read(tmp_path / "a.parquet")) == 900
    monkeypatch.setenv("MADANCE_LIMITS", f"unpacked_bytes={1 << 26}")
    with pytest.raises(MadanceError, match="written out it comes to more than 64 MiB"):
        read(tmp_path / "a.parquet")


def test_motion_is_bounded_before_it_is_brought_to_another_rate(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, poses=np.zeros((9, 156)), trans=np.zeros((9, 3)), mocap_framerate=5.0, betas=np.zeros(16))
    motion = read_any_motion(path)
    for limit in ("frames=8", "joints=20", "rate=4", "seconds=1"):
        monkeypatch.setenv("MADANCE_LIMITS", limit)
        with pytest.raises(MediaError, match=f"MADANCE_LIMITS {limit.partition('=')[0]}"):
            read_any_motion(path)
    monkeypatch.setenv("MADANCE_LIMITS", "frames=9")
    with pytest.raises(MediaError, match="MADANCE_LIMITS frames"):
        resample(motion, 60.0)


def test_a_picture_is_judged_by_its_header(tmp_path, monkeypatch):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.full((20, 30, 3), (10, 20, 30), np.uint8))
    assert read_still(tmp_path / "a.png")[0, 0].tolist() == [30, 20, 10]
    monkeypatch.setenv("MADANCE_LIMITS", "pixels=599")
    with pytest.raises(MediaError) as caught:
        read_still(tmp_path / "a.png")
    assert caught.value.reason == "too_large"


def test_a_video_is_judged_by_what_it_declares(tmp_path, monkeypatch):
    from madata.video import probe
    from tests.media_builder import Recipe, build

    path = build(tmp_path / "a.mp4", Recipe(num_frames=30, size=(64, 48), fps=Fraction(10)))
    assert probe(path).num_frames == 30
    for limit in ("frame_pixels=3000", "seconds=2"):
        monkeypatch.setenv("MADANCE_LIMITS", limit)
        with pytest.raises(MediaError, match=limit.partition("=")[0]) as caught:
            probe(path)
        assert caught.value.reason == "too_large"


def test_a_document_gives_its_content_back(tmp_path):
    content = {"a": [1, 2.5, None, True, "ü"], "b": {"c": {}}}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert read_json(tmp_path / "a.json") == content


READERS = (
    *(read_json, read_toml, read_npy, read_npz, read_pickle, read_torch, whole_table),
    *(read_still, read_any_motion, sha256_file),
)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    for read, suffix in ((read, suffix) for read in READERS for suffix in (".npz", ".bvh", ".pkl")):
        path = tmp_path / f"{read.__name__}{suffix}"
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        with pytest.raises((MadanceError, OSError), match=r"not a file|no such file|not a regular file"):
            read(path)


def test_a_jpeg_of_a_thousand_scans_is_refused(tmp_path, monkeypatch):
    encoded = io.BytesIO()
    Image.new("RGB", (64, 64)).save(encoded, "jpeg", progressive=True)
    data = encoded.getvalue()
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:-2] + 1000 * data[data.rfind(b"\xff\xda") : -2] + data[-2:])
    assert read_still(path).shape == (64, 64, 3)  # of so few pixels they may be
    monkeypatch.setenv("MADANCE_LIMITS", "pixels=10000")
    with pytest.raises(MediaError, match="scans"):
        read_still(path)
