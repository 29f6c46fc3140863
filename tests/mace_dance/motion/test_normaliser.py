import numpy as np
import pytest
import torch

from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError


def motions(seed=0):
    return np.random.default_rng(seed).normal(size=(3, 20, 6)).astype(np.float32) * [1, 2, 3, 4, 5, 0]


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_there_and_back(kind):
    data = kind(motions().astype(np.float32))
    before = data.copy() if isinstance(data, np.ndarray) else data.clone()
    normaliser = Normaliser.fit(motions())
    normal = normaliser.normalise(data)
    assert float(abs(normal).max()) == pytest.approx(1)
    np.testing.assert_allclose(normaliser.unnormalise(normal), data, atol=1e-5)
    np.testing.assert_array_equal(data, before)


def test_what_lies_beyond_the_training_range_is_clipped():
    normaliser = Normaliser.fit(motions())
    wide = (10 * motions()).astype(np.float32)
    assert np.abs(normaliser.normalise(wide)).max() <= 1
    within = normaliser.unnormalise(normaliser.normalise(wide))
    assert (within.max((0, 1)) <= motions().max((0, 1)) + 1e-4).all()
    free = normaliser.unnormalise(np.full(6, 3, np.float32), clip=False)
    assert (free[:5] > motions().max((0, 1))[:5]).all()


def test_a_feature_that_never_changes_is_kept():
    normaliser = Normaliser.fit(np.full((4, 2), 3.0, np.float32))
    np.testing.assert_array_equal(normaliser.normalise(np.full((1, 2), 3.0, np.float32)), -1)
    np.testing.assert_array_equal(normaliser.unnormalise(np.full((1, 2), -1.0, np.float32)), 3)


def test_broken_data_is_refused():
    with pytest.raises(ConfigError, match="NaN"):
        Normaliser.fit(np.full((4, 2), np.nan, np.float32))
    with pytest.raises(ConfigError, match="at least one frame"):
        Normaliser.fit(np.zeros((0, 2), np.float32))
    with pytest.raises(ConfigError, match="for 6 features"):
        Normaliser.fit(motions()).normalise(np.zeros((3, 5), np.float32))
    with pytest.raises(ConfigError, match="not 0"):
        Normaliser(np.zeros(2, np.float32), np.zeros(2, np.float32))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_dataset*.npz")
def test_golden_scaler(golden_file, golden_deviations):
    stored = np.load(golden_file)
    normaliser = Normaliser.fit(stored["out/pose_unnormalised"])
    np.testing.assert_allclose(normaliser.scale, stored["scaler/scale"], rtol=2e-5)
    ours = normaliser.normalise(stored["out/pose_unnormalised"])
    deviation = np.abs(ours - stored["out/pose_normalised"]).max()
    golden_deviations("edge_dataset", deviation)
    assert deviation < 2e-5
    theirs = Normaliser(stored["scaler/scale"], stored["scaler/min"])
    ends = [theirs.unnormalise(np.full(len(theirs.scale), end, np.float32)) for end in (-1, 1)]
    moves = stored["scaler/data_max"] > stored["scaler/data_min"]
    np.testing.assert_allclose(ends[0], stored["scaler/data_min"], atol=2e-6)
    np.testing.assert_allclose(ends[1][moves], stored["scaler/data_max"][moves], atol=2e-6)
    back = theirs.unnormalise(stored["out/pose_normalised"])
    np.testing.assert_allclose(back, stored["out/pose_unnormalised"], atol=2e-6)
