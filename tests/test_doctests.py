"""Every example in a docstring of the packages runs and prints what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("madata", "evaluation", "mace_dance", "baselines", "leaderboard")
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


def source(name: str) -> str:
    path = ROOT / name.replace(".", "/")
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text("utf-8")


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_print_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert result.failed == 0


def test_the_examples_are_found_and_none_is_passed_over():
    assert len(WITH_EXAMPLES) > 20
    skipped = [name for name in WITH_EXAMPLES if "doctest: +SKIP" in source(name)]
    assert not skipped, "what cannot run is a literal block, not an example"
