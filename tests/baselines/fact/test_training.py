"""FACT trains: on windows as they are, from anywhere in them."""

import numpy as np
import pytest
import torch

from baselines.fact.network import FACT, FACT_KIND, fact_loss
from baselines.fact.training import fact
from mace_dance.motion.pretrained import read_model
from mace_dance.training.motion.data import WindowBatch
from mace_dance.training.motion.data.music_rows import MusicRows
from mace_dance.training.motion.settings import settings_layers
from mace_dance.training.motion.task import resolve_training
from madata.errors import ConfigError
from tests.baselines.trained_stage import assert_the_bits_of_a_whole_run, learned, stage
from tests.mace_dance.training.motion.made_windows import prepared

SMALL = (
    "model.hidden=24",
    "model.feed_forward=24",
    "model.heads=2",
    "model.motion_layers=1",
    "model.music_layers=1",
    "model.cross_layers=1",
    "model.seed_frames=10",
    "model.music_frames=20",
    "model.target_frames=5",
    "loop.batch_size=8",
    "loop.learning_rate=5e-3",
)


@pytest.fixture(scope="module")
def data():
    return prepared(frames=50, takes=4, vector="fact-225", music=MusicRows("edge", 60), stride=25)


def test_it_learns_goes_on_to_the_same_bits_and_leaves_a_model(tmp_path, data):
    run = ("fact", *SMALL)
    losses, first, last, folder = learned(data, tmp_path / "parts", *run, steps=25)
    assert_the_bits_of_a_whole_run(data, tmp_path / "parts", tmp_path / "whole", *run, steps=25)
    assert np.mean(losses[-5:]) < 0.3 * losses[0]
    assert float(last["fid_k"]) < 0.3 * float(first["fid_k"])
    model = read_model(folder, FACT_KIND)
    assert (model.info.fps, model.info.layout) == (60.0, "fact-225")
    assert np.array_equal(model.normaliser.scale, np.ones(225))


def test_the_frames_after_the_seed_are_compared():
    torch.manual_seed(0)
    config = FACT.model_copy(
        update={"hidden": 20, "heads": 2, "seed_frames": 4, "music_frames": 6, "target_frames": 2}
        | dict.fromkeys(("motion_layers", "music_layers", "cross_layers"), 1)
    )
    network = FACT_KIND.build(config)
    motion, music = torch.randn(3, 6, 225), torch.randn(3, 6, 35)
    batch = WindowBatch(motion, music, torch.zeros(3, dtype=int), torch.arange(3))
    loss, _ = fact.loss(network, None, batch, torch.Generator())
    torch.testing.assert_close(loss, fact_loss(network(motion[:, :4], music), motion[:, 4:]))


def test_a_sample_begins_anywhere_in_its_window():
    config = FACT.model_copy(update={"seed_frames": 1, "music_frames": 2, "target_frames": 1})
    seen = []

    class Watching(torch.nn.Module):
        def forward(self, seed, music, first):
            seen.extend(zip(seed[:, 0, 0].tolist(), music[:, :, 0].tolist(), strict=True))
            return seed

    network = Watching()
    network.config = config
    frames = torch.arange(4.0)[None, :, None].expand(64, 4, 225)
    batch = WindowBatch(frames, frames[..., :35], torch.zeros(64), torch.arange(64))
    fact.loss(network, None, batch, torch.Generator().manual_seed(0))
    assert {seed for seed, _ in seen} == {0.0, 1.0, 2.0}
    assert all(music == [seed, seed + 1] for seed, music in seen)


def test_the_preset_is_the_published_network():
    settings, _ = resolve_training(settings_layers("fact"))
    assert settings.model == FACT and settings.data.fps == settings.data.music_rows.fps == 60


def test_windows_that_are_too_short_name_the_setting(data):
    with pytest.raises(
        ConfigError, match=r"windows of 50 frames; a training sample takes 240.*window_frames"
    ):
        stage(data, "fact")
    with pytest.raises(ConfigError, match=r"vector edge-151, fact needs fact-225: --set data\.vector"):
        stage(prepared(), "fact")
