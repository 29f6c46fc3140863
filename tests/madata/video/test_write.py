from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from madata.errors import MediaError
from madata.types import Music
from madata.video import EncodeSettings, encode_jpeg, encode_png, probe, read_audio, write_video
from tests.media_builder import barcodes, find_pips, frame_stamps_s, picture, pips


def frames(count, size=(128, 96)):
    return (picture(index, size) for index in range(count))


@pytest.mark.parametrize("fps", [30, 24.0, 29.97, Fraction(24_000, 1001), 12.5])
def test_frames_sound_and_rate(tmp_path, fps):
    music = Music(pips(0, 3.0, 44_100), 44_100)
    path = tmp_path / "folder" / "a.mp4"
    assert write_video(path, frames(60), fps, audio=music) == 60
    assert barcodes(path) == list(range(60))
    exact = {29.97: Fraction(30_000, 1001)}.get(fps, Fraction(fps))
    np.testing.assert_allclose(frame_stamps_s(path), np.arange(60) / float(exact), atol=1e-4)
    heard = read_audio(path)
    end_s = min(60 / float(exact), 3.0)
    expected = np.arange(np.ceil(end_s - 0.05))
    np.testing.assert_allclose(find_pips(heard.waveform, heard.rate_hz), expected, atol=5e-4)
    assert len(heard.waveform) / heard.rate_hz == pytest.approx(end_s, abs=1e-3)


def test_colours_are_tagged_and_right(tmp_path):
    path = tmp_path / "a.mp4"
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (255, 255, 255), (0, 0, 0), (90, 120, 200)]
    image = np.zeros((64, 96, 3), np.uint8)
    for i, rgb in enumerate(colours):
        image[:, 16 * i : 16 * (i + 1)] = rgb
    write_video(path, [image] * 3, 30, settings=EncodeSettings(crf=2))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (
            1,
            1,
            1,
            1,
        )
        planes = next(container.decode(video=0)).to_ndarray()
    for i, rgb in enumerate(colours):
        r, g, b = (value / 255 for value in rgb)
        luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
        x = 16 * i + 8
        assert abs(planes[32, x] - (16 + 219 * luma)) <= 2
        chroma = planes[64:].reshape(2, 32, 48)[:, 16, x // 2]
        assert abs(chroma[0] - (128 + 224 * (b - luma) / 1.8556)) <= 3
        assert abs(chroma[1] - (128 + 224 * (r - luma) / 1.5748)) <= 3


def test_stereo_sound_and_other_sizes(tmp_path):
    stereo = np.stack([pips(0, 1, 48_000), np.zeros(48_000, np.float32)])
    path = tmp_path / "a.mp4"
    settings = EncodeSettings(long_side=64, audio_rate_hz=None)
    write_video(path, frames(30), 30, audio=Music(stereo, 48_000), settings=settings)
    info = probe(path)
    assert info.size == (64, 48)
    assert (info.audio.rate_hz, info.audio.channels) == (48_000, 2)
    sound = read_audio(path, mono=False).waveform
    assert np.abs(sound[0]).max() > 0.3
    assert np.abs(sound[1]).max() < 0.05


def test_same_input_same_bytes(tmp_path):
    music = Music(pips(0, 1, 22_050), 22_050)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, frames(20), 30, audio=music)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_odd_sizes_lose_a_row_and_bad_frames_leave_no_file(tmp_path):
    write_video(tmp_path / "odd.mp4", [np.zeros((33, 51, 3), np.uint8)], 30)
    assert probe(tmp_path / "odd.mp4").size == (50, 32)
    good = np.zeros((32, 32, 3), np.uint8)
    for bad in ([], [good, good[:16]], [good.astype(float)], [good[..., 0]]):
        with pytest.raises(MediaError):
            write_video(tmp_path / "bad.mp4", bad, 30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.mp4"]


def test_stills_read_back():
    image = picture(5, (64, 48))
    png = cv2.imdecode(np.frombuffer(encode_png(image), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(png, image)
    jpeg = cv2.imdecode(np.frombuffer(encode_jpeg(image, 95), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(jpeg.astype(int) - image).mean() < 4
    assert len(encode_jpeg(image, 20)) < len(encode_jpeg(image, 95))
    grey = image[..., 0]
    np.testing.assert_array_equal(
        cv2.imdecode(np.frombuffer(encode_png(grey), np.uint8), cv2.IMREAD_GRAYSCALE), grey
    )
    with pytest.raises(MediaError):
        encode_jpeg(image.astype(float))
