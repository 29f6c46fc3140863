"""PSNR, SSIM, LPIPS, I3D and the Frechet distance against the published scripts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from evaluation.definitions import PAIR_PROTOCOLS, FvdRule
from evaluation.features.video.frames import chunked, planar
from evaluation.features.video.logits import fvd_input
from evaluation.features.video.networks.i3d import I3d
from evaluation.features.video.networks.lpips import Lpips, find_heads, load_lpips
from evaluation.features.video.pairs import PairQuality, score_pair
from evaluation.features.video.psnr import psnr_db
from evaluation.features.video.ssim import ssim
from evaluation.metrics.distances import frechet_distance
from tests.evaluation.features.video.clips import load_case, load_pair
from tests.evaluation.features.video.formula import check_recipe, formula_state, normal, recipe

pytestmark = pytest.mark.golden

DECIBEL = 1e-4
SIMILARITY = 1e-6
PERCEPTUAL = 1e-5
LOGIT = 1e-3
RELATIVE = 1e-6


@pytest.fixture(scope="session")
def backbones(tmp_path_factory, golden_companion):
    """Formula backbones saved as torchvision's files are, with a classifier to be ignored."""
    recipes = golden_companion("appearance/formula_weights.json")
    folder = tmp_path_factory.mktemp("backbones")
    for net, tag in (("alex", "alexnet"), ("vgg", "vgg16")):
        state = {"classifier.1.weight": torch.zeros(2, 2)}
        for name, tensor in Lpips(net).features.state_dict().items():
            full = f"features.{name}"
            scale = math.sqrt(2 / math.prod(tensor.shape[1:])) if tensor.ndim > 1 else 0.05
            state[full] = torch.from_numpy(
                (normal(tag, full, tuple(tensor.shape)) * scale).astype(np.float32)
            )
        for name, example in recipe(recipes, tag)["examples"].items():
            np.testing.assert_allclose(state[name].flatten()[:4], example["first4"], rtol=1e-6)
        torch.save(state, folder / f"{net}.pth")
    return folder


def lpips_network(backbones, net, spatial=False):
    return load_lpips(backbones / f"{net}.pth", net, heads=find_heads(net), spatial=spatial)


@pytest.mark.golden_files("appearance/fullref*.json")
def test_psnr_and_ssim(golden_file, golden_companion, golden_deviations):
    for pair, row in json.loads(golden_file.read_text())["pairs"].items():
        reference, generated = load_pair(pair, golden_companion)
        for name, protocol in PAIR_PROTOCOLS.items():
            decibels = [psnr_db(a, b, protocol.same_below) for a, b in zip(reference, generated, strict=True)]
            similar = [ssim(a, b, protocol.ssim) for a, b in zip(reference, generated, strict=True)]
            for values, metric, tolerance in ((decibels, "psnr", DECIBEL), (similar, "ssim", SIMILARITY)):
                expected = row[f"{name}_{metric}_frames"]
                golden_deviations(f"{name} {metric}", np.abs(np.subtract(values, expected)).max())
                np.testing.assert_allclose(values, expected, atol=tolerance, rtol=0, err_msg=f"{pair} {name}")
                assert np.mean(values) == pytest.approx(row[f"{name}_{metric}"], abs=tolerance)


@pytest.mark.slow
@pytest.mark.golden_files("appearance/fullref*.json")
def test_lpips_and_whole_pairs(golden_file, golden_companion, golden_deviations, backbones, compared_cases):
    plain = {net: lpips_network(backbones, net) for net in ("alex", "vgg")}
    spatial = lpips_network(backbones, "alex", spatial=True)
    networks = {"disco": plain["vgg"], "cmvq": spatial}
    columns = {"disco": "disco_lpips_vgg_formula_01range", "cmvq": "cmvq_lpips_alex_formula_spatial"}
    pairs = json.loads(golden_file.read_text())["pairs"]
    for pair in compared_cases(pairs):
        row = pairs[pair]
        reference, generated = load_pair(pair, golden_companion)
        for net, network in plain.items():
            with torch.inference_mode():
                true, made = (planar(frames) / 127.5 - 1 for frames in (reference, generated))
                distances = network(made, true).numpy()
            expected = row[f"lpips_{net}_formula_frames"]
            golden_deviations(f"lpips {net}", np.abs(distances - expected).max())
            np.testing.assert_allclose(distances, expected, atol=PERCEPTUAL, rtol=0, err_msg=pair)
        for name, protocol in PAIR_PROTOCOLS.items():
            quality = PairQuality(protocol, networks[name])
            scores = score_pair(chunked(iter(reference), 4), chunked(iter(generated), 4), quality)
            golden_deviations(f"{name} lpips", abs(scores["lpips"].value - row[columns[name]]))
            assert scores["lpips"].value == pytest.approx(row[columns[name]], abs=PERCEPTUAL), pair
            assert scores["psnr"].value == pytest.approx(row[f"{name}_psnr"], abs=DECIBEL)
            assert scores["ssim"].value == pytest.approx(row[f"{name}_ssim"], abs=SIMILARITY)


