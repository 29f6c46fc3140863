import json

import pytest

from mace_dance.motion.config import GENRES
from mace_dance.training.motion.data.aist import AIST_GENRES, aist_side
from mace_dance.training.motion.data.settings import DataSettings, SyntheticSettings
from mace_dance.training.motion.data.sources import find_takes, layout_of
from madata.errors import ConfigError, MadanceError
from madata.files import sha256_file
from madata.manifest import CLIP_COLUMNS, SOURCE_COLUMNS, write_table

BEATS = DataSettings(music="motion-beats")


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def find(source, settings=BEATS):
    return find_takes(source, settings, source / "cache")


def drops_of(found):
    return {drop.take: drop.reason for drop in found.drops}


def test_finedance(tmp_path):
    touch(
        tmp_path,
        *(f"motion/{name}.npy" for name in ("001", "M001", "063", "116", "120", "005", "006", "007")),
    )
    touch(tmp_path, "music_wav/001.wav", "music_wav/063.wav")
    for name, style in (("001", "jazz"), ("063", "Uighur"), ("005", "Tango"), ("007", None)):
        touch(tmp_path, f"label_json/{name}.json")
        (tmp_path / f"label_json/{name}.json").write_text(json.dumps({"style1": "x", "style2": style}))
    assert layout_of(tmp_path) == "finedance"
    found = find(tmp_path)
    assert found.genres == GENRES
    takes = {take.name: take for take in found.takes}
    assert set(takes) == {"001", "M001", "063"}
    assert (takes["001"].genre, takes["063"].genre) == ("Jazz", "Wei")
    assert (takes["001"].side, takes["063"].side) == ("train", "held-out")
    assert takes["M001"].group == takes["001"].group and takes["M001"].music == tmp_path / "music_wav/001.wav"
    assert drops_of(found) == {
        "116": "ignored", "120": "ignored", "005": "unknown_genre", "006": "unknown_genre", "007": "unknown_genre"
    }  # fmt: skip
    by_take = find(tmp_path, DataSettings(split="by-take"))
    assert {take.side for take in by_take.takes} == {None}


@pytest.mark.parametrize(
    ("sequence", "side"),
    [
        ("gBR_sBM_cAll_d04_mBR0_ch02", "held-out"),
        ("gBR_sBM_cAll_d06_mBR0_ch02", None),
        ("gBR_sBM_cAll_d04_mBR0_ch01", None),
        ("gBR_sFM_cAll_d04_mBR0_ch01", None),
        ("gBR_sBM_cAll_d04_mBR1_ch02", None),
        ("gBR_sBM_cAll_d04_mBR1_ch03", "train"),
        ("gBR_sFM_cAll_d04_mBR1_ch02", "train"),
        ("gWA_sFM_cAll_d27_mWA1_ch16", None),
        ("dance", None),
    ],
)
def test_the_cross_modal_split_of_aist(sequence, side):
    assert aist_side(sequence) == side


def test_the_test_sequences_of_aist_are_twenty():
    songs = [(genre, song) for genre in AIST_GENRES for song in range(6)]
    names = [
        f"g{genre}_sBM_cAll_d{dancer:02d}_m{genre}{song}_ch{choreography:02d}"
        for genre, song in songs
        for dancer in range(1, 31)
        for choreography in range(1, 11)
    ]
    assert sum(aist_side(name) == "held-out" for name in names) == 20


def test_aist(tmp_path):
    names = [
        "gPO_sBM_cAll_d10_mPO2_ch03",
        "gPO_sBM_cAll_d10_mPO1_ch02",
        "gPO_sBM_cAll_d10_mPO2_ch01",
        "gXX_sBM_cAll_d10_mPO2_ch01",
    ]
    touch(tmp_path, *(f"motions/{name}.pkl" for name in names), "wavs/mPO2.wav", f"wavs/{names[1]}.mp3")
    assert layout_of(tmp_path) == "aist"
    found = find(tmp_path)
    train, test = found.takes[1], found.takes[0]
    assert (train.name, train.side, train.group, train.genre) == (names[0], "train", "mPO2", "PO")
    assert train.music == tmp_path / "wavs/mPO2.wav"
    assert (test.side, test.music) == ("held-out", tmp_path / f"wavs/{names[1]}.mp3")
    assert drops_of(found) == {names[2]: "ignored", names[3]: "unknown_genre"}


def test_edge_slices_and_those_of_the_motion_expert(tmp_path):
    sequence = "gPO_sBM_cAll_d10_mPO2_ch03_slice4"
    touch(tmp_path, f"train/motions_sliced/{sequence}.pkl", f"train/wavs_sliced/{sequence}.wav")
    touch(tmp_path, "test/motions_sliced/odd.pkl")
    assert layout_of(tmp_path) == "edge"
    found = find(tmp_path)
    (take,) = found.takes
    assert (take.name, take.side, take.fps) == (f"train/{sequence}", "train", 60.0)
    assert (take.group, take.genre) == ("mPO2", "PO")
    assert drops_of(found) == {"test/odd": "unknown_genre"}
    touch(
        tmp_path,
        "train/motions_sliced/001_slice0.pkl",
        "train/baseline_feats/001_slice0.npy",
        "train/label/001.json",
    )
    (tmp_path / "train/label/001.json").write_text('{"style2": "Kun"}')
    found = find(tmp_path)
    (take,) = found.takes
    assert (take.genre, take.fps, take.group) == ("Kun", 30.0, "001") and found.genres == GENRES
    assert take.music == tmp_path / "train/baseline_feats/001_slice0.npy"


