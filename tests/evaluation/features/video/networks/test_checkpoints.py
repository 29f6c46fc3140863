"""Every form published weights come in, and files that must not be run."""

import os
import pickle
import zipfile
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from evaluation.features.video.networks.checkpoints import load_exactly, read_state_dict
from madata.errors import WeightsError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.text = nn.Linear(5, 6)
        self.register_buffer("steps", torch.tensor([3, 1, 2]))

    def forward(self, x):
        return self.visual(x).mean() + self.text.weight.sum()


class Settings(dict):
    """Stands for training settings of some third-party class."""


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Net().eval()


def assert_same(found, state):
    assert set(found) == set(state)
    for name, tensor in state.items():
        assert torch.equal(found[name], tensor), name
        assert found[name].dtype == tensor.dtype


def save_plain(network, path):
    torch.save(network.state_dict(), path)


def save_nested(network, path):
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, path)


def save_parallel(network, path):
    torch.save({f"module.{name}": tensor for name, tensor in network.state_dict().items()}, path)


def save_with_settings(network, path):
    settings = Settings(lr=0.1)
    settings.nested = SimpleNamespace(values=[1, 2])
    torch.save({"config": settings, "state_dict": network.state_dict(), "optimizer": [settings]}, path)


def save_scripted(network, path):
    torch.jit.script(network).save(str(path))


def save_safetensors(network, path):
    save_file(network.state_dict(), path)


FORMS = [save_plain, save_nested, save_parallel, save_with_settings, save_scripted, save_safetensors]


@pytest.mark.parametrize("save", FORMS)
@pytest.mark.filterwarnings("ignore")
def test_every_form_gives_the_same_tensors(save, network, tmp_path):
    path = tmp_path / ("weights.safetensors" if save is save_safetensors else "weights.pt")
    save(network, path)
    assert_same(read_state_dict(path), network.state_dict())
    visual = {
        name.removeprefix("visual."): tensor
        for name, tensor in network.state_dict().items()
        if name.startswith("visual.")
    }
    assert_same(read_state_dict(path, "visual."), visual)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_and_shared_storage_survive(dtype, network, tmp_path):
    network = network.to(dtype)
    network.text.bias = nn.Parameter(network.text.weight.data[:, 2])
    save_scripted(network, tmp_path / "weights.pt")
    save_with_settings(network, tmp_path / "settings.pt")
    for name in ("weights.pt", "settings.pt"):
        assert_same(read_state_dict(tmp_path / name), network.state_dict())


class Attack:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("place", ["beside the tensors", "instead of them"])
def test_code_in_a_checkpoint_is_not_run(place, network, tmp_path):
    trap, path = tmp_path / "ran", tmp_path / "weights.pt"
    content = {"extra": Attack(trap)}
    if place == "beside the tensors":
        torch.save(content | {"state_dict": network.state_dict()}, path)
        assert_same(read_state_dict(path), network.state_dict())
    else:
        torch.save(content, path)
        with pytest.raises(WeightsError, match="holds no tensor"):
            read_state_dict(path)
    assert not trap.exists()
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError, match="not readable as tensors"):
        read_state_dict(path)
    assert not trap.exists()


@pytest.mark.parametrize("damage", ["absent", "empty", "text", "cut"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_refused(damage, network, tmp_path):
    path = tmp_path / "weights.pt"
    save_scripted(network, path)
    data = path.read_bytes()
    path.write_bytes(
        {"absent": data, "empty": b"", "text": b"<html>404</html>", "cut": data[: len(data) // 2]}[damage]
    )
    if damage == "absent":
        path.unlink()
    with pytest.raises(WeightsError, match=r"weights\.pt"):
        read_state_dict(path)


@pytest.mark.filterwarnings("ignore")
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(network, tmp_path):
    path, short = tmp_path / "weights.pt", tmp_path / "short.pt"
    save_with_settings(network, path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(short, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data[:8] if "/data/" in name else data)
    with pytest.raises(WeightsError, match="beyond its storage"):
        read_state_dict(short)


def test_what_does_not_fit_is_named(network, tmp_path):
    state = network.state_dict()
    del state["visual.0.bias"]
    state["head.weight"] = torch.zeros(1)
    state["text.weight"] = torch.zeros(5, 6)
    with pytest.raises(WeightsError) as caught:
        load_exactly(Net(), state, tmp_path / "weights.pt")
    for part in ("1 missing (first: visual.0.bias)", "head.weight", "text.weight", "weights of Net"):
        assert part in str(caught.value)


def test_counters_of_batch_norm_may_be_absent(network, tmp_path):
    state = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    target = Net()
    load_exactly(target, state, tmp_path / "weights.pt")
    assert torch.equal(target.text.weight, network.text.weight)
