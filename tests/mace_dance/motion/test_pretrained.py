import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mace_dance.motion import pretrained
from mace_dance.motion.config import GENRES
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import CONFIG_FILE, WEIGHTS_FILE, ModelInfo, load_model, save_model
from madata.errors import MadanceError, WeightsError
from tests.mace_dance.motion.golden import tiny
from tests.mace_dance.motion.test_checkpoint import official, upstream

__all__ = ["upstream"]

INFO = ModelInfo(label="tiny-synthetic", training_data=("made:train",), provenance={"steps": 7})


@pytest.fixture
def model(tmp_path):
    network = tiny()
    normaliser = Normaliser(np.arange(1, 10, dtype=np.float32), np.linspace(-1, 1, 9, dtype=np.float32))
    save_model(tmp_path / "model", network, network.config, normaliser, INFO)
    return tmp_path / "model"


def rewrite(folder, change):
    path = folder / WEIGHTS_FILE
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def describe(folder, **changes):
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_saved_is_loaded(model):
    loaded = load_model(model)
    assert sorted(path.name for path in model.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]
    assert sorted(path.name for path in model.parent.iterdir()) == ["model"]
    assert (model / WEIGHTS_FILE).stat().st_mode == (model / CONFIG_FILE).stat().st_mode
    assert (loaded.config, loaded.info) == (tiny().config, INFO)
    assert not loaded.network.training
    state = loaded.network.state_dict()
    for name, value in tiny().state_dict().items():
        assert torch.equal(state[name], value)
    np.testing.assert_array_equal(loaded.normaliser.scale, np.arange(1, 10))
    np.testing.assert_array_equal(loaded.normaliser.shift, np.linspace(-1, 1, 9, dtype=np.float32))


def test_a_model_is_replaced_whole(model):
    other = tiny(seed=1, latent=12)
    ones = Normaliser(np.ones(9, np.float32), np.zeros(9, np.float32))
    save_model(model, other, other.config, ones)
    loaded = load_model(model)
    assert (loaded.config.latent, loaded.info.label) == (12, None)
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_a_save_that_dies_leaves_the_earlier_model(model, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pretrained, "write_json", full)
    with pytest.raises(MadanceError, match="No space left"):
        save_model(model, tiny(seed=1), tiny().config, load_model(model).normaliser)
    assert load_model(model).info == INFO
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_other_files_are_never_lost(model):
    (model / "notes.txt").write_text("mine")
    with pytest.raises(MadanceError, match=r"holds notes\.txt"):
        save_model(model, tiny(), tiny().config, load_model(model).normaliser)
    assert (model / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("final_layer.bias"), r"1 missing \(first: final_layer\.bias\)"),
        (lambda tensors: tensors.update(surprise=torch.ones(2)), r"1 unknown \(first: surprise\)"),
        (lambda tensors: tensors.update({"final_layer.bias": torch.ones(4)}), "1 of another shape"),
        (lambda tensors: tensors["final_layer.bias"].fill_(float("nan")), "final_layer.bias holds NaN"),
        (lambda tensors: tensors.pop("normaliser.shift"), "has no tensor normaliser.shift"),
        (
            lambda tensors: tensors.update(
                {"normaliser.scale": torch.ones(3), "normaliser.shift": torch.ones(3)}
            ),
            "for 3 features, the network for 9",
        ),
    ],
)
def test_tensors_that_are_not_the_network_s(model, change, message):
    rewrite(model, change)
    with pytest.raises(WeightsError, match=message):
        load_model(model)


def test_settings_that_are_not_the_network_s(model):
    described = json.loads((model / CONFIG_FILE).read_text())
    describe(model, kind="edge")
    with pytest.raises(WeightsError, match="of the kind 'edge', not 'motion-expert'"):
        load_model(model)
    describe(model, kind="motion-expert", network=described["network"] | {"latnt": 3})
    with pytest.raises(WeightsError, match=r"config\.json: network: there is no setting latnt"):
        load_model(model)
    describe(model, format="other/1")
    with pytest.raises(WeightsError, match="not a model of the format"):
        load_model(model)


def test_what_is_no_model(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"empty: is no model folder, it has no config\.json"):
        load_model(tmp_path / "empty")
    with pytest.raises(WeightsError, match="give its folder"):
        load_model(model / WEIGHTS_FILE)
    with pytest.raises(WeightsError, match=r"absent\.pt: no such checkpoint"):
        load_model(tmp_path / "absent.pt")
    Path(model / WEIGHTS_FILE).write_bytes(b"not tensors")
    with pytest.raises(WeightsError, match="damaged or not a safetensors"):
        load_model(model)
    Path(model / WEIGHTS_FILE).unlink()
    with pytest.raises(WeightsError, match="not whole"):
        load_model(model)


def test_a_diverged_network_is_not_saved(tmp_path):
    network = tiny()
    torch.nn.init.constant_(network.final_layer.bias, float("inf"))
    with pytest.raises(WeightsError, match="holds NaN or infinity"):
        save_model(
            tmp_path / "m",
            network,
            network.config,
            Normaliser(np.ones(9, np.float32), np.zeros(9, np.float32)),
        )
    assert not (tmp_path / "m").exists()


def test_an_official_file_is_a_model_too(upstream, tmp_path):
    network = tiny(genres=16)
    path = upstream(tmp_path / "train-3750.pt", official(network))
    trained, averaged = (load_model(path, network.config, which) for which in ("model", "ema"))
    bias = network.final_layer.bias
    assert torch.equal(trained.network.final_layer.bias, bias)
    assert torch.equal(averaged.network.final_layer.bias, bias + 1)
    assert (trained.info.label, trained.info.genres) == (None, GENRES)
    broken = official(network)
    broken["model_state_dict"]["final_layer.bias"] = bias * float("nan")
    with pytest.raises(WeightsError, match="diverged"):
        load_model(upstream(tmp_path / "nan.pt", broken), network.config)
