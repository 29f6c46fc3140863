import json
from itertools import pairwise

import pytest

from baselines.sd15.settings import PaintingSettings
from baselines.sd15.windows import context_windows
from madata.config import validated
from madata.errors import ConfigError


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/context_windows*.json")
def test_closed_windows_are_upstreams(golden_file):
    for case in json.loads(golden_file.read_text("utf-8")):
        windows = context_windows(
            case["num_frames"], case["context_size"], case["overlap"], stride=case["stride"], closed_loop=True
        )
        assert windows == case["windows"]


@pytest.mark.parametrize(
    ("frames", "size", "overlap", "stride"), [(25, 24, 4, 1), (64, 24, 4, 1), (40, 16, 4, 3)]
)
def test_open_windows_cover_a_clip_and_never_join_its_end_to_its_beginning(frames, size, overlap, stride):
    windows = context_windows(frames, size, overlap, stride=stride)
    assert {frame for window in windows for frame in window} == set(range(frames))
    for window in windows:
        assert len(window) == size
        assert window == sorted(window)
    dense = [window for window in windows if window[1] - window[0] == 1]
    assert all(first[-1] - second[0] >= overlap - 1 for first, second in pairwise(dense))


def test_windows_that_stand_still_are_refused_in_one_line():
    for changes in ({"overlap": 24}, {"window": 4, "overlap": 4}):
        with pytest.raises(ConfigError, match="the overlap is smaller than the window") as caught:
            validated(PaintingSettings, changes)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        validated(PaintingSettings, {"stepps": 3})
