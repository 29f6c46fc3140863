from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from madata.synthetic import crawl
from madata.synthetic.crawl import make_crawl

av = pytest.importorskip("av")


@pytest.fixture
def small(monkeypatch):
    """The same script at a quarter of the frame rate and a third of the size."""
    scripts = tuple(
        replace(script, size=(script.size[0] // 5 * 2, script.size[1] // 5 * 2), fps=6)
        for script in crawl._SCRIPTS[1:]
    )
    monkeypatch.setattr(crawl, "_SCRIPTS", scripts)


def decode(path):
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def test_the_truth_covers_every_case_and_every_frame(small, tmp_path):
    truth = make_crawl(tmp_path, 3)
    shots = [shot for file in truth["files"] for shot in file["shots"]]
    assert {tuple(shot["reasons"]) for shot in shots} == {
        (), ("short",), ("static",), ("multi_person",), ("static", "no_person"),
    }  # fmt: skip
    assert {change["type"] for file in truth["files"] for change in file["transitions"]} == {
        "hard", "dissolve", "fade_through_black",
    }  # fmt: skip
    for file in truth["files"]:
        spans = [(shot["start"], shot["end"]) for shot in file["shots"]]
        spans += [(change["start"], change["end"]) for change in file["transitions"] if "start" in change]
        frames = np.concatenate([np.arange(*span) for span in spans])
        assert sorted(frames) == list(range(file["n_frames"]))
        assert len(decode(tmp_path / file["file"])) == file["n_frames"]


def test_pictures_change_where_the_truth_says(small, tmp_path):
    truth = make_crawl(tmp_path, 3)
    for file in truth["files"]:
        pictures = decode(tmp_path / file["file"]).astype(float)
        step = np.abs(np.diff(pictures, axis=0)).mean((1, 2, 3))
        for change in file["transitions"]:
            if change["type"] == "hard":
                at = change["first_new_frame"]
                assert step[at - 1] > 4 * max(step[at - 2], step[at])
            if change["type"] == "fade_through_black":
                middle = (change["start"] + change["end"]) // 2
                assert pictures[middle].mean() < 0.5 * pictures[change["start"] - 2].mean()
        for shot in file["shots"]:
            inside = step[shot["start"] : shot["end"] - 1]
            if shot["motion"] == "static":
                assert np.median(inside) < 1.5
            else:
                assert np.median(inside) > 1.5


def test_the_same_seed_gives_the_same_files_and_a_finished_folder_is_left_alone(small, tmp_path):
    first = make_crawl(tmp_path / "a", 1)
    assert make_crawl(tmp_path / "b", 1) == first
    names = [file["file"] for file in first["files"]]
    content = [(tmp_path / "a" / name).read_bytes() for name in names]
    assert content == [(tmp_path / "b" / name).read_bytes() for name in names]
    stamps = [(tmp_path / "a" / name).stat().st_mtime_ns for name in names]
    make_crawl(tmp_path / "a", 1)
    assert stamps == [(tmp_path / "a" / name).stat().st_mtime_ns for name in names]
    make_crawl(tmp_path / "a", 2)
    assert content != [(tmp_path / "a" / name).read_bytes() for name in names]
