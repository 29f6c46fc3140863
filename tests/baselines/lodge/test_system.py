"""Lodge as a system, on tiny random networks, and its official files."""

import sys
import types

import numpy as np
import pytest
import torch

from baselines.lodge import model as module
from baselines.lodge.model import (
    LODGE_KIND,
    Lodge,
    LodgeConfig,
    dance_coarse_to_fine,
    joined,
    load_lodge,
    make_tiny_lodge,
)
from baselines.lodge.primitives import hints_of
from baselines.lodge.system import LodgeSystem
from evaluation.systems import find
from mace_dance.motion.diffusion import cosine_schedule
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.motion import joint_positions
from tests.baselines.conftest import Tried

TRIED = Tried(LodgeSystem, make_tiny_lodge, song_s=3.0)


@pytest.fixture
def few_steps(monkeypatch):
    """Five steps in the place of fifty, for both networks."""
    monkeypatch.setattr(module, "ddim_times", lambda steps, num_times: [999, 500, 40, 30, 20])


def test_a_dance_is_as_long_as_asked_stands_and_is_marked(ready, request_, few_steps):
    made = ready(genre="Jazz")
    motion = made.generate(request_())
    assert (len(motion.rotation), motion.fps, motion.up, motion.skeleton) == (60, 30.0, "y", "smplx-22")
    points = joint_positions(motion)
    assert (points[:, 15, 1] > points[:, 0, 1] + 0.3).all() and abs(points[0, :, 1].min()) < 0.6
    assert made.loaded.label == "tiny-random"
    assert find("lodge").declaration.fps == 30
    assert "slices of 256 frames between primitives: 1;" in made.plan(request_(), "cpu")[1]


def test_a_dance_depends_on_seed_genre_and_music_alone(weights, few_steps):
    model = load_lodge(weights)
    for value in model.network.parameters():
        torch.nn.init.normal_(value, std=0.3)
    music = torch.randn(1500, 35, generator=torch.Generator().manual_seed(1))
    first = dance_coarse_to_fine(model, music, 300, 2, seed=5)
    assert first.shape == (300, 139) and np.isfinite(first).all()
    np.testing.assert_array_equal(dance_coarse_to_fine(model, music, 300, 2, seed=5), first)
    for other in (
        dance_coarse_to_fine(model, music, 300, 3, seed=5),
        dance_coarse_to_fine(model, music, 300, 2, seed=6),
        dance_coarse_to_fine(model, music.roll(1, 1), 300, 2, seed=5),
        dance_coarse_to_fine(model, music, 300, 2, seed=5, soft=0.0),
    ):
        assert np.abs(other - first).max() > 1e-4
    with pytest.raises(ConfigError, match=r"music is \(N, 35\), got \(3, 4\)"):
        dance_coarse_to_fine(model, music[:3, :4], 300, 2, seed=5)


def test_music_of_any_length_is_heard_again_from_its_beginning(weights, few_steps):
    model = load_lodge(weights)
    music = torch.randn(700, 35)
    assert dance_coarse_to_fine(model, music, 1400, 0, seed=0).shape == (1400, 139)  # six slices, two windows
    once = dance_coarse_to_fine(model, music[:256], 200, 0, seed=0)
    again = dance_coarse_to_fine(model, music[:256].repeat(4, 1), 200, 0, seed=0)
    np.testing.assert_array_equal(once, again)


def test_hints_are_rotations_in_the_numbers_of_the_network(weights, few_steps, monkeypatch):
    model = load_lodge(weights)
    held = []
    plain = module.sample_held

    def watch(network, music, hints, *rest):
        held.append(hints)
        return plain(network, music, hints, *rest)

    monkeypatch.setattr(module, "sample_held", watch)
    dance_coarse_to_fine(model, torch.randn(256, 35), 256, 0, seed=0)
    plain_hints = model.normaliser.unnormalise(held[0].value)[:, [0, 30, 160, -1], 7:]
    lengths = plain_hints.reshape(-1, 3).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=1e-4)


def test_hints_inside_a_slice_hold_for_their_share_of_sampling(weights, monkeypatch):
    """As published a step of 50 is meant, and the diffusion time compared."""
    monkeypatch.setattr(module, "ddim", lambda *_, after_step: after_step)
    hints = hints_of(torch.ones(1, 24, 139))
    for soft, last in ((1.0, 0), (0.3, 35), (0.0, 50)):
        network = load_lodge(weights).network.fine
        hold = module.sample_held(network, torch.zeros(1, 256, 35), hints, None, cosine_schedule(), soft=soft)
        inside = [hold(torch.zeros(1, 256, 139), time)[0, 30, 7].item() for time in (last, last + 1)]
        assert inside == [0.0, 1.0]
        assert hold(torch.zeros(1, 256, 139), last)[0, [0, 3, -4, -1], 7].tolist() == [1.0] * 4


