import json

import numpy as np
import pytest

from mace_dance.appearance.segments import conditioning_mask, mirrored_indices, plan_segments
from madata.errors import ConfigError


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_segments*.json")
def test_plans_are_upstreams(golden_file):
    for case in json.loads(golden_file.read_text()):
        if not case["segments"]:  # too short: upstream makes no frame and says nothing
            with pytest.raises(ConfigError, match="too few"):
                plan_segments(case["n_frames"], case["clip_len"], case["overlap"])
            continue
        plan = plan_segments(case["n_frames"], case["clip_len"], case["overlap"])
        assert plan.target_frames == case["target_len"]
        assert mirrored_indices(case["n_frames"], plan.target_frames).tolist() == case["padded_indices"]
        assert [
            (part.start, part.end, len(plan.control_frames(part)), part.known, part.emitted)
            for part in plan.segments
        ] == [
            (part["start"], part["end"], part["n_input"], part["mask_reft_len"], part["frames_emitted"])
            for part in case["segments"]
        ]
        assert sum(part.emitted for part in plan.segments) == case["emitted"]
        assert sum(plan.kept(part) for part in plan.segments) == case["n_frames"]


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_i2v_masks*.npz")
def test_masks_are_upstreams(golden_file):
    with np.load(golden_file) as archive:
        for name in archive.files:
            if "mask" not in name.split("_")[-1] or name.endswith("mask_pixels"):
                continue
            expected = archive[name]
            _, latent_frames, height, width = expected.shape
            pixels = f"{name.partition('/')[0]}/mask_pixels"
            keep = archive[pixels][0] if pixels in archive.files else None
            known = int(name.rpartition("mask")[2])
            np.testing.assert_array_equal(
                conditioning_mask(latent_frames, height, width, known, keep), expected
            )


@pytest.mark.parametrize("overlap", [1, 5])
def test_every_frame_is_made_once_whatever_the_length(overlap):
    for num_frames in range(overlap + 1, 80):
        plan = plan_segments(num_frames, 17, overlap)
        made = [
            frame
            for part in plan.segments
            for frame in plan.control_frames(part)[part.known :][: plan.kept(part)].tolist()
        ]
        assert made == list(range(num_frames))
        assert all(plan.kept(part) > 0 for part in plan.segments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 77, 1), r"too few control frames \(1\): with an overlap of 1 a video takes at least 2"),
        ((5, 77, 5), "at least 6"),
        ((100, 78, 1), "the nearest lengths are 77 and 81"),
        ((100, 5, 5), "the nearest lengths are 9 and 13"),
        ((100, 77, 2), "1 or 5"),
    ],
)
def test_impossible_plans_say_what_would_do(arguments, message):
    with pytest.raises(ConfigError, match=message):
        plan_segments(*arguments)


def test_a_keep_mask_of_another_length_is_refused():
    with pytest.raises(ValueError, match="expected"):
        conditioning_mask(5, 2, 2, 0, np.zeros((16, 2, 2), np.float32))
