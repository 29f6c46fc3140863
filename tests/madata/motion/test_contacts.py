import numpy as np
import pytest

from madata.errors import ConfigError
from madata.motion import contacts_by_height, contacts_by_speed, decode, floor_height_m, joint_positions


def test_speed_counts_until_the_next_frame():
    positions = np.zeros((5, 24, 3), np.float32)
    positions[:, 7, 0] = [0, 0.009, 0.02, 0.02, 0.5]
    assert contacts_by_speed(positions)[:, 0].tolist() == [1, 0, 1, 0, 1]
    assert contacts_by_speed(positions)[:, 1:].all()


def test_speed_is_the_same_in_any_direction():
    positions = np.zeros((2, 24, 3), np.float32)
    for angle in np.linspace(0, 6, 20):
        positions[1, 10] = 0.012 * np.array([np.cos(angle), 0, np.sin(angle)])
        assert contacts_by_speed(positions)[0].tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(("up", "column"), [("y", 1), ("z", 2)])
def test_height_has_one_threshold_for_ankles_and_one_for_toes(up, column):
    positions = np.ones((1, 24, 3), np.float32)
    positions[0, [7, 8, 10, 11], column] = [0.119, 0.121, 0.049, 0.051]
    assert contacts_by_height(positions, up)[0].tolist() == [1, 0, 1, 0]
    positions[..., column] += 0.3
    assert not contacts_by_height(positions, up).any()
    assert contacts_by_height(positions, up, floor_m=0.3)[0].tolist() == [1, 0, 1, 0]
    with pytest.raises(ConfigError, match="'y' or 'z', got 'x'"):
        contacts_by_height(positions, "x")


def test_a_foot_at_the_threshold_has_no_contact():
    """Both rules say below; thresholds and positions here are exact in binary."""
    positions = np.zeros((2, 24, 3), np.float32)
    positions[1, 7, 0] = 0.25
    assert contacts_by_speed(positions, 0.25)[0].tolist() == [0, 1, 1, 1]
    positions[0, [7, 8, 10, 11], 1] = [0.125, 0.0625, 0.0625, 0.03125]
    assert contacts_by_height(positions, ankle_m=0.125, toe_m=0.0625)[0].tolist() == [0, 1, 0, 1]


def test_the_thresholds_are_the_published_ones():
    positions = np.zeros((2, 24, 3), np.float32)
    positions[1, 7, 0], positions[1, 8, 0] = 0.0099, 0.0101
    assert contacts_by_speed(positions)[0].tolist() == [1, 0, 1, 1]


def test_toes_two_centimetres_apart_stand_on_one_floor_each():
    for apart_m, floor_m in ((0.019, 0.0095), (0.021, 0.0)):
        positions = np.zeros((3, 24, 3), np.float32)
        positions[0, 11, 1] = apart_m
        assert floor_height_m(positions, rule="first_frame") == pytest.approx(floor_m, abs=1e-6)


def test_the_floor_is_the_lowest_twentieth_of_the_lower_toe():
    positions = np.zeros((101, 24, 3), np.float32)
    positions[:, 10, 1] = np.arange(101) / 100
    positions[:, 11, 1] = 5.0
    assert floor_height_m(positions) == pytest.approx(0.05)


def test_floor_rules():
    positions = np.zeros((100, 24, 3), np.float32)
    positions[:, 10, 1] = 0.02
    positions[:, 11, 1] = 0.03
    assert floor_height_m(positions) == pytest.approx(0.02)
    assert floor_height_m(positions, rule="first_frame") == pytest.approx(0.025)
    positions[0, 11, 1] = 0.5
    assert floor_height_m(positions, rule="first_frame") == pytest.approx(0.02)
    positions[50, 10, 1] = -3  # one glitch
    assert floor_height_m(positions) == pytest.approx(0.02)
    with pytest.raises(ConfigError, match="floor rule"):
        floor_height_m(positions, rule="median")


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/smpl_fk*.npz")
def test_golden_contacts_by_speed(golden_file):
    stored = np.load(golden_file)
    np.testing.assert_array_equal(contacts_by_speed(stored["out/joints"]), stored["out/contacts"])


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/smplx_fk*.npz")
def test_golden_motion_set_on_the_ground(golden_file):
    stored = np.load(golden_file)
    expected = stored["out/ground139"]
    ours = stored["in/data139"].reshape(-1, *expected.shape)[0].copy()
    floor_m = floor_height_m(joint_positions(decode(ours, "lodge-139")), rule="first_frame")
    ours[:, 5] -= np.float32(floor_m + 1.2)  # upstream's floor lies at -1.2 m
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=2e-6)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_contacts*.npz")
def test_golden_floor_of_the_first_frame(golden_file):
    stored = np.load(golden_file)
    shift = stored["in/data139"][0, 5] - stored["out/grounded139"][0, 5]
    positions = np.zeros((len(stored["out/feet"]), 24, 3), np.float32)
    positions[:, [7, 8, 10, 11]] = stored["out/feet"]
    positions[..., 1] += shift
    assert floor_height_m(positions, rule="first_frame") == pytest.approx(shift, abs=2e-6)
