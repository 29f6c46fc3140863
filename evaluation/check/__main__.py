"""The child process of :func:`evaluation.check.check_in_child`."""

import sys
from pathlib import Path

from evaluation.check.child import run_order

if __name__ == "__main__":
    run_order(Path(sys.argv[1]), int(sys.argv[2]))
