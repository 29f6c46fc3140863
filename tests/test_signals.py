"""SIGTERM and SIGINT while a verb works, wherever it is: one line, 143 and 130, no worker, nothing half written.

The moment is a share of the processor's time that the whole verb takes, so that a busy machine changes nothing. Two
verbs run always, `make nightly` runs all at five moments each.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mace_dance.appearance.tiny import make_tiny
from madata.files import write_json
from tests.leaderboard.study.test_study import answers_of, honest
from tests.mace_dance.training.appearance.footage_made import TINY, ma_data
from tests.test_kills import VERBS as KILLED
from tests.test_kills import made, short

__all__ = ["made", "short"]

MOMENTS = 5
LIMIT_S = 600
ASKED = """
import atexit, os, resource, signal, sys
after_s, asked, spent = float(sys.argv.pop(1)), int(sys.argv.pop(1)), sys.argv.pop(1)

def say(number=0, frame=None):
    os.kill(os.getpid(), asked)

def used_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

def tell():
    signal.setitimer(signal.ITIMER_PROF, 0)  # what follows is the interpreter's end, which has no handlers any more
    open(spent, "w").write(str(used_s() - began_s))

atexit.register(tell)
from madata.cli import main
signal.signal(signal.SIGPROF, say)
began_s = used_s()
signal.setitimer(signal.ITIMER_PROF, after_s)
main()
"""
RESULT = Path(__file__).with_name("fuzz") / "result.json"
ALWAYS = {
    "export": KILLED["export"],
    "table": f"table {RESULT} --task motion --format html --out out/table.html",
}
FILMS = "--media alpha={made}/small/clips --media beta={made}/small/clips"
WAN = "{made}/footage --model {made}/wan --out out --device cpu --steps 3 " + " ".join(
    f"--set {one}" for one in TINY
)
VERBS = KILLED | {
    "verify": "dataset verify {made}/data --full",
    "stats": "dataset stats {made}/data --out out/stats.json",
    "health": "dataset health {made}/data {made}/data",
    "release": "dataset release {made}/data --out out",
    "rebuild": "dataset rebuild {made}/released {made}/videos --out out --jobs 2",
    "decide": "dataset decide {made}/data --out out --jobs 2 --set motion.static_below=0.1",
    "features": "dataset features out --jobs 2",
    "merge": "dataset merge {made}/data --out out --jobs 2",
    "check": "check {made}/system.py:Dancer",
    "split of a system": "generate {made}/system.py:Dancer --data {made}/small --task motion --out out --split train",
    "compare": "compare {made}/scores {made}/scores",
    "slices": "slices {made}/scores --by speed",
    "submission": "submission verify {made}/scores.zip",
    "convert": "convert {made}/motions out --to bvh",
    "view": "view {made}/motions/m0.npz {made}/motions/m1.npz --out out/view.html",
    "tiny weights": "weights tiny lodge --out out",
    "score of videos": "score {made}/data/clips --reference {made}/data/clips --protocol ma-data-video --out out",
    "train kinematic": f"train kinematic {WAN}",
    "train aesthetic": f"train aesthetic {WAN} --no-kinematic --rank 2",
    "train hallo2": "train hallo2 {made}/small --model {made}/hallo2 --masks {made}/mask.png --out out --device cpu "
    "--steps 2 --set size=64 --set frames=4 --set loop.batch_size=1 --set loop.accumulate=1 --set loop.precision=no",
    "study make": f"study make {FILMS} --clips 2 --seconds 1 --booklets 2 --votes 4 --catches 1 --out out",
    "study score": "study score {made}/study {made}/answers --out out.json",
    "study verify": "study verify {made}/study",
} | ALWAYS  # fmt: skip
MADE = {
    "scores.zip": "submission pack {made}/scores --out {made}/scores.zip",
    "released": "dataset release {made}/data --out {made}/released",
    "hallo2": "weights tiny hallo2 --out {made}/hallo2",
    "study": f"study make {FILMS} --clips 2 --seconds 1 --booklets 2 --votes 4 --catches 1 --out {{made}}/study",
    "footage": "", "wan": "", "mask.png": "", "answers": "",
}  # fmt: skip
"""What verbs begin with beside that of ``tests.test_kills``, and the verb that makes it, where one does."""
IN_PLACE = {"split", "features"}


def prepare(verb, made):
    """The folder that holds all a verb begins with."""
    folder = made(verb)
    for word, needed in (
        ("/data", "split"),
        ("/released", "split"),
        ("/scores", "site"),
    ):
        if "{made}" + word in VERBS[verb] or (word == "/data" and verb in IN_PLACE):
            made(needed)
    for name, command in MADE.items():
        if "{made}/" + name not in VERBS[verb] or (folder / name).exists():
            continue
        if command:
            words = command.format(made=folder).split()
            subprocess.run(
                [sys.executable, "-m", "madata.cli", *words], check=True, stdout=subprocess.DEVNULL
            )
        elif name == "footage":
            ma_data(folder / name)
        elif name == "wan":
            make_tiny(folder / name)
        elif name == "mask.png":
            cv2.imwrite(str(folder / name), np.full((64, 64), 255, np.uint8))
        else:
            for rater in range(4):
                given = answers_of(folder / "study", rater, rater % 2, honest)
                write_json(folder / name / f"{rater}.json", given)
    return folder


def run(verb, folder, place, after_s=0.0, asked=signal.SIGTERM):
    """Exit code, what was said on standard error, and the processor's time it took, start aside."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    if verb in IN_PLACE:
        shutil.copytree(folder / "data", place / "out")
    spent = place / "spent"
    command = [
        sys.executable,
        "-c",
        ASKED,
        str(after_s),
        str(int(asked)),
        str(spent),
        *VERBS[verb].format(made=folder).split(),
    ]
    environment = os.environ | {"MADANCE_CACHE": str(place / "cache")}
    process = subprocess.Popen(
        command, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        said = process.communicate(timeout=LIMIT_S)[1]  # the pipes close when the last process has ended
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, said, float(spent.read_text()) if spent.is_file() else 0.0


def end_in_the_middle(verb, folder, place, shares):
    """Ask a verb to end when it has spent these shares of its time; how often it was met at work."""
    code, said, whole_s = run(verb, folder, place)
    assert code in (0, 1, 3), said
    met = 0
    for number, share in enumerate(shares):
        asked = (signal.SIGTERM, signal.SIGINT)[number % 2]
        code, said, _ = run(verb, folder, place, max(0.05, share * whole_s), asked)
        assert "Traceback" not in said, said
        if code == -asked:  # the interpreter has ended, but for its process
            continue
        if code == 128 + asked:
            met += 1
            assert said.splitlines()[-1] == "interrupted; the same command goes on where it stopped"
        else:
            assert code in (0, 1, 3), said
        left = [path for path in (place, Path(os.environ["TMPDIR"])) for path in path.rglob(".tmp-*")]
        assert left == []
    return met


@pytest.mark.parametrize("verb", ALWAYS)
def test_a_verb_that_is_asked_to_end_does(made, tmp_path, verb):
    assert end_in_the_middle(verb, made(verb), tmp_path / "place", [0.6])


@pytest.mark.nightly
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_is_asked_to_end_does(made, tmp_path, verb):
    folder = prepare(verb, made)
    shares = [random.Random(f"{verb} {number}").uniform(0.2, 1.0) for number in range(MOMENTS)]
    assert end_in_the_middle(verb, folder, tmp_path / "place", shares)
