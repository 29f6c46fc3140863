"""A system that prints, exits or changes folder harms nothing but its clip."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation.generate import Settings, generate
from madata.video import write_video
from tests.evaluation.generate.made import dance, make_tone, paint, plugin_of


def test_a_loud_system_keeps_its_prints_to_itself(data, tmp_path, capfd):
    def loud(request):
        sys.stdout.write("x" * 100_000)
        os.system("echo from below")
        return dance(request)

    summary = generate(plugin_of(loud), data, tmp_path, Settings(limit=2))
    assert summary.done == 2
    assert capfd.readouterr().out == ""
    printed = (tmp_path / "prints.log").read_text()
    assert (printed.count("x"), printed.count("from below")) == (200_000, 2)


@pytest.mark.parametrize("late", [False, True])
def test_a_system_that_wants_to_exit_fails_its_clip_alone(tmp_path, late):
    for clip in "ab":
        write_video(
            tmp_path / "d" / f"{clip}.mp4", [np.zeros((32, 32, 3), np.uint8)] * 4, 16, audio=make_tone(50)
        )

    def leaving(request):
        frames = paint(request)
        if request.clip_id == "a" and not late:
            sys.exit(5)
        return (sys.exit(5) if request.clip_id == "a" else frame for frame in frames)

    summary = generate(plugin_of(leaving, "video"), tmp_path / "d", tmp_path / "run", Settings(retries=0))
    assert (summary.done, list(summary.failed)) == (1, ["a"])
    assert "asked to exit (SystemExit, code 5)" in summary.failed["a"]


@pytest.mark.parametrize("late", [False, True])
def test_a_system_that_goes_to_another_folder_goes_alone(tmp_path, monkeypatch, late):
    (tmp_path / "elsewhere").mkdir()
    for clip in "ab":
        write_video(
            tmp_path / "d" / f"{clip}.mp4", [np.zeros((32, 32, 3), np.uint8)] * 4, 16, audio=make_tone(50)
        )
    monkeypatch.chdir(tmp_path)

    def wandering(request):
        frames = paint(request)
        if not late:
            os.chdir(tmp_path / "elsewhere")
            return frames
        return (frame if os.chdir(tmp_path / "elsewhere") is None else None for frame in frames)

    assert generate(plugin_of(wandering, "video"), Path("d"), Path("run"), Settings()).done == 2
    assert Path.cwd() == tmp_path
    assert sorted(path.name for path in (tmp_path / "run" / "clips").iterdir()) == ["a.mp4", "b.mp4"]
    assert not list((tmp_path / "elsewhere").iterdir())
