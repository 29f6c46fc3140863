"""Both stages of MEGADance's training."""

import numpy as np
import pytest
import torch

from baselines.megadance import training
from baselines.megadance.classifier import GENRES_KIND, ClassifierConfig
from baselines.megadance.model import MEGADANCE_KIND, MegaDanceConfig, motion_of_pose_vectors
from baselines.megadance.training import poses_of_windows
from mace_dance.motion.pretrained import read_model
from mace_dance.training.motion.data.music_rows import MusicRows
from mace_dance.training.motion.settings import settings_layers
from mace_dance.training.motion.task import resolve_training
from madata.errors import ConfigError
from madata.motion import encode, joint_positions, layout
from madata.synthetic.dance import make_dance
from tests.baselines.trained_stage import assert_the_bits_of_a_whole_run, learned, stage
from tests.mace_dance.training.motion.made_windows import prepared

SMALL = (
    "model.poses.levels=[5,5,5]",
    "model.poses.code_width=16",
    "model.poses.width=32",
    "model.poses.depth=1",
    "model.gpt.codes=125",
    "model.gpt.width=16",
    "model.gpt.heads=2",
    "model.gpt.layers=1",
    "model.gpt.genres=2",
    "model.gpt.output=16",
    "model.gpt.dropout=0",
    "loop.batch_size=8",
    "loop.optimizer='adamw'",
    "loop.learning_rate=5e-3",
)


@pytest.fixture(scope="module")
def data():
    return prepared(frames=32, takes=3, music=MusicRows("megadance", 30), stride=16)


@pytest.fixture(scope="module")
def stages(data, tmp_path_factory):
    """Both stages: losses, samples before and after, model folder."""
    codes = learned(data, tmp_path_factory.mktemp("codes"), "megadance-codes", *SMALL, steps=20)
    start = f"start='{codes[3]}'"
    gpt = learned(data, tmp_path_factory.mktemp("gpt"), "megadance-gpt", *SMALL, start, steps=12)
    return {"codes": codes, "gpt": gpt}


def test_both_losses_fall(stages):
    for name, part in (("codes", 0.9), ("gpt", 0.7)):
        losses = stages[name][0]
        assert np.mean(losses[-3:]) < part * losses[0], name


@pytest.mark.nightly
def test_dances_that_come_back_are_nearer_to_real_ones(data, tmp_path):
    losses, untrained, trained, _ = learned(data, tmp_path, "megadance-codes", *SMALL, steps=110)
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    assert all(float(trained[name]) < 0.7 * float(untrained[name]) for name in ("fid_k", "fid_g"))


def test_a_stage_goes_on_to_the_same_bits(data, tmp_path):
    run = ("megadance-codes", *SMALL)
    learned(data, tmp_path / "parts", *run, steps=3)
    assert_the_bits_of_a_whole_run(data, tmp_path / "parts", tmp_path / "whole", *run, steps=3)


def test_the_gpt_leaves_the_codes_as_they_are(stages):
    before, after = (
        read_model(stages[name][3], MEGADANCE_KIND).network.state_dict() for name in ("codes", "gpt")
    )
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("gpt.") for name in changed)


def test_a_dance_known_by_heart_is_danced_from_its_first_code_on(data, stages):
    """The first code is that of a whole dance: its frames alone would be another, of which the GPT knows nothing."""
    network = read_model(stages["codes"][3], MEGADANCE_KIND).network
    batch = data.train.batch([0, 5, 10], normalised=False)
    optimiser = torch.optim.Adam(network.gpt.parameters(), 1e-2)
    for _ in range(30):
        optimiser.zero_grad()
        training.gpt.loss(network, None, batch, None)[0].backward()
        optimiser.step()
    with torch.no_grad():
        danced, known = training.gpt.sample(network, None, batch), training.codes.sample(network, None, batch)
    rotations = layout("edge-151").columns["rot6d"]
    torch.testing.assert_close(danced[..., rotations], known[:, 8:, rotations], atol=1e-4, rtol=0)


def test_models_bear_the_statistics_of_their_windows(data, stages):
    model = read_model(stages["gpt"][3], MEGADANCE_KIND)
    poses = poses_of_windows(data.train.batch(range(len(data.train)), normalised=False).motion)
    torch.testing.assert_close(model.network.pose_mean, poses.flatten(0, 1).mean(0), atol=1e-5, rtol=1e-4)
    assert (model.info.layout, model.info.genres) == ("megadance-147", ("a", "b"))
    assert bool((model.network.pose_std > 0).all())


GENRES = ("megadance-genres", "model.width=16", "model.heads=2", "model.layers=2", "loop.batch_size=8")


def test_the_classifier_learns_genres_and_goes_on_to_the_same_bits(tmp_path, data):
    run = (*GENRES, "loop.learning_rate=3e-3")
    losses, before, after, folder = learned(data, tmp_path / "parts", *run, steps=15)
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    assert (
        float(after["cross_entropy"]) < float(before["cross_entropy"]) and 0 <= float(after["accuracy"]) <= 1
    )
    assert_the_bits_of_a_whole_run(data, tmp_path / "parts", tmp_path / "whole", *run, steps=15)
    reader = read_model(folder, GENRES_KIND)
    assert reader.info.genres == ("a", "b") and bool((reader.network.pose_mean != 0).any())
    windows = data.train.batch(range(len(data.train)), normalised=False)
    with torch.no_grad():
        found = reader.network(poses_of_windows(windows.motion, velocity=False)).argmax(1)
    assert (found == windows.genre).float().mean() > 0.8


def test_poses_come_back_as_the_motion_they_are():
    motion = make_dance(0.5, fps=30).motion
    poses = poses_of_windows(torch.from_numpy(encode(motion, "edge-151"))[None])[0].numpy()
    found, wanted = (joint_positions(each, up="y") for each in (motion_of_pose_vectors(poses), motion))
    np.testing.assert_allclose(found - found[:1, :1], wanted - wanted[:1, :1], atol=1e-4)


def test_the_presets_are_the_published_networks_and_the_second_needs_the_first(data):
    for name in ("codes", "gpt"):
        settings, _ = resolve_training(settings_layers(f"megadance-{name}"))
        assert settings.model == MegaDanceConfig() and settings.data.music_rows == MusicRows("megadance", 30)
    settings, _ = resolve_training(settings_layers("megadance-genres"))
    assert settings.model == ClassifierConfig()
    with pytest.raises(ConfigError, match="from the model of --preset megadance-codes"):
        stage(data, "megadance-gpt", *SMALL)
