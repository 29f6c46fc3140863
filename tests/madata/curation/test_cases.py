"""Files of kinds that people really have, each with its right answer (``../shared/cases/curation``)."""

import av
import numpy as np
import pytest

from madata.manifest import read_table
from tests.conftest import SHARED
from tests.media_builder import barcodes, find_pips, sound_of

CASES = SHARED / "cases" / "curation"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CASES.is_dir(), reason="no folder of cases")]


FILES = (
    "audio_stamps_jitter_8ms.mkv",
    "phone_turned_midstream.ts",
    "photo_snow_overlay.mp4",
    "freeze_from_5.5s.mp4",
    "jump_cut_same_scene_frame150.mp4",
    "strobe_3on_3off.mp4",
    "muted_track_digital_silence.mp4",
    "clock_reset_cat.ts",
    "cover_art_as_plain_video_track.mkv",
    "fragmented_mp4_cut_at_80pct.mp4",
    "interlaced_tff_15fps.mp4",
)


class Curated:
    """What the tables say of one file."""

    def __init__(self, out, name):
        self.out = out
        (self.source,) = (row for row in read_table(out / "sources.parquet").itertuples() if row.file == name)
        self.clips, self.dropped, self.shots = (
            table[table["source_id"] == self.source.source_id]
            for table in (read_table(out / f"{name}.parquet") for name in ("clips", "dropped", "shots"))
        )

    def spans(self, table="clips"):
        return [(row.start_frame, row.end_frame) for row in getattr(self, table).itertuples()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, madance):
    """All files curated by one command, of which one ends early."""
    out = tmp_path_factory.mktemp("cases") / "out"
    done = madance("curate", *(CASES / name for name in FILES), "--out", out, "--jobs", "2")
    assert done.returncode == 1, done.stderr
    return out


@pytest.fixture
def curate(folder):
    return lambda name: Curated(folder, name)


def test_sound_whose_stamps_jitter_has_no_hole_and_one_dancer_is_one(curate):
    done = curate("audio_stamps_jitter_8ms.mkv")
    (clip,) = done.clips.itertuples()
    assert clip.share_two_or_more == 0
    waveform, rate = sound_of(done.out / clip.path)
    quiet = (
        np.abs(waveform[: int(clip.duration_s * rate)]) < 1e-6
    )  # what follows fills the codec's last frame
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], quiet, [0]]))))[::2]
    assert runs.max(initial=0) < 0.002 * rate
    assert clip.sound_missing_s < 0.05


def test_a_turned_phone_gives_two_shots_each_in_its_own_shape(curate):
    done = curate("phone_turned_midstream.ts")
    shapes = {(clip.width, clip.height) for clip in done.clips.itertuples()}
    assert shapes == {(256, 144), (144, 256)}
    assert done.spans("shots")[1][0] == 210
    for clip in done.clips.itertuples():
        assert (clip.start_frame < 210) == (clip.width == 256)
        # the first half shows a square picture in grey; grey may be a wall, and is marked alone
        assert (clip.bars, clip.cropped) == ("colour" if clip.start_frame < 210 else "none", False)


def test_a_photo_under_snow_is_static(curate):
    done = curate("photo_snow_overlay.mp4")
    assert len(done.clips) == 0
    assert done.dropped["reason"].tolist() == ["static"]


def test_no_window_reaches_into_a_freeze(curate):
    done = curate("freeze_from_5.5s.mp4")
    ((start, end),) = done.spans()
    assert start >= 0 and end <= 165
    assert "frozen" in done.dropped["reason"].tolist()


def test_a_jump_cut_in_one_scene_is_a_cut(curate):
    done = curate("jump_cut_same_scene_frame150.mp4")
    assert done.spans("shots") == [(0, 150), (150, 300)]
    assert done.shots["begins_with"].tolist() == ["start", "jump"]
    assert all(not start < 150 < end for start, end in done.spans())


def test_strobe_light_is_no_cut(curate):
    done = curate("strobe_3on_3off.mp4")
    assert done.spans("shots") == [(0, 300)]


def test_sound_is_required_and_the_reason_says_what_is_amiss(curate):
    done = curate("muted_track_digital_silence.mp4")
    (row,) = done.dropped.itertuples()
    assert (row.stage, row.reason, row.value) == ("sound", "no_sound", 1.0)
    assert "muted" in row.message


def test_sound_is_not_required_where_the_settings_say_so(folder, tmp_path, madance):
    done = madance(
        "dataset", "decide", folder, "--out", tmp_path, "--set", "sound.required=false", "--jobs", "1"
    )
    assert done.returncode == 1, done.stderr  # one file ends early
    (clip,) = Curated(tmp_path, "muted_track_digital_silence.mp4").clips.itertuples()
    assert clip.silent_share == 1.0


def test_a_clock_that_starts_anew_goes_on(curate):
    done = curate("clock_reset_cat.ts")
    assert done.source.fps == 30.0
    for clip in done.clips.itertuples():
        assert clip.fps == 30.0
        seen = barcodes(done.out / clip.path)
        assert len(set(seen)) == len(seen) == clip.num_frames
        found = find_pips(*sound_of(done.out / clip.path))
        assert len(found) >= int(clip.duration_s) - 1
        assert clip.sound_missing_s < 0.05
    assert {start >= 225 for start, _ in done.spans()} == {False, True}


def test_a_cover_that_is_not_marked_never_beats_the_film(curate):
    done = curate("cover_art_as_plain_video_track.mkv")
    assert (done.source.status, done.source.frames) == ("done", 240)


def test_a_fragmented_file_that_is_cut_off_is_partial(curate):
    done = curate("fragmented_mp4_cut_at_80pct.mp4")
    assert (done.source.status, done.source.reason) == ("partial", "truncated")


def test_fields_become_pictures(curate):
    done = curate("interlaced_tff_15fps.mp4")
    (clip,) = done.clips.itertuples()
    with av.open(str(done.out / clip.path)) as container:
        combs = [combing(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    with av.open(str(CASES / "interlaced_tff_15fps.mp4")) as container:
        before = [combing(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    assert np.mean(combs) < 0.3 * np.mean(before)


def combing(grey):
    """How much neighbouring rows differ more than rows two apart: the mark of two fields."""
    rows = grey.astype(float)[:240]
    near, far = np.abs(rows[1:-1] - rows[:-2]), np.abs(rows[2:] - rows[:-2])
    return np.maximum(near - far - 8, 0).mean()
