import json
import re

import numpy as np
import pytest
import torch

from mace_dance.appearance.convert import WAN_ANIMATE_14B, load_original, original_files
from mace_dance.appearance.names import clip_tensors, convert_tensors, transformer_names, umt5_name
from mace_dance.appearance.tiny import tiny_pipeline
from madata.errors import WeightsError
from tests.mace_dance.appearance.golden_weights import tensor, tiny_transformer, uniform
from tests.mace_dance.appearance.original_folder import (
    ARCHITECTURE,
    original_umt5,
    original_vae,
    write_original,
)

TENSORS = {
    "weight": torch.arange(12.0).reshape(6, 2),
    "bias": torch.arange(6.0),
}


def shapes(state):
    return {name: list(tensor.shape) for name, tensor in state.items()}


def test_fused_keys_and_values_are_halves_and_activation_biases_are_flat():
    made = convert_tensors(
        {
            "face_adapter.fuser_blocks.3.linear1_kv.weight": TENSORS["weight"],
            "motion_encoder.enc.net_app.convs.2.conv2.2.bias": TENSORS["bias"].reshape(1, 6, 1, 1),
            "motion_encoder.enc.net_app.convs.2.skip.0.kernel": torch.ones(4, 4),
            "blocks.7.norm3.bias": TENSORS["bias"],
        }
    )
    assert torch.equal(made.pop("face_adapter.3.to_k.weight"), TENSORS["weight"][:3])
    assert torch.equal(made.pop("face_adapter.3.to_v.weight"), TENSORS["weight"][3:])
    assert torch.equal(made.pop("motion_encoder.res_blocks.1.conv2.act_fn.bias"), TENSORS["bias"])
    assert torch.equal(made.pop("blocks.7.norm2.bias"), TENSORS["bias"])
    assert not made


def test_layers_of_equal_shape_in_the_text_encoder_are_not_confused():
    """The gate of the feed-forward layer is the branch with the activation: wi_0 in transformers."""
    layer = "encoder.block.3.layer"
    assert {
        part: umt5_name(f"blocks.3.{part}.weight") for part in ("ffn.gate.0", "ffn.fc1", "norm1", "norm2")
    } == {
        "ffn.gate.0": f"{layer}.1.DenseReluDense.wi_0.weight",
        "ffn.fc1": f"{layer}.1.DenseReluDense.wi_1.weight",
        "norm1": f"{layer}.0.layer_norm.weight",
        "norm2": f"{layer}.1.layer_norm.weight",
    }
    assert [umt5_name(f"blocks.3.attn.{letter}.weight") for letter in "qkvo"] == [
        f"{layer}.0.SelfAttention.{letter}.weight" for letter in "qkvo"
    ]


def test_layers_of_equal_shape_in_clip_are_not_confused():
    block = "visual.transformer.5"
    made = clip_tensors(
        {
            f"{block}.attn.to_qkv.bias": torch.tensor([1.0, 2, 3]),
            f"{block}.norm1.bias": torch.tensor([4.0]),
            f"{block}.norm2.bias": torch.tensor([5.0]),
            f"{block}.mlp.0.bias": torch.tensor([6.0]),
            f"{block}.mlp.2.bias": torch.tensor([7.0]),
            "visual.pre_norm.bias": torch.tensor([8.0]),
            "visual.post_norm.bias": torch.tensor([9.0]),
        }
    )
    layer = "encoder.layers.5"
    assert {name: float(value) for name, value in made.items()} == {
        f"{layer}.self_attn.q_proj.bias": 1,
        f"{layer}.self_attn.k_proj.bias": 2,
        f"{layer}.self_attn.v_proj.bias": 3,
        f"{layer}.layer_norm1.bias": 4,
        f"{layer}.layer_norm2.bias": 5,
        f"{layer}.mlp.fc1.bias": 6,
        f"{layer}.mlp.fc2.bias": 7,
        "pre_layrnorm.bias": 8,
        "post_layernorm.bias": 9,
    }


