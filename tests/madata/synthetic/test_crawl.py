from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from madata.synthetic import crawl
from madata.synthetic.crawl import make_crawl

av = pytest.importorskip("av")


def shorter(scripts):
    """The same scripts in little: a fifth of the frame rate, two fifths of the size, half the length."""
    return tuple(
        replace(
            script,
            size=(script.size[0] // 5 * 2, script.size[1] // 5 * 2),
            fps=6,
            shots=tuple(replace(shot, seconds=shot.seconds / 2) for shot in script.shots),
        )
        for script in scripts
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crawl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crawl, "_SCRIPTS", shorter(crawl._SCRIPTS[1:]))
        patch.setattr(crawl, "_SHORTEST_S", 2.5)
        return folder, make_crawl(folder, 3)


def decode(path):
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def test_the_truth_covers_every_case_and_every_frame(made):
    folder, truth = made
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
        assert len(decode(folder / file["file"])) == file["n_frames"]


def test_pictures_change_where_the_truth_says(made):
    folder, truth = made
    for file in truth["files"]:
        pictures = decode(folder / file["file"]).astype(float)
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


def test_the_same_seed_gives_the_same_files_and_a_finished_folder_is_left_alone(tmp_path, monkeypatch):
    solo = crawl._SCRIPTS[0]
    solo = replace(solo, shots=(replace(solo.shots[0], seconds=4.0),))
    monkeypatch.setattr(crawl, "_SCRIPTS", shorter([solo]))
    assert make_crawl(tmp_path / "a", 1) == make_crawl(tmp_path / "b", 1)
    video = tmp_path / "a" / solo.name
    content, stamp = video.read_bytes(), video.stat().st_mtime_ns
    assert content == (tmp_path / "b" / solo.name).read_bytes()
    make_crawl(tmp_path / "a", 1)
    assert video.stat().st_mtime_ns == stamp
    make_crawl(tmp_path / "a", 2)
    assert video.read_bytes() != content
