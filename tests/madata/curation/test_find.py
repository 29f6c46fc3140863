"""Every name in a crawl's folder is taken, or named with why not."""

import os
from pathlib import Path

import pytest

from madata.curation.find import crawl_files


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(found):
    return list(found.files.values())


@pytest.mark.parametrize(
    "name",
    [
        *(
            "a.mp4.part",
            "a.mp4.part-Frag12",
            "a.f137.mp4.ytdl",
            "a.mp4.crdownload",
            "a.webm.aria2",
            "a.temp.mp4",
        ),
        *("a.mp4.TMP", "a.mkv.!qB", "a.mp4.filepart", "a.opdownload"),
    ],
)
def test_a_download_that_was_not_finished_is_no_source(tmp_path, name):
    put(tmp_path / name)
    put(tmp_path / "b.part.mp4")
    put(tmp_path / "template.mp4")
    found = crawl_files([tmp_path], outside=tmp_path / "out")
    assert names(found) == ["b.part.mp4", "template.mp4"]
    assert [(name, reason) for name, reason, _ in found.unusable] == [(name, "unfinished")]


def test_a_file_with_its_control_file_beside_it_is_not_finished(tmp_path):
    put(tmp_path / "a.mp4")
    put(tmp_path / "a.mp4.aria2")
    put(tmp_path / "b.mp4.download" / "b.mp4")
    put(tmp_path / "talks.download" / "c.mp4")
    found = crawl_files([tmp_path], outside=tmp_path / "out")
    assert names(found) == ["talks.download/c.mp4"]
    assert sorted(name for name, *_ in found.unusable) == ["a.mp4", "a.mp4.aria2", "b.mp4.download"]


def test_links_are_followed_once_and_circles_end(tmp_path):
    crawl, other = tmp_path / "crawl", tmp_path / "other"
    put(crawl / "a" / "one.mp4")
    put(other / "two.mp4")
    (crawl / "a" / "up").symlink_to(crawl)
    (crawl / "elsewhere").symlink_to(other)
    (other / "back").symlink_to(crawl / "a")
    (crawl / "again.mp4").symlink_to(crawl / "a" / "one.mp4")
    (crawl / "self.mp4").symlink_to(crawl / "self.mp4")
    (crawl / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    found = crawl_files([crawl], outside=tmp_path / "out")
    assert sorted(names(found)) == ["again.mp4", "elsewhere/two.mp4"]
    assert sorted(name for name, why in found.ignored) == ["a/up", "elsewhere/back"]
    assert {name: reason for name, reason, _ in found.unusable} == {
        "self.mp4": "unreadable",
        "gone.mp4": "unreadable",
    }


def test_folders_that_cannot_be_listed_cost_themselves(tmp_path, monkeypatch):
    put(tmp_path / "good" / "a.mp4")
    put(tmp_path / "locked" / "b.mp4")
    listing = os.scandir

    def locked(folder):
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr(os, "scandir", locked)
    found = crawl_files([tmp_path], outside=tmp_path / "out")
    assert names(found) == ["good/a.mp4"]
    assert found.unusable == [("locked", "unreadable", "Permission denied")]


def test_everything_else_is_named_with_why_not(tmp_path):
    put(tmp_path / "a.mp4")
    put(tmp_path / "cover.jpg")
    put(tmp_path / ".hidden.mp4")
    put(tmp_path / "out" / "clips" / "b.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    found = crawl_files([tmp_path, tmp_path / "cover.jpg"], outside=tmp_path / "out")
    assert names(found) == ["a.mp4", "cover.jpg"], "a file given by name is taken whatever its name"
    assert found.ignored == [(".hidden.mp4", "hidden"), ("cover.jpg", "no media by its name")]
    assert [(name, reason) for name, reason, _ in found.unusable] == [("pipe.mp4", "not_a_file")]
