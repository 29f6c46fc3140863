"""The protocols as wholes: the corrected one sees what was spoiled, the official one what its script sees."""

import numpy as np
import pytest

from benchmarks.motion_sanity import features_of, judged, spoiled
from evaluation.metrics.measure import measure
from evaluation.metrics.tables import Tables
from evaluation.protocol import load_protocol
from madata.errors import ConfigError
from madata.files import read_npz
from tests.evaluation.dancers import dance

CORRECTED, OFFICIAL = load_protocol("ma-data-motion2d"), load_protocol("mace2d-official")


@pytest.fixture(scope="module")
def stored(golden_companion):
    return read_npz(golden_companion("motion/twod_pair_full.npz"))["gt"].astype(np.float64)


@pytest.fixture(scope="module")
def made():
    return np.stack([dance(seed) for seed in range(40)])[..., [1, 0, 2]]


@pytest.mark.golden
def test_the_battery_is_separated_by_the_corrected_protocol(stored):
    found = judged(stored, CORRECTED)
    real = found["the reference itself"]
    floor_k, floor_g = real["fid_k"].noise_floor, real["fid_g"].noise_floor

    def fid_k(name):
        return found[name]["fid_k"].value

    assert fid_k("movement x 0.5") > 5 * floor_k
    assert fid_k("movement x 0.1") > 50 * floor_k
    assert fid_k("frames shuffled") > 50 * floor_k
    assert fid_k("jitter 8 px") > 20 * floor_k
    assert fid_k("5 % of frames missing") < floor_k
    assert found["5 % of frames missing"]["missing_rate"].value == pytest.approx(0.05, abs=0.01)
    assert abs(fid_k("half of the clips at 0.375 resolution")) < 1e-6
    assert found["upside down"]["fid_g"].value > 50 * floor_g
    assert found["frozen pose + 0.1 px"]["div_k"].value < 0.6 * real["div_k"].value
    assert found["one clip repeated + 0.5 px"]["div_k"].value < 0.2 * real["div_k"].value


@pytest.mark.golden
def test_the_battery_escapes_the_official_protocol(stored):
    found = judged(stored, OFFICIAL)
    assert found["movement x 0.1"]["fid_k"].value < 0.5
    assert abs(found["upside down"]["fid_k"].value) < 1e-3
    assert found["one clip repeated + 0.5 px"]["div_k"].value > found["the reference itself"]["div_k"].value


@pytest.mark.parametrize("protocol", [CORRECTED, OFFICIAL], ids=lambda protocol: protocol.name)
def test_no_number_depends_on_the_others_asked_for(made, protocol):
    quick = protocol.statistics.model_copy(update={"resamples": 100})
    only = protocol.model_copy(update={"statistics": quick, "metrics": {"fid_g": 1}})
    every = protocol.model_copy(update={"statistics": quick})
    prediction, reference = features_of(made[:20], every), features_of(made[20:], every)
    alone = measure(Tables(only, prediction, reference)).metrics[0]
    among = next(
        metric for metric in measure(Tables(every, prediction, reference)).metrics if metric.name == "fid_g"
    )
    assert alone == among


def test_the_reference_is_at_no_distance_from_itself_and_half_of_it_at_the_floor(made):
    found = judged(made, CORRECTED)["the reference itself"]
    assert found["fid_k"].value == pytest.approx(0, abs=1e-9)
    assert found["precision"].value == found["coverage"].value == 1.0
    assert found["fid_k"].noise_floor_n == 20


def test_every_spoiled_set_has_the_shape_of_the_original(made):
    assert {clips.shape for clips in spoiled(made).values()} == {made.shape}
    assert len(spoiled(made)) == 10


def test_a_metric_this_build_has_not_is_refused(made):
    features = features_of(made[:5], CORRECTED)
    for metrics, says in (({"fid_k": 2}, "fid_k version 2"), ({"fid_z": 1}, "no such metric")):
        with pytest.raises(ConfigError, match=says):
            measure(Tables(CORRECTED.model_copy(update={"metrics": metrics}), features, features))


def test_a_reference_that_does_not_vary_gives_reasons(made):
    same = features_of(np.repeat(made[:1], 6, axis=0), CORRECTED)
    for metric in measure(Tables(CORRECTED, features_of(made[:6], CORRECTED), same)).metrics:
        if metric.name.startswith(("fid", "kid", "div")):
            assert metric.value is None
            assert metric.reason