def test_each_slice_goes_on_where_the_one_before_ended():
    slices = torch.zeros(2, 4, 139)
    slices[:, :, 4] = torch.arange(4.0)
    slices[:, :, 5] = 1.0
    slices[:, :, 6] = torch.tensor([[0.0, 0, 0, 1], [5, 5, 5, 5]])
    whole = joined(slices)
    assert whole[:, 4].tolist() == list(range(8)) and whole[:, 5].tolist() == [1.0] * 8
    assert whole[:, 6].tolist() == [0, 0, 0, 1, 2, 2, 2, 2]


def write_official(folder, network, monkeypatch, long_null=True):
    """Files as the authors write them: Lightning's prefixes, a pickled normaliser of classes of their own."""
    for kind, part, epoch in (("Global", "coarse", 2999), ("Local", "fine", 299)):
        state = getattr(network, part).state_dict()
        if part == "fine" and long_null:
            state["null_cond_embed"] = torch.cat([state["null_cond_embed"]] * 4, dim=1)
        whole = {f"{prefix}.{name}": value for name, value in state.items()
                 for prefix in ("DanceDecoder", "diffusion.model", "diffusion.master_model")}  # fmt: skip
        whole["diffusion.betas"] = torch.zeros(3)
        path = folder / f"{kind}_Module" / "any_name" / "checkpoints" / f"epoch={epoch}.ckpt"
        path.parent.mkdir(parents=True)
        torch.save(
            {"state_dict": whole, "epoch": epoch, "callbacks": {"ModelCheckpoint": {"best": 0.1}}}, path
        )
    pickled = types.ModuleType("dld.data.utils.preprocess")
    for name in ("Normalizer", "MinMaxScaler"):
        setattr(pickled, name, type(name, (), {"__module__": pickled.__name__}))
    for name in ("dld", "dld.data", "dld.data.utils"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, pickled.__name__, pickled)
    box, scaler = pickled.Normalizer(), pickled.MinMaxScaler()
    box.scaler, scaler.scale_, scaler.min_ = scaler, torch.full((139,), 2.0), torch.full((139,), 0.5)
    torch.save(box, folder / "Normalizer.pth")


def test_the_files_of_the_authors(weights, tmp_path, monkeypatch):
    small = load_lodge(weights).config
    network = Lodge(small)
    write_official(tmp_path, network, monkeypatch)
    monkeypatch.setattr(module, "LodgeConfig", lambda: small)
    loaded = load_lodge(tmp_path)
    state = loaded.network.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert loaded.normaliser.scale[0] == 2.0 and loaded.normaliser.shift[0] == 0.5
    assert loaded.info.label is None and len(loaded.info.genres) == 16
    path = tmp_path / "Local_Module" / "any_name" / "checkpoints" / "epoch=299.ckpt"
    whole = torch.load(path)
    whole["state_dict"].pop("diffusion.model.final_layer.bias")
    torch.save(whole, path)
    with pytest.raises(WeightsError, match=r"DanceDecoder\. and diffusion\.model\. have other tensors"):
        load_lodge(tmp_path)
    torch.save({"state_dict": {"gen.weight": torch.zeros(1)}}, path)
    with pytest.raises(WeightsError, match=r"unknown tensors \(first: gen\.weight\)"):
        load_lodge(tmp_path)
    (tmp_path / "Normalizer.pth").unlink()
    with pytest.raises(WeightsError, match=r"there is no Normalizer\.pth in it or beside it"):
        load_lodge(tmp_path)
    path.unlink()
    with pytest.raises(WeightsError, match=r"there is no Local_Module/\*/checkpoints/epoch=N\.ckpt"):
        load_lodge(tmp_path)


def test_refusals(ready, weights, request_, tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match="lodge"):
        LodgeSystem().setup("cpu")
    with pytest.raises(WeightsError, match="no such folder"):
        LodgeSystem(str(tmp_path / "absent")).setup("cpu")
    with pytest.raises(MadanceError, match="setup"):
        LodgeSystem(str(weights)).generate(request_())
    with pytest.raises(ConfigError, match=r"no genre 'Jaz'.*Jazz"):
        ready(genre="Jaz")
    with pytest.raises(ConfigError, match=r"soft is in 0\.\.1"):
        LodgeSystem(soft=2.0)
    with pytest.raises(ConfigError, match=r"soft is in 0\.\.1, got 'all'"):
        LodgeSystem(soft="all")
    with pytest.raises(MediaError, match=r"9\.00 s are asked for"):
        ready().generate(request_(9.0))
    (tmp_path / "file.ckpt").touch()
    with pytest.raises(WeightsError, match=r"file\.ckpt: is a file; give the authors' folder exp"):
        LodgeSystem(str(tmp_path / "file.ckpt")).setup("cpu")
    with pytest.raises(ConfigError, match="139 numbers of motion and the same music"):
        LODGE_KIND.build(LodgeConfig(coarse={"music_features": 4}))
    with pytest.raises(ConfigError, match="window is 4 slices long"):
        LODGE_KIND.build(LodgeConfig(coarse={"frames": 512}))
