"""The body in DensePose's parts: left and right, back and front, seen from known sides."""

from dataclasses import replace

import numpy as np

from baselines.magic_animate.densepose import DensePoseFrames, part_colours
from madata.synthetic.dance import make_dance

SIZE = (128, 128)
FRONT, BACK, HEAD = [2, 9, 10, 13, 14], [1, 7, 8, 11, 12], [23, 24]


def parts_of(motion, index=0):
    return DensePoseFrames(motion, SIZE).parts(index)


def centre(parts, part):
    return np.argwhere(parts == part).mean(0)[::-1]


def test_a_dancer_seen_from_the_front_shows_her_front():
    parts = parts_of(make_dance(0.5, fps=10.0).motion)
    shown = set(np.unique(parts))
    assert shown > {0, *FRONT, 3, 4, 5, 6, *HEAD, 17, 18, 21, 22}
    seen = {kind: np.isin(parts, kind).sum() for kind in map(tuple, (FRONT, BACK))}
    assert seen[tuple(FRONT)] > 20 * seen[tuple(BACK)]
    # her right is on the picture's left
    for right, left in ((3, 4), (6, 5), (9, 10), (13, 14), (23, 24), (18, 17), (22, 21)):
        assert centre(parts, right)[0] < centre(parts, left)[0]
    assert centre(parts, 24)[1] < centre(parts, 2)[1] < centre(parts, 9)[1] < centre(parts, 13)[1]


def test_who_turns_round_shows_her_back():
    motion = make_dance(0.5, fps=10.0).motion
    rotation = motion.rotation.copy()
    # the first frames decide where the camera stands; the last one is turned by half a circle about the up axis
    rotation[-1] = rotation[0]
    up = {"y": (0.0, np.pi, 0.0), "z": (0.0, 0.0, np.pi)}[motion.up]
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_rotvec(up) * Rotation.from_rotvec(rotation[0, 0])
    rotation[-1, 0] = turned.as_rotvec()
    parts = parts_of(replace(motion, rotation=rotation.astype(np.float32)), -1)
    assert np.isin(parts, BACK).sum() > 20 * np.isin(parts, FRONT).sum()
    assert centre(parts, 3)[0] > centre(parts, 4)[0]


def test_frames_hold_the_colours_of_the_parts_alone():
    frames = DensePoseFrames(make_dance(0.5, fps=10.0).motion, SIZE)
    colours = part_colours()
    assert (colours.shape, colours[0].tolist()) == ((25, 3), [68, 1, 84])
    assert len({tuple(colour) for colour in colours.tolist()}) == 25
    assert len(frames) == 5
    np.testing.assert_array_equal(frames[2], colours[frames.parts(2)])
    np.testing.assert_array_equal(frames[-1], list(frames)[4])
