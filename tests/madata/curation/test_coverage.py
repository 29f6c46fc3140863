from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from madata.curation.coverage import timeline
from madata.curation.journal import Entry
from madata.curation.settings import load_config
from madata.curation.source import curation_steps
from madata.types import Source, VideoInfo
from madata.video import DecodeReport


def span(start, end, **more):
    return {"start_frame": start, "end_frame": end, "start_s": start / 10, "end_s": end / 10, **more}


def test_no_frame_is_left_out():
    entry = Entry(
        "done",
        {},
        clips=[span(5, 60, clip_id="a"), span(50, 95, clip_id="b")],
        dropped=[span(0, 3, reason="damaged"), span(120, 150, reason="short")],
        shots=[span(0, 100), span(120, 150), span(150, 170)],
        transitions=[span(100, 120)],
    )
    rows = timeline("s", entry)
    fates = [(row["start_frame"], row["end_frame"], row["fate"]) for row in rows]
    assert fates == [
        (0, 3, "dropped"),
        (3, 5, "rest"),
        (5, 60, "kept"),
        (50, 95, "kept"),
        (95, 100, "rest"),
        (100, 120, "transition"),
        (120, 150, "dropped"),
        (150, 170, "rest"),
    ]
    assert {frame for start, end, _ in fates for frame in range(start, end)} == set(range(170))
    assert all(row["start_s"] == row["start_frame"] / 10 for row in rows)
    assert all(row["end_s"] == row["end_frame"] / 10 for row in rows)
    assert [row.get("clip_id") for row in rows if row["fate"] == "kept"] == ["a", "b"]


FPS = 25


class Film:
    """A made source in place of a decoder: scenes of random lengths, and whatever comes between and into them."""

    def __init__(self, seed):
        self._rng = rng = np.random.default_rng(seed)
        self.count = int(rng.integers(30, 260))
        ends = np.cumsum(rng.integers(1, 110, 40))
        self._scene = np.searchsorted(ends, np.arange(self.count), side="right")
        self._pictures = rng.integers(0, 255, (self._scene[-1] + 1, 6, 8, 3))
        self._sizes = [[(64, 36), (36, 64)][int(turned)] for turned in rng.random(self._scene[-1] + 1) < 0.2]
        self._blank = self._runs(0.5) if rng.random() < 0.5 else np.zeros(self.count, bool)
        self._held = self._runs(0.5)
        self._flashes = rng.random(self.count) < (0.4 if rng.random() < 0.3 else 0.0)
        self._damaged = self._runs(0.3) if rng.random() < 0.5 else np.zeros(self.count, bool)
        self.times_s = np.cumsum(rng.uniform(0.02, 0.09, self.count + 1))
        self.info = VideoInfo(
            Path("s.mp4"),
            (64, 36),
            0,
            float(FPS),
            float(self.times_s[0]),
            None,
            None,
            "h264",
            "yuv420p",
            None,
        )

    def _runs(self, many):
        flags = np.zeros(self.count, bool)
        for _ in range(self._rng.poisson(many * 2)):
            start = int(self._rng.integers(0, self.count))
            flags[start : start + int(self._rng.integers(1, 40))] = True
        return flags

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __iter__(self):
        still = None
        for index in range(self.count):
            scene = self._scene[index]
            picture = self._pictures[scene] + self._rng.integers(-20, 20, (6, 8, 3))
            if self._held[index] and still is not None:
                picture = still
            still = picture
            if self._blank[index]:
                picture = np.zeros_like(picture)
            yield SimpleNamespace(
                index=index,
                time_s=float(self.times_s[index]),
                end_s=float(self.times_s[index + 1]),
                damaged=bool(self._damaged[index]),
                shown_size=self._sizes[scene],
                orientation=None,
                scaled=partial(self._scaled, (picture + 90 * self._flashes[index]).clip(0, 255)),
            )

    @staticmethod
    def _scaled(picture, size, pixel_format="rgb24", *, interpolation=""):
        grid = np.ix_(np.arange(size[1]) * 6 // size[1], np.arange(size[0]) * 8 // size[0])
        image = picture[grid].astype(np.uint8)
        return image if pixel_format == "rgb24" else image[..., 0]

    @property
    def report(self):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], self._damaged, [0]]))).reshape(-1, 2)
        return DecodeReport(self.count, None, tuple(map(tuple, edges.tolist())), False, 0, None)

    def stream(self):
        """Boundaries in random places, late, some dozens of frames at a time."""
        rng = self._rng
        known = np.zeros((2, self.count), np.float32)
        for start in rng.integers(0, self.count, rng.integers(0, 9)):
            known[1, start : start + int(rng.integers(1, 30))] = rng.uniform(0.1, 1)
            known[0, min(self.count - 1, start + int(rng.integers(0, 15)))] = rng.uniform(0.2, 1)
        fed, told = 0, 0

        def feed(thumbnail, /):
            nonlocal fed, told
            fed += 1
            first, told = told, told + 50 if fed - told >= 75 else told
            return known[0, first:told], known[1, first:told]

        return SimpleNamespace(feed=feed, close=lambda: (known[0, told:], known[1, told:]))


@pytest.mark.parametrize("seed", [1, 6, 27, 41])
def test_every_frame_of_any_source_has_a_row(seed, tmp_path, monkeypatch):
    film = Film(seed)
    monkeypatch.setattr("madata.curation.source.Decoder", lambda path: film)
    monkeypatch.setattr("madata.shots.boundary_stream", lambda device: film.stream())
    config = load_config(
        None,
        [
            'filters=["length", "bars", "frozen"]',
            "shots.min_s=0.5",
            "shots.max_s=3",
            "windows.law=uniform",
            "windows.min_s=0.4",
            "windows.max_s=0.9",
        ],
    )
    look = curation_steps(out=tmp_path, config=config)[0].function
    entry = look(Source("s", Path("s.mp4"), "0"), lambda seconds: None)
    rows = timeline("s", entry)
    at = 0
    for row in rows:
        assert row["start_frame"] == at < row["end_frame"]
        assert row["start_s"] == film.times_s[at] and row["end_s"] == film.times_s[row["end_frame"]]
        at = row["end_frame"]
    assert at == film.count
    whole = {frame for shot in entry.shots for frame in range(shot["start_frame"], shot["end_frame"])}
    for row in rows:
        if row["fate"] in ("kept", "rest"):
            assert whole.issuperset(range(row["start_frame"], row["end_frame"]))
