import copy
import json

import pytest
import torch
from safetensors.torch import save_file

from mace_dance.appearance.convert import WAN_ANIMATE_14B
from mace_dance.appearance.lora import ADAPTER_NAME, expected_layers, load_lora, read_lora
from mace_dance.appearance.tiny import tiny_pipeline
from madata.errors import ConfigError, WeightsError

RANK = 4
BACK = {
    "attn1": "self_attn",
    "attn2": "cross_attn",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "o",
    "net.0.proj": "0",
    "net.2": "2",
}


@pytest.fixture(scope="module")
def pristine():
    return tiny_pipeline().transformer


@pytest.fixture
def transformer(pristine):
    return copy.deepcopy(pristine)


@pytest.fixture(scope="module")
def factors(pristine):
    """A (rank, inputs) and B (outputs, rank) of every layer, by diffusers name."""
    rng = torch.Generator().manual_seed(0)
    shapes = {name: pristine.get_submodule(name).weight.shape for name in expected_layers(pristine)}
    return {
        name: (torch.randn(RANK, inputs, generator=rng), torch.randn(outputs, RANK, generator=rng))
        for name, (outputs, inputs) in shapes.items()
    }


def original(name):
    blocks, index, kind, layer = name.split(".", 3)
    return f"{blocks}.{index}.{BACK.get(kind, kind)}.{BACK[layer]}"


def kohya(name):
    return "lora_unet_" + name.replace(".", "_")


NAMINGS = {
    "diffsynth": (lambda n: original(n), "lora_A.default", "lora_B.default"),
    "diffsynth without name": (lambda n: original(n), "lora_A", "lora_B"),
    "diffusion_model": (lambda n: "diffusion_model." + original(n), "lora_A", "lora_B"),
    "pipe.dit": (lambda n: "pipe.dit." + original(n), "lora_A.default", "lora_B.default"),
    "dotted up and down": (lambda n: "diffusion_model." + original(n), "lora_down", "lora_up"),
    "kohya": (lambda n: kohya(original(n)), "lora_down", "lora_up"),
    "kohya on diffusers": (lambda n: kohya(n), "lora_down", "lora_up"),
    "diffusers": (lambda n: "transformer." + n, "lora_A", "lora_B"),
    "peft": (lambda n: "base_model.model." + n, "lora_A", "lora_B"),
}


def state(factors, naming="diffsynth"):
    key, down, up = NAMINGS[naming]
    tensors = {}
    for name, (a, b) in factors.items():
        tensors[f"{key(name)}.{down}.weight"], tensors[f"{key(name)}.{up}.weight"] = a, b
    return tensors


def write(path, tensors, **metadata):
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, path, metadata or None)
    return path


def effective(transformer, name):
    """The weight that a layer computes with."""
    layer = transformer.get_submodule(name)
    inputs = torch.eye(layer.weight.shape[1])
    with torch.no_grad():
        return (layer(inputs) - layer.bias).T


@pytest.mark.parametrize("naming", NAMINGS)
def test_every_naming_gives_w_plus_strength_times_b_a_in_all_layers(transformer, factors, tmp_path, naming):
    weights = {name: transformer.get_submodule(name).weight.clone() for name in factors}
    loaded = load_lora(transformer, write(tmp_path / "l.safetensors", state(factors, naming)), strength=0.5)
    assert (loaded.layers, loaded.expected, loaded.ranks, loaded.alphas) == (20, 20, (RANK,), (RANK,))
    for name, (a, b) in factors.items():
        layer = transformer.get_submodule(name)
        assert torch.equal(layer.base_layer.weight, weights[name])
        torch.testing.assert_close(layer.get_delta_weight(ADAPTER_NAME), 0.5 * (b @ a), rtol=0, atol=1e-6)
        torch.testing.assert_close(
            effective(transformer, name), weights[name] + 0.5 * (b @ a), rtol=0, atol=1e-5
        )


def test_a_fused_lora_is_in_the_weights_and_leaves_no_layers(transformer, factors, tmp_path):
    weights = {name: transformer.get_submodule(name).weight.clone() for name in factors}
    names = set(transformer.state_dict())
    loaded = load_lora(
        transformer, write(tmp_path / "l.safetensors", state(factors)), strength=1.5, fuse=True
    )
    assert loaded.fused
    assert set(transformer.state_dict()) == names
    for name, (a, b) in factors.items():
        expected = weights[name] + 1.5 * (b @ a)
        torch.testing.assert_close(transformer.get_submodule(name).weight, expected, rtol=0, atol=1e-5)


def test_ranks_and_alphas_may_differ_from_layer_to_layer(transformer, factors, tmp_path):
    own = {name: 1 + i % RANK for i, name in enumerate(factors)}
    cut = {name: (a[: own[name]], b[:, : own[name]].contiguous()) for name, (a, b) in factors.items()}
    tensors = state(cut, "kohya")
    alphas = {name: 0.5 * (1 + i) for i, name in enumerate(factors)}
    tensors |= {f"{kohya(original(name))}.alpha": torch.tensor(alpha) for name, alpha in alphas.items()}
    loaded = load_lora(transformer, write(tmp_path / "l.safetensors", tensors), strength=1.0)
    assert (loaded.ranks, loaded.naming) == ((1, 2, 3, 4), "kohya")
    for name, (a, b) in cut.items():
        delta = transformer.get_submodule(name).get_delta_weight(ADAPTER_NAME)
        torch.testing.assert_close(delta, alphas[name] / own[name] * (b @ a), rtol=1e-5, atol=1e-5)


