"""What is published installs: from a wheel into an empty environment, with nothing and with each extra alone.

Packages come at the versions of ``constraints.txt``, ``pip check`` finds no fault in it, and each environment
does something of what its extra is for. ``cuda`` needs a compiler of its makers and a GPU, and is left out.
"""

import os
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

DANCES = (
    "from pathlib import Path; from madata.synthetic.dances import make_dances;"
    "make_dances(Path('dances'), {'test': 3}, 5.5)"
)
VIDEO = (
    "import numpy as np; from pathlib import Path; from madata.video import write_video;"
    "write_video(Path('video.mp4'), np.random.default_rng(0).integers(0, 255, (150, 64, 96, 3), np.uint8), 25.0)"
)
MOTION = "dances/test/motions"
MUSIC = "dances/test/music"
JOBS = {
    "": [
        ["madance", "--help"],
        ["madance", "metrics"],
        ["madance", "systems"],
        ["python", "-c", DANCES],
        ["madance", "view", f"{MOTION}/test-00.npz", f"{MOTION}/test-01.npz", "--out", "dance.html"],
        ["madance", "convert", f"{MOTION}/test-00.npz", "dance.bvh"],
        ["madance", "table", str(ROOT / "tests" / "fuzz" / "result.json"), "--task", "motion"],
    ],
    "media": [
        ["madance", "check", "mean-pose"],
        ["python", "-c", DANCES],
        ["madance", "render", MOTION, "--out", "rendered", "--limit", "1"],
    ],
    "curate": [["python", "-c", VIDEO], ["madance", "curate", "video.mp4", "--out", "data", "--dry-run"]],
    "pose": [["python", "-c", "import onnxruntime, torch, transformers"], ["madance", "doctor"]],
    "score": [
        ["python", "-c", DANCES],
        ["madance", "score", MOTION, "--reference", MOTION, "--music", MUSIC, "--protocol", "finedance-motion3d",
         "--system", "mine", "--out", "scores"],
    ],
    "mace": [
        ["python", "-c", DANCES],
        ["madance", "generate", "motion-expert", "--music", f"{MUSIC}/test-00.wav", "--out", "dance.npz"],
    ],
    "render": [["python", "-c", "import moderngl"], ["madance", "doctor"]],
    "ray": [["python", "-c", "import ray.data"], ["madance", "doctor"]],
    "dev": [["python", "-m", "pytest", str(ROOT / "tests" / "test_cli.py"), "-x", "-p", "no:cacheprovider"]],
    "docs": [["mkdocs", "--version"], ["python", "-c", "import mkdocstrings_handlers.python"]],
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A source package of this folder, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("built")
    python = make_environment(folder / "builder", "build")
    subprocess.run([python, "-m", "build", "--outdir", folder, ROOT], check=True, timeout=1200, cwd=folder)
    return folder


def make_environment(folder, *packages):
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "-c", ROOT / "constraints.txt"]
    subprocess.run([*install, *packages], check=True, timeout=3000, cwd=folder)
    return python


@pytest.mark.nightly
@pytest.mark.parametrize("extra", JOBS, ids=lambda extra: extra or "base")
def test_a_wheel_does_its_work_with_one_extra_alone(extra, built, tmp_path):
    (wheel,) = built.glob("*.whl")
    environment = tmp_path / "environment"
    python = make_environment(environment, f"madance[{extra}] @ {wheel.as_uri()}")
    try:
        subprocess.run([python, "-m", "pip", "check"], check=True, timeout=600)
        outside = {
            "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
            "MADANCE_CACHE": str(tmp_path / "cache"),
        }
        variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | outside
        for command in JOBS[extra]:
            done = subprocess.run(
                command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=1800
            )
            assert done.returncode == 0, (
                f"{shlex.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
            )
    finally:
        shutil.rmtree(environment)  # some gigabytes


@pytest.mark.nightly
def test_a_source_package_gives_the_same_version(built, tmp_path):
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, source]
    subprocess.run(command, check=True, timeout=1200, cwd=tmp_path)
    assert [path.name for path in tmp_path.glob("*.whl")] == [wheel.name]
