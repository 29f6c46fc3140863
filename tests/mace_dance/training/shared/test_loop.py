"""The loop: stopped runs go on to the same bits, and nothing is lost."""

import csv
import itertools
import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch

from mace_dance.training.shared import checkpoints, loop
from mace_dance.training.shared.average import Average
from mace_dance.training.shared.checkpoints import list_checkpoints, read_newest
from mace_dance.training.shared.loop import run_training
from madata.errors import ConfigError, MadanceError
from tests.mace_dance.training.shared import toy
from tests.mace_dance.training.shared.toy import Toy, settings


def rows(path):
    with path.open() as stream:
        return [
            {key: value for key, value in row.items() if key != "samples_per_s"}
            for row in csv.DictReader(stream)
        ]


def flat(value, name=""):
    if isinstance(value, dict):
        for key, each in value.items():
            yield from flat(each, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for key, each in enumerate(value):
            yield from flat(each, f"{name}.{key}")
    else:
        yield name, value


def assert_same_run(first, second):
    one, two = (read_newest(out / "checkpoints") for out in (first, second))
    assert one.step == two.step
    for part in ("weights", "average", "optimizer", "progress"):
        ours, theirs = (dict(flat(getattr(each, part))) for each in (one, two))
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            same = torch.equal(value, theirs[name]) if torch.is_tensor(value) else value == theirs[name]
            assert same, f"{part}{name}"
    for table in ("metrics.csv", "samples.csv"):
        assert rows(first / table) == rows(second / table)
        steps = [int(row["step"]) for row in rows(first / table)]
        assert steps == sorted(set(steps))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 12 steps that was never stopped."""
    out = tmp_path_factory.mktemp("whole")
    assert run_training(Toy(), settings(), out, "cpu").finished
    return out


class StopsItself(Toy):
    """Sends this process a signal in the middle of a step."""

    def __init__(self, at, number):
        super().__init__()
        self.left, self.number = at, number

    def loss(self, batch, generator, turn=0):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), self.number)
        return super().loss(batch, generator, turn)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_to_the_same_bits(tmp_path, whole, number):
    before = signal.getsignal(number)
    stopped = run_training(StopsItself(5, number), settings(), tmp_path, "cpu")
    assert (stopped.finished, stopped.step, stopped.model) == (False, 5, None)
    assert list(list_checkpoints(tmp_path / "checkpoints")) == [3, 5]
    finished = run_training(Toy(), settings(), tmp_path, "cpu")
    assert (finished.finished, finished.begun_at, finished.step) == (True, 5, 12)
    assert_same_run(tmp_path, whole)
    assert signal.getsignal(number) is before


def test_loss_scaling_resumes_too(tmp_path, monkeypatch):
    real = loop.make_accelerator

    def scaling(precision, device):
        accelerator = real(precision, device)
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=2)
        return accelerator

    monkeypatch.setattr(loop, "make_accelerator", scaling)
    for out, lengths in (("whole", [8]), ("parts", [3, 8])):
        for steps in lengths:
            run_training(Toy(), settings(steps=steps, log_every=1, optimizer="adamw"), tmp_path / out, "cpu")
    parts, whole = (read_newest(tmp_path / out / "checkpoints") for out in ("parts", "whole"))
    assert all(torch.equal(value, whole.weights[name]) for name, value in parts.weights.items())
    assert parts.optimizer["scaler"] == whole.optimizer["scaler"]
    assert 1 < parts.optimizer["scaler"]["scale"] < 2.0**127
    norms = [row["gradient_norm"] for row in rows(tmp_path / "parts" / "metrics.csv")]
    assert not norms[0] and float(norms[-1]) > 0


class Contest(Toy):
    """One layer against another: the first follows it, the second runs away."""

    def __init__(self):
        super().__init__()
        self.moved, self.draws = [], []

    def turns(self):
        return {"follower": self.network[0], "fugitive": self.network[4]}

    def loss(self, batch, generator, turn=0):
        first, second = (self.network[place].weight for place in (0, 4))
        self.moved.append((turn, first.requires_grad, second.requires_grad, first.detach().clone()))
        self.draws.append(torch.rand((), generator=generator).item())
        apart = (first.mean() - second.mean()).square() + self.draws[-1] * (first.mean() + second.mean())
        return (1 - 2 * turn) * apart, {"apart": apart}


def test_parts_that_train_against_each_other_move_in_turn_and_resume(tmp_path):
    task = Contest()
    run_training(task, settings(optimizer="adamw", accumulate=2), tmp_path / "whole", "cpu")
    assert [turn for turn, *_ in task.moved[:6]] == [0, 0, 1, 1, 0, 0]
    assert all((ours, theirs) == (turn == 0, turn == 1) for turn, ours, theirs, _ in task.moved)
    assert not torch.equal(task.moved[1][3], task.moved[2][3])  # the second sees what the first has become
    assert len(set(task.draws)) == len(task.draws)
    logged = rows(tmp_path / "whole" / "metrics.csv")[0]
    assert {"loss", "apart", "gradient_norm", "fugitive_loss", "fugitive_gradient_norm"} <= logged.keys()
    state = read_newest(tmp_path / "whole" / "checkpoints").optimizer
    assert state["optimizer"]["state"].keys() == state["fugitive_optimizer"]["state"].keys() == {0}
    for steps in (6, 12):
        run_training(
            Contest(), settings(optimizer="adamw", accumulate=2, steps=steps), tmp_path / "parts", "cpu"
        )
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_killed_again_and_again_it_goes_on_to_the_same_bits(tmp_path):
    """Wherever in the writing of a checkpoint it dies; children of one process that has imported torch."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["accelerate", "torch._dynamo"])
    folder, rng, aside = tmp_path / "killed" / "checkpoints", np.random.default_rng(0), 0
    for _ in range(5):
        changes, touches = {"steps": 300, "checkpoint_every": 1}, int(rng.integers(30, 90))
        process = context.Process(target=toy.train_until_killed, args=(tmp_path / "killed", changes, touches))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        aside += any(path.name.startswith(".aside-") for path in folder.iterdir())
    assert aside, "no checkpoint was cut short"
    at = max(list_checkpoints(folder))
    assert at >= 3
    resumed = run_training(Toy(), settings(steps=at + 3, checkpoint_every=1), tmp_path / "killed", "cpu")
    assert resumed.begun_at == at
    run_training(Toy(), settings(steps=at + 3), tmp_path / "whole", "cpu")
    assert_same_run(tmp_path / "killed", tmp_path / "whole")
    assert not [path.name for path in folder.iterdir() if not path.name.startswith("step-")]


def test_a_finished_run_is_left_alone_and_may_be_extended(tmp_path, whole):
    run_training(Toy(), settings(steps=7), tmp_path, "cpu")
    again = Toy()
    assert run_training(again, settings(steps=7), tmp_path, "cpu").begun_at == 7
    assert not again.exported and not again.sampled
    longer = Toy()
    assert run_training(longer, settings(), tmp_path, "cpu").begun_at == 7
    assert longer.exported == [12]
    one, two = (read_newest(out / "checkpoints").weights for out in (tmp_path, whole))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_other_settings_or_facts_are_refused_by_name(tmp_path):
    run_training(Toy(), settings(steps=1, schedule="cosine"), tmp_path, "cpu")
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(ConfigError, match=r"loop\.learning_rate was 0\.01, is 0\.5.*loop\.steps was 1, is 2"):
        run_training(Toy(), settings(steps=2, schedule="cosine", learning_rate=0.5), tmp_path, "cpu")
    with pytest.raises(ConfigError, match=r"data was .*, is .other."):
        run_training(Toy(facts={"data": "other"}), settings(steps=1, schedule="cosine"), tmp_path, "cpu")
    assert (tmp_path / "run.json").read_bytes() == before
    run_training(Toy(), settings(steps=1, schedule="cosine", log_every=5, keep_last=9), tmp_path, "cpu")


def test_two_trainers_do_not_share_a_folder(tmp_path):
    with loop.hold_folder(tmp_path), pytest.raises(MadanceError, match="another process"):
        run_training(Toy(), settings(), tmp_path, "cpu")


def test_a_loss_that_is_not_finite_stops_with_one_error(tmp_path):
    with pytest.raises(
        MadanceError, match=r"step \d+ .*loss nan.*sample-7.*last checkpoint is that of step 3"
    ) as error:
        run_training(Toy(samples=40, bad=7), settings(seed=4, steps=40), tmp_path, "cpu")
    assert "\n" not in str(error.value)
    assert all(
        torch.isfinite(value).all() for value in read_newest(tmp_path / "checkpoints").weights.values()
    )


def test_a_gradient_that_is_not_finite_moves_nothing(tmp_path):
    class Steep(Toy):
        def loss(self, batch, generator, turn=0):
            weight = self.network[4].weight
            return (weight - weight.detach()).square().sum().sqrt(), {}

    with pytest.raises(MadanceError, match=r"gradient_norm nan.*there is no checkpoint yet"):
        run_training(Steep(), settings(), tmp_path, "cpu")


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    real, calls = checkpoints.write_bytes, itertools.count()

    def full(path, data):
        if next(calls) >= 7:
            raise MadanceError(f"the disk is full while writing {path}")
        real(path, data)

    monkeypatch.setattr(checkpoints, "write_bytes", full)
    with pytest.raises(MadanceError, match="disk is full"):
        run_training(Toy(), settings(), tmp_path, "cpu")
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000003"]
    assert read_newest(tmp_path / "checkpoints").step == 3


def test_a_damaged_checkpoint_is_passed_over(tmp_path, whole, caplog):
    run_training(Toy(), settings(steps=9), tmp_path, "cpu")
    weights = tmp_path / "checkpoints" / "step-00000009" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert run_training(Toy(), settings(), tmp_path, "cpu").begun_at == 6
    assert "step-00000009 is damaged (weights.safetensors" in caplog.text
    assert_same_run(tmp_path, whole)
    for folder in list_checkpoints(tmp_path / "checkpoints").values():
        (folder / "files.json").unlink()
    with pytest.raises(MadanceError, match="every checkpoint is damaged"):
        run_training(Toy(), settings(), tmp_path, "cpu")


def test_which_checkpoints_are_kept(tmp_path):
    run_training(Toy(), settings(checkpoint_every=2, keep_every=4, keep_last=1), tmp_path, "cpu")
    assert list(list_checkpoints(tmp_path / "checkpoints")) == [4, 8, 12]


def test_frozen_parameters_are_neither_moved_nor_kept(whole):
    weights = read_newest(whole / "checkpoints").weights
    assert "3.weight" not in weights and "1.running_mean" in weights
    assert not torch.equal(weights["0.weight"], Toy().network[0].weight)


def test_micro_batches_change_nothing_but_the_order_of_sums(tmp_path):
    class Plain(Toy):
        """Without layers that look at the whole batch or draw by themselves."""

        def __init__(self):
            super().__init__()
            self.network[1] = self.network[2] = torch.nn.Identity()

        def batch(self, indices, rng):
            return super().batch(indices, np.random.default_rng(0))

        def loss(self, batch, generator, turn=0):
            error = (self.network(batch["x"]) - batch["y"]).square().mean()
            return error, {}

    class Quiet(Plain):
        def batch(self, indices, rng):
            x = torch.tensor([[i, i**2 / 10, 1.0] for i in indices]) / 10
            return {"x": x, "y": x.sum(1, keepdim=True)}

    for accumulate in (1, 4):
        run_training(Quiet(), settings(accumulate=accumulate), tmp_path / str(accumulate), "cpu")
    one, four = (read_newest(tmp_path / name / "checkpoints").weights for name in ("1", "4"))
    for name, value in one.items():
        torch.testing.assert_close(value, four[name], rtol=1e-4, atol=1e-6)
    with pytest.raises(ConfigError, match="multiple of 3"):
        run_training(Quiet(), settings(accumulate=3), tmp_path / "3", "cpu")


def test_the_average_follows_its_formula_and_steps_aside():
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 1.0)
    average = Average(network, 0.9)
    for value in (2.0, 4.0):
        torch.nn.init.constant_(network.weight, value)
        average.update()
    expected = 0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 4
    assert average.state()["weight"].item() == pytest.approx(expected)
    with pytest.raises(RuntimeError), average.in_place():
        assert network.weight.item() == pytest.approx(expected)
        raise RuntimeError
    assert network.weight.item() == 4.0
    assert Average(network, 0.0).state() == {}
