import numpy as np
import pytest

from mace_dance.appearance.reference import clip_pixels, content_box, letterbox
from madata.errors import MediaError


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_reference_prep*.npz")
def test_reference_is_framed_as_upstream_does(golden_file, golden_deviations):
    with np.load(golden_file) as archive:
        for case in sorted({name.split("/")[0] for name in archive.files}):
            height, width = archive[f"{case}/size"]
            framed = letterbox(archive[f"{case}/image"], int(height), int(width))
            off = np.abs(framed.astype(int) - archive[f"{case}/padded"])
            assert off.max() <= 1
            pixels = clip_pixels(archive[f"{case}/padded"])
            golden_deviations("reference, grey levels", off.max())
            off = np.abs(pixels[:, ::8, ::8] - archive[f"{case}/clip_pixels_every8"])
            golden_deviations("reference, CLIP input", off.max())
            assert off.max() < 1e-3
            np.testing.assert_allclose(
                pixels.mean(axis=(1, 2)), archive[f"{case}/clip_mean"], rtol=0, atol=1e-3
            )


def test_the_box_holds_the_picture_and_the_rest_is_black():
    image = np.full((30, 60, 3), 200, np.uint8)
    top, left, rows, columns = content_box(image.shape[:2], 64, 48)
    framed = letterbox(image, 64, 48)
    assert (left, rows, columns) == (0, 24, 48)
    assert (framed[top : top + rows] == 200).all()
    assert framed.sum() == 200 * rows * columns * 3


def test_what_is_no_picture_is_refused():
    with pytest.raises(MediaError, match="uint8"):
        letterbox(np.zeros((4, 4, 3), np.float32), 16, 16)
    with pytest.raises(MediaError, match="too narrow"):
        letterbox(np.zeros((4000, 1, 3), np.uint8), 16, 16)
