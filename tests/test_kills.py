"""Verbs killed at random moments: the same command again gives the bytes of an unbroken run, and nothing half written.

What runs always is the export of a small data set; ``make nightly`` kills every verb below several times. Runs that
share a folder, or are killed at chosen moments, are tested where they live.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from benchmarks.crawl import SETTINGS, make_sources
from madata.motion import write_motion
from madata.music import write_wav
from madata.synthetic.dance import make_dance
from madata.synthetic.music import make_music
from tests.madata.dataset.clocks import make_folder

KILLS = 5
LIMIT_S = 300
SYSTEM = """
from madata.synthetic.dance import make_dance

class Dancer:
    task, fps = "motion", 30.0

    def generate(self, request):
        return make_dance(request.duration_s, fps=request.fps, seed=request.seed % 1000).motion
"""
VERBS = {
    "export": "dataset export {made}/small --format videofolder --out out",
    "render": "render {made}/motions --whole --size 64 --fps 5 --jobs 2 --out out",
    "score": "score {made}/motions --reference {made}/others --protocol finedance-motion3d --out out",
    "curate": "curate {made}/videos --jobs 2 --out out " + " ".join(f"--set {one}" for one in SETTINGS),
    "split": "dataset split out --clips 1 --seconds 1 --jobs 1",
    "generate": "generate {made}/system.py:Dancer --music {made}/song.wav --out out/dance.npz",
    "train": "train motion {made}/motions --out out --preset=tiny --device=cpu --batch-size=2 --steps=12 --jobs=1 "
    "--set=model.latent=16 --set=model.dance_layers=1 --set=data.music=motion-beats --set=data.window_frames=30 "
    "--set=data.held_out_share=0.3 --set=samples.clips=2 --set=samples.steps=1 --set=loop.checkpoint_every=3",
    "site": "site {made}/scores --out out",
}
NEEDS = {"split": ("curate",), "site": ("score",)}
PLACED = {"curate": "data", "score": "scores"}
TIMED = {"metrics.csv", "dance.json"}
"""Files that say how long something took."""
CREATED = re.compile(rb'"created": "[^"]*"')
WHOLE = "holds something already"
"""An export that was killed after its last step is whole, and refuses to be made again."""


@pytest.fixture(scope="module", autouse=True)
def short():
    """A folder for temporary files: the name of a socket in it may not be as long as that of pytest's folders."""
    with tempfile.TemporaryDirectory(prefix="kill") as folder:
        os.environ["TMPDIR"], before = folder, os.environ.get("TMPDIR")
        yield Path(folder)
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before


def start(verb, place, made):
    """Begin a verb in ``place``, where its cache is too."""
    environment = os.environ | {"MADANCE_CACHE": str(place / "cache")}
    return subprocess.Popen(
        [sys.executable, "-m", "madata.cli", *VERBS[verb].format(made=made).split()],
        cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=(place / "said").open("w"),
        start_new_session=True,
    )  # fmt: skip


def finish(verb, place, made):
    """Run a verb to its end; the seconds it took."""
    began_s = time.monotonic()
    code = start(verb, place, made).wait(LIMIT_S)
    said = (place / "said").read_text()
    assert code in (0, 1) or WHOLE in said, said
    return time.monotonic() - began_s


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """``made(verb)``: the folder of what verbs begin with; what it needs of other verbs has been made."""
    folder = tmp_path_factory.mktemp("made")

    def prepare(verb):
        for needed in NEEDS.get(verb, ()):
            target = folder / PLACED[needed]
            if not target.exists():
                place = folder / f"by-{needed}"
                place.mkdir()
                finish(needed, place, prepare(needed))
                (place / "out").rename(target)
        return folder

    for name, seed in (("motions", 0), ("others", 10)):
        (folder / name).mkdir()
        for number in range(4):
            motion = make_dance(5.5, fps=20, seed=seed + number).motion
            write_motion(folder / name / f"m{number}.npz", motion)
    make_sources(folder / "videos", 5)
    make_folder(folder / "small", (30, 30, 26))  # a study wants a second of each
    write_wav(folder / "song.wav", make_music(4.0, tempo_bpm=110, seed=1).music)
    (folder / "system.py").write_text(SYSTEM)
    return prepare


def begin_in(place, verb, folder):
    """The folder a run begins with: empty, but for a verb that works in place."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    if verb == "split":
        shutil.copytree(folder / "data", place / "out")


def contents(place):
    """Every file a run left, without the date of a result; of those that tell how long it took, only the name."""
    return {
        path.relative_to(place).as_posix(): b"" if path.name in TIMED else CREATED.sub(b"", path.read_bytes())
        for path in sorted((place / "out").rglob("*"))
        if path.is_file()
    }


def kill(process, whole_group):
    """SIGKILL for the verb alone or with its workers, and wait until none of them is left."""
    if process.poll() is None:
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
    until = time.monotonic() + LIMIT_S
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < until, "workers outlive the verb"
        time.sleep(0.05)


def kill_and_go_on(verb, folder, place, kills, rng):
    """Kill a verb again and again at random moments, let it end, and compare; the kills that met it running."""
    begin_in(place, verb, folder)
    whole_s = finish(verb, place, folder)
    expected = contents(place)
    assert expected
    begin_in(place, verb, folder)
    met = 0
    for _ in range(kills):
        process = start(verb, place, folder)
        time.sleep(rng.uniform(0.1, 1.0) * whole_s)
        met += process.poll() is None
        kill(process, whole_group=rng.random() < 0.5)
    finish(verb, place, folder)
    found = contents(place)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    assert [*place.rglob(".tmp-*"), *Path(os.environ["TMPDIR"]).iterdir()] == []
    return met


def test_a_killed_export_goes_on_to_the_same_bytes(made, tmp_path):
    kill_and_go_on("export", made("export"), tmp_path / "place", 1, random.Random(1))


@pytest.mark.nightly
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_killed_at_random_moments_ends_with_the_same_bytes(made, tmp_path, verb):
    met = kill_and_go_on(verb, made(verb), tmp_path / "place", KILLS, random.Random(verb))
    assert met
