import numpy as np
import pytest

from madata.dataset.folder import read_folder
from madata.dataset.freeze import split_data_set
from madata.dataset.placed import place_clips
from madata.dataset.recognise import read_signatures, write_signatures
from madata.dataset.songs import find_songs, fingerprints
from madata.dataset.split import SplitRule
from madata.synthetic.music import make_music

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def songs():
    return [make_music(14.0, tempo_bpm=tempo, seed=seed, rate_hz=RATE_HZ).music.waveform
            for seed, tempo in ((1, 96), (2, 124))]  # fmt: skip


def part(song, start_s, end_s, gain=1.0, noise=0.0):
    heard = song[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)] * gain
    rng = np.random.default_rng(round(100 * start_s))
    return (heard + noise * np.std(heard) * rng.normal(size=len(heard))).astype(np.float32)


def test_parts_of_one_song_are_joined_in_chains_however_loud_and_noisy(songs):
    one, other = songs
    parts = {
        "b-first": part(one, 0.0, 6.0),
        "c-quieter": part(one, 2.103, 8.5, gain=0.3, noise=0.15),
        "d-chained": part(one, 5.51, 13.0),
        "e-other": part(other, 0.0, 6.0),
        "a-other": part(other, 1.77, 9.0, noise=0.1),
        "f-mute": np.zeros(6 * RATE_HZ, np.float32),
        "g-mute": np.zeros(6 * RATE_HZ, np.float32),
        "h-short": part(one, 0.0, 1.5),
    }
    found = find_songs({name: fingerprints(sound, RATE_HZ) for name, sound in parts.items()})
    assert found == dict.fromkeys(("b-first", "c-quieter", "d-chained"), "b-first") | dict.fromkeys(
        ("a-other", "e-other"), "a-other"
    )
    assert find_songs({}) == {}


def test_the_tables_name_the_music_and_groups_join_by_it_where_asked(data, songs):
    prints = [fingerprints(part(songs[0], start, start + 6), RATE_HZ) for start in (0.0, 2.3)]
    rows = read_signatures(data)
    first, last = rows[0]["clip_id"], rows[-1]["clip_id"]
    for row, song in ((rows[0], prints[0]), (rows[-1], prints[1])):
        row["song"] = song.tobytes()
    write_signatures(data, rows)
    place_clips(data, val_share=0.0, test_share=0.1)
    clips = {row["clip_id"]: row for row in read_folder(data).clips}
    assert {name for name, row in clips.items() if row["music_id"]} == {first, last}
    assert clips[first]["music_id"] == clips[last]["music_id"] == first
    assert clips[first]["group_id"] != clips[last]["group_id"]
    split_data_set(data, SplitRule(clips=2, val_share=0.0, by=("song",)))
    clips = {row["clip_id"]: row for row in read_folder(data).clips}
    assert clips[first]["group_id"] == clips[last]["group_id"]
