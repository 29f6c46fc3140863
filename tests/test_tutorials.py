"""The tutorials are what is run: every block of them, in order, in an empty folder."""

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


def blocks(page):
    """(language, text) of what a reader is to run."""
    return re.findall(r"^```(python|sh)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_the_blocks_can_be_run(page):
    """Cheap: Python that parses and imports what is there, command lines that are ours."""
    assert {language for language, _ in blocks(page)} == {"python", "sh"}
    for language, text in blocks(page):
        if language == "sh":
            assert all(line.startswith("madance ") for line in text.splitlines())
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), node.module


def run(command, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800, env=environment)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done


@pytest.mark.nightly
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_ends_well(page, tmp_path):
    """Exit code 1 is "done with items missing", which a tutorial explains."""
    for language, text in blocks(page):
        if language == "python":
            done = run([sys.executable, "-c", text], tmp_path)
            assert done.returncode == 0, done.stderr[-3000:]
            continue
        for line in text.splitlines():
            done = run([sys.executable, "-m", "madata", *shlex.split(line)[1:]], tmp_path)
            assert done.returncode in (0, 1), f"{line}: {done.stderr[-3000:]}"


@pytest.mark.nightly
def test_the_notebook_runs(tmp_path):
    """Its cells, one after another, by Python alone."""
    cells = json.loads((ROOT / "examples" / "scores.ipynb").read_text("utf-8"))["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    done = run([sys.executable, "-c", source], tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
