"""Every file of the golden folder is read by some test, or it is said here why not."""

import ast
import warnings
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from madata.files import read_npz
from tests.conftest import SHARED, default_golden_root

TESTS = Path(__file__).resolve().parent

COMPANIONS = {
    "README.md",
    "thin.py",
    "*/README.md",
    "motion/*_expected.json",
    "motion/audio_expected.npz",
    "motion/e2e_2d*/*",
    "appearance/cases*.json",
    "appearance/pairs*.json",
    "appearance/pairs/*",
    "appearance/videos/*",
    "appearance/videos_lossy/*",
    "appearance/aggregation*.json",
    "appearance/frechet*.json",
    "appearance/formula_weights*.json",
    "appearance/toy_encoders*.npz",
    "models_appearance/wan_tiny_config*.json",
    "models_appearance/animate_anyone_tiny_shapes.json",
    "models_appearance/magic_animate_tiny_shapes.json",
    "models_appearance/hallo2_tiny_shapes.json",
}
"""Read by a test as part of another case."""

MADE_HERE = {"motion/lodge_files.npz"}
"""Made for the repository, and in no full set; a test reads them from there."""

NOT_BUILT = {
    "models_motion/finenet*": "FineNet, in no table of the paper; no method here needs it",
}
"""Kinds whose models are not in the project yet."""


def read_by_tests() -> set[str]:
    """The patterns of every ``golden_files`` marker in the test suite."""
    patterns = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.golden_files":
                for argument in node.args:
                    literals = [part for part in ast.walk(argument) if isinstance(part, ast.Constant)]
                    if isinstance(argument, ast.Constant):
                        patterns.add(argument.value)
                    elif literals:
                        patterns.add(
                            "*".join(str(part.value) for part in literals if isinstance(part.value, str))
                        )
    return patterns


@pytest.mark.golden
def test_no_golden_file_is_passed_over_in_silence(golden_dir):
    known = read_by_tests() | COMPANIONS | MADE_HERE | set(NOT_BUILT)
    names = [path.relative_to(golden_dir).as_posix() for path in golden_dir.rglob("*") if path.is_file()]
    unknown = sorted(name for name in names if not any(fnmatch(name, pattern) for pattern in known))
    for name in unknown:
        warnings.warn(f"golden file of unknown kind: {name}", stacklevel=1)
    if golden_dir == default_golden_root():
        assert not unknown


def test_the_part_in_the_repository_is_the_full_set_s():
    """Every array kept here is that of the full set, bit for bit."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("the full set of golden numbers is not beside the checkout")
    own = {TESTS / "golden" / name for name in MADE_HERE}
    files = sorted({*(TESTS / "golden").rglob("*.npz")} - own)
    assert len(files) > 50
    for path in files:
        full = read_npz(SHARED / "golden" / path.relative_to(TESTS / "golden"))
        for name, array in read_npz(path).items():
            np.testing.assert_array_equal(array, full[name], err_msg=f"{path.name}: {name}")


def test_the_part_in_the_repository_is_small():
    total = sum(path.stat().st_size for path in (TESTS / "golden").rglob("*") if path.is_file())
    assert total < 12e6
