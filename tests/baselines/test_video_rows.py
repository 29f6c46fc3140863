"""From a system with random weights to a row of a table: generate, score, table, by their commands."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.systems import project_motion
from madata.cli import madance
from madata.files import write_npz
from madata.music import write_wav
from madata.synthetic.dance import make_dance
from madata.types import Music
from madata.video import write_video

SIDE, FRAMES = 64, 12
ROWS = {
    "animate-anyone": ("--set", "steps=1", "--set", "window=8", "--set", "align=false"),
    "magic-animate": ("--set", "steps=1", "--set", "window=8", "--set", "densepose={videos}"),
    "hallo2": ("--set", "steps=1", "--set", "window=4", "--set", "mask={mask}"),
    "wan-animate": (
        "--set", "steps=1", "--set", "segment_frames=9", "--set", "align=false", "--set", "face=none",
    ),
    "wan-dancer": ("--set", "stages=local", "--set", "local_steps=1", "--set", "slots=17"),
}  # fmt: skip


def run(*arguments):
    done = CliRunner().invoke(madance, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done


def write_data(folder, fps):
    """Two dances of noise: video, music, keypoints; and a mask beside them."""
    rng = np.random.default_rng(0)
    for number, clip in enumerate("ab"):
        for part in ("clips", "music", "keypoints"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        frames = rng.integers(0, 255, (FRAMES, SIDE, SIDE, 3), np.uint8)
        noise = Music(rng.uniform(-0.5, 0.5, int(22050 * FRAMES / fps)).astype(np.float32), 22050)
        write_video(folder / "clips" / f"{clip}.mp4", frames, fps, audio=noise)
        write_wav(folder / "music" / f"{clip}.wav", noise)
        seen = project_motion(make_dance(FRAMES / fps, fps=fps, seed=number).motion, (SIDE, SIDE))
        write_npz(
            folder / "keypoints" / f"{clip}.npz",
            xy=seen.xy, score=seen.score, skeleton=seen.skeleton, fps=seen.fps, size=np.array(seen.size),
        )  # fmt: skip
    cv2.imwrite(str(folder.parent / "mask.png"), np.full((SIDE, SIDE), 255, np.uint8))


@pytest.mark.nightly
@pytest.mark.parametrize("system", ROWS)
def test_a_row_is_made_by_three_commands(system, tmp_path):
    data = tmp_path / "data"
    write_data(data, 25.0 if system == "hallo2" else 30.0)
    run("weights", "tiny", system, "--out", tmp_path / "tiny")
    places = {"videos": str(data / "clips"), "mask": str(data.parent / "mask.png")}
    options = [option.format(**places) for option in ROWS[system]]
    run("generate", system, "--data", data, "--out", tmp_path / "run", "--size", f"{SIDE}x{SIDE}", "--device", "cpu",
        "--set", f"weights={tmp_path / 'tiny'}", *options)  # fmt: skip
    run("score", tmp_path / "run", "--reference", data / "clips", "--protocol", "ma-data-animation-disco",
        "--out", tmp_path / "scores" / system, "-q")  # fmt: skip
    (result,) = (tmp_path / "scores" / system).rglob("result.json")
    scored = json.loads(result.read_text())
    assert scored["system"]["name"] == f"{system} (tiny-random)"
    values = {metric["name"]: metric["value"] for metric in scored["metrics"]}
    assert values["psnr"] is not None and 0 < values["psnr"] < 60
    task = scored["system"]["task"]
    assert task == ("video" if system in ("hallo2", "wan-dancer") else "animation")
    table = run("table", tmp_path / "scores", "--task", task).output
    assert f"{system} (tiny-random)" in table.replace("\\", "")
