"""Parts of a room are found by name, ours by their file and others' by an entry point."""

import subprocess
import sys

import pytest

from madata.errors import ConfigError, MadanceError
from madata.pose import BACKENDS, load


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """``installed(group, name=target, ...)``: a distribution of that group on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(distribution, group, **targets):
        folder = tmp_path / f"{distribution}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = [f"{name.replace('_', '-')} = {target}" for name, target in targets.items()]
        (folder / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
        return tmp_path

    return install


def test_a_backend_from_outside_is_listed_and_loaded_with_its_options(installed):
    folder = installed("stickman", "madance.pose", stick_man="stickman:make")
    (folder / "stickman.py").write_text(
        "def make(*, weights, device, limbs=2):\n    return (device, limbs)\n"
    )
    assert "stick-man" in BACKENDS.names()
    assert load("stick-man", device="cuda", limbs=4) == ("cuda", 4)
    with pytest.raises(ConfigError, match=r"stick-man has no option .arms."):
        load("stick-man", arms=2)


def test_a_name_offered_twice_names_both_places(installed):
    installed("other", "madance.pose", blazepose="other:make")
    with pytest.raises(ConfigError, match=r"madata\.pose\.backends\.blazepose:BACKEND and other:make"):
        load("blazepose")


def test_a_broken_part_names_itself_and_harms_no_other(installed):
    folder = installed("broken", "madance.pose", broken="broken_part:make")
    (folder / "broken_part.py").write_text("import not_installed_anywhere\n")
    assert "broken" in BACKENDS.names()
    with pytest.raises(MadanceError, match=r"broken_part:make.*not_installed_anywhere"):
        load("broken")


def test_every_module_of_ours_is_a_part():
    for name in BACKENDS.names():
        assert callable(BACKENDS.load(name))


def test_listing_imports_no_backend():
    code = (
        "import sys, madata.pose; madata.pose.BACKENDS.names();"
        "print([name for name in sys.modules if name.startswith('madata.pose.backends.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
