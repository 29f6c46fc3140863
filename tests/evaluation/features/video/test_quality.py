import numpy as np
import pytest
import torch

from evaluation.features.video.aesthetic_quality import (
    AestheticQuality,
    aesthetic_ratings,
    load_aesthetic_head,
)
from evaluation.features.video.frames import FrameChunk, chunked
from evaluation.features.video.imaging_quality import ImagingQuality
from madata.errors import WeightsError

FRAMES = np.random.default_rng(0).integers(0, 256, (7, 30, 50, 3), dtype=np.uint8)


@pytest.mark.parametrize(("size", "batch"), [(1, 1), (3, 2), (7, 16)])
def test_imaging_quality_is_the_mean_over_frames(size, batch):
    metric = ImagingQuality(lambda pictures: 100 * pictures.mean((1, 2, 3)), batch=batch)
    for chunk in chunked(iter(FRAMES), size):
        metric.update(chunk)
    score = metric.compute()
    assert score.value == pytest.approx(FRAMES.mean() / 2.55, rel=1e-6)
    assert score.num_samples == score.num_frames == 7


def test_aesthetic_quality_uses_the_direction_of_the_features():
    head = (np.array([10.0, 0.0, 0.0]), 1.0)
    np.testing.assert_allclose(
        aesthetic_ratings(np.array([[3.0, 0, 4.0], [30.0, 0, 40.0]]), head), [0.7, 0.7]
    )
    metric = AestheticQuality(lambda pictures: pictures.mean((2, 3)), head, batch=2)
    for chunk in chunked(iter(FRAMES), 3):
        metric.update(chunk)
    assert metric.compute().num_samples == 7


def test_without_frames_or_with_nan_there_is_no_score():
    head = (np.ones(3), 0.0)
    assert "no frames" in ImagingQuality(lambda pictures: pictures).compute().reason
    assert "no frames" in AestheticQuality(lambda pictures: pictures, head).compute().reason
    broken = ImagingQuality(lambda pictures: pictures.mean((1, 2, 3)) * torch.nan)
    broken.update(FrameChunk(FRAMES))
    assert broken.compute().value is None


def test_the_head_is_a_file_of_769_numbers(tmp_path):
    path = tmp_path / "sa_0_4_vit_l_14_linear.pth"
    torch.save({"weight": torch.arange(768.0)[None], "bias": torch.tensor([2.5])}, path)
    weight, bias = load_aesthetic_head(path)
    assert weight.shape == (768,)
    assert weight[3] == 3
    assert bias == 2.5
    torch.save({"weight": torch.zeros(1, 512), "bias": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="not an aesthetic head"):
        load_aesthetic_head(path)
