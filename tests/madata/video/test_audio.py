import numpy as np
import pytest

from madata.errors import MediaError
from madata.video import SoundTrack, read_audio
from madata.video.audio import mix_down, resample_sound
from tests.media_builder import Recipe, build, build_sound, find_pips, overwrite, pips, sound_of, truncate

HALF_MS = 0.0005


def assert_pips(waveform, rate_hz, expected_s, tolerance_s=HALF_MS):
    found = find_pips(waveform, rate_hz)
    assert len(found) == len(expected_s)
    # what an encoder spreads before a pip at the very beginning is lost, which moves its centre a little
    inner = np.asarray(expected_s) > 0.02
    np.testing.assert_allclose(found[inner], np.asarray(expected_s)[inner], atol=tolerance_s)
    np.testing.assert_allclose(found, expected_s, atol=max(tolerance_s, 0.002))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 22_050])
@pytest.mark.parametrize("channels", ["mono", "stereo", "5.1"])
def test_pips_lie_on_the_whole_seconds(tmp_path, suffix, rate_hz, channels):
    recipe = Recipe(num_frames=72, sound_rate_hz=rate_hz, channels=channels)
    music = read_audio(build(tmp_path / f"a{suffix}", recipe))
    assert music.rate_hz == rate_hz
    assert music.waveform.dtype == np.float32
    assert music.waveform.ndim == 1
    assert_pips(music.waveform, rate_hz, [0, 1, 2], 0.001 if suffix == ".mkv" else HALF_MS)
    assert len(music.waveform) / rate_hz == pytest.approx(3.0, abs=0.03)


def test_late_sound_is_preceded_by_silence_and_early_times_are_silence(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=96, sound_start_s=1.5))
    music = read_audio(path)
    # the file's own edit list is in milliseconds
    assert_pips(music.waveform, music.rate_hz, [2, 3], 0.001)
    theirs, rate_hz = sound_of(path)
    assert_pips(music.waveform, music.rate_hz, find_pips(theirs, rate_hz), 1e-5)
    assert not np.any(music.waveform[: int(1.49 * music.rate_hz)])
    before = read_audio(path, start_s=-0.5, end_s=2.5)
    assert len(before.waveform) == 3 * before.rate_hz
    assert_pips(before.waveform, before.rate_hz, [2.5], 0.001)


def test_a_stretch_is_exact_and_padded_at_the_end(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=96))
    part = read_audio(path, start_s=0.75, end_s=2.25)
    whole = read_audio(path)
    np.testing.assert_array_equal(part.waveform, whole.waveform[33_075 : 33_075 + 66_150])
    over = read_audio(path, start_s=3.5, end_s=6.0)
    assert len(over.waveform) == round(2.5 * over.rate_hz)
    assert not np.any(over.waveform[round(0.6 * over.rate_hz) :])


def test_seeking_gives_the_same_samples_as_decoding_through(tmp_path):
    for suffix, tolerance in ((".mp4", 0), (".mkv", 50)):
        path = build(tmp_path / f"a{suffix}", Recipe(num_frames=24 * 20, gop=24))
        whole = read_audio(path).waveform
        for start_s in (6.123, 12.5, 17.77):
            part = read_audio(path, start_s=start_s, end_s=start_s + 2).waveform
            first = round(start_s * 44_100)
            if tolerance == 0:
                np.testing.assert_allclose(part, whole[first : first + len(part)], atol=1e-6)
            else:
                assert_pips(part, 44_100, [np.ceil(start_s) - start_s, np.ceil(start_s) + 1 - start_s], 0.001)


def test_stretches_in_any_order_are_the_same(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=24 * 12, gop=24))
    whole = read_audio(path, mono=False).waveform
    rng = np.random.default_rng(0)
    with SoundTrack(path) as track:
        for _ in range(25):
            start = float(rng.uniform(0, 10))
            sound = track.read(start, start + float(rng.uniform(0.1, 2)))
            first = round(start * track.rate_hz)
            expected = whole[:, first : first + sound.waveform.shape[1]]
            np.testing.assert_allclose(sound.waveform[:, : expected.shape[1]], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "codec", "tolerance_s"),
    [
        ("a.wav", "pcm_s16le", 1e-4),
        ("a.wav", "pcm_s64le", 1e-4),
        ("a.flac", "flac", 1e-4),
        ("a.mp3", "libmp3lame", 1e-3),
        ("a.m4a", "aac", HALF_MS),
        ("a.ogg", "libopus", 1e-3),
    ],
)
def test_sound_files(tmp_path, name, codec, tolerance_s):
    rate = 48_000 if codec == "libopus" else 44_100
    path = build_sound(tmp_path / name, 4.0, codec=codec, rate_hz=rate)
    music = read_audio(path)
    assert music.rate_hz == rate
    assert len(music.waveform) == pytest.approx(4 * rate, abs=0.03 * rate)
    assert_pips(music.waveform, rate, [0, 1, 2, 3], tolerance_s)
    part = read_audio(path, start_s=1.5, end_s=3.5)
    assert_pips(part.waveform, rate, [0.5, 1.5], tolerance_s)


