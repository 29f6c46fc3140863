"""The command line answers at once and says clearly what is wrong."""

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

HEAVY = ["torch", "cv2", "librosa", "scipy", "pandas", "pyarrow", "matplotlib", "numpy", "av", "transformers"]
VERBS = sorted(entry_points(group="madance.commands").names)
PROBE = """
import json, sys
from madata.cli import madance
try:
    madance.main({arguments!r}, standalone_mode=False)
except SystemExit:
    pass
print(json.dumps([name for name in {heavy!r} if name in sys.modules]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)], ids=" ".join
)
def test_help_loads_nothing_heavy(arguments):
    code = PROBE.format(arguments=arguments, heavy=HEAVY)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stderr.splitlines()[-1]) == []
    assert run.stdout
    assert "cannot be loaded" not in run.stdout


def test_a_mistyped_verb_gets_the_nearest_one():
    run = subprocess.run(
        [sys.executable, "-m", "madata.cli", "curat"], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 2
    assert "curate" in run.stderr
