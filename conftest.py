"""Options of the test run, and one thread for every test and the processes it starts.

Options stand here because pytest reads a command line with what the root conftest declares: declared further down,
``--golden DIR`` would take DIR for a folder of tests. One thread because the last bits of sums depend on their number;
this file is read before ``tests/conftest.py``, and so before numpy and torch, which look once. Signals end what tests
start, also where a shell in the background (``nohup make test &``) has them ignored, which children inherit.
"""

import os
import signal
import threading

import pytest

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
if threading.current_thread() is threading.main_thread():
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:  # still ignored here; a child begins with the default
            signal.signal(number, lambda number, frame: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden", metavar="DIR", help="golden numbers (default: ../shared/golden, else tests/golden)"
    )
    parser.addoption(
        "--media", metavar="DIR", help="real footage (default: $MADANCE_MEDIA or ../shared/media)"
    )
