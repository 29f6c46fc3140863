"""``madance train motion`` on a folder of made-up dances."""

import json
import os
import re
import signal

import pytest
from click.testing import CliRunner

from mace_dance.commands.train import train
from mace_dance.commands.train_motion import motion
from mace_dance.motion.pretrained import load_model
from mace_dance.training.motion.settings import preset_names
from mace_dance.training.motion.task import MotionTask
from madata.cli import madance
from madata.errors import ConfigError, MadanceError
from madata.motion import write_motion
from madata.synthetic.dance import make_dance

SMALL = [
    "--preset=tiny",
    "--device=cpu",
    "--batch-size=4",
    "--set=model.latent=16",
    "--set=model.dance_layers=1",
    "--set=data.music=motion-beats",
    "--set=data.window_frames=30",
    "--set=data.held_out_share=0.3",
    "--set=samples.clips=3",
    "--set=samples.steps=1",
]


@pytest.fixture(scope="module")
def dances(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dances")
    for take in range(4):
        write_motion(folder / f"take{take}.npz", make_dance(3.0, tempo_bpm=100 + 10 * take, seed=take).motion)
    return folder


def call(dances, out, *arguments):
    runner = CliRunner()
    command = ["train", "motion", str(dances), "--out", str(out), *SMALL, *arguments]
    return runner.invoke(madance, command, catch_exceptions=False, standalone_mode=False)


def test_the_help_names_every_preset():
    (option,) = (option for option in motion.params if option.name == "preset")
    assert sorted(set(re.findall(r"[a-z-]+", option.help)) & set(preset_names())) == preset_names()


def test_plan_then_training_then_going_on(dances, tmp_path):
    cache = f"--cache={tmp_path / 'cache'}"
    plan = json.loads(call(dances, tmp_path / "run", cache, "--epochs=3", "--dry-run", "--json").stdout)
    assert plan["steps"] == 3 * plan["steps_per_epoch"] == 3 * (plan["windows"] // 4)
    assert plan["music_source"] == "motion-beats" and plan["held_out_windows"] > 0
    assert not (tmp_path / "run").exists()
    words = call(dances, tmp_path / "run", cache, "--steps=2", "--dry-run").stdout
    assert f"{plan['parameters']:,} parameters" in words and "2 steps of 4 windows" in words

    first = call(dances, tmp_path / "run", cache, "--steps=2")
    assert "2 steps are done" in first.stdout and "samples: fid_k" in first.stderr
    again = json.loads(call(dances, tmp_path / "run", cache, "--steps=3", "--json").stdout)
    assert (again["finished"], again["begun_at"], again["step"]) == (True, 2, 3)
    assert set(again["losses"]) >= {"loss", "reconstruction", "velocity", "joints", "foot"}
    model = load_model(tmp_path / "run" / "model")
    assert (model.info.label, model.config.latent) == ("tiny", 16)
    resolved = (tmp_path / "run" / "config.toml").read_text()
    assert "latent = 16" in resolved and 'music = "motion-beats"' in resolved

    same = ["--config", str(tmp_path / "run" / "config.toml"), "--steps=3", cache]
    assert json.loads(call(dances, tmp_path / "run", *same, "--json").stdout)["begun_at"] == 3
    with pytest.raises(ConfigError, match=r"loop\.seed was 42, is 5"):
        call(dances, tmp_path / "run", cache, "--steps=3", "--seed=5")


def test_ctrl_c_saves_and_says_how_to_go_on(dances, tmp_path, monkeypatch):
    real = MotionTask.loss

    def interrupted(self, batch, generator, turn=0):
        os.kill(os.getpid(), signal.SIGINT)
        return real(self, batch, generator, turn)

    monkeypatch.setattr(MotionTask, "loss", interrupted)
    result = call(dances, tmp_path, "--steps=5")
    assert result.return_value == 130
    assert "interrupted at step 1 of 5, which is saved" in result.stderr
    assert not (tmp_path / "model").exists()
    monkeypatch.undo()
    assert json.loads(call(dances, tmp_path, "--steps=2", "--json").stdout)["begun_at"] == 1


def test_steps_and_epochs_exclude_each_other(dances, tmp_path):
    arguments = ["train", "motion", str(dances), "--out", str(tmp_path), "--steps=1", "--epochs=1"]
    result = CliRunner().invoke(madance, arguments)
    assert result.exit_code == 2 and "either --steps or --epochs" in result.output


def test_a_stage_asks_for_its_model_before_data_is_read(dances, tmp_path):
    command = ["train", "motion", str(dances), "--out", str(tmp_path / "run"), "--preset=lodge-global"]
    runner, nothing = CliRunner(), f"start='{tmp_path}'"
    for more, says in (((), "--set start=RUN/model names it"), (("--set", nothing), "is no model folder")):
        with pytest.raises(MadanceError, match=says):
            runner.invoke(madance, [*command, *more], catch_exceptions=False, standalone_mode=False)
    assert not (tmp_path / "run").exists()


def test_the_group_lists_the_trainers_that_are_there():
    assert "motion" in train.list_commands(None)
    assert train.get_command(None, "nonsense") is None
