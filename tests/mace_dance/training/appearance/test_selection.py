import pytest
import torch
from diffusers import WanAnimateTransformer3DModel

from mace_dance.appearance.convert import WAN_ANIMATE_14B
from mace_dance.appearance.lora import ADAPTER_NAME, LAYERS
from mace_dance.appearance.tiny import tiny_pipeline
from mace_dance.training.appearance.selection import select, select_aesthetic, select_kinematic
from mace_dance.training.appearance.settings import LoraSettings, training_settings
from madata.errors import WeightsError


@pytest.fixture
def network():
    return tiny_pipeline().transformer


@pytest.mark.parametrize(
    ("stage", "tensors", "numbers", "layers"),
    [("kinematic", 2, 332_800, 0), ("aesthetic", 800, 153_354_240, 400)],
)
def test_counts_at_full_size(stage, tensors, numbers, layers):
    with torch.device("meta"):
        network = WanAnimateTransformer3DModel(**WAN_ANIMATE_14B.transformer)
        selection = select(network, training_settings(stage))
    assert (len(selection.names), selection.numbers, selection.layers) == (tensors, numbers, layers)
    assert f"{numbers:,}" in selection.describe()


def test_trained_parameters_are_float32_in_a_bfloat16_network(network):
    network.to(torch.bfloat16)
    select_kinematic(network)
    assert {value.dtype for value in network.parameters() if value.requires_grad} == {torch.float32}
    select_aesthetic(network, LoraSettings(rank=2))
    assert {value.dtype for value in network.parameters() if value.requires_grad} == {torch.float32}
    assert not network.pose_patch_embedding.weight.requires_grad
    assert network.dtype == torch.bfloat16


def test_the_lora_begins_without_effect_and_leaves_the_face_adapter_alone(network):
    selection = select_aesthetic(network, LoraSettings(rank=3, alpha=6))
    assert selection.layers == 20
    assert all(name.startswith("blocks.") for name in selection.names)
    layer = network.blocks[0].attn1.to_q
    assert layer.scaling[ADAPTER_NAME] == 2
    assert not layer.lora_B[ADAPTER_NAME].weight.any()


def test_another_network_is_refused(network, monkeypatch):
    del network.pose_patch_embedding
    with pytest.raises(WeightsError, match=r"pose_patch_embedding\.weight"):
        select_kinematic(network)
    network.blocks[1].ffn = torch.nn.Identity()
    with pytest.raises(WeightsError, match="18 layers for the LoRA in 2 blocks, not 20"):
        select_aesthetic(network, LoraSettings())


def test_a_lora_on_more_than_asked_for_is_refused(network, monkeypatch):
    stray = rf"{LAYERS}|face_adapter\.0\.to_q"
    monkeypatch.setattr("mace_dance.training.appearance.selection.LAYERS", stray)
    with pytest.raises(WeightsError, match=r"42 factors instead of 40, face_adapter\.0\.to_q"):
        select_aesthetic(network, LoraSettings(rank=2))
