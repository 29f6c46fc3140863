import numpy as np
import pytest

from madata.errors import MediaError
from madata.video import EncodeSettings, read_frames, write_video

SIZE = (48, 64)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """30 frames at 30 a second: a square whose grey is 120 and 3 times the frame number on a darker ground."""
    path = tmp_path_factory.mktemp("film") / "v.mp4"
    pictures = np.full((30, SIZE[1], SIZE[0], 3), 40, np.uint8)
    for number, picture in enumerate(pictures):
        picture[20:44, 12:36] = 120 + 3 * number
    write_video(path, iter(pictures), 30.0, settings=EncodeSettings(crf=1))
    return path


def numbers(frames):
    """Number of the source frame that each frame shows, from the grey of its square."""
    return [round((np.median(frame[frame > 90]) - 120) / 3) for frame in frames]


def test_frames_are_taken_by_time(film):
    def at(start, count, fps):
        return numbers(read_frames(film, fps, count, size=SIZE, start_s=start / fps))

    assert at(0, 9, 15) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert at(3, 4, 15) == [6, 8, 10, 12]
    assert at(0, 6, 60) == [0, 0, 1, 1, 2, 2]
    assert at(12, 4, 15) == [24, 26, 28, 28]
    with pytest.raises(MediaError, match=r"lasts 1\.00 s, 1\.13 s are needed"):
        at(12, 5, 15)


def test_crop_fills_and_pad_keeps(film):
    wide = (96, 64)
    assert (read_frames(film, 30, 1, size=wide)[0][:, 0] > 20).all()
    padded = read_frames(film, 30, 1, size=wide, fit="pad")[0]
    assert not padded[:, :24].any()
    assert (padded[:, 26:70] > 20).all()
