import pathlib
import sys
import types

import numpy as np
import pytest
import torch

from mace_dance.motion.checkpoint import load_motion_expert, read_checkpoint
from madata.errors import WeightsError
from tests.mace_dance.motion.golden import tiny

FEATURES = 9


@pytest.fixture
def upstream(monkeypatch):
    """Classes that pickle under the names of EDGE's, gone again when a file is read."""
    modules = {name: types.ModuleType(name) for name in ("dataset", "dataset.preprocess", "dataset.scaler")}
    scaler = type("MinMaxScaler", (), {"__module__": "dataset.scaler"})
    normalizer = type("Normalizer", (), {"__module__": "dataset.preprocess"})
    modules["dataset.scaler"].MinMaxScaler = scaler
    modules["dataset.preprocess"].Normalizer = normalizer

    def save(path, content, features=FEATURES):
        box = normalizer()
        box.scaler = scaler()
        box.scaler.feature_range = (-1, 1)
        box.scaler.clip = box.scaler.copy = True
        box.scaler.scale_ = torch.arange(1, features + 1).float()
        box.scaler.min_ = -torch.ones(features)
        box.scaler.n_samples_seen_ = 3
        with monkeypatch.context() as there:
            for name, module in modules.items():
                there.setitem(sys.modules, name, module)
            torch.save({"normalizer": box, **content}, path)
        return path

    return save


def official(network, **changes):
    trained = network.state_dict()
    averaged = {name: value + 1 for name, value in trained.items()}
    optimiser = {"state": {0: {"step": 3, "m": torch.zeros(2)}}, "param_groups": [{"restart_cond": None}]}
    return {
        "model_state_dict": trained,
        "ema_state_dict": averaged,
        "optimizer_state_dict": optimiser,
        **changes,
    }


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_official_layout_is_read(upstream, tmp_path, prefix):
    network = tiny()
    content = official(network)
    for key in ("model_state_dict", "ema_state_dict"):
        content[key] = {prefix + name: value for name, value in content[key].items()}
    path = upstream(tmp_path / "train-3750.pt", content)
    loaded, normaliser = load_motion_expert(path, network.config)
    assert not loaded.training
    state = loaded.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(state[name], value)
    np.testing.assert_array_equal(normaliser.scale, np.arange(1, 10))
    np.testing.assert_array_equal(normaliser.shift, -1)
    averaged = read_checkpoint(path, "ema").state
    assert torch.equal(averaged["final_layer.bias"], network.final_layer.bias + 1)
    assert "dataset" not in sys.modules


def test_the_checkpoint_of_another_network_is_named(upstream, tmp_path):
    other = tiny(latent=12)
    path = upstream(tmp_path / "other.pt", official(other))
    with pytest.raises(
        WeightsError, match=r"other\.pt: not the weights of this MotionExpert: .* of another shape"
    ):
        load_motion_expert(path, tiny().config)
    state = dict(tiny().state_dict())
    state["surprise"] = state.pop("final_layer.bias")
    path = upstream(tmp_path / "renamed.pt", official(tiny(), model_state_dict=state))
    with pytest.raises(
        WeightsError, match=r"1 missing \(first: final_layer\.bias\), 1 unknown \(first: surprise\)"
    ):
        load_motion_expert(path, tiny().config)


def test_a_normaliser_of_another_width_is_refused(upstream, tmp_path):
    path = upstream(tmp_path / "x.pt", official(tiny()), features=4)
    with pytest.raises(WeightsError, match="normaliser is for 4 features, the network for 9"):
        load_motion_expert(path, tiny().config)


class Hostile:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("hostile-was-here"),)


def test_nothing_in_a_checkpoint_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    torch.save({**official(tiny()), "normalizer": Hostile()}, path)
    with pytest.raises(WeightsError, match="refused"):
        read_checkpoint(path, "model")
    assert not pathlib.Path("hostile-was-here").exists()


def test_files_that_are_no_checkpoints(upstream, tmp_path):
    with pytest.raises(WeightsError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "absent.pt", "model")
    (tmp_path / "text.pt").write_text("not a checkpoint")
    with pytest.raises(WeightsError, match="not readable"):
        read_checkpoint(tmp_path / "text.pt", "model")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="holds a dictionary"):
        read_checkpoint(tmp_path / "list.pt", "model")
    torch.save({"ema_state_dict": {}}, tmp_path / "partial.pt")
    with pytest.raises(WeightsError, match="no model_state_dict and no normalizer; it holds ema_state_dict"):
        read_checkpoint(tmp_path / "partial.pt", "model")
    torch.save({**official(tiny()), "normalizer": {"scale_": 1}}, tmp_path / "plain.pt")
    with pytest.raises(WeightsError, match=r"no Normalizer around a MinMaxScaler"):
        read_checkpoint(tmp_path / "plain.pt", "model")
