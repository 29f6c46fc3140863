import shutil

import pytest
import torch

from mace_dance.appearance.tiny import tiny_pipeline
from mace_dance.training.appearance import backbone as module
from mace_dance.training.appearance.backbone import Backbone
from mace_dance.training.appearance.plan import memory_need
from mace_dance.training.appearance.selection import Selection
from mace_dance.training.appearance.settings import training_settings
from madata.errors import WeightsError


def test_parts_are_loaded_alone(backbone):
    encoders = backbone.encoders(torch.bfloat16)
    assert encoders.transformer is None
    assert (encoders.vae.dtype, encoders.text_encoder.dtype) == (torch.float32, torch.bfloat16)
    assert not encoders.text_encoder.training
    assert backbone.encoders(torch.bfloat16, text=False).text_encoder is None
    network = backbone.transformer(torch.bfloat16)
    assert network.dtype == torch.bfloat16
    assert network.condition_embedder.time_embedder.linear_1.weight.dtype == torch.float32
    assert not any(value.requires_grad for value in network.parameters())
    assert next(backbone.empty_transformer().parameters()).is_meta


def test_the_identity_of_a_part_is_that_of_its_weights(backbone, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(backbone.folder, folder)
    (path,) = (folder / "vae").glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    copy = Backbone.find(folder)
    assert copy.identity("transformer") == backbone.identity("transformer")
    assert copy.identity("vae") != backbone.identity("vae")


def test_the_original_layout_is_loaded_whole_and_the_rest_let_go(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(module, "original_files", lambda folder: folder)
    monkeypatch.setattr(module, "load_original", lambda files, dtype: made.append(dtype) or tiny_pipeline())
    backbone = Backbone(tmp_path, "original")
    encoders = backbone.encoders(torch.float32, text=False)
    assert (encoders.transformer, encoders.text_encoder) == (None, None)
    assert backbone.transformer(torch.float32).dtype == torch.float32
    assert made == [torch.float32] * 2
    assert backbone.empty_transformer().config.num_layers == 40
    assert backbone.label == "wan2.2-animate-14b"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder"),
        (lambda folder: (folder / "model_index.json").unlink(), "neither a pipeline of diffusers"),
        (lambda folder: shutil.rmtree(folder / "vae"), "vae: missing"),
        (lambda folder: next((folder / "vae").glob("*.safetensors")).unlink(), "vae: holds no safetensors"),
        (
            lambda folder: next((folder / "transformer").glob("*.safetensors")).write_bytes(b"x" * 50),
            "damaged or not a safetensors file",
        ),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(backbone, tmp_path, harm, said):
    folder = tmp_path / "copy"
    shutil.copytree(backbone.folder, folder)
    harm(folder)
    with pytest.raises(WeightsError, match=said):
        Backbone.find(folder)


def test_memory_at_full_size(tmp_path):
    """832 x 480 in bf16: 34.5 GB of weights, and activations that recomputing and offloading make smaller."""
    selection = Selection(("a",), 153_354_240, 400)

    def need(*overrides, processes=1):
        settings = training_settings("aesthetic", overrides=overrides)
        return memory_need(settings, tmp_path, selection, 2, processes=processes)

    usual, offloaded, plain = need(), need("offload=true"), need("checkpointing=false")
    assert usual.weights == pytest.approx(34.55e9, rel=1e-3)
    assert usual.training == 16 * 153_354_240
    assert offloaded.device + offloaded.host == usual.device
    assert offloaded.device < usual.device < plain.device
    assert need("shard=true", "samples.clips=0", processes=8).weights == pytest.approx(7.9e9, rel=0.02)
    large = need("data.width=720", "data.height=1280")
    assert large.activations / usual.activations == pytest.approx(75_600 / 32_760)
