"""The stages of Bailando's training, one on the other."""

import numpy as np
import pytest
import torch

from baselines.bailando.model import BAILANDO_KIND, dance_to, motion_of_poses
from baselines.bailando.network import MemoryConfig, MotionGptConfig
from baselines.bailando.reward import dance_reward
from baselines.bailando.training import poses_of_vectors
from mace_dance.motion.pretrained import read_model
from mace_dance.training.motion.data.music_rows import MusicRows
from mace_dance.training.motion.settings import settings_layers
from mace_dance.training.motion.task import resolve_training
from madata.errors import ConfigError
from madata.motion import encode, joint_positions
from madata.synthetic.dance import make_dance
from tests.baselines.trained_stage import assert_the_bits_of_a_whole_run, learned, stage
from tests.mace_dance.motion.golden import deviation, tensor
from tests.mace_dance.training.motion.made_windows import prepared

SMALL = (
    "model.memory.codes=12",
    "model.memory.code_width=16",
    "model.memory.width=16",
    "model.memory.depth=1",
    "model.gpt.codes=12",
    "model.gpt.width=24",
    "model.gpt.heads=2",
    "model.gpt.base_layers=1",
    "model.gpt.head_layers=1",
    "model.gpt.context=9",
    "model.begin=[0,0]",
    "loop.batch_size=8",
    "loop.learning_rate=5e-3",
)
CRITIC = ("model.gpt.dropout=0", "model.gpt.critic_layers=1", "loop.learning_rate=1e-3")
WHOLE = [("codebook", 25, None, ()), ("actor-critic", 4, "gpt", CRITIC)]
"""The stages with a state of their own: moving averages, and dances made on the way."""


@pytest.fixture(scope="module")
def data():
    return prepared(frames=80, takes=4, vector="fact-225", music=MusicRows("bailando", 7.5), stride=20)


@pytest.fixture(scope="module")
def stages(data, tmp_path_factory):
    """Every stage: losses, samples before and after, model folder."""
    done, start = {}, ()
    for name, steps, more in (
        ("codebook", 25, ()),
        ("root", 8, ()),
        ("gpt", 12, ("model.gpt.dropout=0",)),
        ("actor-critic", 4, CRITIC),
    ):
        out = tmp_path_factory.mktemp(name)
        done[name] = learned(data, out, f"bailando-{name}", *SMALL, *more, *start, steps=steps)
        start = (f"start='{done[name][3]}'",)
    return done


@pytest.mark.parametrize(("name", "steps", "start", "more"), WHOLE)
def test_a_stage_goes_on_to_the_same_bits(data, stages, tmp_path, name, steps, start, more):
    begun = (f"start='{stages[start][3]}'",) if start else ()
    stopped, run = stages[name][3].parent, (f"bailando-{name}", *SMALL, *more, *begun)
    assert_the_bits_of_a_whole_run(data, stopped, tmp_path, *run, steps=steps)


def test_every_stage_learns(stages):
    for name, part in (("codebook", 0.6), ("root", 0.6), ("gpt", 0.8)):
        losses = stages[name][0]
        assert np.mean(losses[-3:]) < part * losses[0], name
    _, untrained, _, _ = stages["codebook"]
    _, _, danced, _ = stages["gpt"]
    assert all(float(danced[name]) < 0.2 * float(untrained[name]) for name in ("fid_k", "fid_g"))


def test_every_stage_trains_its_own_part_alone(stages):
    own = {
        "root": ("memory.vqvae_down.decoders_root.",),
        "gpt": ("gpt.",),
        "actor-critic": ("gpt.gpt_head.", "gpt.critic_net."),
    }
    models = {
        name: read_model(found[3], BAILANDO_KIND).network.state_dict() for name, found in stages.items()
    }
    for before, after in (("codebook", "root"), ("root", "gpt"), ("gpt", "actor-critic")):
        old, new = models[before], models[after]
        changed = {
            name for name, value in new.items() if name not in old or not torch.equal(value, old[name])
        }
        assert changed and all(name.startswith(own[after]) for name in changed)
        assert all(any(name.startswith(part) for name in changed) for part in own[after])


