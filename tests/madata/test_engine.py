import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from madata.engine import run, threads
from tests.madata.engine_work import work


def test_every_item_has_an_outcome_whatever_happens_to_its_worker():
    reported = []
    items = ["a", "crash", "raise", "b", "leave", "fatal", "c"]
    outcomes = {outcome.item: outcome for outcome in run(work, items, jobs=2, on_progress=reported.append)}
    assert {item: outcomes[item].value[0] for item in "abc"} == {"a": "A", "b": "B", "c": "C"}
    assert "SIGSEGV" in outcomes["crash"].error
    assert "exit code 3" in outcomes["leave"].error
    assert outcomes["raise"].error.startswith("ValueError: bad item")
    assert not outcomes["raise"].fatal
    assert outcomes["fatal"].fatal
    assert len(outcomes) == len(reported) == len(items)


def test_workers_compute_with_one_thread():
    (outcome,) = run(work, ["a"], jobs=4)
    assert outcome.value[1] == "1"


def test_threads_that_are_left_begin_nothing_more(monkeypatch):
    began, go_on = [], threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def release(pool, wait=True, *, cancel_futures=False):
        shutdown(pool, wait=False, cancel_futures=cancel_futures)
        go_on.set()
        shutdown(pool)

    def work(item):
        began.append(item)
        return item == 0 or go_on.wait(60)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", release)
    with pytest.raises(KeyboardInterrupt), threads(2) as pool:
        assert next(pool.map(work, range(50)))
        raise KeyboardInterrupt
    assert len(began) <= 3


def test_nothing_to_do():
    assert list(run(work, [], jobs=2)) == []


def test_a_run_that_is_left_leaves_no_word_and_no_worker():
    code = (
        "from madata.engine import run; from tests.madata.engine_work import work\n"
        "if __name__ == '__main__':\n"
        "    said = []\n"
        "    outcomes = run(work, ['finaliser', 'a', 'b'], jobs=2, on_progress=said.append)\n"
        "    while len(said) < 2: next(outcomes)\n"
        "    outcomes.close()"
    )
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (left.returncode, left.stdout, left.stderr) == (0, "", "")
