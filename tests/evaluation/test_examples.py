"""The examples in the docstrings run and print what they say."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["protocol", "inputs", "tracks", "show", "results"])
def test_examples(name):
    result = doctest.testmod(importlib.import_module(f"evaluation.{name}"))
    assert result.attempted
    assert result.failed == 0
