"""What an estimator trained on photographs sees in the renderings (needs its networks on this machine)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from madata.errors import MissingDependencyError, WeightsError
from madata.render import CapsuleRenderer, front_camera, make_stage
from madata.skeletons import skeleton
from madata.synthetic.dance import make_dance

JOINTS = [
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
]


@pytest.fixture(scope="module")
def backend():
    from madata import pose

    try:
        return pose.load("blazepose")
    except (MissingDependencyError, WeightsError) as error:
        pytest.skip(str(error))


def render(count, style="pop", every=12):
    renderer = CapsuleRenderer()
    figures = []
    for number in range(count):
        motion = make_dance(4.0, style=style, seed=2 + number).motion
        beside = np.array([1.2 * (number - (count - 1) / 2), 0, 0], np.float32)
        figures.append(renderer.figure(replace(motion, translation=motion.translation + beside), number))
    joints = [figure.joints for figure in figures]
    camera = front_camera(joints, (512, 512))
    stage = make_stage("studio", camera, joints, figures[0].lowest())
    return (
        figures,
        camera,
        range(0, 120, every),
        [renderer.draw(figures, t, stage) for t in range(0, 120, every)],
    )


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3])
def test_dancers_are_counted_exactly(backend, count):
    from madata.people import examine

    _, _, frames, pictures = render(count)
    verdict = examine(backend, pictures, np.array(frames) / 30)
    assert (verdict.counts == count).all()


@pytest.mark.slow
@pytest.mark.parametrize("style", ["groove", "latin", "jazz"])
def test_nine_in_ten_keypoints_are_found_within_a_twentieth_of_the_height(backend, style):
    figures, camera, frames, pictures = render(1, style)
    seen, body = skeleton(backend.skeleton), skeleton("smpl-24")
    close = []
    for poses, frame in zip(backend.estimate(pictures, backend.detect(pictures)), frames, strict=True):
        assert len(poses) == 1
        truth = camera.project(figures[0].joints[frame])
        for joint in JOINTS:
            error = np.linalg.norm(poses.xy[0][seen.index(joint)] - truth[body.index(joint)])
            close.append(error < 0.05 * np.ptp(truth[:, 1]))
    assert np.mean(close) >= 0.9
