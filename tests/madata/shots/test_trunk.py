"""Rows of a window that are the same are computed once, and nobody can tell."""

import numpy as np
import pytest

from madata.shots import load_transnet

MIDDLE = slice(25, 75)


@pytest.fixture(scope="module")
def trunk():
    return load_transnet().trunk


def pictures(count, hold):
    """Noise on a moving ramp; those of ``hold`` are one picture."""
    rng = np.random.default_rng(0)
    ramp = np.arange(48)[None, None, :, None] * 3 + np.arange(count)[:, None, None, None]
    frames = np.clip(ramp + rng.integers(0, 60, (count, 27, 48, 3)), 0, 255).astype(np.uint8)
    frames[hold] = frames[hold.start]
    return frames


def near(got, expected):
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_rows_of_equal_names_are_computed_once_and_shared_by_windows(trunk):
    hold = slice(20, 90)
    frames = pictures(150, hold)
    names = list(range(150))
    names[hold] = [20] * (hold.stop - hold.start)
    stream = trunk.stream()
    first = stream.window(frames[:100], names[:100], MIDDLE)
    second = stream.window(frames[50:], names[50:], MIDDLE)
    # in each stream every frame is another one
    near(first, trunk.stream().window(frames[:100], range(100), MIDDLE))
    near(second, trunk.stream().window(frames[50:], range(100), MIDDLE))


def test_names_are_believed(trunk):
    """Otherwise nothing is computed once."""
    frames = pictures(100, slice(0, 1))
    means, features = trunk.stream().window(frames, [7] * 100, MIDDLE)
    expected, _ = trunk.stream().window(np.repeat(frames[:1], 100, axis=0), [7] * 100, MIDDLE)
    near([means], [expected])
    assert features.shape == (50, 4608)


def test_a_closed_stream_begins_anew(trunk):
    frames = pictures(100, slice(0, 1))
    stream = trunk.stream()
    expected = stream.window(frames, range(100), MIDDLE)
    stream.window(frames[::-1], range(100, 200), MIDDLE)
    stream.close()
    again = trunk.stream()
    assert again is stream
    near(again.window(frames, range(100), MIDDLE), expected)
    again.close()
