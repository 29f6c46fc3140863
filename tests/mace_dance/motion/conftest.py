"""The scan through each of its two implementations for a CPU."""

import os
import shutil

import pytest

from mace_dance.motion.scan.compiled import build


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory):
    """A cache folder with the kernel in it, built once a session."""
    if not (os.environ.get("CXX") or any(map(shutil.which, ("g++", "clang++", "c++")))):
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        build()
    return folder


@pytest.fixture
def compiled_scan(kernel_cache, monkeypatch):
    """The scan runs through the kernel."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(kernel_cache))
    monkeypatch.setenv("MADANCE_SCAN", "compiled")


@pytest.fixture(params=["torch", "compiled"])
def each_scan(request, monkeypatch):
    """The test runs once through the kernel and once without it."""
    if request.param == "compiled":
        request.getfixturevalue("compiled_scan")
    monkeypatch.setenv("MADANCE_SCAN", request.param)
    return request.param
