"""Runs in processes of their own: killed, side by side, from the command line."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from evaluation.generate.records import Records
from madata.cli import madance
from tests.evaluation.generate.made import LOGGING_SYSTEM, content, silence


def start(tmp_path, data, out, *extra):
    system = tmp_path / "slow.py"
    system.write_text(LOGGING_SYSTEM)
    command = [sys.executable, "-m", "madata.cli", "generate", f"{system}:Slow"]
    command += ["--data", str(data), "--out", str(out), "--seed", "3", *extra]
    environment = os.environ | {"CALLS": str(tmp_path / f"{out.name}.log")}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


@pytest.mark.nightly
def test_killed_at_random_it_ends_the_same_and_does_no_finished_clip_twice(tmp_path):
    data = tmp_path / "data"
    for number in range(24):
        silence(data / f"c{number:02}.wav", 0.5)
    whole = start(tmp_path, data, tmp_path / "whole")
    assert whole.wait(120) == 0, whole.stderr.read()
    rng, out, log = random.Random(7), tmp_path / "killed", tmp_path / "killed.log"
    kills = 0
    while kills < 4:
        run = start(tmp_path, data, out)
        had = len(log.read_text().split()) if log.exists() else 0
        begin = time.monotonic()
        while run.poll() is None and (
            not log.exists() or len(log.read_text().split()) < had + rng.randint(2, 4)
        ):
            assert time.monotonic() - begin < 300
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        (out / "clips" / ".tmp-half.npz").write_bytes(b"left by a kill")
        if run.poll() is not None:
            break
        run.send_signal(signal.SIGKILL)
        run.wait()
        kills += 1
    assert kills >= 3
    last = start(tmp_path, data, out)
    assert last.wait(120) == 0
    assert content(out) == content(tmp_path / "whole")
    calls = log.read_text().split()
    assert set(calls) == {f"c{number:02}" for number in range(24)}
    assert len(calls) <= 24 + kills
    states = {entry.clip_id: entry.state for entry in Records(out).entries()}
    assert set(states.values()) == {"done"}
    assert {path.stem for path in (out / "clips").iterdir()} == set(states)


def test_processes_that_share_a_folder_share_the_clips(tmp_path):
    data = tmp_path / "data"
    for number in range(16):
        silence(data / f"c{number:02}.wav", 0.5)
    runs = [start(tmp_path, data, tmp_path / "shared") for _ in range(3)]
    assert [run.wait(120) for run in runs] == [0, 0, 0], [run.stderr.read() for run in runs]
    calls = (tmp_path / "shared.log").read_text().split()
    assert sorted(calls) == [f"c{number:02}" for number in range(16)]


def test_the_command_reports_on_both_streams(tmp_path):
    data = tmp_path / "data"
    silence(data / "a.wav", 0.5)
    run = start(tmp_path, data, tmp_path / "run", "--json")
    out, err = run.communicate(timeout=600)
    assert run.returncode == 0
    assert json.loads(out)["done"] == 1
    assert "1/1 clips" in err
    assert "frames/s" in err
    assert "0:00:00 left" in err


def test_failed_clips_make_exit_code_1_and_are_named(tmp_path):
    silence(tmp_path / "data" / "a.wav", 0.5)
    (tmp_path / "bad.py").write_text(
        "class Bad:\n    task = 'motion'\n    def generate(self, request): return 5\n"
    )
    arguments = [
        "generate",
        f"{tmp_path}/bad.py:Bad",
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "run"),
    ]
    run = CliRunner().invoke(madance, arguments)
    assert run.exit_code == 1
    assert "failed  a: expected a Motion3D, got int" in run.stderr
