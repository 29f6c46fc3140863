import pytest

from tests.madata.dataset.clocks import make_folder


@pytest.fixture(scope="session")
def clocks(tmp_path_factory):
    """A data set of three clips of 1.2, 1.4 and 0.8 s that tell the time (:mod:`tests.madata.dataset.clocks`)."""
    folder = tmp_path_factory.mktemp("clocks")
    make_folder(folder)
    return folder
