"""A dancer to put into made videos, and the command line as a user runs it."""

import subprocess
import sys

import numpy as np
import pytest

from tests.media_builder import build, draw_barcode

SIZE = (216, 384)
FPS = 24
SECONDS = 7


@pytest.fixture(scope="session")
def dancer():
    """Pictures (168, 384, 216, 3) of one dancer who moves all the time, seen from the front."""
    from madata.render import CapsuleRenderer, front_camera, make_stage
    from madata.synthetic.dance import make_dance

    motion = make_dance(SECONDS, fps=FPS, style="house", seed=3).motion
    renderer = CapsuleRenderer()
    figure = renderer.figure(motion, 1)
    camera = front_camera([figure.joints], SIZE)
    stage = make_stage("loft", camera, [figure.joints], figure.lowest(), seed=3)
    return np.stack([renderer.draw([figure], frame, stage) for frame in range(len(motion.rotation))])


@pytest.fixture(scope="session")
def film(dancer):
    """``film(path, recipe, offset=0)``: the dancer with a barcode in every frame, made by a recipe."""

    def make(path, recipe, *, offset=0):
        def draw(index, size):
            image = dancer[(index + offset) % len(dancer)].copy()
            draw_barcode(image, index)
            return image

        path.parent.mkdir(parents=True, exist_ok=True)
        return build(path, recipe, draw)

    return make


@pytest.fixture(scope="session")
def madance():
    """``madance(*arguments)``: run the command line in a process of its own."""

    def run(*arguments, **options):
        command = [sys.executable, "-m", "madata.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, **options)

    return run
