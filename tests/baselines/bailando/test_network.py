"""Bailando's codebooks and GPT against upstream's numbers and names, and what they promise."""

import json

import numpy as np
import pytest
import torch

from baselines.bailando.network import (
    ChoreographicMemory,
    MemoryConfig,
    MotionGpt,
    MotionGptConfig,
    choreograph,
    gpt_loss,
    memory_loss,
    root_loss,
)
from baselines.three_streams import LOWER, UPPER
from madata.errors import ConfigError
from tests.mace_dance.motion.golden import deviation, tensor, tensors, weights_of

SMALL = MotionGptConfig(
    codes=11, music_features=5, width=12, heads=3, base_layers=2, head_layers=2, context=6, dropout=0.0
)


def gpt(config=SMALL, seed=0):
    torch.manual_seed(seed)
    made = MotionGpt(config).eval()
    for value in made.parameters():
        torch.nn.init.normal_(value, std=0.3)
    return made


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/bailando_sepvqvae*.npz")
def test_golden_bailando_memory(golden_file, golden_deviations):
    stored = np.load(golden_file)
    state = tensors(np.load(weights_of(golden_file)), "sd/")
    with_root = any(name.startswith("vqvae_down.decoders_root") for name in state)
    codes, code_width = state["vqvae_up.bottleneck.level_blocks.0.k"].shape
    width = state["vqvae_up.encoders.0.level_blocks.0.model.0.0.weight"].shape[0]
    memory = ChoreographicMemory(
        MemoryConfig(codes=codes, code_width=code_width, width=width, root=with_root)
    ).eval()
    memory.load_state_dict(state)
    cases = [name.removesuffix("/in/x") for name in stored.files if name.endswith("/in/x")]
    assert cases
    for case in cases:
        poses = tensor(stored[f"{case}/in/x"])
        with torch.no_grad():
            upper, lower = memory.encode(poses)
            found = {
                "decode": memory.decode(upper, lower),
                "forward": memory(poses)[0],
                "loss": (root_loss if with_root else memory_loss)(memory, poses),
            }
        assert torch.equal(upper, tensor(stored[f"{case}/out/code_up"]))
        assert torch.equal(lower, tensor(stored[f"{case}/out/code_down"]))
        for name, value in found.items():
            golden_deviations(f"bailando {name}", deviation(value, stored[f"{case}/out/{name}"]))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/bailando_gpt*.npz")
def test_golden_bailando_gpt(golden_file, golden_deviations):
    stored = np.load(golden_file)
    state = tensors(np.load(weights_of(golden_file)), "sd/")
    codes, width = state["gpt_base.tok_emb_up.weight"].shape
    layers = {
        part: len({name.split(".")[2] for name in state if name.startswith(f"{part}.blocks.")})
        for part in ("gpt_base", "gpt_head", "critic_net")
    }
    made = MotionGpt(
        MotionGptConfig(
            codes=codes,
            width=width,
            heads=3,
            music_features=stored["in/music"].shape[-1],
            base_layers=layers["gpt_base"],
            head_layers=layers["gpt_head"],
            critic_layers=layers["critic_net"],
            context=state["gpt_base.pos_emb"].shape[1] // 3,
        )
    ).eval()
    made.load_state_dict(state)
    upper, lower, music = (tensor(stored[f"in/{name}"]) for name in ("up", "down", "music"))
    with torch.no_grad():
        logits = made(upper, lower, music)
        found = dict(zip(("logits_up", "logits_down"), logits, strict=True))
        losses = gpt_loss(logits, upper.roll(-1, 1), lower.roll(-1, 1))
        found["loss"] = losses if layers["critic_net"] else losses.mean()
        if layers["critic_net"]:
            found["critic"] = made.value(upper, lower, music)
    for name, value in found.items():
        golden_deviations(f"bailando {name}", deviation(value, stored[f"out/{name}"]))
    song, sampled = tensor(stored["in/long_music"]), ("sample_up", "sample_down")
    begin = [tensor(stored[f"out/{name}"])[:, :1] for name in sampled]
    for codes, name in zip(choreograph(made, *begin, song), sampled, strict=True):
        assert torch.equal(codes, tensor(stored[f"out/{name}"]))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/bailando_*.layout.json")
