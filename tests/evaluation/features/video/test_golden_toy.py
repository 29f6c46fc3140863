"""Upstream's dimension functions with tiny encoders, its aggregation, and the published scores."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from evaluation.features.video.aesthetic_quality import AestheticQuality
from evaluation.features.video.consistency import Consistency, background_consistency, subject_consistency
from evaluation.features.video.frames import FrameChunk, chunked
from evaluation.features.video.imaging_quality import ImagingQuality
from evaluation.features.video.motion_smoothness import MotionSmoothness
from evaluation.features.video.scores import VideoScore
from evaluation.features.video.temporal_flickering import TemporalFlickering, mean_absolute_difference
from tests.evaluation.features.video.clips import load_case, over_videos

pytestmark = pytest.mark.golden

EXACT = 1e-6
TOY = 2e-6
CHUNK = 7
MODE = "iq_toy_"


def toy_encoder(weight):
    matrix = torch.from_numpy(weight)

    def encode(pictures):
        pooled = F.adaptive_avg_pool2d(pictures, (8, 8)).flatten(1)
        return (pooled - pooled.mean(1, keepdim=True)) @ matrix

    return encode


def toy_rating(pictures):
    dx = (pictures[..., 1:] - pictures[..., :-1]).abs().mean((1, 2, 3))
    dy = (pictures[..., 1:, :] - pictures[..., :-1, :]).abs().mean((1, 2, 3))
    return 100 * dx + 50 * dy + 20 * pictures.mean((1, 2, 3))


def toy_accumulators(encoders, modes):
    clip = toy_encoder(encoders["W_clip"])
    head = (encoders["aq_w"].reshape(-1), float(encoders["aq_b"].reshape(-1)[0]))
    found = {
        "tf": TemporalFlickering(),
        "ms_blend": MotionSmoothness(lambda a, b: (a + b) / 2, minimum_side=0),
        "sc_toy": subject_consistency(toy_encoder(encoders["W_dino"])),
        "bc_toy": background_consistency(clip),
        "aq_toy": AestheticQuality(clip, head),
        "iq_toy": ImagingQuality(toy_rating),
    }
    return found | {MODE + mode: ImagingQuality(toy_rating, mode) for mode in modes}


def toy_scores(frames, encoders, modes=()) -> dict[str, VideoScore]:
    accumulators = toy_accumulators(encoders, modes)
    for chunk in chunked(iter(frames), CHUNK):
        for accumulator in accumulators.values():
            accumulator.update(chunk)
    return {name: accumulator.compute() for name, accumulator in accumulators.items()}


@pytest.fixture(scope="module")
def encoders(golden_companion):
    with np.load(golden_companion("appearance/toy_encoders.npz")) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.golden_files("appearance/vbench_toy_scores*.json")
def test_dimensions_with_toy_encoders(golden_file, golden_companion, golden_deviations, encoders):
    expected = json.loads(golden_file.read_text())
    measured: dict[str, dict[str, VideoScore]] = {}
    wrong = []
    for case, row in expected["per_video"].items():
        frames = load_case(case, golden_companion)
        modes = [name.removeprefix(MODE) for name in row if name.startswith(MODE)]
        measured[case] = toy_scores(frames, encoders, modes)
        for name, score in measured[case].items():
            if name not in row:
                continue
            if row[name] is None:
                if score.value is not None or not score.reason:
                    wrong.append((case, name, score))
                continue
            deviation = abs(score.value - row[name])
            golden_deviations(f"appearance toy {name.split('_')[0]}", deviation)
            if deviation > (EXACT if name in ("tf", "ms_blend") else TOY):
                wrong.append((case, name, score.value, row[name]))
        assert measured[case]["bc_toy"].num_samples == row.get("bc_cnt", len(frames) - 1)
        if "tf_mae_seq" in row:
            series = [mean_absolute_difference(a, b) for a, b in pairwise(frames)]
            np.testing.assert_allclose(series, row["tf_mae_seq"], atol=2e-5)
    assert not wrong
    columns = {
        "temporal_flickering": "tf",
        "motion_smoothness_blend": "ms_blend",
        "subject_consistency_toy": "sc_toy",
        "background_consistency_toy": "bc_toy",
        "aesthetic_quality_toy": "aq_toy",
        "imaging_quality_toy": "iq_toy",
    }
    for name, row in expected.get("dataset", {}).items():
        for upstream, value in row["upstream_dataset_score"].items():
            videos = [measured[case][columns[upstream]] for case in row["videos"]]
            total, _ = over_videos(videos)
            golden_deviations("appearance toy data set", abs(total.value - value))
            assert total.value == pytest.approx(value, abs=TOY), (name, upstream)


@pytest.mark.golden_files("appearance/aggregation*.npz")
def test_aggregation_of_given_features(golden_file, golden_deviations):
    expected = json.loads(golden_file.with_suffix(".json").read_text())
    with np.load(golden_file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    scores: dict[str, list[VideoScore]] = {}
    for video, row in expected["per_video"].items():
        key = video.removesuffix(".mp4")
        features, ratings = arrays[f"feat/{key}"], arrays[f"iq_scores/{key}"]
        head = (arrays["aq_head_w"].reshape(-1), float(arrays["aq_head_b"].reshape(-1)[0]))
        found = [
            given_consistency(name, features) for name in ("subject_consistency", "background_consistency")
        ]
        aesthetic = AestheticQuality(lambda pictures: pictures, head)
        aesthetic.update_features(features)
        rating = VideoScore.of(
            "imaging_quality", float(ratings.sum(dtype=np.float64)), len(ratings), len(ratings)
        )
        for score in (*found, aesthetic.compute(), rating):
            scores.setdefault(score.dimension, []).append(score)
            tolerance = EXACT * (100 if score.dimension == "imaging_quality" else 1)
            golden_deviations(f"aggregation {score.dimension}", abs(score.value - row[score.dimension]))
            assert score.value == pytest.approx(row[score.dimension], abs=tolerance), video
        assert found[1].num_samples == row["bc_cnt"]
    for dimension, videos in scores.items():
        total, plain = over_videos(videos)
        assert total.value == pytest.approx(expected["dataset_single_process"][dimension], abs=EXACT)
        several = plain.value if dimension == "subject_consistency" else total.value
        assert several == pytest.approx(expected["dataset_multi_process"][dimension], abs=EXACT)
    for index, row in enumerate(expected["motion_from_frames"]):
        check_given_predictions(
            arrays[f"ms/{index}/ori"], arrays[f"ms/{index}/interp"], row, golden_deviations
        )


def given_consistency(dimension: str, features: np.ndarray) -> VideoScore:
    consistency = Consistency(dimension, lambda chunk: features)
    for start in range(0, len(features), CHUNK):
        consistency.update_features(features[start : start + CHUNK])
    return consistency.compute()


def check_given_predictions(original, interpolated, row, golden_deviations):
    """`interpolated` holds upstream's output sequence: input, prediction, input, ... as bytes."""
    predictions = iter(torch.from_numpy(interpolated[1::2]).permute(0, 3, 1, 2) / 255.0)
    height, width = original.shape[1:3]

    def replay(before, after):
        frames = torch.stack([next(predictions) for _ in before])
        rows, columns = before.shape[-2] - height, before.shape[-1] - width
        pad = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return F.pad(frames + 1e-6, pad)

    smoothness = MotionSmoothness(replay, minimum_side=0)
    flickering = TemporalFlickering()
    for chunk in chunked(iter(original), CHUNK):
        smoothness.update(chunk)
        flickering.update(chunk)
    score = smoothness.compute()
    assert score.num_samples == row["pairs"]
    golden_deviations("aggregation motion_smoothness", abs(score.value - row["motion_smoothness"]))
    assert score.value == pytest.approx(row["motion_smoothness"], abs=EXACT)
    assert flickering.compute().value == pytest.approx(row["tf"], abs=EXACT)


