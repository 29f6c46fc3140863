"""The real architectures with weights made by a formula, against upstream's features and scores."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch

from evaluation.features.video.aesthetic_quality import AestheticQuality
from evaluation.features.video.consistency import background_consistency, subject_consistency
from evaluation.features.video.frames import FrameChunk, chunked
from evaluation.features.video.imaging_quality import ImagingQuality
from evaluation.features.video.motion_smoothness import MotionSmoothness
from evaluation.features.video.networks import amt, clip, dino, musiq
from evaluation.features.video.preprocess import clip_input, quality_input, subject_input
from evaluation.features.video.temporal_flickering import TemporalFlickering
from tests.evaluation.features.video.clips import load_case, over_videos
from tests.evaluation.features.video.formula import check_recipe, formula_state, normal, recipe

pytestmark = [pytest.mark.golden, pytest.mark.slow]

SCORE = 1e-4
FEATURE = 1e-3
RATING = 2e-3
LEVEL = 0.02

NETWORKS = {
    "dino_vitb16": ("subject_consistency", dino.DinoViT, ""),
    "clip_vitb32": (
        "background_consistency",
        partial(clip.ClipVision, *clip.CLIP_SHAPES["ViT-B/32"]),
        "visual.",
    ),
    "clip_vitl14": ("aesthetic_quality", partial(clip.ClipVision, *clip.CLIP_SHAPES["ViT-L/14"]), "visual."),
    "musiq_spaq": ("imaging_quality", musiq.Musiq, ""),
    "amt_s": ("motion_smoothness", amt.AmtSmall, ""),
}
LARGE = "clip_vitl14"
"""300 million weights take their time; its parts are those of the smaller one, its head is that of the toy networks."""
PREPROCESS = {"dino_vitb16": subject_input, "clip_vitb32": clip_input, "musiq_spaq": quality_input}


class Recorder:
    """A network that keeps what it gave."""

    def __init__(self, network):
        self.network = network
        self.outputs = []

    def __call__(self, *inputs):
        self.outputs.append(self.network(*inputs))
        return self.outputs[-1]


def accumulator(tag, network):
    if tag == "dino_vitb16":
        return subject_consistency(network)
    if tag == "clip_vitb32":
        return background_consistency(network)
    if tag == "clip_vitl14":
        return AestheticQuality(network, (2 * normal("laion_head", "weight", (768,)), 5.0))
    if tag == "musiq_spaq":
        return ImagingQuality(network)
    return MotionSmoothness(network, amt.MINIMUM_SIDE)


@pytest.fixture(scope="session")
def measured(golden_companion):
    """``measured(tag, case)``: score and raw outputs, each worked out once."""
    networks, results = {}, {}
    recipes = golden_companion("appearance/formula_weights.json")

    def network_of(tag):
        if tag not in networks:
            _, build, prefix = NETWORKS[tag]
            with torch.device("meta"):
                network = build()
            row = recipe(recipes, tag)
            state = formula_state(network, row, prefix)
            if tag != "musiq_spaq":
                check_recipe(state, row, prefix)
            network.to_empty(device="cpu").load_state_dict(state)
            networks[tag] = network.eval()
        return networks[tag]

    def measure(tag, case):
        if (tag, case) not in results:
            recorder = Recorder(network_of(tag))
            wanted = accumulator(tag, recorder)
            for chunk in chunked(iter(load_case(case, golden_companion)), 6):
                wanted.update(chunk)
            outputs = torch.cat(recorder.outputs).numpy() if tag != "amt_s" else recorder.outputs[0].numpy()
            results[tag, case] = wanted.compute(), outputs
        return results[tag, case]

    return measure


def tag_of(golden_file):
    return next(tag for tag in NETWORKS if golden_file.stem.startswith(f"formula_{tag}"))


@pytest.mark.golden_files(*(f"appearance/formula_{tag}*.npz" for tag in NETWORKS if tag != LARGE))
def test_network_outputs(golden_file, golden_companion, golden_deviations, measured, compared_cases):
    compare_outputs(golden_file, golden_companion, golden_deviations, measured, compared_cases)


@pytest.mark.nightly
@pytest.mark.golden_files(f"appearance/formula_{LARGE}*.npz")
def test_outputs_of_the_large_network(
    golden_file, golden_companion, golden_deviations, measured, compared_cases
):
    compare_outputs(golden_file, golden_companion, golden_deviations, measured, compared_cases)


def compare_outputs(golden_file, golden_companion, golden_deviations, measured, compared_cases):
    tag = tag_of(golden_file)
    with np.load(golden_file) as archive:
        expected = {name: archive[name] for name in archive.files}
    passed_through = compared_cases({name.split("/")[0] for name in expected})
    for name, values in expected.items():
        case, kind = name.split("/")
        if case not in passed_through and not kind.startswith("preproc"):
            continue
        if kind in ("features", "frame_scores"):
            deviation = np.abs(measured(tag, case)[1] - values).max()
            golden_deviations(f"{tag} {kind}", deviation)
            assert deviation < (FEATURE if kind == "features" else RATING), name
        elif kind == "pair_diffs" and expected.get(f"{case}/nan", 0):
            assert measured(tag, case)[0].value is None, f"upstream scored NaN in {case}"
        elif kind == "pair_diffs":
            mean = 255.0 * (1.0 - measured(tag, case)[0].value)
            golden_deviations(f"{tag} mean pair difference", abs(mean - values.mean()))
            assert mean == pytest.approx(values.mean(), abs=LEVEL), name
            assert measured(tag, case)[0].num_samples == len(values)
        elif kind == "pred0_padded":
            deviation = np.abs(measured(tag, case)[1][:1] - values).max()
            golden_deviations(f"{tag} prediction", deviation)
            assert deviation < FEATURE
        elif kind == "preproc_shape":
            assert preprocessed(tag, case, golden_companion).shape[1:] == tuple(values[1:])
        elif kind == "preproc_frame0_stride7":
            sample = preprocessed(tag, case, golden_companion)[0, :, ::7, ::7].numpy()
            golden_deviations(f"{tag} preprocessing", np.abs(sample - values).max())
            np.testing.assert_allclose(sample, values, atol=1e-5)
        elif kind == "preproc_frame0_sum":
            first = preprocessed(tag, case, golden_companion)[0].double()
            np.testing.assert_allclose([first.sum(), first.abs().sum()], values, rtol=1e-5)


def preprocessed(tag, case, golden_companion):
    return FrameChunk(load_case(case, golden_companion)[:1]).transformed(PREPROCESS[tag])


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.nightly)])
@pytest.mark.golden_files("appearance/formula_scores*.json")
def test_video_scores(golden_file, golden_companion, golden_deviations, measured, compared_cases, large):
    expected = json.loads(golden_file.read_text())
    for tag, cases in expected["scores"].items():
        if (tag == LARGE) != large:
            continue
        dimension = NETWORKS[tag][0]
        for case in compared_cases(cases):
            row = cases[case]
            score = measured(tag, case)[0]
            if score.value is None and tag == "amt_s":
                assert "AMT is undefined" in score.reason, case
                continue
            scale = 100 if dimension == "imaging_quality" else 1
            golden_deviations(f"{tag} video score", abs(score.value - row[dimension]) / scale)
            assert score.value == pytest.approx(row[dimension], abs=SCORE * scale), (tag, case)
    tags = {dimension: tag for tag, (dimension, _, _) in NETWORKS.items()}
    for dimension, row in expected.get("end_to_end_VBench_evaluate", {}).get("results", {}).items():
        if (tags.get(dimension) == LARGE) != large:
            continue
        scores = []
        for case in compared_cases(row["per_video"]):
            value = row["per_video"][case]
            if dimension == "temporal_flickering":
                flickering = TemporalFlickering()
                flickering.update(FrameChunk(load_case(case, golden_companion)))
                scores.append(flickering.compute())
            else:
                scores.append(measured(tags[dimension], case)[0])
            scale = 100 if dimension == "imaging_quality" else 1
            assert scores[-1].value == pytest.approx(value, abs=SCORE * scale), (dimension, case)
        if len(scores) < len(row["per_video"]):
            continue
        total, _ = over_videos(scores)
        golden_deviations("end to end data set", abs(total.value - row["dataset"]))
        assert total.value == pytest.approx(row["dataset"], abs=SCORE), dimension
