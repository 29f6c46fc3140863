"""Options of the test run, and one thread for every test and the processes it starts.

Options stand here because pytest reads a command line with what the root conftest declares: declared further down,
``--golden DIR`` would take DIR for a folder of tests. One thread because the last bits of sums depend on their number;
this file is read before ``tests/conftest.py``, and so before numpy and torch, which look once.
"""

import os

import pytest

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden", metavar="DIR", help="golden numbers (default: ../shared/golden, else tests/golden)"
    )
    parser.addoption(
        "--media", metavar="DIR", help="real footage (default: $MADANCE_MEDIA or ../shared/media)"
    )
