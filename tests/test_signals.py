"""SIGTERM while a verb works, whichever and wherever it is: one line, 143, no worker and nothing half written.

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

import pytest

from tests.test_kills import VERBS as KILLED
from tests.test_kills import made, short

__all__ = ["made", "short"]

MOMENTS = 5
LIMIT_S = 600
ASKED = """
import atexit, os, resource, signal, sys
after_s, spent = float(sys.argv.pop(1)), sys.argv.pop(1)

def say(number=0, frame=None):
    os.kill(os.getpid(), signal.SIGTERM)

def tell():
    used = resource.getrusage(resource.RUSAGE_SELF)
    open(spent, "w").write(str(used.ru_utime + used.ru_stime))

atexit.register(tell)
signal.signal(signal.SIGPROF, say)
signal.setitimer(signal.ITIMER_PROF, after_s)
from madata.cli import main
main()
"""
RESULT = Path(__file__).with_name("fuzz") / "result.json"
ALWAYS = {
    "export": KILLED["export"],
    "table": f"table {RESULT} --task motion --format html --out out/table.html",
}
VERBS = KILLED | {
    "verify": "dataset verify {made}/data --full",
    "stats": "dataset stats {made}/data --out out/stats.json",
    "health": "dataset health {made}/data {made}/data",
    "release": "dataset release {made}/data --out out",
    "decide": "dataset decide {made}/data --out out --jobs 2 --set motion.static_below=0.1",
    "features": "dataset features out --jobs 2",
    "merge": "dataset merge {made}/data --out out --jobs 2",
    "check": "check {made}/system.py:Dancer",
    "split of a system": "generate {made}/system.py:Dancer --data {made}/data --task motion --out out",
    "compare": "compare {made}/scores {made}/scores",
    "slices": "slices {made}/scores --by tempo",
    "submission": "submission verify {made}/scores.zip",
    "convert": "convert {made}/motions out",
    "view": "view {made}/motions --out out/view.html",
    "tiny weights": "weights tiny motion-expert --out out",
    "score of videos": "score {made}/data/clips --reference {made}/data/clips --protocol ma-data-video --out out",
} | ALWAYS  # fmt: skip
NEEDS = {
    "score of videos": ("curate",),
    **dict.fromkeys(("verify", "stats", "health", "release", "decide", "features", "merge"), ("curate",)),
    "split of a system": ("curate",),
    **dict.fromkeys(("compare", "slices", "submission"), ("score",)),
}
IN_PLACE = {"split", "features"}


def run(verb, folder, place, after_s=0.0):
    """Exit code, what was said on standard error, and the processor's time it took."""
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
    for share in shares:
        code, said, _ = run(verb, folder, place, max(0.05, share * whole_s))
        assert "Traceback" not in said, said
        if code == 143:
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
    folder = made(verb)
    for needed in NEEDS.get(verb, ()):
        made({"curate": "split", "score": "site"}[needed])
    if verb == "submission" and not (folder / "scores.zip").exists():
        command = [sys.executable, "-m", "madata.cli", "submission", "make", str(folder / "scores")]
        subprocess.run([*command, "--out", str(folder / "scores.zip")], check=True)
    shares = [random.Random(f"{verb} {number}").uniform(0.2, 1.0) for number in range(MOMENTS)]
    assert end_in_the_middle(verb, folder, tmp_path / "place", shares)
