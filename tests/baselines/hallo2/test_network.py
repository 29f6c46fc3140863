"""Hallo2's networks against the numbers of the release; the layouts at full size."""

import json
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights

from baselines.hallo2.audio_modules import Cues
from baselines.hallo2.network import (
    PARTS,
    PUBLISHED,
    AudioProjection,
    ImageProjection,
    audio_unet,
    hallo2_networks,
    look,
    split_parts,
)
from baselines.sd15.network import (
    SD15,
    ConditionGuider,
    authors_tensors,
    picture_unet,
    predict,
    unet_sizes,
)
from baselines.sd15.reference import look_back, watch
from baselines.sd15.schedule import ZERO_SNR, ddim_sampler
from madata.errors import WeightsError
from tests.baselines.sd15_golden import Compared, layout, shapes_of_case, tiny_tensors

SOURCE = Path("tiny")


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/hallo2_tiny*.npz")
@torch.no_grad()
def test_networks_and_sampling_are_the_releases(golden_file, golden_companion, golden_deviations):
    shapes = shapes_of_case(golden_file, golden_companion)
    networks = hallo2_networks({part: tiny_tensors(shapes, part) for part in PARTS}, SOURCE, torch.float32)
    same = Compared(golden_file, golden_deviations)
    latents, cues = same["lat"], networks.cues
    frames = latents.shape[2]

    face = same["face_emb"]
    tokens = networks.image(torch.cat([torch.zeros_like(face), face]))
    same("Hallo2 image projection", tokens, "imageproj_out")
    sound = networks.audio(same["audio"])
    same("Hallo2 audio projection", sound, "audioproj_out")
    region = same["region"].repeat_interleave(8, -1).repeat_interleave(8, -2)
    located = networks.locator(region)
    same("Hallo2 face locator", located[:, :, None], "face_locator_out")

    features = watch(networks.reference)
    back = look(networks, features, same["ref_lat"], tokens)
    banks = [name for name in same.arrays if name.startswith("bank::")]
    for name in banks:
        same("Hallo2 reference features", features.seen[name.removeprefix("bank::")], name)
    look_back(networks.denoiser, back)

    cues.sound = torch.cat([torch.zeros_like(sound), sound]).flatten(0, 1)
    for level in range(len(networks.sizes.channels)):
        three = tuple(same[f"mask_{kind}_{level}"].repeat(2, 1) for kind in ("full", "face", "lip"))
        cues.masks[three[0].shape[1]] = three
    guide = torch.cat([torch.zeros_like(located), located])[:, :, None].expand(-1, -1, frames, -1, -1)

    def ask(noisy, time):
        return predict(networks.denoiser, noisy.expand(2, -1, -1, -1, -1), time, tokens, guide=guide)

    for scale, name in (((1.0, 1.0, 1.0), "scale111"), ((0.5, 1.25, 2.0), "scale_mixed")):
        cues.scale = scale
        same("Hallo2 denoiser", ask(latents, torch.tensor(500)), f"unet_cfg_{name}")

    cues.scale = (1.0, 1.0, 1.0)
    sampler = ddim_sampler(ZERO_SNR, 3)
    for time in sampler.timesteps:
        without, along = ask(latents, time).chunk(2)
        guided = without + 3.5 * (along - without)
        latents = sampler.step(guided, time, latents).prev_sample
    same("Hallo2 sampled latents", latents, "sampled_latents", 2e-4)

    # what a network in eval mode would give, which upstream's never is
    assert (ask(same["lat"], torch.tensor(500)) - same["unet_cfg_EVALMODE"]).abs().max() > 1


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/hallo2_state_dicts.json")
def test_the_published_layout_is_ours(golden_file):
    networks = json.loads(golden_file.read_text("utf-8"))["networks"]
    shapes = {name: tuple(shape) for name, shape in networks["denoising_unet"].items()}
    assert unet_sizes(shapes, SOURCE) == PUBLISHED
    with init_empty_weights(include_buffers=False):
        built = {
            "denoising_unet": audio_unet(PUBLISHED, shapes, Cues()),
            "reference_unet": picture_unet(SD15),
            "face_locator": ConditionGuider((16, 32, 64, 128), 320),
            "imageproj": ImageProjection(512, 4, 768),
            "audioproj": AudioProjection(5 * 12 * 768, 512, 32, 768),
        }
    for name, network in built.items():
        assert layout(network, authors_tensors) == networks[name]


def test_tensors_of_no_network_are_refused():
    with pytest.raises(WeightsError, match=r"vocoder.weight belongs to none of denoising_unet"):
        split_parts({"vocoder.weight": torch.zeros(1)}, SOURCE)
    assert split_parts({"module.imageproj.norm.bias": torch.zeros(1)}, SOURCE)["imageproj"].keys() == {
        "norm.bias"
    }
