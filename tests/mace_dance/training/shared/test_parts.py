"""The small parts of the loop: schedules, order of samples, tables, settings."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from mace_dance.training.shared.checkpoints import read_newest
from mace_dance.training.shared.draws import Part, part_of_batch, shuffled_batches
from mace_dance.training.shared.loop import run_training
from mace_dance.training.shared.rates import learning_rate
from mace_dance.training.shared.settings import LoopSettings
from mace_dance.training.shared.tables import CsvLog
from madata.errors import ConfigError, MadanceError, MissingDependencyError
from tests.mace_dance.training.shared.toy import Rivals, Toy, settings

TOY = Path(__file__).with_name("toy.py")


def test_learning_rates():
    warm = LoopSettings(learning_rate=1.0, warmup_steps=4)
    assert [learning_rate(warm, step, 100) for step in (0, 1, 3, 4, 99)] == [0.25, 0.5, 1, 1, 1]
    falling = LoopSettings(learning_rate=1.0, warmup_steps=2, schedule="cosine", final_share=0.1)
    assert learning_rate(falling, 2, 12) == pytest.approx(1)
    assert learning_rate(falling, 7, 12) == pytest.approx(0.55)
    assert learning_rate(falling, 12, 12) == pytest.approx(0.1)


def test_an_epoch_takes_every_sample_once_and_differs_from_the_next():
    epochs = [shuffled_batches(12, 4, epoch, seed=1) for epoch in range(2)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4, 4]
        assert Counter(index for batch in epoch for index in batch) == Counter(range(12))
    assert epochs[0] != epochs[1] and shuffled_batches(12, 4, 0, seed=1) == epochs[0]
    assert sorted(shuffled_batches(3, 4, 0, seed=1)[0]) == [0, 1, 2]
    assert len(shuffled_batches(11, 4, 0, seed=1)) == 2


def test_parts_are_equal_and_cover_the_batch():
    assert [part_of_batch([5, 6, 7, 8], 2, number) for number in range(2)] == [(5, 6), (7, 8)]
    assert [part_of_batch([5, 6, 7], 2, number) for number in range(2)] == [(5, 6), (7, 5)]


def test_what_is_drawn_depends_on_seed_step_and_part_alone():
    def drawn(part):
        part.seed_globally()
        return (
            part.batch_rng().random(),
            torch.rand(1, generator=part.loss_generator()).item(),
            torch.rand(1).item(),
        )

    here = drawn(Part((1,), 7, 0, 3))
    assert drawn(Part((2,), 7, 0, 3)) == here and len(set(here)) == 3
    others = [drawn(part) for part in (Part((1,), 8, 0, 3), Part((1,), 7, 1, 3), Part((1,), 7, 0, 4))]
    assert all(value not in other for other in others for value in here)


def test_a_table_drops_what_comes_again_and_what_was_cut_short(tmp_path):
    path = tmp_path / "metrics.csv"
    table = CsvLog(path, 0)
    for step in (1, 2, 3):
        table.append(step, {"loss": step / 3, "none": None})
    path.write_text(path.read_text() + "4,0.1")
    reopened = CsvLog(path, 2)
    assert reopened.last_step == 2
    reopened.append(3, {"loss": 0.25, "none": 1})
    assert path.read_text().splitlines() == [
        "step,loss,none",
        f"1,{1 / 3!r},",
        f"2,{2 / 3!r},",
        "3,0.25,1.0",
    ]
    with pytest.raises(MadanceError, match="has the columns"):
        reopened.append(4, {"other": 1.0})
    CsvLog(path, 0).append(1, {"other": 1.0})
    assert path.read_text() == "step,other\n1,1.0\n"


def test_tensorboard_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingDependencyError, match="pip install tensorboard"):
        run_training(Toy(), settings(tensorboard=True), tmp_path, "cpu")


def test_a_device_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no device 'gpu'"):
        run_training(Toy(), settings(), tmp_path, "gpu")
    with pytest.raises(ConfigError, match="'fp16' needs a GPU"):
        run_training(Toy(), settings(precision="fp16"), tmp_path, "cpu")
    with pytest.raises(ConfigError, match="'cuda:99' is not there"):
        run_training(Toy(), settings(), tmp_path, "cuda:99")


@pytest.mark.slow
def test_two_processes_train_as_one_with_two_micro_batches(tmp_path):
    """Two parts that move in turn, at that."""
    # What a launcher does, without the heartbeats by which it gives up on a machine that is busy.
    store = torch.distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    command = [sys.executable, str(TOY), str(tmp_path / "two"), "steps=4", "batch_size=8", "rivals=true"]
    environment = {"PYTHONPATH": str(TOY.parents[4]), "OMP_NUM_THREADS": "1", "PATH": "", "WORLD_SIZE": "2"}
    environment |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port)}
    environment |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    processes = [
        subprocess.Popen(
            command, env=environment | {"RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True
        )
        for rank in "01"
    ]
    said = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)[-4000:]
    run_training(Rivals(), settings(steps=4, batch_size=8, accumulate=2), tmp_path / "one", "cpu")
    one, two = (read_newest(tmp_path / name / "checkpoints") for name in ("one", "two"))
    for name, value in one.weights.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(value, two.weights[name])
