"""A device that is not there is one line."""

import pytest
import torch

from madata import devices
from madata.devices import model_servers, on_device, resolve_device
from madata.errors import ConfigError


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ConfigError, match=f"the device '{device}' cannot be used: ") as caught:
        on_device(torch.nn.Linear(1, 1), device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "nonsense"])
def test_a_device_that_is_named_is_taken_as_it_is(device):
    assert resolve_device(device) == device


@pytest.mark.parametrize(
    ("drivers", "cuda", "device"), [(False, True, "cpu"), (True, False, "cpu"), (True, True, "cuda")]
)
def test_auto_is_cuda_where_there_is_one(monkeypatch, tmp_path, drivers, cuda, device):
    if drivers:
        (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(devices, "Path", lambda path: tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert resolve_device("auto") == device


def test_every_gpu_has_a_model_server(monkeypatch):
    torch = pytest.importorskip("torch")
    assert model_servers("cpu") == ()
    assert model_servers("cuda:1") == ("cuda:1",)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert model_servers("cuda") == ("cuda:0", "cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="no GPU"):
        model_servers("cuda")
