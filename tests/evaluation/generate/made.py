"""A system made on the spot, and what it is asked with."""

import numpy as np

from evaluation.systems import Card, Plugin
from evaluation.systems.plugin import Declaration, Origin
from madata.music import write_wav
from madata.synthetic.dance import make_dance
from madata.types import Music

CLIPS = 6

LOGGING_SYSTEM = """
import os, time
from madata.synthetic.dance import make_dance

class Slow:
    task = "motion"

    def generate(self, request):
        with open(os.environ["CALLS"], "a") as log:
            log.write(request.clip_id + "\\n")
        time.sleep(0.03)
        return make_dance(request.duration_s, fps=request.fps, seed=request.seed % 1000).motion
"""


def silence(path, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, Music(np.zeros(round(8000 * seconds), np.float32), 8000))


def plugin_of(generate, task="motion", **declared):
    """A plug-in that answers with ``generate(request)``; requests are kept in ``plugin.asked``."""
    asked = []

    class Made:
        def generate(self, request):
            asked.append(request)
            return generate(request)

    declaration = Declaration("made", (task,), Card(), **declared)
    plugin = Plugin(declaration, Origin("decorator", "here", sha256="0" * 64), Made)
    object.__setattr__(plugin, "asked", asked)
    return plugin


def dance(request):
    return make_dance(request.duration_s, fps=request.fps, seed=request.seed % 1000).motion


def content(out):
    return {path.name: path.read_bytes() for path in sorted((out / "clips").iterdir())}


def make_tone(level):
    return Music((0.5 * np.sin(np.arange(22050) * level / 500)).astype(np.float32), 22050)


def paint(request):
    width, height = request.size
    return [np.full((height, width, 3), number, np.uint8) for number in range(request.num_frames)]
