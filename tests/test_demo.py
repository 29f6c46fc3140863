"""The whole job on embedded defaults ends well: what the first command of the README promises."""

import json

import pytest


@pytest.mark.nightly
def test_the_demo_ends_with_a_board(tmp_path, madance):
    done = madance("demo", "--out", tmp_path)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert (tmp_path / "site" / "index.html").exists() and (tmp_path / "dataset" / "report.html").exists()
    status = {
        path.parent.name: json.loads(path.read_text())["status"] for path in tmp_path.glob("scores/*/result.json")
    }
    assert {name for name, said in status.items() if said != "complete"} <= {"shuffled-music"}
    assert len(status) == 8
