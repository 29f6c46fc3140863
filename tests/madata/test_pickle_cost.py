"""Weights whose pickles would never end, or ask for all memory: refused before torch follows them."""

import zipfile

import pytest
import torch

from evaluation.features.video.networks.checkpoints import read_state_dict
from madata.errors import WeightsError
from madata.tensors import open_torch


def doubled(pair):
    """Opcodes that make of the value on the stack one that holds it twice, forty times over."""
    return b"".join(b"q" + bytes([place]) + b"0" + pair(b"h" + bytes([place])) for place in range(40))


TUPLES = b")" + doubled(lambda value: value + value + b"\x86")
LISTS = b"]" + doubled(lambda value: b"](" + value + value + b"e")
ENDLESS = {
    "a key without end": b"}" + TUPLES + b"K\x01s.",
    "a set of one": b"c__builtin__\nset\n](" + TUPLES + b"e\x85R.",
    "keys of pairs": b"ccollections\nOrderedDict\n](](" + TUPLES + b"K\x01ee\x85R.",
    "a tensor of lists": b"ctorch\nFloatTensor\n" + LISTS + b"\x85R.",
    "dictionaries": b"}" + doubled(lambda value: b"}(K\x01" + value + b"K\x02" + value + b"u") + b".",
    "itself": b"}q\x00X\x01\x00\x00\x00ah\x00s.",
    "memory": b"c__builtin__\nbytearray\n\x8a\x06" + (10**12).to_bytes(6, "little") + b"\x85R.",
    "attributes": b"cother\nThing\n)R"
    + doubled(lambda value: b"}(K\x01" + value + b"K\x02" + value + b"u")
    + b".",
}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("script", [False, True], ids=["archive", "torchscript"])
def test_a_pickle_without_end_is_refused(tmp_path, name, script):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + ENDLESS[name])
        archive.writestr("a/version", "3")
        if script:
            archive.writestr("a/constants.pkl", b"\x80\x02).")
    with pytest.raises(WeightsError, match=r"holds more than|a key of a dictionary|without an end"):
        read_state_dict(path)


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "before 1.6"])
def test_what_training_writes_is_read(tmp_path, archive):
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(5, 3)).sum().backward()
    optimizer.step()
    content = {
        "model": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "expanded": torch.ones(1).expand(1000),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "others": [torch.float16, torch.Size([1, 2]), {1, 2.5}, bytearray(b"ab"), b"ab", {("a", 1): None}],
    }
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=archive)
    found = open_torch(tmp_path / "a.pt")
    assert found["others"] == content["others"] and found["expanded"].shape == (1000,)
    assert found["optimizer"]["state"].keys() == content["optimizer"]["state"].keys()
