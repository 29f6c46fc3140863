"""The transforms against a slow reimplementation of sampling without antialiasing."""

import math

import numpy as np
import pytest
import torch

from evaluation.features.video.preprocess import (
    clip_input,
    pad_to_multiple,
    quality_input,
    resize_shorter,
    subject_input,
)


def weights_bilinear(position, length):
    low = math.floor(position)
    fraction = position - low
    return [(min(max(low + k, 0), length - 1), w) for k, w in ((0, 1 - fraction), (1, fraction))]


def weights_bicubic(position, length, a=-0.75):
    low = math.floor(position)

    def kernel(x):
        x = abs(x)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    return [(min(max(low + k, 0), length - 1), kernel(position - low - k)) for k in (-1, 0, 1, 2)]


def matrix(length, target, taps):
    table = np.zeros((target, length))
    for row in range(target):
        position = (row + 0.5) * length / target - 0.5
        if taps is weights_bilinear:
            position = max(position, 0.0)
        for column, weight in taps(position, length):
            table[row, column] += weight
    return table


def sampled(picture, size, taps):
    rows, columns = matrix(picture.shape[0], size[0], taps), matrix(picture.shape[1], size[1], taps)
    tall = np.tensordot(rows, picture.astype(np.float64), (1, 0))
    return np.tensordot(tall, columns, (1, 1)).transpose(0, 2, 1)


def picture(height, width):
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.float32)


def as_planar(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None]


SIZES = [(90, 161), (161, 90), (700, 503), (224, 224), (224, 300)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_subject_input_is_not_cropped_and_not_antialiased(height, width):
    image = picture(height, width)
    short = min(height, width)
    size = (224, int(224 * width / height)) if height == short else (int(224 * height / width), 224)
    expected = image if size == (height, width) else sampled(image, size, weights_bilinear)
    expected = (expected / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    shown = subject_input(as_planar(image))
    assert shown.shape == (1, 3, *size)
    np.testing.assert_allclose(shown[0].permute(1, 2, 0), expected, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_clip_input_is_bicubic_and_cropped_in_the_middle(height, width):
    image = picture(height, width)
    resized = resize_shorter(as_planar(image), 224, "bicubic")
    size = tuple(resized.shape[-2:])
    expected = image if size == (height, width) else sampled(image, size, weights_bicubic)
    np.testing.assert_allclose(resized[0].permute(1, 2, 0), expected, atol=0.05)
    assert expected.max() > 255 or size == (height, width), "bicubic overshoots and nothing is clamped"
    top, left = (round((length - 224) / 2) for length in size)
    crop = expected[top : top + 224, left : left + 224]
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    shown = clip_input(as_planar(image))
    np.testing.assert_allclose(shown[0].permute(1, 2, 0), (crop / 255 - mean) / std, atol=1e-3)


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("longer", (340, 600), (290, 512)),
        ("longer", (512, 512), (512, 512)),
        ("longer", (900, 300), (512, 170)),
        ("shorter", (340, 600), (340, 600)),
        ("shorter", (560, 720), (512, 658)),
        ("shorter_centercrop", (560, 720), (512, 512)),
        ("shorter_centercrop", (340, 600), (340, 600)),
        ("None", (560, 720), (560, 720)),
    ],
)
def test_quality_input_sizes(mode, size, expected):
    shown = quality_input(as_planar(picture(*size)), mode)
    assert tuple(shown.shape[-2:]) == expected
    assert 0 <= shown.min() < shown.max() <= 1


def test_memory_layout_changes_no_bit():
    planar = as_planar(picture(331, 590))
    last = planar.contiguous(memory_format=torch.channels_last)
    for transform in (subject_input, clip_input, quality_input):
        assert torch.equal(transform(planar.contiguous()), transform(last))


@pytest.mark.parametrize(
    ("size", "padded"), [((75, 101), (80, 112)), ((32, 48), (32, 48)), ((1, 17), (16, 32))]
)
def test_padding_repeats_the_border(size, padded):
    image = as_planar(picture(*size))
    grown = pad_to_multiple(image, 16)
    assert tuple(grown.shape[-2:]) == padded
    top, left = (padded[0] - size[0]) // 2, (padded[1] - size[1]) // 2
    assert torch.equal(grown[..., top : top + size[0], left : left + size[1]], image)
    assert torch.equal(grown[..., 0, 0], image[..., 0, 0])
    assert torch.equal(grown[..., -1, -1], image[..., -1, -1])
