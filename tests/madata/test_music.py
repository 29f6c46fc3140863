import sys
import types
import wave

import numpy as np
import pytest

from madata import music
from madata.errors import MediaError
from madata.music import (
    aist_tempo,
    beat_vector,
    load_audio,
    load_on_clock,
    lodge_beats,
    music_features,
    official_beats,
    track_beats,
)

librosa = pytest.importorskip("madata.librosa_parts").librosa


def write_wav(path, samples, rate_hz, channels=1):
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(channels)
        stream.setsampwidth(2)
        stream.setframerate(rate_hz)
        stream.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def clicks(bpm, seconds, rate_hz, start_s=0.25):
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    since = (time_s - start_s) % (60 / bpm)
    return 0.8 * np.exp(-since * 60) * np.sin(2 * np.pi * 1000 * time_s) * (time_s >= start_s)


@pytest.fixture(scope="module")
def click_track(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("music") / "clicks.wav", clicks(120, 8, 22050), 22050)


def encode_m4a(path, samples, rate_hz):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate_hz, layout="mono")
        for start in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[None, start : start + 1024], np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.rate, frame.pts = rate_hz, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_loading_is_librosas(tmp_path):
    stereo = np.stack([clicks(100, 2, 44100), 0.5 * clicks(77, 2, 44100)], axis=1)
    path = write_wav(tmp_path / "stereo.wav", stereo, 44100, channels=2)
    for rate_hz in (8320, 15360, 22050, None):
        got = load_audio(path, rate_hz)
        expected, expected_hz = librosa.load(path, sr=rate_hz)
        assert got.rate_hz == expected_hz
        np.testing.assert_array_equal(got.waveform, expected)


def test_containers_without_libsndfile(tmp_path):
    samples = clicks(120, 4, 44100)
    got = load_audio(encode_m4a(tmp_path / "clicks.m4a", samples, 44100), 44100)
    assert got.rate_hz == 44100
    assert abs(len(got.waveform) - len(samples)) < 4096
    length = min(len(got.waveform), len(samples))
    lags = np.correlate(got.waveform[:length], samples[:length][2048:-2048], "valid")
    assert abs(int(np.argmax(lags)) - 2048) <= 2048
    assert np.abs(np.round(got.waveform * 32768) - got.waveform * 32768).max() < 1e-2


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("nothing.wav", None, "missing"),
        ("broken.wav", b"RIFF rubbish", "not_media"),
        ("empty.m4a", b"", "empty_file"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, reason):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=name) as caught:
        load_audio(path)
    assert caught.value.reason == reason


def test_a_playlist_opens_no_other_file(tmp_path):
    encode_m4a(tmp_path / "neighbour.m4a", clicks(120, 1, 44100), 44100)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nneighbour.m4a\n#EXT-X-ENDLIST\n")
    for number, named in enumerate(("neighbour.m4a", "list.m3u8")):
        (tmp_path / f"{number}.mp3").write_text(f"ffconcat version 1.0\nfile {named}\n")
    for path in (tmp_path / "0.mp3", tmp_path / "1.mp3", tmp_path / "list.m3u8"):
        for load in (load_audio, lambda path: load_on_clock(path, 22050)):
            with pytest.raises(MediaError, match="not a video or audio file") as caught:
                load(path)
            assert caught.value.reason == "not_media"


@pytest.mark.parametrize("name", ["long.wav", "long.m4a", "long.raw"])
def test_sound_without_end_is_refused_before_it_is_held(tmp_path, monkeypatch, name):
    monkeypatch.setenv("MADANCE_LIMITS", "samples=20000")
    encode = write_wav if name.endswith("wav") else encode_m4a
    made = encode(tmp_path / "made.m4a", clicks(120, 1, 44100), 44100)
    with pytest.raises(MediaError, match=name) as caught:
        load_audio(made.rename(tmp_path / name))
    assert caught.value.reason == "too_large"


def test_a_silent_header_only_file(tmp_path):
    with pytest.raises(MediaError, match="empty"):
        load_audio(write_wav(tmp_path / "none.wav", np.zeros(0), 22050))


def test_official_beats_fall_on_the_clicks(click_track):
    beats = official_beats(click_track)
    assert len(beats) > 10
    distance = np.abs((beats - 0.25 + 0.25) % 0.5 - 0.25)
    assert np.median(distance) < 0.07
    assert lodge_beats(click_track).dtype.kind == "i"


