"""A dancer to put into made videos, and the command line as a user runs it."""

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest

from madata.cli import main
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


@dataclass(frozen=True)
class Ran:
    """How a command line ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def madance():
    """``madance(*arguments)``: run the command line as a user does, in this process: it has imported everything."""

    def run(*arguments):
        code, out, err = 0, io.StringIO(), io.StringIO()
        with (
            mock.patch.object(sys, "argv", ["madance", *map(str, arguments)]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ended:
                code = ended.code
        return Ran(code, out.getvalue(), err.getvalue())

    return run
