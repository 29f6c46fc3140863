"""The examples are whole: found, checked and run by the ordinary commands, without touching our code."""

import json
import os
import runpy
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from evaluation.systems import find
from madata.motion import read_motion
from madata.skeletons import skeleton
from madata.video import Decoder
from tests.evaluation.plugins import ROOT, install_example

ONE_FILE = str(ROOT / "examples" / "one_file" / "sway.py")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The example package, installed where nothing else is."""
    return install_example(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two seconds of silence with a picture."""
    import cv2
    import numpy as np

    folder = tmp_path_factory.mktemp("data")
    for clip in ("a", "b"):
        with wave.open(str(folder / f"{clip}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(2 * 8000))
        cv2.imwrite(str(folder / f"{clip}.png"), np.full((96, 64, 3), 90, np.uint8))
    return folder


def command(*arguments, site=None):
    path = os.pathsep.join([str(site)] if site else [])
    return subprocess.run(
        [sys.executable, "-m", "madata.cli", *map(str, arguments)],
        capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": path}, cwd=ROOT,
    )  # fmt: skip


def test_the_package_is_listed_with_what_it_needs(site):
    run = command("systems", "--json", site=site)
    rows = {row["name"]: row for row in json.loads(run.stdout)}
    assert rows["stepdance"]["task"] == ["motion"]
    assert rows["silhouette"]["task"] == ["animation"]
    for name in ("stepdance", "silhouette"):
        assert (rows[name]["distribution"], rows[name]["version"]) == ("madance-stepdance", "0.3.0")
        assert rows[name]["state"] == "ready"


@pytest.mark.parametrize(
    "system", [ONE_FILE, "stepdance", "silhouette", "cascade:stepdance+silhouette"], ids=Path
)
def test_an_example_keeps_the_contract(site, system):
    run = command("check", system, "--json", site=site)
    findings = json.loads(run.stdout)
    assert run.returncode == 0, findings
    assert not [finding for finding in findings if finding["status"] == "fail"]
    assert {"contract", "determinism", "order", "seeds"} <= {finding["rule"] for finding in findings}


def test_the_file_is_run_by_one_command(data, tmp_path):
    run = command("generate", ONE_FILE, "--data", data, "--out", tmp_path)
    assert run.returncode == 0, run.stderr
    assert "2 of 2 clips" in run.stdout
    motion = read_motion(tmp_path / "clips" / "a.npz")
    assert (motion.fps, len(motion.rotation)) == (30.0, 30)


def test_the_cascade_of_the_package_makes_videos(site, data, tmp_path):
    arguments = ("--data", data, "--out", tmp_path, "--set", "motion.height_m=0.2", "--fps", "16")
    run = command("generate", "cascade:stepdance+silhouette", *arguments, site=site)
    assert run.returncode == 0, run.stderr
    with Decoder(tmp_path / "clips" / "b.mp4") as decoder:
        assert sum(1 for _ in decoder) == 16
        assert (decoder.info.fps, decoder.info.size) == (16.0, (512, 512))
    identity = json.loads((tmp_path / "run.json").read_text())
    assert identity["system"]["options"] == {"motion.height_m": 0.2}
    assert identity["system"]["card"]["training_data"] == ["made-up:train"]


def test_an_option_the_system_does_not_know_is_named(site, data, tmp_path):
    run = command(
        "generate", "stepdance", "--data", data, "--out", tmp_path, "--set", "hieght_m=1", site=site
    )
    assert run.returncode == 2
    assert "its options are: height_m" in run.stderr


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples" / "commands").glob("*.toml")), ids=lambda path: path.stem
)
def test_a_recipe_is_a_system_whose_wrapper_is_there(path):
    plugin = find(str(path))
    assert plugin.declaration.tasks == ("animation",)
    assert plugin.declaration.card.url and plugin.declaration.card.licence
    told = [part for part in plugin.make().instance._says.command if part.startswith("{here}/")]
    (wrapper,) = told
    compile((path.parent / wrapper.removeprefix("{here}/")).read_text(), wrapper, "exec")


def test_the_recipes_draw_a_dancer_of_any_skeleton(tmp_path):
    drawing = runpy.run_path(str(ROOT / "examples" / "commands" / "skeleton.py"))
    for name in ("smpl-24", "coco-17"):
        joints = skeleton(name).joints
        xy = np.stack([np.linspace(10, 90, len(joints)), np.linspace(20, 80, len(joints))], -1)[None]
        np.savez(tmp_path / f"{name}.npz", xy=xy, score=np.ones(xy.shape[:2]))
        job = {"keypoints": tmp_path / f"{name}.npz", "joints": joints}
        points = drawing["openpose_points"](job)
        assert points.shape == (1, 18, 3)
        place = dict(zip(drawing["POINTS"], points[0], strict=True))
        assert np.allclose(place["left_knee"][:2], xy[0, joints.index("left_knee")])
        assert place["left_ear"][2] == (name == "coco-17")
        if name == "coco-17":
            assert np.allclose(place["neck"], (place["left_shoulder"] + place["right_shoulder"]) / 2)
        picture = drawing["draw"](points[0], (100, 100))
        x, y = place["left_knee"][:2].astype(int)
        assert tuple(picture[y, x]) == drawing["COLOURS"][drawing["POINTS"].index("left_knee")]


def test_the_one_file_system_is_short():
    source = Path(ONE_FILE).read_text().split("@system", 1)[1]
    assert len([line for line in source.splitlines() if line.strip()]) <= 16