def test_alpha_comes_from_what_diffusers_and_peft_write(transformer, factors, tmp_path):
    metadata = {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": 8, "transformer.r": RANK})}
    path = write(tmp_path / "l.safetensors", state(factors, "diffusers"), **metadata)
    assert {one.alpha for one in read_lora(path).layers.values()} == {8.0}
    path = write(tmp_path / "adapter_model.safetensors", state(factors, "peft"))
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 2, "r": RANK}))
    assert {one.alpha for one in read_lora(path).layers.values()} == {2.0}


def test_what_diffusers_saves_comes_back_the_same(transformer, pristine, factors, tmp_path):
    load_lora(transformer, write(tmp_path / "l.safetensors", state(factors)), strength=1.0)
    pipeline = tiny_pipeline()
    pipeline.transformer = transformer
    from peft import get_peft_model_state_dict

    layers = get_peft_model_state_dict(transformer, adapter_name=ADAPTER_NAME)
    pipeline.save_lora_weights(tmp_path, transformer_lora_layers=layers)
    again = copy.deepcopy(pristine)
    load_lora(again, tmp_path / "pytorch_lora_weights.safetensors", strength=1.0)
    for name in factors:
        assert torch.equal(effective(again, name), effective(transformer, name))


def test_zero_image_layers_which_diffusers_stores_are_passed_over(transformer, factors, tmp_path):
    padding = {
        f"transformer.blocks.0.attn2.add_{part}_proj.lora_{factor}.weight": torch.zeros(shape)
        for part in "kv"
        for factor, shape in (("A", (RANK, 24)), ("B", (24, RANK)))
    }
    path = write(tmp_path / "l.safetensors", state(factors, "diffusers") | padding)
    assert load_lora(transformer, path).layers == 20


def without(factors, *names):
    return {name: pair for name, pair in factors.items() if name not in names}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda f: state(without(f, "blocks.1.attn2.to_v")),
            "19 of 20 layers, first missing blocks.1.attn2.to_v",
        ),
        (
            lambda f: state(f) | {"double_blocks.0.img_attn.qkv.lora_A.weight": torch.ones(4, 24)},
            "'double_blocks.0.img_attn.qkv.lora_A.weight' is not a LoRA tensor",
        ),
        (
            lambda f: state(f) | {"face_adapter.0.to_q.lora_A.weight": torch.ones(4, 24)},
            "'face_adapter.0.to_q.lora_A.weight' is not",
        ),
        (lambda f: state(f) | {"blocks.0.self_attn.q.diff": torch.ones(4)}, "self_attn.q.diff"),
        (
            lambda f: state(f | {"blocks.2.attn1.to_q": f["blocks.0.attn1.to_q"]}),
            r"blocks\.2\.attn1\.to_q.*\(2 blocks\)",
        ),
        (
            lambda f: state(f | {"blocks.0.attn1.to_q": (torch.ones(RANK, 5120), torch.ones(5120, RANK))}),
            "5120 x 5120 layer, this transformer's is 24 x 24",
        ),
        (
            lambda f: {k: v for k, v in state(f).items() if "0.ffn.2.lora_B" not in k},
            r"blocks\.0\.ffn\.net\.2 has no lora_B",
        ),
        (
            lambda f: state(f | {"blocks.0.ffn.net.2": (torch.ones(2, 32), torch.ones(24, 3))}),
            "are not the factors",
        ),
        (lambda f: state(f) | {"blocks.0.self_attn.q.alpha": torch.tensor(0.0)}, "alpha is 0"),
        (lambda f: {}, "holds no tensors"),
    ],
    ids=["missing", "other", "face", "diff", "blocks", "shape", "half", "factors", "alpha", "empty"],
)
def test_a_lora_that_would_not_take_full_effect_is_refused_and_changes_nothing(
    transformer, factors, tmp_path, make, said
):
    before = {name: tensor.clone() for name, tensor in transformer.state_dict().items()}
    path = write(tmp_path / "l.safetensors", make(factors))
    with pytest.raises(WeightsError, match=said) as raised:
        load_lora(transformer, path)
    assert str(path) in str(raised.value)
    assert transformer.state_dict().keys() == before.keys()


def test_a_cut_off_file_is_named_with_its_size(transformer, factors, tmp_path):
    path = write(tmp_path / "l.safetensors", state(factors))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=rf"{path}: damaged .*{path.stat().st_size} bytes"):
        load_lora(transformer, path)


def test_the_strength_must_be_a_number(transformer, tmp_path):
    with pytest.raises(ConfigError, match="nan"):
        load_lora(transformer, tmp_path / "l.safetensors", strength=float("nan"))


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/mace_lora_key_map*.json")
def test_golden_released_names_map_to_400_layers(golden_file, tmp_path):
    golden = json.loads(golden_file.read_text())
    tensors = {key: torch.ones(1, 1) for key, _, _ in golden["tensors"]}
    expected = {name for _, name, _ in golden["tensors"]}
    for prefix in ("", "diffusion_model.", "pipe.dit."):
        named = {prefix + key: tensor for key, tensor in tensors.items()}
        lora = read_lora(write(tmp_path / "LoRA.safetensors", named))
        made = {f"transformer.{name}.lora_{letter}.weight" for name in lora.layers for letter in "AB"}
        assert made == expected
        assert len(lora.layers) == len(golden["tensors"]) / 2
    from diffusers import WanAnimateTransformer3DModel

    with torch.device("meta"):
        full = WanAnimateTransformer3DModel(**WAN_ANIMATE_14B.transformer)
    layers = expected_layers(full)
    assert len(layers) == 400
    lines = {key: shape for _, key, shape in golden["tensors"]}
    for name in layers:
        outputs, inputs = full.get_submodule(name).weight.shape
        assert lines[f"transformer.{name}.lora_A.weight"] == [golden["rank"], inputs]
        assert lines[f"transformer.{name}.lora_B.weight"] == [outputs, golden["rank"]]
