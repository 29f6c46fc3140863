"""MNET as a system, on a tiny random network, and its official file."""

import numpy as np
import pytest
import torch

from baselines.mnet.network import GENRES, Mnet, MnetConfig, load_mnet, make_tiny_mnet
from baselines.mnet.system import MnetSystem
from evaluation.systems import find
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import save_model
from madata import music
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.motion import joint_positions, write_motion
from madata.music import load_audio
from madata.synthetic.dance import make_dance
from madata.types import MusicFeatures
from tests.baselines.conftest import Tried

TRIED = Tried(MnetSystem, make_tiny_mnet, song_s=1.0, asked_s=1.0)


def test_a_dance_is_as_long_as_asked_and_marked(ready, request_, tmp_path):
    made = ready()
    for name in ("song", "silence"):
        motion = made.generate(request_(name=name))
        assert (len(motion.rotation), motion.fps, motion.up) == (30, 30.0, "y")
    assert (joint_positions(motion)[:, 15, 1] > joint_positions(motion)[:, 0, 1]).all()
    assert made.loaded.label == "tiny-random" and not list(tmp_path.glob("*padded*"))
    assert find("mnet").declaration.fps == 60
    assert made.plan(request_(), "cpu")[1] == "2 windows, 30 frames each"


def test_genre_seed_and_what_was_danced_before_matter(ready, request_, tmp_path):
    write_motion(tmp_path / "before.npz", make_dance(1.5, fps=30, seed=2).motion)
    plain = ready(genre="house").generate(request_())
    named = ready().generate(request_(clip="gHO_sBM_cAll"))
    np.testing.assert_array_equal(plain.rotation, named.rotation)
    for other in (
        ready(genre="krump").generate(request_()),
        ready(genre=5).generate(request_(seed=3)),
        ready(genre=5, seed_motion=str(tmp_path / "before.npz")).generate(request_()),
    ):
        assert np.abs(plain.rotation - other.rotation).max() > 1e-7
    write_motion(tmp_path / "short.npz", make_dance(0.5, fps=60, seed=2).motion)
    with pytest.raises(MediaError, match=r"short\.npz: lasts 0\.50 s, a seed motion 1\.00 s"):
        ready(seed_motion=str(tmp_path / "short.npz"))


def test_names_of_aist_say_nothing_to_a_network_of_other_genres(weights, request_, tmp_path):
    for genres, same in ((tuple("abcdefghij"), True), (GENRES, False)):
        model = load_mnet(weights)
        info = model.info.model_copy(update={"genres": genres})
        save_model(tmp_path / "model", model.network, model.config, model.normaliser, info, "mnet")
        made = MnetSystem(str(tmp_path / "model"))
        made.setup("cpu")
        first, second = (made.generate(request_(clip=f"g{code}_sBM")).rotation for code in ("BR", "JB"))
        assert np.array_equal(first, second) == same


def test_the_network_hears_a_second_of_silence_the_song_and_silence(ready, request_, monkeypatch):
    heard = []

    def listen(path, layout, fps):
        sound = load_audio(path)
        heard.append((sound.waveform, sound.rate_hz, layout, fps))
        return MusicFeatures(np.zeros((150, 438), np.float32), fps, np.zeros(0, np.float32))

    monkeypatch.setattr(music, "music_features", listen)
    made = ready()
    made.generate(request_(0.9))
    ((waveform, rate, layout, fps),) = heard
    assert (layout, fps, rate) == ("bailando", 60, 22050)
    assert len(waveform) == round(2.5 * rate)  # two windows: the second one ends 2.5 s after the first begins
    song = load_audio(request_().music).waveform
    assert not waveform[:rate].any() and not waveform[rate + len(song) :].any()
    np.testing.assert_allclose(waveform[rate : rate + len(song)], song, atol=1e-6)


def test_the_checkpoint_of_the_authors_and_a_folder_are_one(weights, tmp_path):
    model = load_mnet(weights)
    state = {f"gen.{name}": value for name, value in model.network.state_dict().items()}
    beside = {"dis.mlp_a.bias": torch.zeros(1), "compute_loss.vet_loss.smpl.betas": torch.zeros(1)}
    torch.save({"state_dict": {**state, **beside}, "epoch": 1}, tmp_path / "last.ckpt")
    loaded = load_mnet(tmp_path / "last.ckpt", model.config)
    state = loaded.network.state_dict()
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, state[name])
    assert loaded.info.genres[9] == "ballet jazz"
    with pytest.raises(WeightsError, match="another shape"):
        load_mnet(tmp_path / "last.ckpt", model.config.model_copy(update={"feed_forward": 4}))
    torch.save({"state_dict": {"DanceDecoder.x": torch.zeros(1)}}, tmp_path / "lodge.ckpt")
    with pytest.raises(WeightsError, match=r"not a checkpoint of this method.*DanceDecoder\.x"):
        load_mnet(tmp_path / "lodge.ckpt")


def test_refusals(ready, weights, request_, tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match="mnet"):
        MnetSystem().setup("cpu")
    with pytest.raises(WeightsError, match="no such checkpoint"):
        MnetSystem(str(tmp_path / "last.ckpt")).plan(request_(), "cpu")
    with pytest.raises(MadanceError, match="setup"):
        MnetSystem(str(weights)).generate(request_())
    other = MnetConfig(music_features=35, width=4, layers=1, heads=1, feed_forward=4, places=180)
    unit = Normaliser(np.ones(147, np.float32), np.zeros(147, np.float32))
    save_model(tmp_path / "other", Mnet(other), other, unit, kind="mnet")
    with pytest.raises(ConfigError, match="takes 35 music features a frame, its method computes 438"):
        MnetSystem(str(tmp_path / "other")).setup("cpu")
    with pytest.raises(ConfigError, match="no genre 'crump'"):
        ready(genre="crump")
    with pytest.raises(MediaError, match=r"3\.00 s are asked for"):
        ready().generate(request_(3.0))
