import pytest

from benchmarks.bodies import read_dances


@pytest.fixture(scope="session")
def mocap(motion_dir):
    """Every third window of five seconds of the motion capture, as the metrics see it."""
    return read_dances(motion_dir)[::3]
