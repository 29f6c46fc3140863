"""Runs of one system are told apart by what differs between them, and no more."""

from evaluation.options import RunOptions
from evaluation.report.naming import names_apart
from evaluation.result import Checkpoint, Dataset, Generation, SystemRecord
from tests.evaluation.test_result import HASH, result


def system(**config):
    return SystemRecord(name="edge", task="motion", config=config)


def made(seed):
    return Generation(run_seed=seed, device="cpu", dtype="float32", wall_s=1.0, frames_per_s=9.0)


def test_systems_of_their_own_name_keep_it():
    assert names_apart([result(), result(system=SystemRecord(name="lodge", task="motion"))]) == [
        "edge",
        "lodge",
    ]


def test_the_setting_that_differs_is_named_and_no_other():
    runs = [
        result(system=system(guidance=weight, sampler={"steps": 50}), generation=made(0))
        for weight in (2.0, 2.7)
    ]
    assert names_apart(runs) == ["edge (guidance 2.0)", "edge (guidance 2.7)"]
    runs.append(result(system=system(guidance=2.7, sampler={"steps": 20}), generation=made(0)))
    assert names_apart(runs)[1:] == [
        "edge (guidance 2.7, sampler.steps 50)",
        "edge (guidance 2.7, sampler.steps 20)",
    ]


def test_seeds_options_splits_and_weights_tell_runs_apart():
    pairs = {
        "edge (seed 1)": {"generation": made(1)},
        "edge (--resample 30)": {"options": RunOptions(resample_fps=30.0)},
        "edge (split finedance:cross-genre-test)": {
            "dataset": Dataset(
                name="reference",
                split="finedance:cross-genre-test",
                reference_sha256=HASH,
                n_expected=20,
                n_scored=20,
                n_reference=20,
            )
        },
        "edge (body aaaaaaaa)": {
            "system": SystemRecord(
                name="edge", task="motion", checkpoints=[Checkpoint(name="body", sha256="a" * 64, bytes=1)]
            )
        },
    }
    for name, change in pairs.items():
        other = result(**({"generation": made(0)} if "generation" in change else {}))
        assert name in names_apart([other, result(**change)]), name


def test_where_nothing_differs_the_id_does():
    first, second = (result().model_copy(update={"id": letter * 64}) for letter in "67")
    assert names_apart([first, second]) == ["edge (66666666)", "edge (77777777)"]
