import functools
import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from mace_dance.appearance import load
from mace_dance.appearance.load import load_pipeline
from mace_dance.appearance.lora import ADAPTER_NAME, expected_layers
from mace_dance.appearance.tiny import LABEL, MARKER, make_tiny, tiny_pipeline
from madata.errors import ConfigError, WeightsError
from madata.files import sha256_file
from tests.mace_dance.appearance.original_folder import ARCHITECTURE, write_original


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "pipeline"
    make_tiny(folder)
    return folder


@pytest.fixture
def source(made, tmp_path):
    return shutil.copytree(made, tmp_path / "pipeline")


def adapter_file(path):
    save_file(
        {
            "animate_adapter.pose_patch_embedding.weight": torch.full((24, 16, 1, 2, 2), 0.5),
            "animate_adapter.pose_patch_embedding.bias": torch.full((24,), 0.5),
        },
        path,
    )
    return path


def lora_file(path, transformer):
    tensors = {}
    for name in expected_layers(transformer):
        outputs, inputs = transformer.get_submodule(name).weight.shape
        tensors[f"transformer.{name}.lora_A.weight"] = torch.ones(2, inputs)
        tensors[f"transformer.{name}.lora_B.weight"] = torch.ones(outputs, 2)
    save_file(tensors, path)
    return path


def test_a_tiny_folder_says_what_it_is_and_nothing_is_trained(made):
    loaded = load_pipeline(made)
    assert (loaded.label, loaded.is_tiny, loaded.provenance["label"]) == (LABEL, True, LABEL)
    for part in ("transformer", "vae", "text_encoder", "image_encoder"):
        network = getattr(loaded.pipeline, part)
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())
    side = loaded.pipeline.image_encoder.config.image_size
    assert loaded.pipeline.image_processor.size == {"height": side, "width": side}
    assert not loaded.pipeline.image_processor.do_center_crop


def test_the_provenance_is_json_and_names_every_file(made, tmp_path):
    adapter = adapter_file(tmp_path / "Adapter.safetensors")
    lora = lora_file(tmp_path / "LoRA.safetensors", tiny_pipeline().transformer)
    loaded = load_pipeline(made, adapter=adapter, lora=lora, lora_strength=0.25)
    provenance = json.loads(json.dumps(loaded.provenance))
    files = {one["file"]: one for one in provenance["files"]}
    assert files.keys() == {path.relative_to(made).as_posix() for path in made.rglob("*.safetensors")}
    assert all(one["sha256"] == sha256_file(made / name) for name, one in files.items())
    assert provenance["adapter"]["sha256"] == sha256_file(adapter)
    assert (provenance["lora"]["layers"], provenance["lora"]["expected"]) == (20, 20)
    assert provenance["lora"]["strength"] == 0.25
    transformer = loaded.pipeline.transformer
    assert (transformer.pose_patch_embedding.bias == 0.5).all()
    delta = transformer.blocks[1].attn2.to_k.get_delta_weight(ADAPTER_NAME)
    assert torch.equal(delta, torch.full_like(delta, 0.5))
    assert not any(parameter.requires_grad for parameter in transformer.parameters())


def test_bfloat16_keeps_the_sensitive_layers(made, tmp_path):
    lora = lora_file(tmp_path / "LoRA.safetensors", tiny_pipeline().transformer)
    transformer = load_pipeline(made, dtype="bfloat16", lora=lora, hashes=False).pipeline.transformer
    assert transformer.blocks[0].attn1.to_q.base_layer.weight.dtype == torch.bfloat16
    assert transformer.blocks[0].attn1.to_q.lora_A[ADAPTER_NAME].weight.dtype == torch.bfloat16
    assert transformer.scale_shift_table.dtype == torch.float32


def test_the_original_folder_is_recognised(tmp_path, golden_companion, monkeypatch):
    from diffusers import AutoencoderKLWan

    names = json.loads(golden_companion("models_appearance/wan_animate_key_map.json").read_text())
    pipeline = tiny_pipeline()
    pipeline.vae = AutoencoderKLWan(**ARCHITECTURE.vae)
    folder = write_original(tmp_path / "Wan2.2-Animate-14B", pipeline, names)
    monkeypatch.setattr(
        load, "load_original", functools.partial(load.load_original, architecture=ARCHITECTURE)
    )
    loaded = load_pipeline(folder)
    assert (loaded.provenance["layout"], loaded.label) == ("original", "custom")
    assert {one["file"] for one in loaded.provenance["files"]} >= {"Wan2.1_VAE.pth"}
    assert len(loaded.provenance["files"]) == 5


def test_published_sizes_are_called_by_their_name(made):
    pipeline = load_pipeline(made).pipeline
    (made / MARKER).rename(made / "aside.json")
    try:
        assert load_pipeline(made).label == "custom"
        pipeline.transformer.register_to_config(**load._PUBLISHED_SIZES)
        assert load.label_of(made, pipeline.transformer.config) == load.PUBLISHED
    finally:
        (made / "aside.json").rename(made / MARKER)


WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def rename_class(path):
    path.write_text(path.read_text().replace("WanAnimatePipeline", "WanPipeline"))


def index(path):
    path.with_name("x.safetensors.index.json").write_text('{"weight_map": {"a": "x-2.safetensors"}}')


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        (WEIGHTS, cut, f"{WEIGHTS}: damaged"),
        (WEIGHTS, lambda path: path.write_text("<html>404</html>"), f"{WEIGHTS}: damaged"),
        (WEIGHTS, index, "transformer/x-2.safetensors: missing"),
        (WEIGHTS, lambda path: path.unlink(), "holds no safetensors file"),
        ("vae/config.json", lambda path: path.unlink(), "cannot be loaded"),
        ("model_index.json", rename_class, "is a WanPipeline"),
        ("model_index.json", lambda path: path.unlink(), "madance weights fetch wan-animate"),
    ],
)
def test_a_damaged_folder_is_one_exact_line(source, file, damage, said):
    damage(source / file)
    with pytest.raises(WeightsError, match=said) as raised:
        load_pipeline(source)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("source", ["nowhere", "Wan-AI/none-such", "/nowhere/at/all"])
def test_what_is_not_here_is_not_downloaded(source, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail("it went to the network"))
    with pytest.raises(WeightsError, match="madance weights fetch wan-animate"):
        load_pipeline(source)


def test_files_and_devices_are_checked_first(made, tmp_path):
    with pytest.raises(WeightsError, match=r"LoRA\.safetensors: no such file"):
        load_pipeline(made, lora=tmp_path / "LoRA.safetensors")
    with pytest.raises(ConfigError, match="device"):
        load_pipeline(made, device="abacus")
