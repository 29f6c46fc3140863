from __future__ import annotations

import numpy as np
import pytest

from madata.errors import ConfigError
from madata.synthetic.music import beat_times, make_music


def test_samples_are_in_range_repeatable_and_as_many_as_asked():
    track = make_music(3.7, seed=2, rate_hz=22050)
    wave = track.music.waveform
    assert wave.dtype == np.float32
    assert wave.shape == (round(3.7 * 22050),)
    assert 0.3 < np.abs(wave).max() <= 1.0
    assert 0.05 < np.sqrt((wave**2).mean()) < 0.5
    assert (make_music(3.7, seed=2, rate_hz=22050).music.waveform == wave).all()
    assert (make_music(3.7, seed=3, rate_hz=22050).music.waveform != wave).any()


@pytest.mark.parametrize(
    ("first", "expected"), [(0.0, [0, 0.5, 1.0]), (0.2, [0.2, 0.7, 1.2]), (1.7, [0.2, 0.7, 1.2])]
)
def test_beats_are_steady_and_one_is_where_it_was_asked_for(first, expected):
    assert np.allclose(beat_times(1.5, 120, first), expected)


@pytest.mark.parametrize("seed", range(4))
def test_low_energy_rises_at_the_beats(seed):
    track = make_music(8, tempo_bpm=120, seed=seed, rate_hz=8000, first_beat_s=0.25)
    spectrum = np.fft.rfft(track.music.waveform)
    spectrum[np.fft.rfftfreq(len(track.music.waveform), 1 / 8000) > 150] = 0
    power = (np.fft.irfft(spectrum, len(track.music.waveform)) ** 2).reshape(-1, 80).mean(1)
    flux = np.maximum(np.diff(power), 0)
    at_beats = [flux[max(int(beat * 100) - 2, 0) : int(beat * 100) + 4].max() for beat in track.beats_s[:-1]]
    assert np.median(at_beats) > 4 * np.mean(flux)


def test_a_beat_tracker_finds_the_beats():
    librosa = pytest.importorskip("madata.librosa_parts").librosa
    track = make_music(12, tempo_bpm=118, seed=1, rate_hz=22050, first_beat_s=0.2)
    _, found = librosa.beat.beat_track(y=track.music.waveform, sr=22050, units="time")
    gaps = np.abs(np.asarray(found)[:, None] - track.beats_s).min(1)
    assert len(found) >= 0.8 * len(track.beats_s)
    assert np.median(gaps) < 0.05


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigError, match="positive"):
        make_music(-1)
