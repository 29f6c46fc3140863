"""Magic-Animate's networks against the numbers of the release; the layouts at full size."""

import json
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights

from baselines.magic_animate.network import (
    ENCODER,
    PUBLISHED,
    appearance_encoder,
    densepose_controlnet,
    magic_animate_networks,
    watch_encoder,
)
from baselines.sd15.driver import denoised
from baselines.sd15.network import SD15, authors_tensors, fold, predict, unet_sizes, video_unet
from baselines.sd15.reference import look_back
from baselines.sd15.schedule import EPSILON, ddim_sampler
from baselines.sd15.settings import PaintingSettings
from tests.baselines.sd15_golden import Compared, layout, shapes_of_case, tiny_tensors

SOURCE = Path("tiny")
PARTS = ("unet", "appearance_encoder", "densepose_controlnet")


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/magic_animate_tiny*.npz")
@torch.no_grad()
def test_networks_and_sampling_are_the_releases(golden_file, golden_companion, golden_deviations):
    shapes = shapes_of_case(golden_file, golden_companion)
    unet, encoder, controlnet, _ = magic_animate_networks(
        *(tiny_tensors(shapes, name) for name in PARTS), SOURCE, torch.float32
    )
    same = Compared(golden_file, golden_deviations)
    latents, text = same["lat"], same["text"]
    frames = latents.shape[2]
    plain = predict(unet, latents, torch.tensor(321), text[1:])
    same("Magic-Animate denoiser", plain, "unet3d_plain")

    condition = same["cond_u8"].float().repeat_interleave(8, -1).repeat_interleave(8, -2) / 255

    def control(noisy, time, shown):
        along = text[1:].expand(len(shown), -1, -1)
        return controlnet(
            fold(noisy),
            time,
            encoder_hidden_states=along,
            controlnet_cond=condition[shown],
            return_dict=False,
        )

    whole = list(range(frames))
    down, middle = control(latents, torch.tensor(500), whole)
    residuals = {"mid": middle, **{f"down{number}": each for number, each in enumerate(down)}}
    for name in (name for name in same.arrays if name.startswith("controlnet_")):
        same("Magic-Animate ControlNet", residuals[name.removeprefix("controlnet_")], name)

    features = watch_encoder(encoder)
    look_back(unet, features)

    def look(time):
        encoder(same["ref_lat"].expand(2, -1, -1, -1), time, encoder_hidden_states=text)

    look(torch.tensor(500))
    banks = [name for name in same.arrays if name.startswith("bank::")]
    assert len(banks) == len(features.seen)
    for name in banks:
        same("Magic-Animate reference features", features.seen[name.removeprefix("bank::")], name)

    def ask(noisy, time, shown):
        features.seen = {name: value[-1:] for name, value in features.seen.items()}
        down, middle = control(noisy, time, shown)
        residuals = (tuple(each.repeat(2, 1, 1, 1) for each in down), middle.repeat(2, 1, 1, 1))
        return predict(unet, noisy.expand(2, -1, -1, -1, -1), time, text, residuals=residuals)

    same("Magic-Animate denoiser", ask(latents, torch.tensor(500), whole), "unet3d_full_cfg")

    def predict_at(time):
        look(time)
        return lambda noisy, shown: ask(noisy, time, list(shown))

    settings = PaintingSettings(steps=3, guidance=7.5, window=16, overlap=4, closed_loop=True)
    assert ddim_sampler(EPSILON, 3).timesteps.tolist() == same["ddim_timesteps"].tolist()
    *_, last = denoised(EPSILON, settings, predict_at, latents)
    same("Magic-Animate sampled latents", last, "sampled_latents", 5e-4)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/magic_animate_state_dicts.json")
def test_the_published_layout_is_ours(golden_file):
    networks = json.loads(golden_file.read_text("utf-8"))["networks"]
    with init_empty_weights(include_buffers=False):
        built = {
            "unet": video_unet(PUBLISHED, joint=True),
            "appearance_encoder": appearance_encoder(ENCODER),
            "densepose_controlnet": densepose_controlnet(SD15, (16, 32, 96, 256)),
        }
    for name, network in built.items():
        assert layout(network, authors_tensors) == networks[name]
    shapes = {name: tuple(shape) for name, shape in networks["unet"].items()}
    assert unet_sizes(shapes, SOURCE) == PUBLISHED
