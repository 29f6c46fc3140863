import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch

from evaluation.features.video.consistency import subject_consistency
from evaluation.features.video.frames import FrameChunk, chunked
from evaluation.features.video.motion_smoothness import MotionSmoothness
from evaluation.features.video.networks.amt import AmtSmall
from evaluation.features.video.one_pass import WEIGHTS, Panel, VideoScorer, load_panel
from evaluation.features.video.scores import DIMENSIONS
from evaluation.features.video.temporal_flickering import TemporalFlickering
from madata.errors import WeightsError


def nowhere(name):
    raise WeightsError(f"the weights {name} are missing; run: madance weights fetch {name}")


def frames(count, height=32, width=48):
    generator = np.random.default_rng(0)
    for _ in range(count):
        yield generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_without_weights_every_other_dimension_is_still_measured():
    panel = load_panel(nowhere)
    scorer = VideoScorer(panel)
    for chunk in chunked(frames(5), 2):
        scorer.update(chunk)
    scores = scorer.compute()
    assert set(scores) == set(DIMENSIONS)
    assert scores["temporal_flickering"].value is not None
    for dimension in set(DIMENSIONS) - {"temporal_flickering"}:
        assert scores[dimension].value is None
        assert "madance weights fetch" in scores[dimension].reason
        assert scores[dimension].num_frames == 5


def test_only_the_weights_of_the_wanted_dimensions_are_looked_for(tmp_path):
    asked = []

    def find(name):
        asked.append(name)
        path = tmp_path / "amt-s.pth"
        torch.save(AmtSmall().state_dict(), path)
        return path

    panel = load_panel(find, dimensions=["motion_smoothness", "temporal_flickering"])
    assert asked == ["amt-s"]
    assert set(panel.start) == {"motion_smoothness", "temporal_flickering"}
    scorer = VideoScorer(panel)
    for chunk in chunked(frames(4, 128, 128), 3):
        scorer.update(chunk)
    assert 0 < scorer.compute()["motion_smoothness"].value < 1
    assert set(WEIGHTS) == set(DIMENSIONS)


def test_unknown_dimensions_are_refused():
    with pytest.raises(ValueError, match="unknown dimensions dynamic_degree"):
        load_panel(nowhere, dimensions=["dynamic_degree"])


def test_videos_do_not_share_state():
    panel = Panel({"temporal_flickering": TemporalFlickering})
    for level in (0, 255):
        scorer = VideoScorer(panel)
        scorer.update(FrameChunk(np.full((2, 4, 4, 3), level, np.uint8)))
        assert scorer.compute()["temporal_flickering"].value == 1.0


def test_memory_does_not_grow_with_the_length_of_a_video():
    def peak(count):
        panel = Panel(
            {
                "temporal_flickering": TemporalFlickering,
                "motion_smoothness": lambda: MotionSmoothness(lambda a, b: a, 0),
                "subject_consistency": lambda: subject_consistency(lambda pictures: pictures.mean((2, 3))),
            }
        )
        scorer = VideoScorer(panel)
        tracemalloc.start()
        for chunk in chunked(frames(count), 4):
            scorer.update(chunk)
        scorer.compute()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(8)
    assert peak(160) < 1.5 * peak(16)


def test_importing_the_pass_loads_no_network_library():
    code = (
        "import sys, evaluation.features.video.one_pass; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'cv2', 'skimage')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