@pytest.mark.parametrize(
    ("convert", "name"),
    [
        (transformer_names, "blocks.0.self_attn.q.lora_A.weight"),
        (transformer_names, "vace_blocks.0.after_proj.bias"),
        (transformer_names, "blocks.0.norm2.weight"),
        (umt5_name, "decoder.blocks.0.attn.q.weight"),
        (lambda name: clip_tensors({name: TENSORS["bias"]}), "visual.transformer.0.mlp.1.bias"),
    ],
)
def test_a_name_of_another_model_is_an_error(convert, name):
    with pytest.raises(WeightsError, match=re.escape(name)):
        convert(name)


@pytest.fixture
def tiny_original(tmp_path, golden_companion):
    from diffusers import AutoencoderKLWan

    names = json.loads(golden_companion("models_appearance/wan_animate_key_map.json").read_text())
    pipeline = tiny_pipeline()
    pipeline.vae = AutoencoderKLWan(**ARCHITECTURE.vae)
    return pipeline, write_original(tmp_path / "Wan2.2-Animate-14B", pipeline, names)


def test_an_original_folder_gives_the_same_networks(tiny_original):
    pipeline, folder = tiny_original
    loaded = load_original(original_files(folder), torch.float32, ARCHITECTURE)
    for part in ("transformer", "vae", "text_encoder", "image_encoder"):
        before, after = getattr(pipeline, part).state_dict(), getattr(loaded, part).state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert not any(tensor.is_meta for tensor in getattr(loaded, part).buffers())
    encoder = loaded.text_encoder
    assert encoder.shared.weight is encoder.encoder.embed_tokens.weight
    assert loaded.tokenizer("跳").input_ids == pipeline.tokenizer("跳").input_ids


def test_in_bfloat16_the_sensitive_layers_stay_in_float32(tiny_original):
    _, folder = tiny_original
    loaded = load_original(original_files(folder), torch.bfloat16, ARCHITECTURE).transformer
    assert loaded.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert loaded.blocks[0].scale_shift_table.dtype == torch.float32
    assert loaded.condition_embedder.time_embedder.linear_1.weight.dtype == torch.float32


def cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


def refill(change):
    def apply(path):
        content = torch.load(path, weights_only=True)
        change(content)
        torch.save(content, path)

    return apply


class Hostile:
    def __reduce__(self):
        return print, ("run",)


SHARD = "diffusion_pytorch_model-00002-of-00002.safetensors"
T5 = "models_t5_umt5-xxl-enc-bf16.pth"


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        (SHARD, cut, f"{SHARD}: damaged"),
        (SHARD, lambda path: path.unlink(), "1 of 2 shards"),
        ("Wan2.1_VAE.pth", lambda path: path.unlink(), "Wan2.1_VAE.pth: missing"),
        ("Wan2.1_VAE.pth", cut, "Wan2.1_VAE.pth: refused or not readable"),
        ("Wan2.1_VAE.pth", lambda path: torch.save({"a": Hostile()}, path), "refused"),
        ("Wan2.1_VAE.pth", lambda path: torch.save([1], path), "something else than tensors"),
        (
            T5,
            refill(lambda state: state.pop("norm.weight")),
            "1 tensors of UMT5EncoderModel are missing, first enc",
        ),
        (
            T5,
            refill(lambda state: state.update({"norm.weight": torch.ones(4096)})),
            r"\(4096,\).*wants \(32,\)",
        ),
        (T5, refill(lambda state: state.update({"head.weight": torch.ones(1)})), "head.weight"),
    ],
)
def test_a_damaged_or_foreign_file_is_named(tiny_original, file, damage, said, capsys):
    _, folder = tiny_original
    damage(folder / file)
    with pytest.raises(WeightsError, match=said):
        load_original(original_files(folder), torch.float32, ARCHITECTURE)
    assert not capsys.readouterr().out


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/weight_recipe_check*.json")
def test_golden_recipe(golden_file):
    for name, value in json.loads(golden_file.read_text()).items():
        if isinstance(value, dict):
            made = tensor(name, value["shape"])
            np.testing.assert_allclose(made.flatten()[:4], value["first4"], rtol=0, atol=1e-7)
            assert float(made.flatten()[-1]) == pytest.approx(value["last"], abs=1e-7)
            assert float(made.double().sum()) == pytest.approx(value["sum"], abs=1e-7)
        else:
            (text,) = re.findall(r"'(.+)'", name)
            np.testing.assert_allclose(uniform(text, len(value)), value, rtol=0, atol=1e-15)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_animate_key_map*.json")
