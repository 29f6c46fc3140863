"""Whole loops of both stages, their noise and levels, and the VAE, against numbers of the authors' code."""

import json

import numpy as np
import pytest
import torch

from baselines.wan_dancer.conditions import condition_latents
from baselines.wan_dancer.sampling import StageInputs, sample_stage, start_noise
from baselines.wan_dancer.tiles import decode_tiles, encode_tiles
from mace_dance.appearance.latents import decode_video, encode_video
from mace_dance.appearance.schedules import EulerSampler
from tests.baselines.wan_dancer.golden import network_of, tensor_of


def padded(text):
    return torch.nn.functional.pad(text, (0, 0, 0, 512 - text.shape[1]))


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_sampling_*.npz")
def test_three_steps_end_where_the_release_ends(golden_file, golden_deviations):
    with np.load(golden_file) as archive, torch.no_grad():
        cfg = json.loads(str(archive["cfg"]))
        network = network_of(archive)
        noise = tensor_of(archive, "in/noise")
        np.testing.assert_array_equal(start_noise(tuple(noise.shape), cfg["seed"]), noise)
        keyframes = np.flatnonzero(archive["in/keyframe_mask"])
        inputs = StageInputs(
            padded(tensor_of(archive, "in/context")),
            padded(tensor_of(archive, "in/context_negative")),
            tensor_of(archive, "in/clip_first_frame"),
            tensor_of(archive, "in/clip_reference"),
            condition_latents(keyframes, cfg["num_frames"], tensor_of(archive, "in/y_vae")[None]),
            tensor_of(archive, "in/music_features")[None],
            float(archive["in/fps"]),
        )
        for key, windows in ((f"latents_{cfg['steps']}", 8), ("latents_one_window", 1)):
            found = sample_stage(
                network, inputs, noise, steps=cfg["steps"], shift=cfg["shift"], guidance=cfg["cfg_scale"],
                windows=windows,
            )  # fmt: skip
            golden_deviations("Wan-Dancer latents", np.abs(found.numpy() - archive[f"out/{key}"]).max())
            np.testing.assert_allclose(found, archive[f"out/{key}"], rtol=0, atol=5e-4)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_schedule*.npz")
def test_noise_levels_are_those_of_the_release(golden_file):
    with np.load(golden_file) as archive:
        for index, case in enumerate(json.loads(str(archive["cfg"]))["cases"]):
            sampler = EulerSampler(case["shift"])
            sampler.set_timesteps(case["steps"])
            np.testing.assert_allclose(sampler.sigmas[:-1], archive[f"out/sigmas_{index}"], rtol=0, atol=1e-6)
            np.testing.assert_allclose(
                sampler.timesteps, archive[f"out/timesteps_{index}"], rtol=0, atol=1e-3
            )
            rounded = sampler.timesteps.to(torch.bfloat16).float()
            np.testing.assert_array_equal(rounded, archive[f"out/timesteps_bf16_{index}"])


@pytest.mark.golden
@pytest.mark.golden_files(
    "models_appearance/wan_dancer_vae.npz", "models_appearance/wan_dancer_vae_[!t]*.npz"
)
def test_latents_are_decoded_together_and_one_by_one(golden_file, golden_deviations):
    from diffusers import AutoencoderKLWan
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    with np.load(golden_file) as archive, torch.no_grad():
        cfg = json.loads(str(archive["cfg"]))
        moments = {name: cfg[name] for name in ("latents_mean", "latents_std")}
        vae = AutoencoderKLWan(**cfg["vae"], **moments).eval()
        named = {n[3:]: torch.from_numpy(archive[n]).float() for n in archive.files if n.startswith("sd/")}
        vae.load_state_dict(convert_wan_vae_to_diffusers(named))
        latents = tensor_of(archive, "in/latents")
        found = {
            "encoded": encode_tiles(lambda video: encode_video(vae, video), tensor_of(archive, "in/video")[None])[0],
            "decoded": decode_tiles(lambda part: decode_video(vae, part), latents),
            "decoded_framewise": torch.cat(
                [decode_tiles(lambda part: decode_video(vae, part), one) for one in latents.split(1, dim=2)], dim=2
            ),
        }  # fmt: skip
        for key, values in found.items():
            golden_deviations("Wan-Dancer VAE", np.abs(values.numpy() - archive[f"out/{key}"]).max())
            np.testing.assert_allclose(values, archive[f"out/{key}"], rtol=0, atol=2e-4)
