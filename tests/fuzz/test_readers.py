"""A stranger's file costs itself only: whatever became of it, a reader gives it back or raises one of our own errors.

A sample runs always; `make nightly` reads some hundreds of mutations for each reader.
"""

import pytest

from tests.fuzz.child import survived
from tests.fuzz.readers import READERS

_SAMPLE = 8
_NIGHTLY = 400


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    made = {}

    def seed(name):
        if name not in made:
            write, read = READERS[name]
            path = tmp_path_factory.mktemp("seed") / name
            write(path)
            read(path)
            made[name] = path
        return made[name]

    return seed


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_one_error(name, seeds, tmp_path):
    assert survived(name, READERS[name][1], seeds(name), _SAMPLE, tmp_path) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", READERS)
def test_hundreds_of_damaged_files(name, seeds, tmp_path):
    assert survived(name, READERS[name][1], seeds(name), _NIGHTLY, tmp_path) == []


def test_the_harness_finds_what_goes_wrong(seeds, tmp_path):
    def hostile(path):
        raise KeyError(path.name)

    findings = survived("table.parquet", hostile, seeds("table.parquet"), 2, tmp_path)
    assert ["KeyError" in finding for finding in findings] == [True, True]


def test_a_reader_that_dies_or_eats_memory_is_found(seeds, tmp_path):
    def hungry(path):
        bytearray(3 << 30)

    def dead(path):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGSEGV)

    seed = seeds("table.parquet")
    assert "MemoryError" in survived("table.parquet", hungry, seed, 1, tmp_path)[0]
    assert ["SIGSEGV" in finding for finding in survived("table.parquet", dead, seed, 2, tmp_path)] == [
        True,
        True,
    ]
