from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from madata.errors import ConfigError
from madata.render import (
    BACKDROPS,
    OUTFITS,
    CapsuleRenderer,
    build_figure,
    facing_direction,
    front_camera,
    make_stage,
    stages_along,
)
from madata.render.pose import body_joints, head_axes
from madata.synthetic.dance import make_dance

SIZE = (192, 256)


@pytest.fixture(scope="module")
def motion():
    return make_dance(2.0, style="jazz", seed=4).motion


@pytest.fixture(scope="module")
def scene(motion):
    renderer = CapsuleRenderer()
    figure = renderer.figure(motion)
    camera = front_camera([figure.joints], SIZE)
    return renderer, figure, make_stage("studio", camera, [figure.joints], figure.lowest())


def test_a_frame_is_an_rgb_picture_and_the_same_every_time(scene, motion):
    renderer, figure, stage = scene
    picture = renderer.draw([figure], 7, stage)
    assert picture.shape == (256, 192, 3)
    assert picture.dtype == np.uint8
    again = CapsuleRenderer()
    assert (again.draw([again.figure(motion)], 7, stage) == picture).all()
    assert (renderer.draw([figure], 40, stage) != picture).any()


def test_the_stage_itself_is_never_drawn_on(scene):
    renderer, figure, stage = scene
    before = stage.image.copy()
    renderer.draw([figure], 0, stage)
    assert (stage.image == before).all()


def test_the_figure_covers_its_own_joints(scene):
    renderer, figure, stage = scene
    bare = replace(stage, floor_y=None)
    for frame in (0, 20, 50):
        drawn = (renderer.draw([figure], frame, bare) != stage.image).any(2)
        columns, rows = np.floor(stage.camera.project(figure.joints[frame])).astype(int).T
        assert drawn[rows, columns].all()
        assert 0.02 < drawn.mean() < 0.4


def test_every_joint_is_inside_the_body_it_belongs_to(scene):
    _, figure, _ = scene
    for frame in (0, 30):
        a, b = figure.a[frame], figure.b[frame]
        for joint, point in enumerate(figure.joints[frame]):
            span = b - a
            share = np.clip(((point - a) * span).sum(1) / np.maximum((span**2).sum(1), 1e-12), 0, 1)
            gap = np.linalg.norm(a + share[:, None] * span - point, axis=1)
            room = figure.ra + share * (figure.rb - figure.ra)
            assert (gap - room).min() < 0, joint


def test_the_dancer_in_front_hides_the_one_behind(motion):
    renderer = CapsuleRenderer()
    near, far = renderer.figure(motion, 0), renderer.figure(motion, 1)
    away = -0.8 * facing_direction(near.joints[0])
    far = build_figure(far.joints + away.astype(np.float32), OUTFITS[1], head_axes(motion))
    camera = front_camera([near.joints, far.joints], SIZE, pitch_deg=0)
    stage = replace(make_stage("studio", camera, [near.joints], 0.0), floor_y=None)
    both = renderer.draw([far, near], 0, stage)
    assert (both == renderer.draw([near, far], 0, stage)).all()
    alone = renderer.draw([near], 0, stage)
    chest = np.floor(camera.project(near.joints[0, 9])).astype(int)
    assert (both[chest[1], chest[0]] == alone[chest[1], chest[0]]).all()


def test_size_does_not_change_what_is_seen(motion):
    renderer = CapsuleRenderer()
    figure = renderer.figure(motion)
    shares = []
    for scale in (1, 2):
        camera = front_camera([figure.joints], (SIZE[0] * scale, SIZE[1] * scale))
        stage = replace(make_stage("grid", camera, [figure.joints], 0.0), floor_y=None)
        shares.append((renderer.draw([figure], 10, stage) != stage.image).any(2).mean())
    assert shares[0] == pytest.approx(shares[1], rel=0.1)


def test_motions_with_z_up_or_another_skeleton_give_the_same_figure(motion):
    from madata.motion import with_skeleton, with_up

    assert np.allclose(body_joints(with_up(motion, "z")), body_joints(motion), atol=1e-5)
    assert np.allclose(head_axes(with_up(motion, "z")), head_axes(motion), atol=1e-5)
    assert body_joints(with_skeleton(motion, "smplx-22")).shape == (60, 24, 3)


@pytest.mark.parametrize("name", BACKDROPS)
def test_backdrops_are_repeatable_and_differ_from_each_other(name, scene):
    _, figure, stage = scene
    first = make_stage(name, stage.camera, [figure.joints], 0.0, seed=5)
    assert (make_stage(name, stage.camera, [figure.joints], 0.0, seed=5).image == first.image).all()
    assert first.image.std() > 3
    for other in BACKDROPS:
        if other != name:
            picture = make_stage(other, stage.camera, [figure.joints], 0.0, seed=5).image
            assert np.abs(picture.astype(int) - first.image).mean() > 5


@pytest.mark.parametrize("name", ["grid", "room", "studio"])
def test_the_place_goes_past_a_camera_that_travels(name, scene):
    _, figure, stage = scene
    camera, joints = stage.camera, [figure.joints]
    way = np.array([[0, 0, 0], [0.37, 0, 0.21], [-400.2, 0, 30.3]], np.float32)
    places = list(stages_along(name, camera, joints, figure.lowest(), way, seed=5))
    middle = figure.joints.reshape(-1, 3).mean(axis=0)
    points = middle + np.random.default_rng(0).uniform([-0.6, 0, -0.4], [0.6, 0, 0.4], (400, 3))
    points[:, 1] = figure.lowest()

    def colours(place, points):
        x, y = np.floor(camera.project(points)).astype(int).T
        return place.image[y, x].astype(int)

    if name == "studio":
        assert all((place.image == places[0].image).all() for place in places)
        return
    # what lies at a point of the floor has come nearer by as much as the camera has gone
    same = np.abs(colours(places[0], points) - colours(places[1], points - way[1])).mean()
    other = np.abs(colours(places[0], points) - colours(places[1], points + way[1])).mean()
    assert same < other / 2
    assert np.abs(places[2].image.astype(int) - places[0].image).mean() > 2


def test_an_unknown_backdrop_names_the_known_ones(scene):
    _, figure, stage = scene
    with pytest.raises(ConfigError, match="unknown backdrop"):
        make_stage("moon", stage.camera, [figure.joints], 0.0)


def test_shadows_darken_the_floor_below_the_feet_only(scene):
    renderer, figure, stage = scene
    shadow = renderer.draw([figure], 0, stage)
    without = renderer.draw([figure], 0, replace(stage, floor_y=None))
    darker = (shadow.astype(int) - without).sum(2)
    assert darker.max() <= 0
    rows, columns = np.nonzero(darker < -20)
    feet = stage.camera.project(figure.joints[0, 10:12])
    assert abs(columns.mean() - feet[:, 0].mean()) < 20
    assert rows.min() > stage.camera.project(figure.joints[0, 4:6])[:, 1].min()


@pytest.mark.media
def test_real_mocap_is_drawn(motion_dir):
    from madata.motion import read_motion, resample

    renderer = CapsuleRenderer()
    path = sorted(motion_dir.glob("rokoko*"))[0]
    figure = renderer.figure(resample(read_motion(path), 10))
    camera = front_camera([figure.joints], SIZE)
    stage = make_stage("studio", camera, [figure.joints], figure.lowest())
    drawn = (renderer.draw([figure], 20, stage) != stage.image).any(2)
    assert 0.01 < drawn.mean() < 0.4
    assert camera.visible(figure.joints).all()