RULES = {
    "logits_disco": ("pre_disco", PAIR_PROTOCOLS["disco"].fvd),
    "logits_videogpt": ("pre_videogpt", PAIR_PROTOCOLS["cmvq"].fvd),
    "logits_styleganv_pre_eps1e-3net": (
        "pre_styleganv",
        FvdRule("crop_bilinear", byte_cut=False, epsilon=1e-3),
    ),
    "logits_cdfvd": ("pre_cdfvd", FvdRule("squash_bilinear", byte_cut=False, epsilon=1e-5)),
    "logits_disco_pre_eps1e-5net": ("pre_disco", FvdRule("squash_bicubic", byte_cut=False, epsilon=1e-5)),
}


@pytest.mark.slow
@pytest.mark.golden_files("appearance/formula_i3d*.npz")
def test_i3d_logits(golden_file, golden_companion, golden_deviations, compared_cases):
    row = recipe(golden_companion("appearance/formula_weights.json"), "i3d")
    networks = {epsilon: I3d(epsilon).eval() for epsilon in (1e-3, 1e-5)}
    state = formula_state(networks[1e-3], row)
    check_recipe(state, row)
    for network in networks.values():
        network.load_state_dict(state, strict=False)
    with np.load(golden_file) as archive:
        expected = {name: archive[name] for name in archive.files}
    for case in compared_cases({name.split("/")[0] for name in expected}):
        frames = load_case(case, golden_companion)
        for column, (kind, rule) in RULES.items():
            if f"{case}/{column}" not in expected:
                continue
            shown = fvd_input(frames, rule)
            sample = expected[f"{case}/{kind}_sample"]
            golden_deviations(f"i3d {kind}", np.abs(shown[:, ::5, ::32, ::32].numpy() - sample).max())
            np.testing.assert_allclose(shown[:, ::5, ::32, ::32], sample, atol=2e-5)
            assert tuple(expected[f"{case}/{kind}_shape"][-4:]) == tuple(shown.shape)
            sums = [float(shown.double().sum()), float(shown.double().abs().sum())]
            np.testing.assert_allclose(sums, expected[f"{case}/{kind}_sum"], rtol=1e-4)
            with torch.inference_mode():
                logits = networks[rule.epsilon](shown[None])[0].numpy()
            golden_deviations(f"i3d {column}", np.abs(logits - expected[f"{case}/{column}"]).max())
            np.testing.assert_allclose(logits, expected[f"{case}/{column}"], atol=LOGIT, rtol=0)


@pytest.mark.golden_files("appearance/frechet*.npz")
def test_frechet_distance(golden_file, golden_deviations):
    cases = json.loads(golden_file.with_suffix(".json").read_text())["cases"]
    with np.load(golden_file) as archive:
        for case, row in cases.items():
            first, second = archive[f"{case}/a"], archive[f"{case}/b"]
            if len(first) < 2 or len(second) < 2:
                with pytest.raises(ValueError, match="two"):
                    frechet_distance(first, second)
                continue
            distance = frechet_distance(first, second)
            if np.array_equal(first, second):
                assert abs(distance) < 1e-3, case
                continue
            relative = abs(distance / row["styleganv_scipy"] - 1)
            golden_deviations("frechet distance, relative", relative)
            assert relative < RELATIVE, case
