"""The examples in the docstrings run and print what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import evaluation

ROOT = Path(evaluation.__file__).parent
MODULES = [
    ".".join(("evaluation", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert result.failed == 0
