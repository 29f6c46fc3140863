import numpy as np
import pytest
import torch

from evaluation.features.video.frames import FrameChunk, chunked, planar
from madata.errors import MediaError


def noise(count, height=12, width=20, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [1, 3, 7, 9])
def test_chunks_hold_every_frame_once(size):
    frames = noise(7)
    chunks = list(chunked(iter(frames), size))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    np.testing.assert_array_equal(np.concatenate([chunk.frames for chunk in chunks]), frames)


def test_chunks_outlive_a_decoder_that_reuses_its_buffer():
    buffer = np.zeros((4, 4, 3), np.uint8)

    def decode():
        for level in range(3):
            buffer[:] = level
            yield buffer.copy()

    (chunk,) = chunked(decode(), 8)
    assert [frame[0, 0, 0] for frame in chunk.frames] == [0, 1, 2]


def test_a_change_of_size_is_refused():
    frames = [*noise(3), *noise(1, height=16)]
    with pytest.raises(MediaError, match=r"frame 3 is 20x16 px, the first is 20x12") as caught:
        list(chunked(iter(frames), 2))
    assert caught.value.reason == "size_changes"


@pytest.mark.parametrize("frames", [np.zeros((2, 4, 4, 3)), noise(2)[0], noise(2)[..., :1], noise(2)[:0]])
def test_only_bytes_of_rgb_frames_are_taken(frames):
    with pytest.raises(ValueError, match="uint8 of shape"):
        FrameChunk(frames)


def test_planar_floats_are_the_bytes():
    frames = noise(2)
    floats = planar(frames)
    assert floats.dtype == torch.float32
    np.testing.assert_array_equal(floats.permute(0, 2, 3, 1).numpy(), frames)


def test_transforms_see_the_same_whatever_the_batch():
    chunk = FrameChunk(noise(5))
    whole = chunk.planar(0, 5)[:, :, ::2].contiguous()
    assert torch.equal(chunk.transformed(lambda x: x[:, :, ::2]), whole)
