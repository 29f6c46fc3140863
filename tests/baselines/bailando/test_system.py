"""Bailando as a system, on a tiny random network, and its two official files."""

import sys
import types

import numpy as np
import pytest
import torch

from baselines.bailando import model as module
from baselines.bailando.model import (
    BAILANDO_KIND,
    Bailando,
    BailandoConfig,
    dance_to,
    load_bailando,
    make_tiny_bailando,
    motion_of_poses,
)
from baselines.bailando.system import BailandoSystem
from evaluation.systems import find
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.motion import joint_positions
from madata.synthetic.dance import make_dance
from tests.baselines.conftest import Tried

TRIED = Tried(BailandoSystem, make_tiny_bailando)


def test_a_dance_is_as_long_as_asked_stands_and_is_marked(ready, request_):
    made = ready()
    for seconds in (2.0, 0.1):
        motion = made.generate(request_(seconds))
        assert (len(motion.rotation), motion.fps, motion.up) == (round(30 * seconds), 30.0, "y")
    points = joint_positions(made.generate(request_()))
    assert abs(points[..., 1].min()) < 0.05 and (points[:, 15, 1] > 1.2).all()
    assert made.loaded.label == "tiny-random"
    assert find("bailando").declaration.fps == 60
    assert made.plan(request_(), "cpu")[1] == "15 codes of 8 frames for each half of the body"


def test_the_music_decides_and_comes_a_step_ahead_of_the_codes(weights):
    network = load_bailando(weights).network
    torch.manual_seed(0)
    for value in network.gpt.parameters():
        torch.nn.init.normal_(value, std=0.5)
    music = torch.randn(1, 6, 438)
    (danced,) = dance_to(network, music)
    assert danced.shape == (48, 72)
    under_the_first = music.clone()
    under_the_first[:, 0] += 9
    assert torch.equal(dance_to(network, under_the_first)[0], danced)
    assert (dance_to(network, 9 * torch.randn(1, 6, 438))[0] - danced).abs().max() > 1e-4


def test_songs_of_any_length_are_danced_at_once(weights):
    network = load_bailando(weights).network
    torch.manual_seed(0)
    for value in network.gpt.parameters():
        torch.nn.init.normal_(value, std=0.5)
    songs = [torch.randn(codes, 438) for codes in (6, 12, 1, 6)]  # 7 fill the window of the tiny network
    for song, danced in zip(songs, dance_to(network, songs), strict=True):
        (alone,) = dance_to(network, [song])
        assert danced.shape == alone.shape == (8 * len(song), 72)
        torch.testing.assert_close(danced, alone, atol=1e-5, rtol=1e-5)


def test_clips_at_once_are_those_made_one_by_one(ready, request_):
    made, requests = ready(), [request_(2.0), request_(0.7), request_(1.3, name="silence")]
    for motion, request in zip(made.generate_many(requests), requests, strict=True):
        assert len(motion.rotation) == request.num_frames
        np.testing.assert_allclose(
            joint_positions(motion), joint_positions(made.generate(request)), atol=1e-4
        )


def test_the_root_goes_where_its_velocity_takes_it():
    points = joint_positions(make_dance(1.0, fps=60, seed=1).motion, up="y")
    poses = points - points[:, :1]
    poses[:-1, 0] = points[1:, 0] - points[:-1, 0]
    back = joint_positions(motion_of_poses(poses.reshape(len(poses), 72)))
    path, expected = (each[:, 0, ::2] - each[0, 0, ::2] for each in (back, points))
    np.testing.assert_allclose(path, expected, atol=1e-4)
    np.testing.assert_allclose(back - back[:, :1], points - points[:, :1], atol=5e-3)


def write_official(folder, network, monkeypatch):
    """Files as the authors write them: the settings are an EasyDict, names have the prefix of several processes."""
    easydict = types.ModuleType("easydict")
    easydict.EasyDict = type("EasyDict", (dict,), {"__module__": "easydict"})
    monkeypatch.setitem(sys.modules, "easydict", easydict)
    for kind, part, epoch in (("sep_vqvae_root", "memory", 9), ("actor_critic", "gpt", 10)):
        state = {f"module.{name}": value for name, value in getattr(network, part).state_dict().items()}
        (folder / kind / "ckpt").mkdir(parents=True)
        content = {"model": state, "config": easydict.EasyDict(lr=1e-4), "epoch": epoch}
        torch.save(content, folder / kind / "ckpt" / f"epoch_{epoch}.pt")
    (folder / "actor_critic" / "ckpt" / "epoch_2.pt").write_bytes(b"older")
    monkeypatch.delitem(sys.modules, "easydict")


def test_the_files_of_the_authors(weights, tmp_path, monkeypatch):
    config = load_bailando(weights).config
    network = Bailando(config.model_copy(update={"gpt": config.gpt.model_copy(update={"critic_layers": 3})}))
    write_official(tmp_path, network, monkeypatch)

    def of_this_size(gpt):
        sized = config.gpt.model_copy(update={"critic_layers": gpt.critic_layers})
        return BailandoConfig(gpt=sized, memory=config.memory, begin=config.begin)

    monkeypatch.setattr(module, "BailandoConfig", of_this_size)
    loaded = load_bailando(tmp_path).network.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())
    (tmp_path / "sep_vqvae_root" / "ckpt" / "epoch_9.pt").unlink()
    with pytest.raises(WeightsError, match=r"there is no sep_vqvae_root/ckpt/epoch_N\.pt"):
        load_bailando(tmp_path)


def test_refusals(ready, weights, request_, tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match="bailando"):
        BailandoSystem().setup("cpu")
    with pytest.raises(WeightsError, match="no such folder"):
        BailandoSystem(str(tmp_path / "absent")).plan(request_(), "cpu")
    with pytest.raises(MadanceError, match="setup"):
        BailandoSystem(str(weights)).generate(request_())
    with pytest.raises(MediaError, match=r"9\.00 s are asked for"):
        ready().generate(request_(9.0))
    with pytest.raises(ConfigError, match="512 codes, the GPT knows 3"):
        BAILANDO_KIND.build(BailandoConfig(gpt={"codes": 3}))
