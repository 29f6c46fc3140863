from collections import Counter

import pytest

from madata.dataset.folder import read_folder, write_folder
from madata.dataset.freeze import split_data_set
from madata.dataset.groups import group_of_sources, hashed_place, ties_between
from madata.dataset.placed import place_clips
from madata.dataset.split import (
    TEST_LIST,
    Assignment,
    SplitRule,
    assign_new,
    choose_test,
    provisional,
    read_assignment,
    read_test_list,
)
from madata.errors import ConfigError, MadanceError
from madata.files import read_npz
from madata.video import Decoder

RULE = SplitRule(clips=2, val_share=0.0)


def clips_of(counts, **columns):
    return [
        {"clip_id": f"{source}-{number}", "source_id": source, "duration_s": 6.0, "subset": "wild"}
        | {name: value(source) for name, value in columns.items()}
        for source, count in counts.items()
        for number in range(count)
    ]


def test_sources_are_joined_by_what_they_share():
    sources = [
        {"source_id": "a", "uploader_hash": "u"},
        {"source_id": "b", "uploader_hash": "u", "performance_id": "p"},
        {"source_id": "c", "performance_id": "p", "song": "s"},
        {"source_id": "d", "song": "s"},
        {"source_id": "e"},
        {"source_id": "f"},
    ]
    pairs = [{"source_a": "e", "source_b": "f"}]

    def groups(by):
        return group_of_sources("abcdef", ties_between(sources, pairs, (), by))

    assert groups(()) == {name: name for name in "abcdef"}
    assert groups(("performance", "duplicate", "uploader")) == dict(zip("abcdef", "aaadee", strict=True))
    assert groups(("song",)) == dict(zip("abcdef", "abccef", strict=True))
    heard = ties_between(sources, (), [("a", "m"), ("e", "m")], ("song",))
    assert group_of_sources("abcdef", heard)["e"] == "a"


def test_a_small_data_set_is_tried_at_once():
    groups = {name: name for name in "abcdefgh"}
    places = provisional(groups, "abcd", val_share=0.0, test_share=0.05)
    assert Counter(places[name][1] for name in "abcd") == {"train": 3, "test": 1}
    assert provisional({"a": "a"}, "a", val_share=0.0, test_share=0.5) == {"a": ("a", "train")}
    joined = provisional({"a": "a", "b": "a", "c": "c"}, "abc", val_share=0.0, test_share=0.4)
    assert joined["a"] == joined["b"] and joined["a"][1] != joined["c"][1]


def test_the_test_takes_one_clip_of_a_group_and_genres_in_proportion():
    counts = {f"s{number:03d}": 1 + number % 3 for number in range(100)}
    clips = clips_of(counts, genre=lambda source: "pop" if int(source[1:]) < 80 else "tap")
    groups = {source: source for source in counts}
    chosen = choose_test(clips, groups, SplitRule(clips=10))
    genre = {row["clip_id"]: row["genre"] for row in clips}
    assert len(chosen) == 10 and Counter(genre[clip] for clip in chosen.values()) == {"pop": 8, "tap": 2}
    assert all(clip.startswith(group) for group, clip in chosen.items())
    assert len(choose_test(clips, groups, SplitRule(clips=500))) == 20, "at most a fifth"
    assert choose_test(clips[::-1], groups, SplitRule(clips=10)) == chosen


def test_wild_clips_that_are_long_enough_are_chosen():
    clips = clips_of(dict.fromkeys("abcdefghij", 1))
    for row in clips:
        row["subset"] = "wild" if row["source_id"] in "abc" else "rendered"
        row["duration_s"] = 4.999 if row["source_id"] == "a" else 5.0
    groups = {name: name for name in "abcdefghij"}
    assert set(choose_test(clips, groups, SplitRule())) <= {"b", "c"}
    with pytest.raises(MadanceError, match="no clip is as long as 9 s"):
        choose_test(clips, groups, SplitRule(seconds=9))
    with pytest.raises(MadanceError, match="one group"):
        choose_test(clips, dict.fromkeys(groups, "a"), SplitRule())


def test_a_clip_without_a_genre_has_that_of_its_source(data):
    tables = read_folder(data)
    tables.clips[0]["genre"] = None
    tables.sources[0] |= {"genre": "waltz", "genre_source": "list"}
    write_folder(tables)
    place_clips(data, val_share=0.0, test_share=0.1)
    rows = read_folder(data).clips
    assert (rows[0]["genre"], rows[0]["genre_source"]) == ("waltz", "list") and rows[1]["genre"] == "pop"


def test_growth_moves_nothing_and_new_sources_follow_what_they_are_tied_to():
    rule = SplitRule(val_share=0.3)
    before = Assignment(
        rule, {"t": ("t", "test"), "h": ("t", "test"), "a": ("a", "train"), "v": ("v", "val")}, ("t-0",)
    )
    ties = [("t", "n1", "uploader"), ("a", "n2", "uploader"), ("n3", "n2", "duplicate"), ("n4", "v", "song"),
            ("n5", "t", "song"), ("a", "n5", "song"), ("a", "v", "uploader")]  # fmt: skip
    after = assign_new(before, ["t", "h", "a", "v", "n1", "n2", "n3", "n4", "n5", "n6", "n7"], ties)
    assert {name: after[name] for name in before.sources} == before.sources
    assert after["n1"] == ("t", "held")
    assert after["n2"] == after["n3"] == ("a", "train")
    assert after["n4"] == ("v", "val")
    assert after["n5"] == ("t", "held")
    for name in ("n6", "n7"):
        assert after[name] == (name, "val" if hashed_place(name, "madance val") < 0.3 else "train")


def test_the_frozen_test(data):
    summary = split_data_set(data, RULE)
    assert summary.test == 1 and "at most a fifth" in summary.fewer
    (clip,) = read_test_list(data)
    tables = read_folder(data)
    row = next(row for row in tables.clips if row["clip_id"] == clip)
    assert (row["split"], row["duration_s"], row["num_frames"], row["path"]) == (
        "test",
        5.0,
        50,
        f"test/{clip}.mp4",
    )
    with Decoder(data / row["path"]) as decoder:
        assert sum(1 for _ in decoder) == 50
    assert len(read_npz(data / row["keypoints"])["xy"]) == 50
    assert not (data / "clips" / f"{clip}.mp4").exists(), "the long version is no file to train on"
    assert {row["split"] for row in tables.clips if row["source_id"] == "video-00"} != {"train", "test"}
    listed = (data / TEST_LIST).read_bytes()
    tables.sources.append({**tables.sources[0], "source_id": "video-99"})
    write_folder(tables)
    again = split_data_set(data, RULE)
    assert (data / TEST_LIST).read_bytes() == listed and again.new == 1
    assert read_assignment(data).sources["video-00"] == read_assignment(data).sources["video-00"]
    with pytest.raises(ConfigError, match="other options"):
        split_data_set(data, SplitRule(clips=3))
    (data / TEST_LIST).write_text("video-01-000000\n")
    with pytest.raises(MadanceError, match="not the list that was frozen"):
        read_assignment(data)
