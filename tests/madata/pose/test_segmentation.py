"""The mask of people: the picture goes in whole, the mask comes back in its size."""

import numpy as np
import pytest

from madata.errors import WeightsError
from madata.pose import segmentation


def test_the_mask_lies_where_the_picture_is_bright(monkeypatch, tmp_path):
    """A network that calls bright pixels people."""
    shown = []

    class Bright:
        def __init__(self, path):
            assert path == tmp_path / "network"

        def __call__(self, batch):
            shown.append(batch)
            return [batch.mean(-1, keepdims=True)]

    monkeypatch.setattr(segmentation, "LiteNetwork", Bright)
    monkeypatch.setattr(segmentation, "find_weights", lambda name, weights: tmp_path / "network")
    picture = np.zeros((120, 80, 3), np.uint8)
    picture[60:, :40] = 255
    mask = segmentation.person_mask(picture)
    assert shown[0].shape == (1, 256, 256, 3)
    assert (shown[0].min(), shown[0].max()) == (0, 1)
    assert (mask.shape, mask.dtype) == ((120, 80), np.float32)
    assert mask[65:, :35].min() > 0.9
    assert mask[:55].max() < 0.1
    assert mask[:, 45:].max() < 0.1


def test_missing_weights_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="madance weights fetch segmentation"):
        segmentation.person_mask(np.zeros((8, 8, 3), np.uint8))
