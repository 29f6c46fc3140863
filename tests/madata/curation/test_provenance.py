"""Downloaders' notes give link, uploader (hashed), title, licence, likes and day; nobody is named."""

import json

import pytest

from madata.curation.provenance import read_notes, uploader_hash
from madata.manifest import PROVENANCE_COLUMNS

YT_DLP = {
    "id": "dQw4w9WgXcQ",
    "title": "Popping\n\x1b[31m in  the rain",
    "webpage_url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=PL1&si=secret",
    "extractor_key": "Youtube",
    "uploader": "Jane Doe",
    "channel_id": "UC123",
    "upload_date": "20240131",
    "epoch": 1710000000,
    "like_count": 120,
    "view_count": 4000,
    "license": "Creative Commons Attribution license (reuse allowed)",
    "track": "Rain",
    "genre": "Electronic",
    "comments": [{"author": "Somebody"}],
}


@pytest.fixture(autouse=True)
def salted(monkeypatch):
    monkeypatch.setenv("MADANCE_SALT", "of the tests")


def about(folder, *videos, **notes):
    files = {folder / name: name for name in videos}
    paths = []
    for name, text in notes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        paths.append((path, name))
    known, silent = read_notes(paths, files)
    assert all(set(row) <= set(PROVENANCE_COLUMNS) for row in known.values())
    return {files[path]: row for path, row in known.items()}, silent


def test_the_note_of_yt_dlp(tmp_path):
    known, silent = about(tmp_path, "a b.mp4", **{"a b.info.json": json.dumps(YT_DLP)})
    assert known["a b.mp4"] == {
        "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "platform": "youtube",
        "title": "Popping [31m in the rain",
        "uploader_hash": uploader_hash("UC123", "youtube"),
        "upload_date": "2024-01-31",
        "retrieved_at": "2024-03-09",
        "likes": 120,
        "views": 4000,
        "licence": "Creative Commons Attribution license (reuse allowed)",
        "song": "Rain",
    }
    assert not silent
    assert not any("Jane" in str(value) or "UC123" in str(value) for value in known["a b.mp4"].values())


def test_rows_of_lists_name_files_or_ids(tmp_path):
    lists = {
        "crawl.csv": "video_id,url,author,diggCount,Dance Style\n"
        "7300,https://www.tiktok.com/@jane.doe/video/7300?is_copy=1,jane.doe,1.2e3,house\n"
        "9999,https://www.tiktok.com/@x/video/9999,x,1,house\n",
        "more.jsonl": json.dumps({"file": "sub/c.mp4", "license": "CC0", "createTime": 1700000000})
        + "\n\n"
        + json.dumps({"webpage_url": "https://youtu.be/abcdefghijk", "authorMeta": {"id": 5}}),
    }
    videos = ("7300.mp4", "sub/c.mp4", "other/c.mp4", "A title [abcdefghijk].webm")
    known, silent = about(tmp_path, *videos, **lists)
    assert not silent
    assert known["7300.mp4"] == {
        "url": "https://www.tiktok.com/@/video/7300",
        "platform": "tiktok",
        "uploader_hash": uploader_hash("jane.doe", "tiktok"),
        "likes": 1200,
        "genre": "house",
        "genre_source": "list",
    }
    assert known["sub/c.mp4"] == {"licence": "CC0", "upload_date": "2023-11-14"}
    assert known["A title [abcdefghijk].webm"]["platform"] == "youtube"
    assert "other/c.mp4" not in known


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_tables_of_any_spreadsheet(tmp_path, mark):
    known, _ = about(tmp_path, "a.mp4", **{"list.csv": mark.join(["file", "likes"]) + f"\na.mp4{mark}7\n"})
    assert known == {"a.mp4": {"likes": 7}}


def test_a_note_beside_a_video_outranks_a_list_and_the_list_fills_the_rest(tmp_path):
    notes = {
        "list.csv": "file,title,license,genre\na.mp4,of the list,CC-BY,krump\n",
        "a.info.json": json.dumps({"title": "of the note", "genre": "Pop"}),
    }
    known, _ = about(tmp_path, "a.mp4", **notes)
    assert known["a.mp4"] == {
        "title": "of the note",
        "licence": "CC-BY",
        "genre": "krump",
        "genre_source": "list",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.info.json", "{" * 10),
        ("a.info.json", "[" * 200_000),
        ("list.jsonl", '{"file": "a.mp4"'),
        ("list.csv", "file\n" + "x" * 200_000),
        ("unrelated.json", "{}"),
        ("unrelated.csv", "a,b\n1,2\n"),
    ],
)
def test_a_note_that_says_nothing_is_named_and_costs_nothing(tmp_path, name, text):
    known, silent = about(tmp_path, "a.mp4", **{name: text})
    assert not known
    assert [note for note, _ in silent] == [name]


@pytest.mark.parametrize(
    "row",
    [
        {"url": "javascript:alert(1)"},
        {"url": "https://user:password@[bad"},
        {"like_count": "many", "view_count": -1, "upload_date": "yesterday", "timestamp": 1e300},
        {"title": {"a": {"b": 1}}, "uploader": ["x"]},
        {"like_count": "1e999", "upload_date": "99999999"},
    ],
)
def test_what_is_no_value_is_no_value(tmp_path, row):
    known, _ = about(tmp_path, "a.mp4", **{"a.json": json.dumps(row)})
    assert known["a.mp4"] == {}


def test_uploaders_are_told_apart_and_hidden(monkeypatch, tmp_path):
    one = uploader_hash("jane", "tiktok")
    assert one == uploader_hash("Jane", "TikTok") != uploader_hash("jane", "youtube")
    monkeypatch.delenv("MADANCE_SALT")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    own = uploader_hash("jane", "tiktok")
    assert own == uploader_hash("jane", "tiktok") != one
    salt = tmp_path / "madance" / "uploader_salt"
    assert salt.stat().st_mode & 0o077 == 0
