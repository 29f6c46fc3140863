"""The plain re-implementation of the benchmark must agree with ours on material no golden file holds."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation.definitions import VARIANTS
from evaluation.features.motion.published import official_features, official_motion_beats, place

BENCHMARK = Path(__file__).resolve().parents[4] / "benchmarks" / "motion_metrics.py"


@pytest.fixture(scope="module")
def plain():
    spec = importlib.util.spec_from_file_location("benchmark_motion_metrics", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("frames", [3, 9, 40])
def test_against_the_plain_way(plain, name, frames, dances, walkers):
    variant = VARIANTS[name]
    if name == "mace2d":
        clips = dances.points[:2, :frames, :, [1, 0]]
    else:
        clips = walkers(2, np.random.default_rng(frames), frames=frames)
    expected, got = plain.plain_features(clips, variant), official_features(clips, variant)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(got[1], expected[1], atol=1e-6)


def test_mixed_lengths_keep_their_order(walkers):
    rng = np.random.default_rng(0)
    clips = [walkers(1, rng, frames=frames)[0] for frames in (50, 30, 50, 70, 30)]
    for variant in (VARIANTS["lodge"], VARIANTS["megadance"]):
        together = official_features(clips, variant)
        for index, clip in enumerate(clips):
            for whole, single in zip(together, official_features([clip], variant), strict=True):
                np.testing.assert_array_equal(whole[index], single[0])
    beats = official_motion_beats(clips, VARIANTS["mint"])
    for clip, frames in zip(clips, beats, strict=True):
        np.testing.assert_array_equal(frames, official_motion_beats([clip], VARIANTS["mint"])[0])


def test_lodge_looks_at_1024_frames(walkers):
    clip = walkers(1, np.random.default_rng(0), frames=1100)
    for whole, cut in zip(
        official_features(clip, VARIANTS["lodge"]),
        official_features(clip[:, :1024], VARIANTS["lodge"]),
        strict=True,
    ):
        np.testing.assert_array_equal(whole, cut)


def test_placements(walkers):
    clips = walkers(2, np.random.default_rng(0), frames=10)
    before = clips.copy()
    assert place(clips, "world") is clips
    np.testing.assert_array_equal(place(clips, "start")[:, 0, 0], 0)
    lodge = place(clips, "lodge")
    assert lodge.shape[2] == 22
    np.testing.assert_allclose(lodge[:, :, 0], clips[:, :, 0] - clips[:, :1, 0])
    np.testing.assert_allclose(lodge[:, :, 5], clips[:, :, 5] - clips[:, :, 0], atol=1e-6)
    up_before = clips[0, 0, 15] - clips[0, 0, 0]
    turned = place(clips, "turned")
    np.testing.assert_allclose((turned[0, 0, 15] - turned[0, 0, 0])[0], -up_before[1], atol=1e-6)
    np.testing.assert_array_equal(clips, before)


def test_no_clips():
    with pytest.raises(ValueError, match="no clips"):
        official_features([], VARIANTS["lodge"])