def test_golden_bailando_has_the_published_tensors(golden_file):
    layout = json.loads(golden_file.read_text())
    kind = golden_file.name.split(".")[0]
    with torch.device("meta"):
        made = {
            "bailando_sepvqvae": lambda: ChoreographicMemory(MemoryConfig(root=False)),
            "bailando_sepvqvae_root": lambda: ChoreographicMemory(MemoryConfig()),
            "bailando_gpt": lambda: MotionGpt(MotionGptConfig()),
            "bailando_gpt_ac": lambda: MotionGpt(MotionGptConfig(critic_layers=3)),
        }[kind]()
    expected = {name: each["shape"] for name, each in layout["state_dict"].items()}
    assert {name: list(value.shape) for name, value in made.state_dict().items()} == expected


def test_what_is_kept_of_the_past_changes_nothing():
    made, music = gpt(), torch.randn(2, 9, 5)
    upper, lower = torch.tensor([[1], [2]]), torch.tensor([[3], [4]])
    danced = choreograph(made, upper, lower, music)
    for step in range(9):
        window = slice(max(0, step - 4), step + 1)
        with torch.no_grad():
            up, down = made(danced[0][:, window], danced[1][:, window], music[:, window])
        assert torch.equal(up[:, -1].argmax(-1), danced[0][:, step + 1])
        assert torch.equal(down[:, -1].argmax(-1), danced[1][:, step + 1])


def test_no_stream_sees_what_comes_later():
    made, music = gpt(), torch.randn(1, 6, 5)
    upper, lower = torch.randint(11, (2, 1, 6))
    with torch.no_grad():
        before = made(upper, lower, music)
        later = music.clone()
        later[:, 4:] += 1
        after = made(upper, (lower + torch.tensor([0, 0, 0, 0, 1, 1])) % 11, later)
    for first, second in zip(before, after, strict=True):
        torch.testing.assert_close(first[:, :4], second[:, :4], rtol=1e-5, atol=1e-6)
        assert (first[:, 4:] - second[:, 4:]).abs().max() > 1e-3


def test_the_critic_trains_nothing_of_the_base():
    made = gpt(SMALL.model_copy(update={"critic_layers": 1}))
    made.value(
        torch.zeros(1, 3, dtype=int), torch.zeros(1, 3, dtype=int), torch.randn(1, 3, 5)
    ).sum().backward()
    assert made.gpt_base.tok_emb_up.weight.grad is None
    assert made.critic_net.head_up.weight.grad is not None


def test_the_velocity_of_the_root_is_not_coded():
    torch.manual_seed(0)
    memory = ChoreographicMemory(MemoryConfig(codes=16, code_width=8, width=8, depth=1)).eval()
    for half in (memory.vqvae_up, memory.vqvae_down):
        torch.nn.init.normal_(half.codebook.k)
    poses = torch.randn(1, 16, 72)
    moved = poses.clone()
    moved[..., :3] += 5
    assert all(torch.equal(*pair) for pair in zip(memory.encode(poses), memory.encode(moved), strict=True))
    memory(poses)[0].sum().backward()
    assert memory.vqvae_down.decoders_root[0].out.weight.grad.abs().sum() > 0


def test_positions_velocities_and_accelerations_weigh_what_the_settings_say():
    sizes = {"codes": 4, "code_width": 4, "width": 4, "depth": 1}
    weights = {"commit": 0.0, "velocity": 0.0, "acceleration": 0.0}
    poses = torch.randn(2, 16, 72, generator=torch.Generator().manual_seed(0))

    def loss(**changed):
        torch.manual_seed(0)
        memory = ChoreographicMemory(MemoryConfig(**sizes, **(weights | changed)))
        with torch.no_grad():
            return memory_loss(memory, poses).item(), (memory(poses, in_place=True)[0] - poses)

    alone, error = loss()
    for order, name in enumerate(("positions", "velocity", "acceleration")):
        joints = error.diff(order, dim=1).abs().mean((0, 1)).reshape(24, 3)
        expected = sum(joints[list(half)].mean().item() for half in (UPPER, LOWER)) / 2
        found = alone if name == "positions" else (loss(**{name: 2.0})[0] - alone) / 2
        assert found == pytest.approx(expected, rel=1e-4)


def test_wrong_shapes_are_refused():
    memory = ChoreographicMemory(MemoryConfig(codes=4, code_width=4, width=4, depth=1))
    with pytest.raises(ConfigError, match="multiple of 8"):
        memory.encode(torch.zeros(1, 12, 72))
    codes = torch.zeros(1, 7, dtype=int)
    with pytest.raises(ConfigError, match="N at most 6"):
        gpt()(codes, codes, torch.zeros(1, 7, 5))
    with pytest.raises(ValueError, match="multiple of heads"):
        MotionGptConfig(width=10, heads=3)