def test_lossless_sound_is_bit_exact(tmp_path):
    path = build_sound(tmp_path / "a.wav", 2.0, codec="pcm_s16le")
    np.testing.assert_allclose(read_audio(path).waveform, pips(0, 2.0, 44_100), atol=2 / 32768)
    assert read_audio(path, mono=False).waveform.shape == (2, 88_200)


def test_resampling_moves_nothing(tmp_path):
    path = build_sound(tmp_path / "a.wav", 4.0, codec="pcm_s16le")
    for rate in (48_000, 22_050, 16_000, 44_099):
        music = read_audio(path, rate_hz=rate)
        assert music.rate_hz == rate
        assert len(music.waveform) == 4 * rate
        assert_pips(music.waveform, rate, [0, 1, 2, 3], 1e-4)


@pytest.mark.parametrize("channels", ["7.1", "6.1", "quad", "3.0"])
def test_many_channels(tmp_path, channels):
    path = build_sound(tmp_path / "a.flac", 2.0, codec="flac", channels=channels)
    music = read_audio(path)
    assert_pips(music.waveform, music.rate_hz, [0, 1], 1e-4)
    path = build_sound(tmp_path / "a.mkv", 2.0, codec="aac", channels=channels)
    assert_pips(read_audio(path).waveform, 44_100, [0, 1], 0.001)


def test_a_packet_that_claims_absurdly_many_channels_is_skipped(tmp_path):
    """A program config element in a damaged AAC packet can ask for dozens of channels."""
    path = build(tmp_path / "a.flv", Recipe(num_frames=60))
    data = path.read_bytes()
    rng = np.random.default_rng(7)
    for seed in range(30):
        broken = bytearray(data)
        for _ in range(20):
            at = int(rng.integers(400, len(data) - 64))
            broken[at : at + 8] = rng.bytes(8)
        target = tmp_path / f"{seed}.flv"
        target.write_bytes(bytes(broken))
        try:
            assert np.isfinite(read_audio(target).waveform).all()
        except MediaError as error:
            assert error.reason in ("bad_time_stamps", "no_audio", "unreadable", "not_media")


def test_resample_keeps_a_tone():
    t = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    at_48k = resample_sound(tone, 44_100, 48_000)
    expected = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    assert np.abs(at_48k - expected)[500:-500].max() < 2e-3


def test_mixing_down():
    six = np.eye(6, dtype=np.float32)
    stereo = mix_down(six, ["FL", "FR", "FC", "LFE", "BL", "BR"], 2)
    half = 0.5**0.5
    expected = np.array([[1, 0, half, 0, half, 0], [0, 1, half, 0, 0, half]]) / (1 + 2 * half)
    np.testing.assert_allclose(stereo, expected, rtol=1e-6)
    mono = mix_down(np.array([[1.0, 0.5], [0.0, 0.5]], np.float32), ["FL", "FR"], 1)
    np.testing.assert_allclose(mono, [[0.5, 0.5]])
    assert mix_down(mono, ["FC"], 2).shape == (2, 2)


def test_no_sound_is_an_error_with_a_reason(tmp_path):
    for path, reason in (
        (build(tmp_path / "a.mp4", Recipe(num_frames=6, sound=False)), "no_audio"),
        (tmp_path / "absent.mp3", "missing"),
    ):
        with pytest.raises(MediaError) as caught:
            read_audio(path)
        assert caught.value.reason == reason


def test_damaged_and_truncated_sound_keeps_its_place(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=96, faststart=True))
    short = truncate(path, tmp_path / "b.mp4", 0.7)
    music = read_audio(short)
    found = find_pips(music.waveform, music.rate_hz)
    np.testing.assert_allclose(found, np.arange(len(found)), atol=HALF_MS)
    assert 1 <= len(found) < 4
    noisy = overwrite(path, tmp_path / "c.mp4", packet=20)
    assert_pips(read_audio(noisy).waveform, 44_100, [0, 1, 2, 3])


@pytest.mark.media
def test_the_crawl_has_its_pips_in_place(media_dir):
    music = read_audio(media_dir / "crawl_a.mp4")
    found = find_pips(music.waveform, music.rate_hz)[1:]
    nearest = np.round(found)
    good = np.abs(found - nearest) < 0.005
    assert good.sum() >= 40
    assert np.abs(found - nearest)[good].max() < 0.001
