"""Animate-Anyone's networks against the numbers of the release; the layouts at full size."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights

from baselines.animate_anyone.network import PUBLISHED, animate_anyone_networks
from baselines.sd15.driver import denoised
from baselines.sd15.network import (
    SD15,
    ConditionGuider,
    authors_tensors,
    diffusers_name,
    fold,
    picture_unet,
    predict,
    unet_sizes,
    unfold,
    video_unet,
)
from baselines.sd15.reference import look_back, watch
from baselines.sd15.schedule import ZERO_SNR, ddim_sampler
from baselines.sd15.settings import PaintingSettings
from baselines.sd15.tiny import TINY
from madata.errors import WeightsError
from tests.baselines.sd15_golden import Compared, layout, shapes_of_case, tiny_tensors

SOURCE = Path("tiny")


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/animate_anyone_tiny*.npz")
@torch.no_grad()
def test_networks_and_sampling_are_the_releases(golden_file, golden_companion, golden_deviations):
    shapes = shapes_of_case(golden_file, golden_companion)
    tensors = {
        name: tiny_tensors(shapes, name) for name in ("denoising_unet", "reference_unet", "pose_guider")
    }
    unet, reference, guider, _ = animate_anyone_networks(*tensors.values(), SOURCE, torch.float32)
    same = Compared(golden_file, golden_deviations)
    latents, token = same["lat"], same["clip"]

    guide = unfold(guider(fold(same["pose"])), 1)
    same("Animate-Anyone pose guider", guide, "pose_guider_out")
    plain = predict(unet, latents, torch.tensor(321), token, guide=guide)
    same("Animate-Anyone denoiser", plain, "unet3d_plain")
    same("Animate-Anyone denoiser", predict(unet, latents, torch.tensor(7), token), "unet3d_nopose")

    both = torch.cat([torch.zeros_like(token), token])
    features = watch(reference)
    seen = reference(same["ref_lat"].expand(2, -1, -1, -1), torch.tensor(0), encoder_hidden_states=both)
    same("Animate-Anyone reference network", seen.sample, "reference_unet_out")
    banks = [name for name in same.arrays if name.startswith("bank::")]
    assert len(banks) == len(features.seen)
    for name in banks:
        same("Animate-Anyone reference features", features.seen[name.removeprefix("bank::")], name)

    look_back(unet, features)
    features.seen = {name: value[1:] for name, value in features.seen.items()}

    def ask(noisy, time, frames):
        halves = (part.expand(2, -1, -1, -1, -1) for part in (noisy, guide[:, :, list(frames)]))
        return predict(unet, next(halves), time, both, guide=next(halves))

    found = ask(latents, torch.tensor(500), range(latents.shape[2]))
    same("Animate-Anyone denoiser", found, "unet3d_reference_cfg")

    first, second = same["context_windows"][:2, 0].tolist()
    size = same["context_windows"].shape[1]
    overlap = size - (second - first)
    settings = PaintingSettings(steps=3, guidance=3.5, window=size, overlap=overlap, closed_loop=True)
    assert ddim_sampler(ZERO_SNR, 3).timesteps.tolist() == same["ddim_timesteps"].tolist()
    assert settings.windows(latents.shape[2]) == same["context_windows"].tolist()
    *_, last = denoised(
        ZERO_SNR, settings, lambda time: lambda noisy, frames: ask(noisy, time, frames), latents
    )
    same("Animate-Anyone sampled latents", last, "sampled_latents", 1e-4)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/animate_anyone_moore_state_dicts.json")
def test_the_published_layout_is_ours(golden_file):
    networks = json.loads(golden_file.read_text("utf-8"))["networks"]
    with init_empty_weights(include_buffers=False):
        built = {
            "denoising_unet": video_unet(PUBLISHED),
            "reference_unet": picture_unet(SD15),
            "pose_guider": ConditionGuider((16, 32, 96, 256), 320),
        }
    for name, network in built.items():
        assert layout(network, authors_tensors) == networks[name]
    shapes = {name: tuple(shape) for name, shape in networks["denoising_unet"].items()}
    assert unet_sizes(shapes, SOURCE) == PUBLISHED


def test_a_tensor_more_or_less_is_refused(golden_companion):
    shapes = json.loads(
        golden_companion("models_appearance/animate_anyone_tiny_shapes.json").read_text("utf-8")
    )
    whole = [tiny_tensors(shapes, name) for name in ("denoising_unet", "reference_unet", "pose_guider")]
    lacking = {name: value for name, value in whole[2].items() if name != "conv_out.bias"}
    with pytest.raises(WeightsError, match=r"1 tensors of ConditionGuider are missing, first conv_out.bias"):
        animate_anyone_networks(whole[0], whole[1], lacking, SOURCE, torch.float32)
    with pytest.raises(WeightsError, match=r"conv_out.weight is not a tensor of UNet2DConditionModel"):
        animate_anyone_networks(
            whole[0], {**whole[1], "conv_out.weight": torch.zeros(1)}, whole[2], SOURCE, torch.float32
        )
    with pytest.raises(WeightsError, match="tiny: not the tensors of a UNet"):
        animate_anyone_networks(whole[2], whole[1], whole[2], SOURCE, torch.float32)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/animate_anyone_tiny*.npz")
@torch.no_grad()
def test_a_motion_module_normalises_every_frame_by_itself(golden_file, golden_companion, golden_deviations):
    """diffusers takes all frames together, which changes the clip's output by 0.34."""
    shapes = shapes_of_case(golden_file, golden_companion)
    place = "down_blocks.0.motion_modules.0"
    module = video_unet(replace(TINY, motion_frames=32)).get_submodule(place)
    named = {
        diffusers_name(f"{place}.{name}"): value
        for name, value in tiny_tensors(shapes, "motion_module").items()
    }
    tensors = {name.removeprefix(f"{place}."): value for name, value in named.items() if name is not None}
    assert not module.load_state_dict(tensors, strict=False).unexpected_keys
    same = Compared(golden_file, golden_deviations)
    clip = same["motion_module_x"]
    found = unfold(module(fold(clip), num_frames=clip.shape[2]), len(clip))
    same("Animate-Anyone motion module", found, "motion_module_out")
