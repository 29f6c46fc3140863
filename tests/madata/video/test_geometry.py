import struct
from fractions import Fraction

import numpy as np
import pytest

from madata.video.geometry import Orientation, frame_clip, orientation_of_matrix, shown_size


def matrix(a, b, c, d):
    one = 1 << 16
    return struct.pack("=9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)


def apply_matrix(image, a, b, c, d):
    """The display matrix taken literally: pixel (x, y) goes to (a x + c y, b x + d y), shifted to be positive."""
    height, width = image.shape
    corners = [(a * x + c * y, b * x + d * y) for x in (0, width - 1) for y in (0, height - 1)]
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    shape = (width, height) if a == 0 else (height, width)
    out = np.zeros(shape, image.dtype)
    for y in range(height):
        for x in range(width):
            out[b * x + d * y - top, a * x + c * y - left] = image[y, x]
    return out


@pytest.mark.parametrize(
    "abcd",
    [
        (1, 0, 0, 1),
        (0, 1, -1, 0),
        (-1, 0, 0, -1),
        (0, -1, 1, 0),
        (-1, 0, 0, 1),
        (1, 0, 0, -1),
        (0, 1, 1, 0),
        (0, -1, -1, 0),
    ],
)
def test_every_display_matrix_is_followed_literally(abcd):
    image = np.arange(15, dtype=np.uint8).reshape(3, 5)
    orientation = orientation_of_matrix(matrix(*abcd))
    np.testing.assert_array_equal(orientation.apply(image), apply_matrix(image, *abcd))
    assert orientation.size((5, 3)) == orientation.apply(image).shape[::-1]


def test_a_singular_matrix_changes_nothing():
    assert orientation_of_matrix(matrix(0, 0, 0, 0)) == Orientation()


@pytest.mark.parametrize(
    ("stored", "aspect", "turns", "expected"),
    [
        ((720, 576), Fraction(64, 45), 0, (1024, 576)),
        ((720, 480), Fraction(8, 9), 0, (720, 540)),
        ((1920, 1080), None, 1, (1080, 1920)),
        ((720, 576), Fraction(16, 15), 3, (576, 768)),
        ((300, 350), Fraction(639, 640), 0, (300, 350)),
    ],
)
def test_shown_size(stored, aspect, turns, expected):
    assert shown_size(stored, aspect, Orientation(turns)) == expected


def test_clip_sizes_are_even_and_never_enlarged():
    assert frame_clip((1080, 1920), long_side=960).out == (540, 960)
    assert frame_clip((544, 960), long_side=4000).out == (544, 960)
    odd = frame_clip((301, 351))
    assert (odd.scaled, odd.out) == ((301, 351), (300, 350))
    for width in range(3, 200, 7):
        for limit in (16, 33, 100):
            out = frame_clip((width, 97), long_side=limit).out
            assert out[0] % 2 == out[1] % 2 == 0
            assert max(out) <= max(limit, 2)


def test_exact_sizes_pad_or_crop_around_the_centre():
    pad = frame_clip((1080, 1920), size=(512, 512), fit="pad")
    assert (pad.scaled, pad.out, pad.offset) == ((288, 512), (512, 512), (112, 0))
    crop = frame_clip((1080, 1920), size=(512, 512), fit="crop")
    assert (crop.scaled, crop.out, crop.offset) == ((512, 910), (512, 512), (0, -200))