def test_golden_names_of_the_transformer(golden_file):
    for name, entry in json.loads(golden_file.read_text()).items():
        assert list(transformer_names(name)) == entry["to"], name


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_animate_14b_state_dicts*.json")
def test_golden_shapes_of_the_full_transformer(golden_file):
    from diffusers import WanAnimateTransformer3DModel

    golden = json.loads(golden_file.read_text())
    with torch.device("meta"):
        made = convert_tensors({name: torch.empty(shape) for name, shape in golden["original"].items()})
        network = WanAnimateTransformer3DModel(**WAN_ANIMATE_14B.transformer)
    assert shapes(made) == golden["diffusers"] == shapes(network.state_dict())
    assert {name: network.config[name] for name in golden["diffusers_config"]}.items() >= {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in golden["diffusers_config"].items()
        if name not in ("patch_size", "motion_encoder_channel_sizes")
    }.items()


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_other_components*.json")
def test_golden_names_of_the_other_networks(golden_file):
    from diffusers import AutoencoderKLWan
    from transformers import CLIPVisionConfig, CLIPVisionModel, UMT5Config, UMT5EncoderModel

    golden = {key.split()[0]: value for key, value in json.loads(golden_file.read_text()).items()}
    with torch.device("meta"):
        networks = {
            "vae": AutoencoderKLWan(**WAN_ANIMATE_14B.vae),
            "umt5_xxl_encoder": UMT5EncoderModel(UMT5Config(**WAN_ANIMATE_14B.text_encoder)),
            "clip_vit_h_vision": CLIPVisionModel(CLIPVisionConfig(**WAN_ANIMATE_14B.image_encoder)),
        }
    for part, network in networks.items():
        assert shapes(network.state_dict()) == golden[part]
        expected = golden["parameter_counts"][part]
        assert sum(parameter.numel() for parameter in network.parameters()) == expected
    assert len(original_vae(golden["vae"])) == len(golden["vae"])
    assert len(original_umt5(golden["umt5_xxl_encoder"], 24)) == len(golden["umt5_xxl_encoder"]) - 1


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_tiny_forward*.npz")
def test_golden_forward_pass_through_the_converter(golden_file, golden_companion, golden_deviations):
    config = json.loads(golden_companion("models_appearance/wan_tiny_config.json").read_text())
    network = tiny_transformer(config)
    with np.load(golden_file) as archive:
        arrays = {name: torch.from_numpy(archive[name]) for name in archive.files}
    for case in sorted({name.split("/")[0] for name in arrays}):
        given = {
            name.partition("/")[2]: value for name, value in arrays.items() if name.startswith(f"{case}/")
        }
        text = torch.nn.functional.pad(given["text"], (0, 0, 0, 512 - len(given["text"])))
        with torch.no_grad():
            motion = network.motion_encoder(given["face"][0].transpose(0, 1))
            made = {
                "out": network(
                    hidden_states=torch.cat([given["latents"], given["y"]])[None],
                    timestep=given["timestep"],
                    encoder_hidden_states=text[None],
                    encoder_hidden_states_image=given["clip_fea"],
                    pose_hidden_states=given["pose_latents"],
                    face_pixel_values=given["face"],
                    return_dict=False,
                )[0][0],
                "pose_embed": network.pose_patch_embedding(given["pose_latents"]),
                "motion_vec": motion,
                "face_encoding": network.face_encoder(motion[None]),
            }
        for name, value in made.items():
            deviation = float((value - given[name]).abs().max())
            golden_deviations(f"appearance {name}", deviation)
            assert deviation < 1e-4, (case, name)