def test_ma_data_needs_the_motions_of_rendered_clips(tmp_path):
    data, motions = tmp_path / "data", tmp_path / "motions"
    touch(motions, "deep/one.npz", "two.npz")
    clip = {"start_frame": 30, "num_frames": 160, "fps": 25.0, "has_audio": True, "subset": "rendered"}
    clips = [
        {"clip_id": "a", "source_id": "one", "path": "clips/a.mp4", "split": "train", **clip},
        {"clip_id": "b", "source_id": "one", "path": "clips/b.mp4", "split": "val", **clip},
        {"clip_id": "c", "source_id": "two", "path": "clips/c.mp4", "split": "train", **clip},
        {
            "clip_id": "d",
            "source_id": "web",
            "path": "clips/d.mp4",
            "split": "train",
            **clip,
            "subset": "crawled",
        },
    ]
    sources = [
        {"source_id": "one", "file": "deep/one.npz", "sha256": sha256_file(motions / "deep/one.npz")},
        {"source_id": "two", "file": "two.npz", "sha256": "0" * 64},
    ]
    data.mkdir()
    write_table(data / "clips.parquet", clips, CLIP_COLUMNS)
    write_table(data / "sources.parquet", sources, SOURCE_COLUMNS)
    assert layout_of(data) == "ma-data"
    found = find(data, DataSettings(motions=motions))
    assert drops_of(found) == {"c": "no_motion", "d": "keypoints_only"}
    assert [take.side for take in found.takes] == ["train", "held-out"]
    first = found.takes[0]
    assert first.motion == motions / "deep/one.npz" and first.music == data / "clips/a.mp4"
    assert (first.span.start, first.span.frames, first.span.fps) == (30, 160, 25.0)
    assert "motions=FOLDER" in next(drop.message for drop in find(data).drops if drop.take == "a")


def test_any_folder(tmp_path):
    touch(
        tmp_path,
        "a.bvh.xz",
        "a.flac",
        "sub/b.npz",
        "sub/b.pkl",
        "cache/motion.npy",
        ".hidden/x.bvh",
        "text.md",
    )
    touch(tmp_path, "tunes/b.mp3")
    assert layout_of(tmp_path) == "folder"
    found = find(tmp_path, DataSettings(music_folder=tmp_path / "tunes"))
    assert {take.name: take.music for take in found.takes} == {
        "a": tmp_path / "a.flac",
        "sub/b": tmp_path / "tunes/b.mp3",
    }
    assert drops_of(found) == {"sub/b.pkl": "same_name"} and found.genres == ()


def test_a_table_of_takes_says_the_rest(tmp_path):
    touch(tmp_path, *(f"{name}.bvh" for name in "abcde"), "song.wav")
    table = tmp_path / "takes.csv"
    table.write_text(
        "take,group,split,genre,music\na,pair,,Jazz,song.wav\nb,pair,,Wei,\nc,,held-out,Jazz,\nd,,drop,,\n",
        "utf-8",
    )
    found = find(tmp_path, DataSettings(takes=table))
    takes = {take.name: take for take in found.takes}
    assert takes["a"].group == takes["b"].group == "pair" and takes["a"].music == tmp_path / "song.wav"
    assert takes["c"].side == "held-out" and takes["c"].group == "c"
    assert drops_of(found) == {"d": "ignored", "e": "unknown_genre"}
    assert found.genres == GENRES


def test_other_genres_are_numbered_by_name(tmp_path):
    touch(tmp_path, "a.bvh", "b.bvh")
    table = tmp_path / "takes.csv"
    table.write_text("take,genre\na,tango\nb,salsa\n")
    assert find(tmp_path, DataSettings(takes=table)).genres == ("salsa", "tango")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("take,group\nsalza_01,x\n", r"line 2.*did you mean 'salsa_01'"),
        ("take,groups\nsalsa_01,x\n", "the columns are take, group, split, genre, music"),
        ("name\nsalsa_01\n", "of which take is needed"),
        ("take,split\nsalsa_01,test\n", "line 2: split is one of train, held-out, drop"),
        ("take,music\nsalsa_01,no.wav\n", "line 2: there is no sound file"),
    ],
)
def test_a_wrong_table_is_told(tmp_path, text, message):
    touch(tmp_path, "salsa_01.bvh")
    table = tmp_path / "takes.csv"
    table.write_text(text)
    with pytest.raises(ConfigError, match=message):
        find(tmp_path, DataSettings(takes=table))


def test_folders_that_do_not_fit(tmp_path):
    with pytest.raises(MadanceError, match="no such folder of motions"):
        find(tmp_path / "no")
    with pytest.raises(MadanceError, match="there is no motion"):
        find(tmp_path)
    with pytest.raises(ConfigError, match="no finedance folder: it has no motion and label_json"):
        find(tmp_path, DataSettings(layout="finedance"))
    touch(tmp_path, "a.bvh")
    for settings in (DataSettings(motions=tmp_path), DataSettings(music_folder=tmp_path / "no")):
        with pytest.raises(ConfigError):
            find(tmp_path, settings)


def test_settings_are_closed():
    for wrong in ({"window": 3}, {"window_frames": 1}, {"vector": "edge"}, {"held_out_share": 1.0}):
        with pytest.raises(ValueError):
            DataSettings(**wrong)
    for wrong in ({"styles": ()}, {"styles": ("waltz",)}, {"tempi_bpm": (120.0, 80.0)}):
        with pytest.raises(ValueError):
            SyntheticSettings(**wrong)
