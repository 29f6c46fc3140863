from madata.engine import run
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


def test_nothing_to_do():
    assert list(run(work, [], jobs=2)) == []
