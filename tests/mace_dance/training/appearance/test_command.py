import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from mace_dance.appearance.tensors import read_safetensors
from mace_dance.commands.train_appearance import aesthetic, kinematic
from madata.cli import madance
from madata.errors import ConfigError
from tests.mace_dance.training.appearance.footage_made import TINY, ma_data

ROOT = Path(__file__).resolve().parents[4]
SETTINGS = [word for each in TINY for word in ("--set", each)]


@pytest.fixture
def invoke(data, model, encoded, tmp_path):
    def run(command, *words, folder=data, **options):
        arguments = [
            str(folder),
            "--model",
            str(model),
            "--out",
            str(tmp_path / "run"),
            *SETTINGS,
            "--device",
            "cpu",
        ]
        return CliRunner().invoke(
            command, [*arguments, "--cache", str(encoded), *words], catch_exceptions=False, **options
        )

    return run


def test_a_stage_from_the_command_line(invoke, tmp_path):
    ended = invoke(kinematic, "--steps", "2", "--json")
    assert ended.exit_code == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["finished"], told["step"], told["left_out"]) == (True, 2, {})
    assert told["result"] == str(tmp_path / "run" / "adapter.safetensors")
    assert "trains pose_patch_embedding.weight, pose_patch_embedding.bias: 1,560 parameters" in ended.stderr
    again = invoke(kinematic, "--steps", "3", "--json")
    assert json.loads(again.stdout)["begun_at"] == 2


def test_a_dry_run_shows_what_would_be_and_does_nothing(invoke, tmp_path):
    words = ("--no-kinematic", "--rank", "2", "--epochs", "3", "--dry-run")
    ended = invoke(aesthetic, *words, "--json")
    assert ended.exit_code == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["layers"], told["tensors"], told["samples"], told["steps"]) == (20, 40, 2, 6)
    assert told["memory_bytes"]["device"] > told["memory_bytes"]["weights"] > 0
    text = invoke(aesthetic, *words).stdout
    assert "40 LoRA factors on 20 layers" in text
    assert "memory       about" in text
    assert not (tmp_path / "run").exists()


def test_samples_left_out_are_named_and_change_the_exit_code(invoke, tmp_path):
    folder = ma_data(tmp_path / "data")
    (folder / "clips" / "clip-1.mp4").write_bytes(b"damaged")
    # A cache of its own: the table knows the clip by its hash, and another test may have encoded it undamaged.
    words = ("--no-kinematic", "--steps", "1", "--layout", "diffsynth", "--no-pose", "--cache")
    ended = invoke(aesthetic, *words, str(tmp_path / "encoded"), folder=folder)
    assert ended.exit_code == 1
    assert "left out  clip-1: " in ended.stderr
    assert "1 steps are done; the result is" in ended.stdout


def test_wrong_usage(invoke, tmp_path):
    for words in ((), ("--no-kinematic", "--adapter", "a.safetensors")):
        assert invoke(aesthetic, *words).exit_code == 2
    assert "either --steps or --epochs" in invoke(kinematic, "--steps", "1", "--epochs", "1").stderr
    with pytest.raises(ConfigError, match=r"did you mean 'data\.frames"):
        invoke(kinematic, "--set", "data.frame=9")
    with pytest.raises(ConfigError, match="no training data"):
        invoke(kinematic, folder=tmp_path)
    with pytest.raises(ConfigError, match="there is no device 'gpu'"):
        invoke(kinematic, "--device", "gpu", "--set", "data.fit=pad")


@pytest.mark.nightly
def test_two_processes_with_divided_weights_train_as_one(data, model, encoded, tmp_path):
    """Through the launcher; one process with two micro-batches is the other side."""
    shared = [
        *SETTINGS,
        "--set",
        "samples.clips=0",
        "--set",
        "offload=true",
        "--set",
        "loop.batch_size=2",
        "--steps",
        "2",
        "--no-kinematic",
    ]
    shared += ["--model", str(model), "--cache", str(encoded), "--device", "cpu"]
    words = {
        out: ["train", "aesthetic", str(data), "--out", str(tmp_path / out), *shared, "--set", last]
        for out, last in (("two", "shard=true"), ("one", "loop.accumulate=2"))
    }
    launch = ["torch.distributed.run", "--nproc_per_node=2", "--master_port=0", "--rdzv_backend=c10d", "-m"]
    command = [sys.executable, "-m", *launch, "madata.cli", *words["two"]]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert CliRunner().invoke(madance, words["one"], catch_exceptions=False).exit_code == 0
    two, one = (dict(read_safetensors(tmp_path / out / "lora.safetensors")) for out in ("two", "one"))
    assert two.keys() == one.keys()
    for name, value in one.items():
        # AdamW divides a gradient by its size: where it is hardly more than its rounding, a weight may move by a share
        # of the rate of 1e-2. A gradient that is not the mean over both processes moves many by all of it.
        torch.testing.assert_close(two[name], value, atol=2e-3, rtol=1e-5)
        assert (two[name] - value).abs().median() < 1e-6
