"""Minutes on motion capture help: losses fall, dances come nearer to held-out ones than without training."""

import pytest

from benchmarks.training import run_method

BESIDE_JUMPS = {"megadance-gpt": ("fid_k",), "bailando-gpt": ("fid_k", "fid_g")}
"""Distances in which a GPT is asked to be nearer than one that jumps between codes that are trained already."""


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["bailando", "edge", "fact", "lodge", "megadance", "mnet", "motion-expert"])
def test_training_on_motion_capture_helps(name, motion_dir, tmp_path):
    stages = run_method(name, motion_dir, tmp_path)
    judged = list(stages.values())
    for preset, stage in stages.items():
        # Few steps on a trained network, and on losses or dances of its own making, only have to do no harm.
        done = preset in ("bailando-actor-critic", "lodge-fine-tuning")
        assert done or stage["loss_last"] < 0.7 * stage["loss_first"], preset
    for distance in ("fid_k", "fid_g"):
        assert judged[-1][f"{distance}_after"] < 0.7 * judged[0][f"{distance}_before"]
    for preset in stages.keys() & BESIDE_JUMPS:
        for distance in BESIDE_JUMPS[preset]:
            gpt = stages[preset]
            assert gpt[f"{distance}_after"] < 0.7 * gpt[f"{distance}_before"], (preset, distance)