@pytest.mark.golden_files("appearance/mace_dance_published_scores*.json")
def test_published_scores_average_to_the_published_means(golden_file, golden_deviations):
    published = json.loads(golden_file.read_text())
    for dimension, row in published["results"].items():
        videos = [
            VideoScore(dimension, value, pairs + 1, pairs)
            for value, pairs in zip(row["per_video"], published["frame_pairs"], strict=True)
        ]
        total, unweighted = over_videos(videos)
        golden_deviations("published means", abs(total.value - row["dataset"]))
        assert total.value == pytest.approx(row["dataset"], abs=1e-12), dimension
        plain = published["unweighted_video_mean"].get(dimension, row["dataset"])
        assert unweighted.value == pytest.approx(plain, abs=1e-12), dimension
        assert round(100 * total.value, 2) == published["table1_units"][dimension]


@pytest.mark.golden_files("appearance/frames*.npz")
def test_stored_frames_score_as_their_files(golden_file, golden_companion, encoders):
    expected = json.loads(golden_companion("appearance/vbench_toy_scores.json").read_text())["per_video"]
    with np.load(golden_file) as archive:
        for case in archive.files:
            if case in expected:
                measured = toy_scores(archive[case], encoders)
                for name, score in measured.items():
                    value = expected[case][name]
                    assert (value is None) == (score.value is None)
                    assert value is None or math.isclose(score.value, value, abs_tol=TOY), (case, name)


def test_one_chunk_or_many_is_the_same(encoders):
    """To float32: a matrix product of another shape may sum in another order."""
    frames = np.random.default_rng(1).integers(0, 256, (11, 40, 56, 3), dtype=np.uint8)
    whole = toy_accumulators(encoders, ())
    for name, accumulator in whole.items():
        accumulator.update(FrameChunk(frames))
        assert accumulator.compute().value == pytest.approx(
            toy_scores(frames, encoders)[name].value, rel=1e-6
        )