def test_the_last_model_dances(stages):
    model = read_model(stages["actor-critic"][3], BAILANDO_KIND)
    assert model.info.label is None and (model.info.fps, model.info.layout) == (60.0, "bailando-72")
    assert read_model(stages["codebook"][3], BAILANDO_KIND).info.label == "Bailando, codebooks alone"
    poses = dance_to(model.network, torch.zeros(1, 20, 438))
    assert motion_of_poses(poses[0].numpy()).rotation.shape == (160, 24, 3)


def test_a_stage_says_what_it_goes_on_from(data, stages):
    with pytest.raises(ConfigError, match=r"from the model of --preset bailando-root: --set start=RUN/model"):
        stage(data, "bailando-gpt", *SMALL)
    start = f"start='{stages['root'][3]}'"
    with pytest.raises(
        ConfigError, match=r"is \(1, 27, 24\), this network has \(1, 27, 32\): give the settings model"
    ):
        stage(data, "bailando-gpt", *SMALL, "model.gpt.width=32", start)
    with pytest.raises(ConfigError, match=r"the GPT takes 24 to 64: set data\.window_frames"):
        stage(data, "bailando-gpt", *SMALL, "model.gpt.context=7", start)


def test_poses_are_joints_about_the_root_and_how_it_moves():
    motion = make_dance(0.5, fps=60).motion
    vectors = encode(motion, "fact-225")
    poses = poses_of_vectors(torch.from_numpy(vectors)[None])[0].reshape(len(vectors), 24, 3).numpy()
    joints = joint_positions(motion, up="y")
    np.testing.assert_allclose(poses[:, 1:], joints[:, 1:] - joints[:, :1], atol=1e-5)
    np.testing.assert_allclose(poses[:-1, 0], np.diff(joints[:, 0], axis=0), atol=1e-5)
    np.testing.assert_array_equal(poses[-1, 0], poses[-2, 0])


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/bailando_reward*.npz")
def test_golden_bailando_reward(golden_file, golden_deviations):
    stored = np.load(golden_file)
    rates = [name.removeprefix("out/reward_rate") for name in stored.files if "out/reward_rate" in name]
    assert rates
    for rate in rates:
        beats = tensor(stored["in/beats"]).unflatten(1, (-1, 8)).amax(2)
        found = dance_reward(tensor(stored["in/pose"]), beats, float(rate))
        golden_deviations("bailando reward", deviation(found, stored[f"out/reward_rate{rate}"]))


def test_the_reward_is_a_beat_of_the_dance_on_one_of_the_music():
    time = np.arange(64) / 64
    poses = np.zeros((1, 64, 72), np.float32)
    # runs, slows down about frame 36, runs again
    poses[0, :, 3:] = np.cumsum(1 + np.cos(2 * np.pi * (time - 4 / 64)) * 0.5)[:, None]
    rewards = dance_reward(torch.from_numpy(poses), torch.ones(1, 8))
    assert rewards.tolist() == [[-5, -5, -5, -5, 5, -5, -5, -5]]
    assert dance_reward(torch.from_numpy(poses), torch.zeros(1, 8)).tolist() == [[-5] * 8]


def test_the_presets_are_the_published_networks():
    for name in ("codebook", "root", "gpt", "actor-critic"):
        settings, _ = resolve_training(settings_layers(f"bailando-{name}"))
        critic = 3 if name == "actor-critic" else 0
        assert settings.model.memory == MemoryConfig()
        assert settings.model.gpt == MotionGptConfig(critic_layers=critic)
        assert (settings.data.fps, settings.data.music_rows) == (60, MusicRows("bailando", 7.5))
