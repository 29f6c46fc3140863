from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from madata.errors import MediaError
from madata.video import Decoder, probe, read_audio
from tests.media_builder import Recipe, build, build_sound, truncate


def reason_of(path):
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


def test_a_plain_file(tmp_path):
    info = probe(build(tmp_path / "a.mp4", Recipe(num_frames=48)))
    assert (info.size, info.rotation, info.fps, info.start_s, info.num_frames) == (
        (128, 96),
        0,
        24.0,
        0.0,
        48,
    )
    assert info.duration_s == pytest.approx(2.0)
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p")
    assert info.audio is not None
    assert (info.audio.codec, info.audio.rate_hz, info.audio.channels) == ("aac", 44_100, 2)
    assert info.audio.duration_s == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize(("rotation", "size"), [(90, (96, 128)), (180, (128, 96)), (270, (96, 128))])
def test_rotation(tmp_path, rotation, size):
    info = probe(build(tmp_path / "a.mp4", Recipe(num_frames=3, sound=False, rotation=rotation)))
    assert (info.size, info.rotation, info.audio) == (size, rotation, None)


def test_pixel_aspect_and_rotation_together(tmp_path):
    recipe = Recipe(num_frames=3, sound=False, rotation=90, pixel_aspect=Fraction(3, 2))
    assert probe(build(tmp_path / "a.mp4", recipe)).size == (96, 192)


def test_late_start_and_one_frame(tmp_path):
    late = probe(build(tmp_path / "late.mp4", Recipe(num_frames=24, start_s=2.5)))
    assert late.start_s == pytest.approx(2.5, abs=1e-4)
    one = probe(build(tmp_path / "one.mp4", Recipe(num_frames=1, sound=False)))
    assert (one.num_frames, one.fps) == (1, 24.0)


def test_every_kind_of_unusable_file_has_its_reason(tmp_path):
    whole = build(tmp_path / "whole.mp4", Recipe(num_frames=24))
    sound = build_sound(tmp_path / "sound.m4a", 1.0, codec="aac")
    noise = np.random.default_rng(0).bytes(60_000)
    cases = {
        "missing": None,
        "empty_file": b"",
        "not_media": b"this is a text, whatever its name says\n" * 200,
        "truncated": whole.read_bytes()[: whole.stat().st_size // 2],
        "no_video": sound.read_bytes(),
    }
    for reason, data in cases.items():
        path = tmp_path / f"{reason}.mp4"
        if data is not None:
            path.write_bytes(data)
        assert reason_of(path) == reason
    (tmp_path / "noise.mp4").write_bytes(noise)
    assert reason_of(tmp_path / "noise.mp4") == "not_media"
    assert reason_of(tmp_path) == "not_a_file"


def test_a_file_whose_packets_are_all_noise_is_unreadable(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=24, sound=False, faststart=True))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path.write_bytes(bytes(data))
    assert reason_of(path) == "unreadable"


def test_a_cover_picture_is_not_a_video(tmp_path):
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44_100)
        cover = container.add_stream("png", width=32, height=32)
        cover.pix_fmt = "rgb24"
        cover.disposition = 1 << 10
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 44_100), np.float32), "fltp", "stereo")
        frame.sample_rate = 44_100
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert reason_of(path) == "no_video"


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile whole.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nwhole.mp4\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".ffconcat", ".m3u8"])
def test_files_that_name_other_files_are_not_followed(tmp_path, text, suffix):
    build(tmp_path / "whole.mp4", Recipe(num_frames=12, sound=False))
    path = tmp_path / f"list{suffix}"
    path.write_text(text)
    assert reason_of(path) == "not_media"


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "tänzerin 舞.mp4",
        "line\nbreak.mp4",
        "-x.mp4",
        "concat:a.mp4|b.mp4",
        "http:example.mp4",
        "file:a.mp4",
        "pipe:0",
        "frame%03d.mp4",
        "a?b#c&d.mp4",
        "'quoted\" $(x).mp4",
    ],
)
def test_names_are_names_and_never_protocols(tmp_path, monkeypatch, name):
    whole = build(tmp_path / "whole.mp4", Recipe(num_frames=12))
    monkeypatch.chdir(tmp_path)
    whole.rename(tmp_path / name)
    path = Path(name)
    assert probe(path).num_frames == 12
    with Decoder(path) as decoder:
        assert sum(1 for _ in decoder) == 12
    assert len(read_audio(path).waveform) > 0
    with pytest.raises(MediaError) as caught:
        probe(Path(f"{name}.absent"))
    assert caught.value.reason == "missing"


def test_a_cut_off_index_is_reported_as_truncated(tmp_path):
    whole = build(tmp_path / "whole.mp4", Recipe(num_frames=24, faststart=True))
    assert reason_of(truncate(whole, tmp_path / "cut.mp4", 0.05)) == "truncated"
