"""FACT as a system, on a tiny random network."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from baselines.fact import network
from baselines.fact.network import FACT_KIND, Fact, FactConfig, checkpoint_name, load_fact, make_tiny_fact
from baselines.fact.system import FactSystem
from evaluation.systems import find
from madata.errors import MadanceError, MediaError, WeightsError
from madata.motion import joint_positions, with_skeleton, write_motion
from madata.synthetic.dance import make_dance
from tests.baselines.conftest import Tried
from tests.baselines.fact.test_tf_checkpoint import write_checkpoint

TRIED = Tried(FactSystem, make_tiny_fact, asked_s=0.2)


def test_a_dance_is_as_long_as_asked_and_marked(ready, request_):
    made = ready()
    motion = made.generate(request_())
    assert (len(motion.rotation), motion.fps, motion.up) == (6, 30.0, "y")
    assert made.loaded.label == "tiny-random"
    assert (joint_positions(motion)[:, 15, 1] > joint_positions(motion)[:, 0, 1]).all()
    assert find("fact").declaration.fps == 60
    assert made.plan(request_(), "cpu")[1] == "12 frames, one pass each"


def test_what_was_danced_before_matters(ready, request_, tmp_path):
    write_motion(tmp_path / "before.npz", make_dance(3.0, fps=30, seed=2).motion)
    still = ready().generate(request_())
    going = ready(seed_motion=str(tmp_path / "before.npz")).generate(request_())
    assert np.abs(still.rotation - going.rotation).max() > 1e-6
    write_motion(tmp_path / "handless.npz", with_skeleton(make_dance(3.0, fps=30, seed=2).motion, "smplx-22"))
    assert len(ready(seed_motion=str(tmp_path / "handless.npz")).generate(request_()).rotation) == 6
    write_motion(tmp_path / "short.npz", make_dance(1.0, fps=60, seed=2).motion)
    with pytest.raises(MediaError, match=r"short\.npz: lasts 1\.00 s, a seed motion 2\.00 s"):
        ready(seed_motion=str(tmp_path / "short.npz"))


def test_refusals(ready, weights, request_, tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match="fact"):
        FactSystem().setup("cpu")
    with pytest.raises(WeightsError, match=r"ckpt-1\.index: no such file"):
        FactSystem(str(tmp_path / "ckpt-1")).plan(request_(), "cpu")
    config = json.loads((weights / "config.json").read_text())
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text(json.dumps(config | {"kind": "lodge"}))
    with pytest.raises(WeightsError, match="of the kind 'lodge', not 'fact'"):
        FactSystem(str(tmp_path / "other")).plan(request_(), "cpu")
    with pytest.raises(MadanceError, match="setup"):
        FactSystem(str(weights)).generate(request_())
    with pytest.raises(MediaError, match="are asked for"):
        ready().generate(request_(duration_s=3.0))


def test_the_checkpoint_of_the_authors_and_a_folder_are_one(weights, tmp_path, monkeypatch):
    model = load_fact(weights)
    state = {checkpoint_name(name): value.numpy() for name, value in model.network.state_dict().items()}
    last = write_checkpoint(tmp_path / "ckpt-10", state)
    broken = {name: np.full_like(value, np.nan) for name, value in state.items()}
    write_checkpoint(tmp_path / "ckpt-9", broken)
    for path in (last, tmp_path):
        loaded = load_fact(path, model.config).network.state_dict()
        assert all(torch.equal(value, loaded[name]) for name, value in model.network.state_dict().items())
        monkeypatch.setattr(network, "load_fact", partial(load_fact, config=model.config))
        made = FactSystem(str(path))
        made.setup("cpu")
        assert [each.name for each in made.loaded.weights] == ["ckpt-10.index", "ckpt-10.data-00000-of-00001"]
        assert made.loaded.card.training_data == ("aist++:train",)
    with pytest.raises(WeightsError, match=r"ckpt-9: the tensor .* holds NaN or infinity"):
        load_fact(tmp_path / "ckpt-9", model.config)
    with pytest.raises(WeightsError, match="of another shape"):
        load_fact(last, model.config.model_copy(update={"feed_forward": 8}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"nor the authors' folder: there is no ckpt-N\.index"):
        load_fact(tmp_path / "empty", model.config)
    assert isinstance(FACT_KIND.build(FactConfig(hidden=4, heads=2, cross_layers=1)), Fact)
