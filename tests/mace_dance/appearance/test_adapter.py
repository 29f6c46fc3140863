import json

import pytest
import torch
from safetensors.torch import save_file

from mace_dance.appearance.adapter import BODY_ADAPTER, PREFIXES, load_adapter
from mace_dance.appearance.names import transformer_names
from mace_dance.appearance.tiny import tiny_pipeline
from madata.errors import WeightsError


@pytest.fixture
def transformer():
    return tiny_pipeline().transformer


def body(transformer, value=0.25):
    state = transformer.state_dict()
    return {name: torch.full_like(state[name], value) for name in BODY_ADAPTER}


def write(path, tensors, prefix=""):
    save_file({prefix + name: tensor for name, tensor in tensors.items()}, path)
    return path


def changed(transformer, before):
    return {
        name for name, tensor in transformer.state_dict().items() if not torch.equal(tensor, before[name])
    }


def snapshot(transformer):
    return {name: tensor.clone() for name, tensor in transformer.state_dict().items()}


@pytest.mark.parametrize("prefix", ["", *PREFIXES])
def test_only_the_body_adapter_is_taken_whatever_the_prefix(transformer, tmp_path, prefix):
    tensors = {**body(transformer), "face_encoder.conv2.conv.bias": torch.ones(16)}
    before = snapshot(transformer)
    loaded = load_adapter(transformer, write(tmp_path / "Adapter.safetensors", tensors, prefix))
    assert changed(transformer, before) == set(BODY_ADAPTER) == set(loaded.loaded)
    assert loaded.ignored == (prefix + "face_encoder.conv2.conv.bias",)
    assert (transformer.pose_patch_embedding.bias == 0.25).all()


def original_face_modules(transformer):
    """Tensors of the face modules under their original names, all 0.5."""
    state = transformer.state_dict()
    shapes = {
        "motion_encoder.dec.direction.weight": "motion_encoder.motion_synthesis_weight",
        "motion_encoder.enc.net_app.convs.0.0.weight": "motion_encoder.conv_in.weight",
        "motion_encoder.enc.net_app.convs.8.weight": "motion_encoder.conv_out.weight",
        "face_encoder.padding_tokens": "face_encoder.padding_tokens",
    }
    for i in range(5):
        for kind in ("weight", "bias"):
            shapes[f"motion_encoder.enc.fc.{i}.{kind}"] = f"motion_encoder.motion_network.{i}.{kind}"
    for name in ("conv1_local", "conv2", "conv3"):
        for kind in ("weight", "bias"):
            shapes[f"face_encoder.{name}.conv.{kind}"] = f"face_encoder.{name}.{kind}"
    for kind in ("weight", "bias"):
        shapes[f"face_encoder.out_proj.{kind}"] = f"face_encoder.out_proj.{kind}"
    tensors = {name: state[target] for name, target in shapes.items()}
    tensors["motion_encoder.enc.net_app.convs.0.1.bias"] = state[
        "motion_encoder.conv_in.act_fn.bias"
    ].reshape(1, -1, 1, 1)
    for i in range(len(transformer.motion_encoder.res_blocks)):
        old, new = f"motion_encoder.enc.net_app.convs.{i + 1}", f"motion_encoder.res_blocks.{i}"
        tensors[f"{old}.conv1.0.weight"] = state[f"{new}.conv1.weight"]
        tensors[f"{old}.conv1.1.bias"] = state[f"{new}.conv1.act_fn.bias"].reshape(1, -1, 1, 1)
        tensors[f"{old}.conv2.1.weight"] = state[f"{new}.conv2.weight"]
        tensors[f"{old}.conv2.2.bias"] = state[f"{new}.conv2.act_fn.bias"].reshape(1, -1, 1, 1)
        tensors[f"{old}.skip.1.weight"] = state[f"{new}.conv_skip.weight"]
        tensors[f"{old}.skip.0.kernel"] = torch.ones(4, 4)
    for i in range(len(transformer.face_adapter)):
        old, new = f"face_adapter.fuser_blocks.{i}", f"face_adapter.{i}"
        for kind in ("weight", "bias"):
            tensors[f"{old}.linear1_q.{kind}"] = state[f"{new}.to_q.{kind}"]
            tensors[f"{old}.linear2.{kind}"] = state[f"{new}.to_out.{kind}"]
            halves = [state[f"{new}.to_{part}.{kind}"] for part in "kv"]
            tensors[f"{old}.linear1_kv.{kind}"] = torch.cat(halves)
        for part in "qk":
            tensors[f"{old}.{part}_norm.weight"] = state[f"{new}.norm_{part}.weight"]
    return {name: torch.full_like(tensor, 0.5) for name, tensor in tensors.items()}


def test_the_whole_adapter_replaces_every_face_module(transformer, tmp_path):
    tensors = {**body(transformer), **original_face_modules(transformer)}
    before = snapshot(transformer)
    loaded = load_adapter(transformer, write(tmp_path / "Adapter.safetensors", tensors), whole=True)
    modules = ("pose_patch_embedding", "face_adapter", "face_encoder", "motion_encoder")
    assert changed(transformer, before) == {name for name in before if name.startswith(modules)}
    assert loaded.ignored == ()


@pytest.mark.parametrize(
    ("change", "whole", "said"),
    [
        (
            lambda t: t.pop("pose_patch_embedding.bias"),
            False,
            "pose_patch_embedding.bias and 0 more are missing",
        ),
        (
            lambda t: t.update({"blocks.0.modulation": torch.ones(1)}),
            False,
            "'blocks.0.modulation' is not a tensor",
        ),
        (
            lambda t: t.update({"pose_patch_embedding.bias": torch.ones(5120)}),
            False,
            r"is \(5120,\).*another model",
        ),
        (lambda t: t.update({"face_encoder.conv2.bias": torch.ones(16)}), True, "face_encoder.conv2.bias"),
        (lambda t: None, True, "more are missing"),
        (lambda t: t.update({"animate_adapter.pose_patch_embedding.bias": torch.ones(24)}), False, "twice"),
    ],
    ids=["missing", "extra", "shape", "unknown", "not whole", "twice"],
)
def test_a_wrong_adapter_changes_nothing(transformer, tmp_path, change, whole, said):
    tensors = body(transformer)
    change(tensors)
    before = snapshot(transformer)
    path = write(tmp_path / "Adapter.safetensors", tensors)
    with pytest.raises(WeightsError, match=said) as raised:
        load_adapter(transformer, path, whole=whole)
    assert str(path) in str(raised.value)
    assert not changed(transformer, before)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/mace_adapter_keys*.json")
def test_golden_adapter_keys_are_those_of_the_converter(golden_file):
    golden = json.loads(golden_file.read_text())
    assert set(golden["body_adapter_keys"]) == set(BODY_ADAPTER)
    assert set(golden["accepted_prefixes"]) == {*PREFIXES, ""}
    for key in golden["all_animate_adapter_keys"]:
        assert all(name.partition(".")[0] == key.partition(".")[0] for name in transformer_names(key))