def test_beat_vector_drops_what_is_late():
    vector = beat_vector(np.array([0.0, 0.99, 1.0, 4.0, 9.0]), 64, 16)
    assert np.flatnonzero(vector).tolist() == [0, 15, 16]


@pytest.mark.parametrize(
    ("layout", "fps", "beat_column"),
    [("edge", 30, 34), ("edge", 60, 34), ("megadance", 30, 33), ("bailando", 60, 53), ("bailando", 7.5, 53)],
)
def test_feature_layout(click_track, layout, fps, beat_column):
    features = music_features(click_track, layout, fps)
    width = 438 if layout == "bailando" else 35
    assert features.values.shape == (1 + 8 * fps, width) and features.fps == fps
    one_hot = features.values[:, 53:54] if layout == "bailando" else features.values[:, 33:]
    assert set(np.unique(one_hot)) <= {0.0, 1.0}
    np.testing.assert_allclose(features.beats_s, np.flatnonzero(features.values[:, beat_column]) / fps)
    assert np.isfinite(features.values).all()


def test_bailando_hears_what_megadance_hears_and_how_it_changes(click_track):
    ours = music_features(click_track, "bailando", 30).values
    theirs = music_features(click_track, "megadance", 30).values
    np.testing.assert_allclose(ours[:, :20], theirs[:, :20], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(ours[:, 52:54], theirs[:, 32:34], rtol=1e-5, atol=1e-5)
    slope = (ours[2:, :20] - ours[:-2, :20]) / 2
    np.testing.assert_allclose(ours[1:-1, 20:40], slope, rtol=1e-4, atol=1e-3)
    assert ours[:, 54:].max() <= 1 + 1e-5


def test_unknown_layouts_are_refused(click_track):
    with pytest.raises(ValueError, match="30 frames per second only"):
        music_features(click_track, "megadance", 60)
    with pytest.raises(ValueError, match="unknown music features"):
        music_features(click_track, "jukebox")


@pytest.mark.parametrize(
    ("stem", "bpm"),
    [
        ("gBR_sBM_cAll_d04_mBR0_ch01", 80),
        ("gHO_sBM_cAll_d19_mHO5_ch01", 135),
        ("gXX_sBM_cAll_d19_mXX5_ch01", None),
        ("song", None),
        ("a_b_c_d_mBRx_e", None),
    ],
)
def test_aist_names_hold_the_tempo(stem, bpm):
    assert aist_tempo(stem) == bpm


def test_confidence_tells_music_from_noise(click_track, tmp_path):
    noise = write_wav(tmp_path / "noise.wav", 0.3 * np.random.default_rng(0).normal(size=5 * 22050), 22050)
    silence = write_wav(tmp_path / "silence.wav", np.zeros(5 * 22050), 22050)
    beats = track_beats(load_audio(click_track, 22050))
    assert beats.confidence > 0.6 and beats.tempo_bpm == pytest.approx(120, abs=3)
    assert np.abs((beats.times_s - 0.25 + 0.25) % 0.5 - 0.25).max() < 0.03
    assert track_beats(load_audio(noise, 22050)).confidence < 0.2
    quiet = track_beats(load_audio(silence, 22050))
    assert (len(quiet.times_s), quiet.tempo_bpm, quiet.confidence) == (0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("version", "warned"), [("0.10.2.post1", False), ("0.11.0", False), ("0.9.2", True), ("0.10.1", True)]
)
def test_other_versions_are_pointed_out(monkeypatch, recwarn, version, warned):
    parts = types.SimpleNamespace(librosa=types.SimpleNamespace(__version__=version))
    monkeypatch.setitem(sys.modules, "madata.librosa_parts", parts)
    music._librosa()
    assert any("librosa" in str(warning.message) for warning in recwarn) == warned


@pytest.mark.parametrize(("sample", "said"), [(np.nan, "not numbers"), (-3e38, r"beyond 1e\+06")])
def test_samples_that_are_no_sound(tmp_path, sample, said):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.wav", np.full(4000, sample, np.float32), 22050, subtype="FLOAT")
    with pytest.raises(MediaError, match=said):
        load_audio(tmp_path / "a.wav", 15360)


def test_a_tiny_sound_is_heard_without_a_word(tmp_path, recwarn):
    blip = write_wav(tmp_path / "blip.wav", clicks(120, 0.03, 22050, 0.0), 22050)
    music_features(blip, "edge", 30)
    assert len(official_beats(blip)) == 0
    assert not [str(each.message) for each in recwarn.list if "librosa" in each.filename]
