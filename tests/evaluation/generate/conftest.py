"""A folder of clips to dance to."""

import pytest

from madata.motion import write_motion
from madata.synthetic.dance import make_dance
from tests.evaluation.generate.made import CLIPS, silence


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of real motions of different lengths, with silence for music."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(CLIPS):
        write_motion(folder / "motions" / f"c{number}.npz", make_dance(0.5 + number / 10, seed=number).motion)
        silence(folder / "music" / f"c{number}.wav", 2.0)
    return folder
