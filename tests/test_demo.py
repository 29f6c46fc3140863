"""The whole job on embedded defaults ends well: what the first command of the README promises."""

import json
import re
import subprocess
import sys

import pytest


@pytest.mark.nightly
def test_the_demo_ends_with_a_board(tmp_path):
    command = [sys.executable, "-m", "madata", "demo", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    story = done.stdout.splitlines()
    assert [line[:3] for line in story[:7]] == [f"{number}/7" for number in range(1, 8)]
    assert str(tmp_path / "index.html") in story[-1] and not done.stderr
    page = (tmp_path / "index.html").read_text("utf-8")
    links = set(re.findall(r'(?:href|src)="([^"]+)"', page))
    assert {"site/index.html", "dataset/report.html", "dance.html", "log.txt"} <= links
    assert not [link for link in links if not (tmp_path / link).exists()]
    status = {
        path.parent.name: json.loads(path.read_text())["status"]
        for path in tmp_path.glob("scores/*/result.json")
    }
    assert len(status) == 8
    assert {name for name, said in status.items() if said != "complete"} <= {"shuffled-music"}
