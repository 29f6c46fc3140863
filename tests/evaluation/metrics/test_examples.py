"""The examples in the docstrings must run."""

import doctest
import importlib

import pytest

MODULES = [
    *(f"evaluation.stats.{name}" for name in ("comparison", "estimate", "intervals")),
    *(
        f"evaluation.metrics.{name}"
        for name in ("beats", "body", "distances", "feet", "geometric", "kinetic", "scaling", "variants")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0
