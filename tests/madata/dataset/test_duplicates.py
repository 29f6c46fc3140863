from types import SimpleNamespace

import numpy as np
import pytest

from madata.dataset import recognise as module
from madata.dataset.duplicates import Recognised, find_duplicates, same_from_the_start
from madata.dataset.recognise import read_duplicates, recognise, signature_row, write_signatures
from madata.dataset.signatures import MIRROR, MotionMeter, Signature, sound_levels

RATE_HZ = 8000


def noise(seed, seconds=12.0, columns=9):
    """Smooth random sequences at 10 Hz."""
    rows = np.random.default_rng(seed).normal(size=(round(seconds * 10) + 8, columns))
    return np.stack([np.convolve(rows[:, k], [0.25, 0.5, 0.25], "valid") for k in range(columns)], 1).astype(
        np.float32
    )


def retimed(rows, rate, start=0.0, count=60):
    at = start * 10 + np.arange(count) * rate
    return np.stack([np.interp(at, np.arange(len(rows)), column) for column in rows.T], 1).astype(np.float32)


def clip(name, motion, sound=None):
    return Recognised(
        name, name, Signature(motion, np.zeros((0, 12), np.float32) if sound is None else sound)
    )


def test_a_copy_is_found_and_how_it_lies():
    rng = np.random.default_rng(5)
    originals = [noise(seed) for seed in range(12)]
    clips = [clip(f"a{number:02d}", rows[:70]) for number, rows in enumerate(originals)]
    noisy = 0.3 * rng.normal(size=(60, 9)).astype(np.float32)
    clips += [
        clip("b-shifted", retimed(originals[3], 1.0, 1.6) + noisy),
        clip("b-faster", retimed(originals[7], 1.04, 0.5) * 2 + 5),
        clip("b-mirrored", retimed(originals[9], 0.97) @ MIRROR),
        clip("b-other", noise(99)[:60]),
    ]
    rows = find_duplicates(clips)
    found = {row["clip_b"]: row for row in rows}
    assert set(found) == {"b-shifted", "b-faster", "b-mirrored"}
    assert [found[name]["clip_a"] for name in sorted(found)] == ["a07", "a09", "a03"]
    shifted, faster, mirrored = found["b-shifted"], found["b-faster"], found["b-mirrored"]
    assert abs(shifted["shift_s"] - 1.6) < 0.1 and not shifted["mirrored"] and shifted["same_sound"] is None
    assert abs(faster["rate"] - 1.04) < 0.011 and abs(faster["shift_s"] - 0.5) < 0.1
    assert mirrored["mirrored"] and abs(mirrored["rate"] - 0.97) < 0.011
    assert find_duplicates(clips[::-1]) == rows, "the order of the clips changes nothing"
    told = []
    watch = SimpleNamespace(files=lambda *said: told.append(said))
    assert find_duplicates(clips, jobs=3, watch=watch) == rows, "nor does how many look"
    assert ("duplicates, candidates", len(clips), len(clips)) in told
    assert told[-1][0] == "duplicates, compared" and told[-1][1] == told[-1][2] > 0


def test_clips_of_one_source_and_clips_in_which_nothing_moves_are_no_duplicates():
    rows = noise(1)[:60]
    still = np.full((60, 9), np.nan, np.float32)
    of_one = [Recognised(f"c{number}", "one", Signature(rows, rows[:0])) for number in range(2)]
    assert find_duplicates(of_one) == []
    assert find_duplicates([clip("a", still), clip("b", still), clip("c", rows)]) == []
    assert same_from_the_start(still, rows) is None


def test_whether_the_sound_is_the_same():
    rows, sound = noise(1), noise(2, columns=12) * 6 - 40
    clips = [
        clip("a", rows[:60], sound[:60]),
        clip("b", rows[10:70], sound[10:70]),
        clip("c", rows[5:65], noise(3, columns=12)),
    ]
    same = {(row["clip_a"], row["clip_b"]): row["same_sound"] for row in find_duplicates(clips)}
    assert same == {("a", "b"): True, ("a", "c"): False, ("b", "c"): False}


def test_a_clip_from_the_same_moment_on():
    rows = noise(4)
    assert same_from_the_start(rows[:60], rows[:50]) > 0.95
    assert same_from_the_start(rows[:60], rows[10:60]) < 0.5


