"""The network against numbers of the authors' code: one call, its parts, the published layout."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from baselines.wan_dancer.names import (
    check_layout,
    dancer_name,
    empty_network,
    load_stage_network,
    published_shapes,
)
from baselines.wan_dancer.network import SKIPPED_BLOCK, time_positions
from madata.errors import WeightsError
from tests.baselines.wan_dancer.golden import network_of, tensor_of


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_forward_*.npz")
def test_a_call_gives_the_velocity_of_the_authors(golden_file, golden_deviations):
    with np.load(golden_file) as archive, torch.no_grad():
        network = network_of(archive)
        first_block = []
        network.blocks[0].register_forward_hook(lambda module, inputs, output: first_block.append(output))

        def call(prompt, windows, skip=None):
            text = tensor_of(archive, f"in/{prompt}")
            return network(
                tensor_of(archive, "in/latents", "in/y"),
                torch.tensor([float(archive["in/timestep"])]),
                torch.nn.functional.pad(text, (0, 0, 0, 512 - text.shape[1])),
                tensor_of(archive, "in/clip_first_frame"),
                tensor_of(archive, "in/clip_reference"),
                tensor_of(archive, "in/music_features")[None],
                float(archive["in/fps"]),
                windows,
                skip,
            ).numpy()

        for suffix, windows in (("", 8), ("_one_window", 1)):
            for key, prompt, skip in (
                ("velocity", "context", None),
                ("velocity_negative", "context_negative", SKIPPED_BLOCK),
            ):
                found = call(prompt, windows, skip)
                expected = archive[f"out/{key}{suffix}"]
                golden_deviations("Wan-Dancer velocity", np.abs(found - expected).max())
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        np.testing.assert_allclose(first_block[0], archive["out/after_block_0"], rtol=0, atol=1e-4)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_music_encoder_*.npz")
def test_music_is_heard_in_windows_as_by_so_many_processes(golden_file, golden_deviations):
    with np.load(golden_file) as archive, torch.no_grad():
        network = network_of(archive)
        features = tensor_of(archive, "in/features")[None]
        frames = json.loads(str(archive["cfg"]))["latent_frames"]
        for windows in sorted(
            int(key.split("_")[1]) for key in archive.files if key.startswith("out/merged")
        ):
            heard = network.hear(features, windows)
            golden_deviations("Wan-Dancer music", np.abs(heard[0] - archive[f"out/encoded_{windows}"]).max())
            np.testing.assert_allclose(heard[0], archive[f"out/encoded_{windows}"], rtol=0, atol=1e-5)
            # The release rounds its angles to bfloat16: hardly wrong in windows, by 1.4 % in one long one.
            rounded = archive[f"out/encoded_{windows}_bf16"]
            assert (heard[0] - rounded).square().mean().sqrt() < 0.02 * np.sqrt((rounded**2).mean())
            rows = network.music_rows(features, windows, frames)
            np.testing.assert_allclose(rows, archive[f"out/merged_{windows}"], rtol=0, atol=1e-5)
            # W windows are W parts, each heard alone
            part = features.shape[1] // windows
            alone = [network.hear(features[:, i * part : (i + 1) * part], 1) for i in range(windows)]
            torch.testing.assert_close(heard, torch.cat(alone, dim=1), rtol=0, atol=1e-5)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_injector*.npz")
def test_each_run_of_tokens_gets_its_row_of_music(golden_file, golden_deviations):
    with np.load(golden_file) as archive, torch.no_grad():
        network = network_of(archive)
        hidden, rows = tensor_of(archive, "in/hidden"), tensor_of(archive, "in/merged")
        for injector, block in zip(network.music_injector, network.config.inject_after, strict=True):
            found = hidden + injector(rows, hidden.shape[1])
            golden_deviations(
                "Wan-Dancer injectors", np.abs(found.numpy() - archive[f"out/hidden_{block}"]).max()
            )
            np.testing.assert_allclose(found, archive[f"out/hidden_{block}"], rtol=0, atol=1e-5)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_rope*.npz")
def test_positions_are_times_of_the_song(golden_file):
    with np.load(golden_file) as archive:
        cfg = json.loads(str(archive["cfg"]))
        full = empty_network({"num_layers": 1, "ffn_dim": 8, "num_attention_heads": 1, "inject_after": (0,)})
        for index, case in enumerate(cfg["cases"]):
            cos, sin = full.rotary(case["frames"], 1, 1, case["fps"])
            times = archive[f"out/cos_{index}"].shape[1]
            np.testing.assert_allclose(
                cos[0, :, 0, 0 : 2 * times : 2], archive[f"out/cos_{index}"], rtol=0, atol=1e-6
            )
            np.testing.assert_allclose(
                sin[0, :, 0, 1 : 2 * times : 2], archive[f"out/sin_{index}"], rtol=0, atol=1e-6
            )
            assert time_positions(case["frames"], case["fps"])[-1] == case["frames"] * case["k"] - 1
        with pytest.raises(ValueError, match="beyond the 2794"):
            full.rotary(38, 1, 1, round(30 / 74, 4))
        small = empty_network(
            {"num_layers": 1, "ffn_dim": 8, "num_attention_heads": 1, "inject_after": (0,)}
            | {"attention_head_dim": cfg["head_dim"]}
        )
        for stage, fps in (("global", cfg["global_fps"]), ("local", 30.0)):
            cos, sin = small.rotary(*cfg["grid"], fps)
            np.testing.assert_allclose(cos[0, :, 0, 0::2], archive[f"out/{stage}_cos"], rtol=0, atol=1e-6)
            np.testing.assert_allclose(sin[0, :, 0, 1::2], archive[f"out/{stage}_sin"], rtol=0, atol=1e-6)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_layout*.json")
def test_the_published_layout_is_that_of_the_published_file(golden_file):
    golden = json.loads(golden_file.read_text("utf-8"))
    network = empty_network()
    shapes = published_shapes(network)
    assert shapes == {name: tuple(shape) for name, shape, *_ in golden["state_dict"]}
    rows = [f"{name}:{'_'.join(map(str, shape))}" for name, shape in shapes.items()]
    digest = hashlib.md5(",".join(sorted([*rows, *shapes])).encode()).hexdigest()
    assert digest == golden["key_hash"]["md5"]
    targets = {name: dancer_name(name) for name in shapes}
    # An injector is called by its number here, by its block in the golden file.
    told = {name: ours for name, _, ours, _ in golden["state_dict"]}
    assert {n: t for n, t in targets.items() if "injector" not in n} == {
        n: t for n, t in told.items() if "injector" not in n
    }
    assert {n for n, t in targets.items() if t} == {n for n, t in told.items() if t}
    assert {name for name, _ in network.named_parameters()} == {name for name in targets.values() if name}


SMALL = {
    "num_layers": 1, "ffn_dim": 8, "num_attention_heads": 1, "attention_head_dim": 12, "text_dim": 6, "image_dim": 4,
    "freq_dim": 8, "music_dim": 8, "music_ffn_dim": 8, "inject_after": (0,), "rope_max_seq_len": 64,
}  # fmt: skip


def published_tensors():
    return {name: torch.full(shape, 0.5) for name, shape in published_shapes(empty_network(SMALL)).items()}


def test_a_file_loads_strictly_with_or_without_the_buffers_of_the_release(tmp_path):
    tensors = published_tensors() | {f"music_encoder.{i}.rotary.freqs": torch.zeros(4) for i in (0, 1)}
    save_file(tensors, tmp_path / "model.safetensors")
    network = load_stage_network(tmp_path / "model.safetensors", torch.bfloat16, SMALL)
    assert network.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert network.music_encoder[0].linear1.weight.dtype == torch.float32
    assert all(bool((value == 0.5).all()) for value in network.parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("head_global.head.bias"), "lacks head_global.head.bias"),
        (lambda t: t.update({"face_adapter.x": torch.zeros(1)}), "has a surplus face_adapter.x"),
        (lambda t: t.update({"blocks.0.ffn.0.scale_weight": torch.zeros(1)}), "take the published file"),
        (lambda t: t.update({"ref_conv.bias": torch.zeros(3)}), "ref_conv.bias is (3,)"),
    ],
)
def test_another_file_is_refused_by_its_header(tmp_path, change, words):
    tensors = published_tensors()
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError) as caught:
        check_layout(tmp_path / "model.safetensors", empty_network(SMALL))
    assert words in str(caught.value)


def test_music_shorter_than_its_windows_is_refused():
    with pytest.raises(ValueError, match="7 rows of music"):
        empty_network(SMALL).hear(torch.zeros(1, 7, 35), 8)
