"""Sound on the clock of the picture: where a click is heard, whatever the container does to it."""

import wave as wave_files
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from madata.errors import MediaError
from madata.music import load_audio, load_on_clock
from madata.video import read_audio

RATE = 44100
CLICKS_S = np.arange(0.25, 3.0, 0.5)


def clicks():
    wave = np.zeros(3 * RATE, np.float32)
    for at in CLICKS_S:
        first = round(at * RATE)
        wave[first : first + 400] = 0.8 * np.sin(np.arange(400) * 2 * np.pi * 3000 / RATE) * np.hanning(400)
    return wave


def heard_s(music):
    """Where each click is loudest."""
    level = np.abs(music.waveform)
    ends = [np.flatnonzero(level > 0.3 * level.max())]
    groups = np.split(ends[0], np.flatnonzero(np.diff(ends[0]) > 0.1 * music.rate_hz) + 1)
    return np.array([group.mean() for group in groups]) / music.rate_hz


def write(path, *, picture=True, late_s=0.0, codec="aac", format=None):
    with av.open(str(path), "w", format=format) as container:
        if picture:
            video = container.add_stream("mpeg4", rate=25)
            video.width = video.height = 64
        sound = container.add_stream(codec, rate=RATE, layout="mono")
        if picture:
            for number in range(75):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        kind = "fltp" if codec == "aac" else "s16"
        wave = clicks()
        for first in range(0, len(wave), 1024):
            part = wave[first : first + 1024]
            values = part[None] if kind == "fltp" else (part[None] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(values, format=kind, layout="mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = first + round(late_s * RATE)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("late.mkv", {"late_s": 0.2}),
        ("late.mp4", {"late_s": 0.2}),
        ("a.m4a", {"picture": False, "format": "mp4"}),
        ("a.aac", {"picture": False, "format": "adts"}),
        ("a.wav", {"picture": False, "codec": "pcm_s16le"}),
    ],
)
def test_a_click_is_heard_when_the_picture_shows_it(tmp_path, name, more):
    write(tmp_path / name, **more)
    expected = CLICKS_S + more.get("late_s", 0.0) + 200 / RATE
    found = heard_s(load_on_clock(tmp_path / name, 22050))
    np.testing.assert_allclose(found[: len(expected)], expected, atol=0.003)


def test_samples_as_they_come_are_off(tmp_path):
    """What the published scripts hear, which their protocols keep."""
    write(tmp_path / "late.mkv", late_s=0.2)
    assert heard_s(load_audio(tmp_path / "late.mkv"))[0] == pytest.approx(0.25, abs=0.03)


def test_sound_that_starts_late_in_a_file_people_had():
    folder = Path(__file__).resolve().parents[3] / "shared/cases/scoring/06_audio_start"
    if not folder.is_dir():
        pytest.skip("the cases are not here")
    late, sync = (heard_s(load_on_clock(folder / name, 22050)) for name in ("audio_late_0.2.mkv", "sync.mp4"))
    np.testing.assert_allclose(late - 0.2, sync[: len(late)], atol=0.01)


@pytest.mark.parametrize(
    "read", [load_audio, load_on_clock, lambda path, rate_hz: read_audio(path, rate_hz=rate_hz)]
)
def test_a_header_of_one_hertz_is_refused_before_it_costs_anything(tmp_path, read):
    with wave_files.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 1, 0, "NONE", ""))
        file.writeframes(bytes(2000))
    with pytest.raises(MediaError, match="1 samples a second"):
        read(tmp_path / "a.wav", 22050)
