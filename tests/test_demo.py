"""The whole job on embedded defaults ends well: what the first command of the README promises."""

import json
import subprocess
import sys

import pytest


@pytest.mark.nightly
def test_the_demo_ends_with_a_board(tmp_path):
    command = [sys.executable, "-m", "madata", "demo", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    assert (tmp_path / "site" / "index.html").exists() and (tmp_path / "dataset" / "report.html").exists()
    status = {
        path.parent.name: json.loads(path.read_text())["status"]
        for path in tmp_path.glob("scores/*/result.json")
    }
    assert len(status) == 8
    assert {name for name, said in status.items() if said != "complete"} <= {"shuffled-music"}
