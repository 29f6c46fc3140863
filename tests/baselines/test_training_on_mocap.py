"""Minutes on motion capture help: losses fall, dances come nearer to held-out ones than without training."""

import pytest

from benchmarks.training import run_method

BESIDE_UNTRAINED = {
    "megadance-gpt": {"fid_k": 0.7, "fid_g": 1.0},
    "bailando-gpt": {"fid_k": 0.7, "fid_g": 0.7},
    "lodge-global": {"primitives_fid_k": 0.7, "primitives_fid_g": 0.7},
}
"""Distances in which a network is asked to be nearer than an untrained one before or after others that are trained, and
below which share of its own.

A GPT that nothing has trained jumps between codes; Lodge's global network trembles.
"""


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
    for preset in stages.keys() & BESIDE_UNTRAINED:
        stage = stages[preset]
        for distance, share in BESIDE_UNTRAINED[preset].items():
            assert stage[f"{distance}_after"] < share * stage[f"{distance}_before"], (preset, distance)