def pictures(seconds=4.0, fps=20.0, crop=0, mirrored=False, gain=1.0):
    t = np.arange(round(seconds * fps)) / fps
    y, x = np.mgrid[:27, :48]
    for time_s in t:
        centre = 24 + 9 * np.sin(2.1 * time_s), 13 + 5 * np.cos(3.3 * time_s)
        picture = 60 + 160 * (np.hypot(x - centre[0], 1.4 * (y - centre[1])) < 4 + np.sin(5 * time_s))
        picture = picture[:, ::-1] if mirrored else picture
        yield time_s, np.clip(picture * gain, 0, 255).astype(np.uint8)


def rows_of(**how):
    meter = MotionMeter()
    for time_s, picture in pictures(**how):
        meter.feed(picture, time_s)
    return meter.rows(0.0, 4.0)


def test_rows_follow_the_picture_and_not_its_brightness_or_rate():
    plain = rows_of()
    assert plain.shape == (40, 9) and np.isnan(plain[0]).all() and np.isfinite(plain[1:]).all()
    # the centre of what moves goes where the figure goes: sin(2.1 t) turns at 0.75 s
    assert plain[1:7, 1].mean() > 24 and plain[20:28, 1].mean() < 24
    np.testing.assert_allclose(rows_of(gain=0.8)[1:, 1:6], plain[1:, 1:6], atol=0.4)
    assert same_from_the_start(plain, rows_of(fps=30.0)) > 0.9


def test_the_matrix_of_a_mirror_image():
    plain, mirrored = rows_of()[1:], rows_of(mirrored=True)[1:]
    expected = plain @ MIRROR
    expected[:, 1] += 47
    expected[:, 8] += 1
    np.testing.assert_allclose(mirrored[:, :6], expected[:, :6], atol=1e-3)
    # where the middle of a quarter's border lies on a pixel, its share goes to the left in both
    assert np.median(np.abs(mirrored[:, 6:] - expected[:, 6:])) < 0.1


def test_bands_of_the_sound():
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    levels = sound_levels(np.sin(2 * np.pi * 1000 * t).astype(np.float32), RATE_HZ)
    edges = np.geomspace(120, 3800, 13)
    assert levels.shape == (20, 12)
    assert set(levels[2:-2].argmax(axis=1)) == {int(np.searchsorted(edges, 1000)) - 1}
    assert sound_levels(np.zeros(10, np.float32), RATE_HZ).shape == (0, 12)
    assert (sound_levels(np.zeros(RATE_HZ, np.float32), RATE_HZ) == -90).all()


def test_what_has_been_searched_is_not_searched_again_until_something_is_new(tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    searched = []
    monkeypatch.setattr(
        module, "find_duplicates", lambda clips, **how: searched.append(len(clips)) or find_duplicates(clips)
    )
    rows = noise(3)[:70]
    names = ("a", "b", "c")
    signed = [signature_row(name, clip(name, rows).signature, "0" * 64) for name in names]
    write_signatures(tmp_path, signed)

    def found(*names, source=None):
        clips = [
            {"clip_id": name, "source_id": source or name, "path": None, "sha256": "0" * 64} for name in names
        ]
        return recognise(tmp_path, clips)

    first = found(*names)
    assert len(first) == 3 and read_duplicates(tmp_path) == first
    assert found(*names) == first == read_duplicates(tmp_path) and searched == [3]
    assert found(*names, source="one film") == [] and searched == [3, 3], "another tie to sources"
    assert len(found("a", "b")) == 1 and searched == [3, 3, 2]


def test_signatures_that_are_measured_stay_when_the_work_is_interrupted(tmp_path, monkeypatch):
    clips = [
        {"clip_id": name, "source_id": name, "path": f"{name}.mp4", "sha256": "0" * 64} for name in "abc"
    ]
    for row in clips:
        (tmp_path / row["path"]).touch()
    asked = []

    def interrupted(work, rows, *, jobs):
        asked.append([row["clip_id"] for row in rows])
        for row in rows[:2]:
            value = signature_row(
                row["clip_id"], clip(row["clip_id"], noise(3)[:70]).signature, row["sha256"]
            )
            value["song"] = b"\0" * 4
            yield SimpleNamespace(item=row, value=value, fatal=False, error=None)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            recognise(tmp_path, clips)
    assert asked == [["a", "b", "c"], ["c"]]
