"""One thread for every test and the processes it starts: the last bits of sums depend on their number.

This file is read before ``tests/conftest.py``, and so before numpy and torch, which look once.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
