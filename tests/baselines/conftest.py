"""What every baseline is tried on as a system: tiny random weights, a song that clicks, a silent one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.systems import Request
from madata.music import write_wav
from madata.types import Music

RATE_HZ, BEAT_S, CLICK_S = 22050, 0.5, 0.07


@dataclass(frozen=True)
class Tried:
    """The baseline of a test module, which calls it ``TRIED``.

    Attributes:
        system: its class.
        make_tiny: writes tiny random weights into a folder.
        song_s: length of both songs.
        asked_s: length of the dance that is asked for where a test says nothing else.
    """

    system: Any
    make_tiny: Callable[[Path], None]
    song_s: float = 2.0
    asked_s: float = 2.0


@pytest.fixture(scope="module")
def weights(request, tmp_path_factory):
    """Tiny random weights."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    request.module.TRIED.make_tiny(folder)
    return folder


@pytest.fixture
def ready(request, weights):
    """``ready(**options)``: the system on the tiny weights, set up."""

    def make(**options):
        made = request.module.TRIED.system(str(weights), **options)
        made.setup("cpu")
        return made

    return make


@pytest.fixture
def request_(request, tmp_path):
    """``request_(seconds, ...)``: a dance to ``song`` or to ``silence``."""
    tried = request.module.TRIED
    clock = np.arange(round(tried.song_s * RATE_HZ))
    clicks = np.sin(clock * 0.1) * (clock / RATE_HZ % BEAT_S < CLICK_S)
    for name, sound in (("song", clicks), ("silence", np.zeros(len(clock)))):
        write_wav(tmp_path / f"{name}.wav", Music(sound.astype(np.float32), RATE_HZ))

    def ask(duration_s=tried.asked_s, fps=30.0, seed=0, name="song", clip="clip"):
        music = tmp_path / f"{name}.wav"
        return Request(clip, "motion", music, None, None, None, duration_s, fps, (0, 0), seed, tmp_path)

    return ask
