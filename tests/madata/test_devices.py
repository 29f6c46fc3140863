"""A device that is not there is one line; cores are those a container may use."""

import os

import pytest
import torch

from madata import devices
from madata.devices import (
    THREAD_VARIABLES,
    model_servers,
    on_device,
    resolve_device,
    take_threads,
    usable_cores,
)
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


def container(root, cgroup, files):
    """What a process sees of its control groups."""
    for name, text in {"proc/self/cgroup": cgroup, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("cgroup", "files", "cores"),
    [
        ("0::/\n", {}, 16),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "5000 100000\n"}, 1),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 16),
        ("0::/a/b\n", {"sys/fs/cgroup/a/cpu.max": "200000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 9"}, 2),
        ("0::/of/the/host\n", {"sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "nonsense"}, 16),
        (
            "5:cpuset:/\n1:cpu,cpuacct:/a\n",
            {
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "50000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
    ],
)
def test_a_container_has_the_cores_of_its_quota(monkeypatch, tmp_path, cgroup, files, cores):
    monkeypatch.setattr(devices, "_bound_to", lambda: 16)
    assert usable_cores(container(tmp_path, cgroup, files)) == cores


def test_without_control_groups_it_is_the_cores_bound_to(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_bound_to", lambda: 5)
    assert usable_cores(tmp_path) == 5


def test_threads_follow_a_quota_alone_and_never_the_users_wish(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    for name in THREAD_VARIABLES[1:]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(devices, "_bound_to", lambda: 16)
    monkeypatch.setattr(devices, "usable_cores", lambda: 16)
    take_threads()
    assert [os.environ.get(name) for name in THREAD_VARIABLES] == ["7", None, None]
    monkeypatch.setattr(devices, "usable_cores", lambda: 2)
    take_threads()
    assert [os.environ.pop(name) for name in THREAD_VARIABLES] == ["7", "2", "2"]
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
