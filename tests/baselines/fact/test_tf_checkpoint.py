"""The reader against checkpoints written here by the format's description, and one that TensorFlow wrote."""

import struct
from pathlib import Path

import numpy as np
import pytest

from baselines.fact.network import Fact, FactConfig, checkpoint_name
from baselines.fact.tf_checkpoint import checkpoint_files, read_tf_checkpoint
from madata.errors import WeightsError

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)


def varint(value):
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries):
    out, before = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b),
            min(len(key), len(before)),
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def write_checkpoint(prefix, tensors, kind=1):
    """``ckpt.index`` with two data blocks, and one shard."""
    data, entries = b"", [(b"", field(1, 1))]
    for name, value in sorted(tensors.items()):
        raw = value.astype("<f4").tobytes()
        shape = b"".join(field(2, field(1, size)) for size in value.shape)
        entry = field(1, kind) + field(2, shape) + field(4, len(data)) + field(5, len(raw))
        entries.append((name.encode(), entry + varint(6 << 3 | 5) + b"\0\0\0\0"))
        data += raw
    content, handles = b"", []
    half = len(entries) // 2
    for part in (entries[:half], entries[half:], []):
        made = block(part)
        handles.append((part[-1][0] if part else b"", varint(len(content)) + varint(len(made))))
        content += made + b"\0" * 5
    listing = block(handles[:2])
    footer = handles[2][1] + varint(len(content)) + varint(len(listing))
    content += listing + b"\0" * 5 + footer.ljust(40, b"\0") + MAGIC
    prefix.with_name(f"{prefix.name}.index").write_bytes(content)
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    return prefix


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    return {f"model/layer_{i}/kernel": rng.normal(size=(i + 1, 3)).astype(np.float32) for i in range(5)}


def test_tensors_come_back(tmp_path, tensors):
    prefix = write_checkpoint(tmp_path / "ckpt-7", tensors)
    found = read_tf_checkpoint(prefix, list(tensors)[1:])
    assert found.keys() == set(list(tensors)[1:])
    for name, value in found.items():
        np.testing.assert_array_equal(value, tensors[name])


def test_a_checkpoint_that_tensorflow_wrote():
    """TensorFlow 2.21, ``tf.train.Checkpoint``: a small model's names beside an optimizer's count and the graph of
    objects; every variable is 0 .. 5 and a hundred for each name before it.
    """
    network = Fact(
        FactConfig(hidden=10, feed_forward=4, heads=2, motion_layers=1, music_layers=1, cross_layers=2)
    )
    names = sorted(map(checkpoint_name, network.state_dict()))
    found = read_tf_checkpoint(Path(__file__).with_name("written_by_tensorflow") / "ckpt-1", names)
    for index, name in enumerate(names):
        np.testing.assert_array_equal(found[name], 100 * index + np.arange(6).reshape(2, 3), err_msg=name)


@pytest.mark.parametrize("at", [0, 3, 9, -48, -45, -8])
def test_a_damaged_index_is_one_error(tmp_path, tensors, at):
    prefix = write_checkpoint(tmp_path / "ckpt", tensors)
    path = tmp_path / "ckpt.index"
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="ckpt"):
        read_tf_checkpoint(prefix, tensors)


def test_what_is_absent_cut_off_or_of_another_kind_is_named(tmp_path, tensors):
    prefix = write_checkpoint(tmp_path / "ckpt", tensors)
    with pytest.raises(WeightsError, match=r"no such file.*without its suffixes"):
        read_tf_checkpoint(tmp_path / "ckpt.index", tensors)
    with pytest.raises(WeightsError, match="1 of 1 tensors are missing, first other"):
        read_tf_checkpoint(prefix, ["other"])
    data = tmp_path / "ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="absent or cut off"):
        read_tf_checkpoint(prefix, tensors)
    data.unlink()
    with pytest.raises(WeightsError, match=r"ckpt\.data-00000-of-00001: no such file"):
        checkpoint_files(prefix)
    write_checkpoint(prefix, tensors, kind=2)
    with pytest.raises(WeightsError, match="not one piece of float32"):
        read_tf_checkpoint(prefix, tensors)
    (tmp_path / "ckpt.index").write_bytes(b"short")
    with pytest.raises(WeightsError, match="no footer"):
        read_tf_checkpoint(prefix, tensors)
