import numpy as np
import pytest

from evaluation.definitions import PAIR_PROTOCOLS
from evaluation.features.video.frames import FrameChunk, chunked
from evaluation.features.video.pairs import METRICS, PairQuality, score_pair
from evaluation.features.video.psnr import psnr_db
from evaluation.features.video.ssim import ssim


def video(count=5, height=24, width=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def distance(pictures, references):
    return (pictures - references).abs().mean((1, 2, 3))


def scored(reference, generated, name="cmvq", size=2, lpips=distance, batch=1):
    quality = PairQuality(PAIR_PROTOCOLS[name], lpips, batch)
    scores = score_pair(chunked(iter(reference), size), chunked(iter(generated), size), quality)
    return scores, quality


@pytest.mark.parametrize("name", PAIR_PROTOCOLS)
@pytest.mark.parametrize(("size", "batch"), [(1, 1), (3, 2), (8, 8)])
def test_scores_are_means_over_frames(name, size, batch):
    reference, generated = video(), video(seed=1)
    scores, _ = scored(reference, generated, name, size, batch=batch)
    protocol = PAIR_PROTOCOLS[name]
    pairs = list(zip(reference, generated, strict=True))
    assert scores["psnr"].value == pytest.approx(
        np.mean([psnr_db(a, b, protocol.same_below) for a, b in pairs])
    )
    assert scores["ssim"].value == pytest.approx(np.mean([ssim(a, b, protocol.ssim) for a, b in pairs]))
    span = 1.0 if name == "disco" else 2.0
    levels = np.abs(reference.astype(float) - generated).mean() / 255 * span
    assert scores["lpips"].value == pytest.approx(levels, rel=1e-5)
    assert {score.num_samples for score in scores.values()} == {5}


def test_networks_see_the_range_of_the_protocol():
    seen = []

    def watch(pictures, references):
        seen.append((float(pictures.min()), float(references.max())))
        return distance(pictures, references)

    dark, bright = np.zeros((1, 24, 32, 3), np.uint8), np.full((1, 24, 32, 3), 255, np.uint8)
    for name in ("disco", "cmvq"):
        scored(bright, dark, name, lpips=watch)
    assert seen == [(0.0, 1.0), (-1.0, 1.0)]


@pytest.mark.parametrize("counts", [(5, 4), (4, 5), (4, 2), (0, 3)])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_unequal_lengths_are_not_compared(counts, size):
    scores, _ = scored(video(counts[0]), video(counts[1]), size=size)
    for name in METRICS:
        assert scores[name].value is None
        assert "number of frames" in scores[name].reason


def test_unequal_sizes_are_stretched_by_disco_and_refused_by_cmvq():
    reference, generated = video(), video(height=30, width=40)
    scores, quality = scored(reference, generated, "disco")
    assert quality.resized
    assert scores["ssim"].value is not None
    scores, quality = scored(reference, generated, "cmvq")
    assert not quality.resized
    assert {score.value for score in scores.values()} == {None}
    assert "40x30 px and the reference's are 32x24" in scores["psnr"].reason


def test_without_weights_only_lpips_is_undefined():
    scores, _ = scored(video(), video(), lpips=None)
    assert scores["lpips"].value is None
    assert "missing" in scores["lpips"].reason
    assert (scores["psnr"].value, scores["ssim"].value) == (100.0, 1.0)


def test_no_frames_no_score():
    scores, _ = scored([], [])
    assert "no frames" in scores["psnr"].reason


def test_chunks_of_unequal_length_are_an_error_of_the_caller():
    with pytest.raises(ValueError, match="one length"):
        PairQuality(PAIR_PROTOCOLS["cmvq"]).update(FrameChunk(video(2)), FrameChunk(video(3)))
