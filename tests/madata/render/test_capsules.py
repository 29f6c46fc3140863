from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madata.render.camera import Camera
from madata.render.capsules import Capsules, surface, trace

CAMERA = Camera(np.zeros(3), np.eye(3), 200.0, (160, 120))


def capsules(*rows):
    a, b, ra, rb = zip(*rows, strict=True)
    return Capsules(*(np.array(column, np.float32) for column in (a, b, ra, rb)))


def full(hits, camera, what):
    empty = np.inf if what == "depth" else -1
    picture = np.full(camera.size[::-1], empty, float)
    part = getattr(hits, what)
    picture[hits.top : hits.top + part.shape[0], hits.left : hits.left + part.shape[1]] = part
    return picture


def distance(points, a, b, ra, rb):
    """Signed distance of points (N, 3) to the hull of two balls, by a search over the balls in between."""

    def to_ball(share):
        centre = a + share[..., None] * (b - a)
        return np.linalg.norm(points[:, None] - centre, axis=-1) - (ra + share * (rb - ra))

    coarse = np.linspace(0, 1, 41)
    best = coarse[to_ball(coarse[None]).argmin(1)]
    fine = np.clip(best[:, None] + np.linspace(-0.03, 0.03, 61), 0, 1)
    return to_ball(fine).min(1)


def test_a_ball_in_the_middle_has_the_analytic_silhouette():
    depth, radius = 3.0, 0.4
    hits = trace(capsules(([0, 0, -depth], [0, 0, -depth], radius, radius)), CAMERA)
    x, y = CAMERA.rays()
    angle2 = x[None] ** 2 + y[:, None] ** 2
    inside = angle2 < radius**2 / (depth**2 - radius**2)
    assert (full(hits, CAMERA, "index") == 0).astype(int).sum() == inside.sum()
    assert ((full(hits, CAMERA, "index") == 0) == inside).all()
    assert hits.depth.min() == pytest.approx(depth - radius, abs=2e-3)


def test_an_upright_capsule_has_the_analytic_silhouette():
    depth, radius, half = 4.0, 0.3, 0.5
    hits = trace(capsules(([0, -half, -depth], [0, half, -depth], radius, radius)), CAMERA)
    x, y = CAMERA.rays()
    tangent = radius / np.sqrt(depth**2 - radius**2)
    seen = full(hits, CAMERA, "index") == 0
    middle = np.abs(y) < 0.05
    assert (seen[middle] == (np.abs(x) < tangent)[None]).all()
    column = seen[:, CAMERA.size[0] // 2]
    top = (half * depth + radius * np.sqrt(half**2 + depth**2 - radius**2)) / (depth**2 - radius**2)
    assert (column == (np.abs(y) < top)).sum() >= len(y) - 2


@given(
    a=st.tuples(st.floats(-0.8, 0.8), st.floats(-0.6, 0.6), st.floats(-5, -2.5)),
    b=st.tuples(st.floats(-0.8, 0.8), st.floats(-0.6, 0.6), st.floats(-5, -2.5)),
    ra=st.floats(0.05, 0.5),
    rb=st.floats(0.05, 0.5),
)
@settings(max_examples=25, deadline=None)
def test_hits_lie_on_the_surface_and_misses_pass_it(a, b, ra, rb):
    solid = capsules((a, b, ra, rb))
    hits = trace(solid, CAMERA)
    seen = surface(hits, solid, CAMERA)
    exact = [np.array(v, np.float32).astype(float) for v in (a, b)], [float(np.float32(r)) for r in (ra, rb)]
    some = slice(None, None, max(seen.capsule.size // 300, 1))
    gap = distance(seen.point.T[some].astype(float), *exact[0], *exact[1])
    assert np.abs(gap).max(initial=0) < 2e-3
    assert np.abs(np.linalg.norm(seen.normal, axis=0) - 1).max(initial=0) < 2e-2
    assert (seen.point * seen.normal).sum(0).max(initial=-1) < 0.05, "normals look at the viewer"
    x, y = CAMERA.rays()
    rows, columns = np.nonzero(full(hits, CAMERA, "index") < 0)
    pick = slice(None, None, max(len(rows) // 60, 1))
    rays = np.stack([x[columns[pick]], y[rows[pick]], -np.ones(len(rows[pick]))], 1).astype(float)
    along = (np.linspace(1.5, 6, 60)[:, None, None] * rays).reshape(-1, 3)
    assert distance(along, *exact[0], *exact[1]).min(initial=1) > -2e-3, "a ray that misses passes it by"


def test_the_nearer_solid_wins():
    near, far = ([0.1, 0, -2], [0.3, 0, -2], 0.2, 0.1), ([0.1, 0, -3], [0.1, 0.2, -3], 0.5, 0.5)
    for order in ((near, far), (far, near)):
        hits = trace(capsules(*order), CAMERA)
        row, column = CAMERA.size[1] // 2, int(80 + 200 * 0.1 / 2)
        assert full(hits, CAMERA, "index")[row, column] == order.index(near)


def test_solids_outside_or_behind_are_left_out():
    hits = trace(capsules(([0, 0, 2], [0, 0, 3], 0.5, 0.5), ([9, 0, -3], [9, 1, -3], 0.2, 0.2)), CAMERA)
    assert hits.index.size == 0
    partly = trace(capsules(([0, 0, -3], [0, 0, 1], 0.2, 0.2), ([0, 0, -3], [0.2, 0, -3], 0.2, 0.2)), CAMERA)
    assert set(np.unique(partly.index)) == {-1, 1}


def test_one_end_inside_the_other_is_a_ball():
    swallowed = capsules(([0, 0, -3], [0.05, 0, -3], 0.4, 0.1))
    ball = capsules(([0, 0, -3], [0, 0, -3], 0.4, 0.4))
    assert (
        full(trace(swallowed, CAMERA), CAMERA, "index") == full(trace(ball, CAMERA), CAMERA, "index")
    ).all()
