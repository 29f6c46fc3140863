"""Motion of known pictures: shifts, zooms, small movers, stills."""

import json
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

cv2 = pytest.importorskip("cv2")

from madata import flow  # noqa: E402
from madata.flow import (  # noqa: E402
    STATIC_BELOW,
    FlowMeter,
    FlowSample,
    box_motion,
    is_static,
    summarize,
    working_size,
)

WIDTH, HEIGHT = 256, 144
DIAGONAL = float(np.hypot(WIDTH, HEIGHT))


def scenery(seed=0, size=(HEIGHT + 120, WIDTH + 120)):
    noise = np.random.default_rng(seed).integers(0, 256, (size[0] // 4, size[1] // 4)).astype(np.uint8)
    return cv2.GaussianBlur(cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC), (0, 0), 1.5)


def view(picture, x=60.0, y=60.0, zoom=1.0):
    centre = np.array([x + WIDTH / 2, y + HEIGHT / 2])
    matrix = np.array(
        [[1 / zoom, 0, centre[0] - WIDTH / 2 / zoom], [0, 1 / zoom, centre[1] - HEIGHT / 2 / zoom]]
    )
    return cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def measure(pictures, interval_s=0.125):
    meter = FlowMeter()
    samples = [meter.push(picture, index * interval_s) for index, picture in enumerate(pictures)]
    return [sample for sample in samples if sample is not None]


def motion(pictures, interval_s=0.125, box=None):
    boxes = [(0.0, box)] if box else []
    return summarize(measure(pictures, interval_s), 0.0, 1e9, boxes=boxes)


def dancer_in(picture, frame, height=100):
    """A figure of two parts that swing against each other in the middle of a picture."""
    shown = picture.copy()
    body = scenery(7)[:height, : height // 3]
    for part, phase in ((slice(0, height // 2), 0.0), (slice(height // 2, height), np.pi)):
        x = int(WIDTH / 2 + 0.12 * height * np.sin(frame * 0.9 + phase))
        y = (HEIGHT - height) // 2
        shown[y + part.start : y + part.stop, x : x + height // 3] = body[part]
    return shown


@pytest.mark.parametrize(("interval_s", "shift_px"), [(0.125, 2), (0.125, 4), (0.25, 4)])
def test_pan_has_its_speed_and_no_residual(interval_s, shift_px):
    picture = scenery()
    result = motion([view(picture, 60 + shift_px * i) for i in range(5)], interval_s)
    speed = 100 * shift_px / DIAGONAL / interval_s
    assert result.whole.median == pytest.approx(speed, rel=0.05)
    assert result.camera.median == pytest.approx(speed, rel=0.05)
    assert result.residual.median < 0.15
    assert is_static(result).static


def test_zoom_over_a_photo_is_static():
    result = motion([view(scenery(), zoom=1.01**i) for i in range(6)])
    assert result.whole.median > 0.5
    assert result.residual.median < 0.15


@pytest.mark.parametrize("noise", [0.0, 1.5])
def test_still_with_noise_is_static(noise):
    rng = np.random.default_rng(0)
    still = view(scenery()).astype(np.float64)
    pictures = [np.clip(still + rng.normal(0, noise, still.shape), 0, 255).astype(np.uint8) for _ in range(5)]
    result = motion(pictures)
    assert result.value < 0.05
    assert is_static(result).static


def test_camera_is_not_the_dancer_who_fills_the_picture():
    still = view(scenery())
    result = motion([dancer_in(still, i, height=140) for i in range(9)])
    assert result.camera.median < 0.3
    assert result.residual.median > 1.0


def test_dancer_under_a_moving_camera():
    still = motion([dancer_in(view(scenery()), i) for i in range(9)])
    panned = motion([dancer_in(view(scenery(), 60 + 2 * i), i) for i in range(9)])
    assert panned.camera.median == pytest.approx(200 / DIAGONAL / 0.125, rel=0.1)
    assert panned.residual.median == pytest.approx(still.residual.median, rel=0.6)
    assert not is_static(panned).static


def test_small_dancer_counts_by_the_box():
    height = 36
    pictures = [dancer_in(view(scenery()), i, height) for i in range(9)]
    box = (0.48, 0.37, 0.57, 0.63)
    assert is_static(motion(pictures)).static
    judged = is_static(motion(pictures, box=box))
    assert not judged.static
    assert judged.value > 1.0
    assert f"{judged.value:.2f}" in judged.reason


def test_value_does_not_depend_on_the_frame_rate():
    pictures = [view(scenery(), 60 + i) for i in range(24)]
    for step in (1, 2, 4):
        samples = measure(pictures[::step], 0.125 * step)
        expected = pytest.approx(100 / DIAGONAL / 0.125, rel=0.2)
        assert np.median([sample.camera for sample in samples]) == expected


def test_pictures_that_come_too_soon_are_passed_over():
    meter = FlowMeter(pairs_per_s=8)
    times = np.arange(49) / 24
    samples = [meter.push(view(scenery(), 60 + i), t) for i, t in enumerate(times)]
    found = [sample for sample in samples if sample is not None]
    assert len(found) == 16
    assert all(sample.end_s - sample.start_s == pytest.approx(0.125) for sample in found)


def test_reset_starts_a_new_pair():
    meter = FlowMeter()
    assert meter.push(view(scenery()), 0.0) is None
    meter.reset()
    assert meter.is_due(0.01)
    assert meter.push(view(scenery()), 1.0) is None


def test_repeatable_whatever_came_before_and_the_threads():
    pictures = [dancer_in(view(scenery()), i) for i in range(4)]
    first = measure(pictures[2:])
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        again = measure(pictures)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(threads)
    assert first[-1].residual == again[-1].residual
    np.testing.assert_array_equal(first[-1].grid, again[-1].grid)


@pytest.mark.parametrize(
    "bad",
    [np.zeros((144, 256, 3), np.uint8), np.zeros((144, 256), np.float32), np.zeros((31, 256), np.uint8)],
)
def test_unfit_pictures_are_refused(bad):
    with pytest.raises(ValueError, match="grey"):
        FlowMeter().push(bad, 0.0)


def test_change_of_shape_is_refused():
    meter = FlowMeter()
    meter.push(np.zeros((144, 256), np.uint8), 0.0)
    with pytest.raises(ValueError, match="shape"):
        meter.push(np.zeros((256, 144), np.uint8), 1.0)


@pytest.mark.parametrize(
    ("size", "expected"), [((1920, 1080), (256, 144)), ((544, 960), (145, 256)), ((2000, 20), (256, 32))]
)
def test_working_size(size, expected):
    assert working_size(size) == expected
    meter = FlowMeter()
    meter.push(np.zeros(expected[::-1], np.uint8), 0.0)
    assert meter.push(np.zeros(expected[::-1], np.uint8), 1.0).whole == 0.0


def test_box_motion_is_relative_to_the_box():
    grid = np.zeros((18, 32), np.float16)
    grid[6:12, 8:16] = 2.0
    inside = (8 / 32, 6 / 18, 16 / 32, 12 / 18)
    assert box_motion(grid, inside) == pytest.approx(2 * np.hypot(32, 18) / np.hypot(8, 6))
    assert box_motion(np.full((18, 32), 3.0), (0, 0, 1, 1)) == pytest.approx(3.0)
    assert box_motion(np.full((18, 32), 3.0), (-1, -1, 2, 2)) == pytest.approx(3.0)


@given(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.02, 0.1))
def test_uniform_motion_in_any_box(left, top, side):
    grid = np.full((18, 32), 1.5)
    share = np.hypot(side * 32, side * 18) / np.hypot(32, 18)
    assert box_motion(grid, (left, top, left + side, top + side)) == pytest.approx(1.5 / share)


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.5, 0.9), (1.2, 0.1, 1.5, 0.9), (0.6, 0.1, 0.4, 0.9)])
def test_empty_box_is_refused(box):
    with pytest.raises(ValueError, match="nothing"):
        box_motion(np.zeros((18, 32)), box)


def cells(seed=0, shape=(18, 32)):
    """Places of cells (complex, half a diagonal), equal weights, and an order of them at random."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] / 18.0 - 0.5
    return columns + 1j * rows, np.ones(shape), np.random.default_rng(seed).permutation(columns.size)


def test_the_camera_is_the_similarity_most_cells_follow():
    position, weights, order = cells()
    shift, spin = 3 - 1j, 0.4 + 0.7j
    moved = shift + spin * position
    moved.ravel()[order[:200]] += 30 * np.random.default_rng(1).normal(size=(200, 2)) @ [1, 1j]
    found = flow._camera(position, moved, weights)
    np.testing.assert_allclose(found, (shift, spin), atol=0.01)
    np.testing.assert_array_equal(flow._camera(position, moved, weights), found)
    assert flow._camera(position, moved, 0 * weights) == (0, 0)


@pytest.mark.parametrize(("still", "stands"), [(0.46, False), (0.48, True)])
def test_a_camera_that_stands_wins_within_ten_percent(still, stands):
    """Some cells rest and the others go 20 px: 0.9 of what does not rest against what does not go."""
    position, weights, order = cells()
    moved = np.full(position.shape, 20 + 0j)
    moved.ravel()[order[: round(still * position.size)]] = 0
    shift, _ = flow._camera(position, moved, weights)
    assert abs(shift - (0 if stands else 20)) < 0.1


def test_cells_at_the_border_tell_of_the_camera_and_weight_is_their_say():
    weights = flow._Frame.of(144, 256).weights
    assert weights.shape == (18, 32)
    np.testing.assert_array_equal(weights[9, :4], [1, 1, 0.25, 0.25])  # 12 % of 18 rows are two
    np.testing.assert_array_equal(weights[[0, 1, 2, 15, 16, 17], 16], [1, 1, 0.25, 0.25, 1, 1])
    small = flow._Frame.of(32, 40).weights
    np.testing.assert_array_equal(small[1], [1, 0.25, 0.25, 0.25, 1])  # at least one cell
    position, even, order = cells()
    moved = np.full(position.shape, 20 + 0j)
    moved.ravel()[order[:100]] = -5
    heavy = even.copy()
    heavy.ravel()[order[:100]] = 12
    assert abs(flow._camera(position, moved, even)[0] - 20) < 0.1
    assert abs(flow._camera(position, moved, heavy)[0] + 5) < 0.1


def test_places_of_a_picture_are_halves_of_its_diagonal_from_the_middle():
    frame = flow._Frame.of(144, 256)
    half = np.hypot(144, 256) / 2
    np.testing.assert_allclose((frame.x[0, 0], frame.y[0, 0]), (-127.5 / half, -71.5 / half), rtol=1e-6)
    np.testing.assert_allclose(frame.cells[0, 0], (-124 - 68j) / half, rtol=1e-6)


def test_a_difference_of_grey_levels_is_noise_up_to_one_and_seen_in_full_from_three():
    np.testing.assert_allclose(flow._seen(np.array([0, 1, 1.5, 2, 3, 9])), [0, 0, 0.25, 0.5, 1, 1])


def sample(start_s, residual, grid_value=0.0):
    grid = np.full((2, 2), grid_value, np.float16)
    return FlowSample(start_s, start_s + 0.125, 2 * residual, 0.0, residual, grid)


def test_summary_takes_pairs_inside_the_shot_and_the_nearest_box():
    samples = [sample(i * 0.125, float(i)) for i in range(16)]
    result = summarize(samples, 0.25, 1.0)
    assert result.pairs == 5
    assert result.residual.median == 4.0
    assert result.whole.median == 8.0
    assert result.person is None
    assert result.value == 4.0
    grids = [sample(0.0, 0.0, 1.0), sample(0.125, 0.0, 5.0)]
    boxes = [(0.0, (0.0, 0.0, 1.0, 1.0)), (0.3, (0.0, 0.0, 0.5, 0.5))]
    person = summarize(grids, 0.0, 1.0, boxes=boxes).person
    assert person.median == pytest.approx((1.0 + 5.0 * 2) / 2)


def test_a_pair_that_touches_the_end_of_the_shot_shows_the_next_one():
    """A shot is [start, end): its first picture is shown at its start, at its end the next shot's is."""
    pair = sample(0.25, 1.0)
    assert summarize([pair], 0.25, 0.5).pairs == 1
    assert summarize([pair], 0.25 + 1e-9, 0.5).pairs == 0
    assert summarize([pair], 0.25, 0.375).pairs == 0
    assert summarize([pair], 0.25, 0.375 + 1e-9).pairs == 1


def test_each_pair_takes_the_box_nearest_to_its_middle():
    whole, quarter = (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 0.5)
    pair = sample(1.0, 0.0, 3.0)
    for earlier_s, later_s, share in ((1.0, 1.1, 2), (1.0, 1.2, 1), (1.05, 1.125, 1)):
        boxes = [(earlier_s, whole), (later_s, quarter)]
        assert summarize([pair], 0.0, 9.0, boxes=boxes).person.median == pytest.approx(3.0 * share)


def test_a_shot_at_the_threshold_moves():
    summary = summarize([sample(0.0, 0.5)], 0.0, 1.0)
    assert not is_static(summary, 0.5).static
    assert is_static(summary, 0.5 + 1e-9).static
    assert STATIC_BELOW == 0.35
    assert is_static(summarize([sample(0.0, 0.34)], 0.0, 1.0)).static
    assert not is_static(summarize([sample(0.0, 0.36)], 0.0, 1.0)).static


def test_the_value_is_the_larger_of_picture_and_person():
    pair, box = sample(0.0, 1.0, 3.0), [(0.0, (0.0, 0.0, 1.0, 1.0))]
    assert summarize([pair], 0.0, 1.0, boxes=box).value == 3.0
    assert summarize([sample(0.0, 4.0, 3.0)], 0.0, 1.0, boxes=box).value == 4.0


def test_a_picture_is_due_a_little_before_the_interval_is_over():
    meter = FlowMeter(pairs_per_s=0.9)  # nine tenths of an interval are one second
    meter.push(view(scenery()), 5.0)
    assert not meter.is_due(5.999)
    assert meter.is_due(6.0)


def test_shot_without_a_pair_is_static():
    judged = is_static(summarize([], 0.0, 6.0))
    assert judged.static
    assert judged.value is None


@pytest.mark.slow
@pytest.mark.media
def test_known_footage(media_dir):
    """Every raw clip that its truth file calls moving or static."""
    decode = pytest.importorskip("madata.video.decode")
    truth = json.loads((media_dir / "raw_ground_truth.json").read_text())
    for clip in truth:
        cuts = clip.get("hard_cuts_first_new_frame")
        if clip.get("motion") not in ("moving", "static") or cuts or clip["performers"] not in (0, 1):
            continue
        meter = FlowMeter()
        samples = []
        with decode.Decoder(media_dir / clip["file"]) as frames:
            for frame in islice(frames, 150):
                if meter.is_due(frame.time_s):
                    gray = frame.scaled(
                        working_size((clip["width"], clip["height"])), "gray", interpolation="area"
                    )
                    samples.append(meter.push(gray, frame.time_s))
        judged = is_static(summarize([s for s in samples if s is not None], -1e9, 1e9))
        assert judged.static == (clip["motion"] == "static"), (clip["file"], judged)
