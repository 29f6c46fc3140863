import numpy as np
import pytest

from madata.pose import ssd


def person(hip, head, radius, score=0.9):
    """Six points of an upright or leaning body."""
    hip, head = np.array(hip, float), np.array(head, float)
    up = (head - hip) / np.linalg.norm(head - hip)
    face = 0.1 * radius
    return np.stack([head - face, head + face, hip, hip + radius * up, (hip + head) / 2, head]), score


def people(*some):
    return np.array([one[0] for one in some], np.float32), np.array([one[1] for one in some], np.float32)


def test_anchors_are_cell_centres_of_three_grids():
    centres = ssd.anchors()
    assert centres.shape == (2254, 2)
    assert (centres[0] == 4).all() and (centres[1] == 4).all()  # two a cell
    assert centres[2].tolist() == [12, 4]  # x runs first
    first_coarse = 28 * 28 * 2 + 14 * 14 * 2
    assert (centres[first_coarse : first_coarse + 6] == 16).all()
    assert not centres.flags.writeable


def test_split_batch_undoes_the_layout_by_grid():
    batch = 3
    rows = np.arange(batch * 2254, dtype=np.float32).reshape(batch, 2254, 1)
    edges = np.cumsum([28 * 28 * 2, 14 * 14 * 2])
    laid_out = np.concatenate([part.reshape(1, -1, 1) for part in np.split(rows, edges, axis=1)], axis=1)
    assert (ssd.split_batch(laid_out, batch) == rows).all()


def test_decode_puts_box_and_points_relative_to_the_anchor():
    raw, logits = np.zeros((2254, 12), np.float32), np.full(2254, -50.0, np.float32)
    anchor = 2 * (28 * 3 + 5)  # column 5, row 3
    raw[anchor] = [1, 2, 10, 20, 0, 40, 0, -60, 0, 0, 3, 3]
    logits[anchor] = 2.0
    points, score = ssd.decode_boxes(raw, logits, 0.5)
    assert score == pytest.approx([1 / (1 + np.exp(-2))])
    centre = np.array([5.5, 3.5]) * 8
    assert points[0, 0] == pytest.approx(centre + np.array([1 - 5, 2 - 10]))
    assert points[0, 1] == pytest.approx(centre + np.array([1 + 5, 2 + 10]))
    assert points[0, ssd.HIP] == pytest.approx(centre + np.array([0, 40]))
    assert ssd.body_radius(points) == pytest.approx([100])
    assert ssd.face_centre(points)[0] == pytest.approx(centre + np.array([1, 2]))


def test_decode_survives_extreme_logits_and_orders_by_score():
    raw, logits = np.zeros((2254, 12), np.float32), np.full((2254, 1), -1e9, np.float32)
    logits[[7, 9], 0] = [1.0, 1e9]
    _, score = ssd.decode_boxes(raw, logits, 0.5)
    assert score.tolist() == pytest.approx([1.0, 1 / (1 + np.exp(-1))])


def test_suppress_averages_overlapping_boxes_by_score_and_keeps_others():
    points, score = people(person((50, 90), (50, 50), 60, 0.8), person((54, 90), (54, 50), 60, 0.4))
    far, far_score = people(person((150, 90), (150, 50), 60, 0.5))
    merged, kept = ssd.suppress(
        np.concatenate([points[:1], far, points[1:]]), np.concatenate([score[:1], far_score, score[1:]]), 0.3
    )
    assert kept == pytest.approx([0.8, 0.5])
    assert merged[0, ssd.HIP, 0] == pytest.approx((50 * 0.8 + 54 * 0.4) / 1.2)
    assert merged[1, ssd.HIP, 0] == pytest.approx(150)


def test_suppress_of_nothing():
    points, score = ssd.suppress(np.zeros((0, 6, 2), np.float32), np.zeros(0, np.float32))
    assert points.shape == (0, 6, 2) and score.shape == (0,)


def test_suppress_ends_with_empty_boxes():
    points = np.zeros((3, 6, 2), np.float32)
    assert len(ssd.suppress(points, np.ones(3, np.float32))[1]) == 3


@pytest.mark.parametrize(
    ("size", "count"), [((512, 512), 5), ((288, 512), 3), ((512, 288), 3), ((30, 512), 3), ((64, 64), 5)]
)
def test_tiles_cover_the_picture(size, count):
    squares = ssd.tiles(*size, 0.6)
    assert len(squares) == count
    seen = np.zeros((size[1], size[0]), bool)
    for square in squares[1:]:
        corners = square.to_picture(np.array([[0, 0], [ssd.BODIES.side, ssd.BODIES.side]], np.float32))
        (x0, y0), (x1, y1) = np.round(corners).astype(int)
        seen[max(0, y0) : y1, max(0, x0) : x1] = True
    assert seen.all()
    whole = squares[0].to_picture(np.array([[0, 0], [ssd.BODIES.side, ssd.BODIES.side]], np.float32))
    assert (whole[1] - whole[0]) == pytest.approx([max(size)] * 2, rel=0.01)


def test_tiles_off():
    assert len(ssd.tiles(640, 480, 1.0)) == 1


def test_a_limb_is_merged_and_a_neighbour_is_not():
    body = person((100, 120), (100, 60), 100)
    limb = person((100, 95), (128, 80), 30, 0.5)  # a tile took the arm for a person: near the axis
    neighbour = person((190, 120), (190, 60), 100, 0.6)
    assert ssd.merge_people(*people(body, limb, neighbour), 0.4).tolist() == [0, 2]


def test_the_better_of_two_views_of_one_person_stays_whatever_the_order():
    worse, better = person((102, 118), (100, 62), 95, 0.5), person((100, 120), (100, 60), 100, 0.9)
    assert ssd.merge_people(*people(worse, better), 0.4).tolist() == [1]
