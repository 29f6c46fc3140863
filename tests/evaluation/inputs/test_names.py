"""Names of the field: which dance a file is, and which music it goes to."""

from pathlib import Path

import pytest

from evaluation.inputs.names import ClipName, clip_name, match_music, read_music_map
from madata.errors import MadanceError


def sounds(*names):
    return {name: Path(f"{name}.wav") for name in names}


@pytest.mark.parametrize(
    ("stem", "said"),
    [
        ("gBR_sBM_cAll_d04_mBR0_ch01", ("gBR_sBM_cAll_d04_mBR0_ch01", "mBR0", None)),
        ("gBR_sFM_c01_d04_mBR0_ch01", ("gBR_sFM_c01_d04_mBR0_ch01", "mBR0", None)),
        ("0_3_gLH_sBM_cAll_d17_mLH4_ch02_slice2", ("gLH_sBM_cAll_d17_mLH4_ch02", "mLH4", 2)),
        ("edge_test_gLH_sBM_cAll_d17_mLH4_ch02", ("gLH_sBM_cAll_d17_mLH4_ch02", "mLH4", None)),
        ("063", ("063", None, None)),
        ("063g000g", ("063", None, None)),
        ("12_4_063_slice11", ("063", None, 11)),
        ("0630", ("0630", None, None)),
        ("song_slice0", ("song", None, 0)),
        ("1_2_my_song", ("my_song", None, None)),
        ("my_song", ("my_song", None, None)),
    ],
)
def test_what_a_stem_says(stem, said):
    assert clip_name(stem) == ClipName(*said)


@pytest.mark.parametrize(
    ("clip", "there", "music", "start_s"),
    [
        ("gBR_sBM_cAll_d04_mBR0_ch01", ("mBR0", "mBR1"), "mBR0", 0.0),
        ("gBR_sBM_cAll_d04_mBR0_ch01", ("mBR0", "gBR_sBM_cAll_d04_mBR0_ch01"), "gBR_sBM_cAll_d04_mBR0_ch01", 0.0),
        ("0_3_gLH_sBM_cAll_d17_mLH4_ch02_slice2", ("mLH4",), "mLH4", 1.0),
        ("0_3_gLH_sBM_cAll_d17_mLH4_ch02_slice2", ("mLH4", "gLH_sBM_cAll_d17_mLH4_ch02_slice2"),
         "gLH_sBM_cAll_d17_mLH4_ch02_slice2", 0.0),
        ("0_3_gLH_sBM_cAll_d17_mLH4_ch02_slice2", ("mLH4", "gLH_sBM_cAll_d17_mLH4_ch02"),
         "gLH_sBM_cAll_d17_mLH4_ch02", 1.0),
        ("063g000g", ("063",), "063", 0.0),
        ("063", ("63", "64"), "63", 0.0),
        ("000", ("0",), "0", 0.0),
        ("1_2_song_slice3", ("song",), "song", 1.5),
    ],
)  # fmt: skip
def test_music_is_found_by_the_names_of_the_field(clip, there, music, start_s):
    found = match_music([clip], sounds(*there))
    assert found.files == {clip: Path(f"{music}.wav")}
    assert found.starts_s.get(clip, 0.0) == start_s
    assert found.tried == {}


def test_a_clip_without_music_says_what_was_tried_and_what_there_is():
    found = match_music(["gBR_sBM_cAll_d04_mBR0_ch01"], sounds(*(f"mKR{n}" for n in range(7))))
    assert found.files == {}
    assert found.absent("gBR_sBM_cAll_d04_mBR0_ch01") == (
        "looked for gBR_sBM_cAll_d04_mBR0_ch01, mBR0; the folder holds mKR0, mKR1, mKR2, mKR3, mKR4 and 2 more"
    )


def test_a_table_of_the_users_own_goes_first(tmp_path):
    table = tmp_path / "map.csv"
    table.write_text("\ufeffclip,music\ngBR_sBM_cAll_d04_mBR0_ch01.pkl,other.wav\n063,tune\n")
    music = sounds("other", "tune", "mBR0")
    read = read_music_map(table, music)
    assert read == {"gBR_sBM_cAll_d04_mBR0_ch01": "other", "063": "tune"}
    found = match_music(["gBR_sBM_cAll_d04_mBR0_ch01", "gKR_sBM_cAll_d04_mBR0_ch01"], music, read)
    assert [path.stem for path in found.files.values()] == ["other", "mBR0"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n1,2\n", "needs a first line `clip,music`"), ("", "needs a first line"),
     ("clip,music\nx,othre.wav\n", "there is no music 'othre.wav' for x; did you mean 'other'")],
)  # fmt: skip
def test_a_table_that_is_none_is_refused(tmp_path, text, words):
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(MadanceError) as caught:
        read_music_map(tmp_path / "map.csv", sounds("other"))
    assert words in str(caught.value)
    assert "map.csv" in str(caught.value)
