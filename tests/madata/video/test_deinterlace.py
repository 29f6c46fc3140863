"""Fields of two moments become pictures of one, marked or not; whole pictures are left alone."""

import av
import numpy as np
import pytest

from madata.video import Decoder
from madata.video.deinterlace import comb_share
from tests.media_builder import Recipe, build

SIZE = (192, 144)


def moment(index):
    """A square that crosses a soft ground, ten px a field."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    image = (80 + 40 * np.sin(x / 15) + 20 * np.cos(y / 11)).astype(np.uint8)
    left = 8 + (10 * index) % 130
    image[40:100, left : left + 44] = 220
    return np.repeat(image[..., None], 3, axis=2)


def woven(index, size):
    image = moment(2 * index)
    image[1::2] = moment(2 * index + 1)[1::2]
    return image


def whole(index, size):
    return moment(2 * index)


def pictures(path):
    with Decoder(path) as decoder:
        return [frame.scaled(SIZE, "gray", interpolation="point").astype(int) for frame in decoder]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_combs_without_a_mark_are_taken_out(tmp_path, pixel_format):
    recipe = Recipe(num_frames=12, size=SIZE, sound=False, crf=4, pixel_format=pixel_format)
    path = build(tmp_path / "woven.mp4", recipe, woven)
    with av.open(str(path)) as container:
        stored = list(container.decode(video=0))
    assert not any(image.interlaced_frame for image in stored)
    assert min(comb_share(image) for image in stored) > 0.005
    seen = pictures(path)
    assert len(seen) == 12
    for index, picture in enumerate(seen):
        rows = np.abs(picture[45:95] - moment(2 * index)[45:95, :, 0].astype(int)).mean()
        other = np.abs(picture[45:95] - moment(2 * index + 1)[45:95, :, 0].astype(int)).mean()
        assert min(rows, other) < 3  # one moment, not a mixture of both


def test_whole_pictures_are_left_as_they_are_also_before_and_behind_combs(tmp_path):
    def draw(index, size):
        return woven(index, size) if 6 <= index < 9 else whole(index, size)

    path = build(tmp_path / "mixed.mp4", Recipe(num_frames=75, size=SIZE, sound=False, crf=4), draw)
    with av.open(str(path)) as container:
        stored = [image.to_ndarray(format="gray").astype(int) for image in container.decode(video=0)]
    changed = [
        index for index, (a, b) in enumerate(zip(pictures(path), stored, strict=True)) if (a != b).any()
    ]
    assert changed == [6, 7, 8]


def test_thin_stripes_that_stand_still_in_colour_or_texture_are_no_combs():
    for step in (1, 3, 4):
        image = np.full((96, 128), 90, np.uint8)
        image[(np.arange(96) // step) % 2 == 0] = 97 if step == 1 else 200
        assert comb_share(av.VideoFrame.from_ndarray(image, "gray")) == 0


def test_a_striped_wall_behind_a_dancer_is_no_comb(tmp_path):
    def draw(index, size):
        image = moment(2 * index)
        image[100::2, :60] = 40
        return image

    path = build(tmp_path / "stripes.mp4", Recipe(num_frames=8, size=SIZE, sound=False, crf=4), draw)
    with av.open(str(path)) as container:
        images = list(container.decode(video=0))
    assert comb_share(images[0]) > 0.01 and comb_share(images[1], images[0]) < 1e-3
    stored = [image.to_ndarray(format="gray").astype(int) for image in images]
    assert not any((a != b).any() for a, b in zip(pictures(path), stored, strict=True))


def test_a_few_places_of_a_small_picture_are_chance():
    grey = np.full((72, 128), 100, np.uint8)
    shares = []
    for columns in (1, 41):
        combed = grey.copy()
        combed[20:30:2, 64 - columns : 64 + columns] = 180
        shares.append(comb_share(av.VideoFrame.from_ndarray(combed, "gray")))
    assert shares[0] == 0.0 and shares[1] > 0.01
