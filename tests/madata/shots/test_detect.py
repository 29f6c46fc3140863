"""Thumbnails in, shots out, with a stream that answers late."""

import numpy as np

from madata.shots import Shot, ShotDetector, Transition


class LateStream:
    """Knows the boundaries beforehand and tells them 30 frames late, 20 at a time."""

    def __init__(self, single):
        self._single = single.astype(np.float32)
        self._fed = self._told = 0

    def feed(self, frame, /):
        self._fed += 1
        return self._tell(self._told + 20 if self._fed - self._told >= 50 else self._told)

    def close(self):
        return self._tell(self._fed)

    def _tell(self, stop):
        part = self._single[self._told : stop]
        self._told = stop
        return part, np.zeros_like(part)


def test_thumbnails_meet_their_probabilities():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 27, 48, 3)).astype(np.uint8)
    frames = pictures[[0] * 130 + [1] * 90]
    single = np.zeros(220)
    single[129] = 0.9
    detector = ShotDetector(LateStream(single))
    events = [event for index, frame in enumerate(frames) for event in detector.feed(frame, index / 24)]
    assert 220 - 140 <= detector.decided < 220
    events += detector.close()
    assert detector.decided == 220
    closed = [event for event in events if not isinstance(event, Shot) or event.closed]
    cut = Transition(130, 130, float(np.float32(0.9)), 0.0, 0)
    assert closed == [Shot(0, 0, 130, True, None), cut, Shot(1, 130, 220, True, cut)]
