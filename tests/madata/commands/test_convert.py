"""``madance convert``, as a user runs it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from madata.commands.convert import convert
from madata.keypoints import PoseSequence, read_pose_sequence, write_keypoints
from madata.motion import joint_positions, read_motion, write_motion
from madata.types import Motion3D


@pytest.fixture
def run():
    def call(*arguments):
        return CliRunner().invoke(convert, [str(argument) for argument in arguments])

    return call


@pytest.fixture
def motion():
    rng = np.random.default_rng(0)
    rotation = np.cumsum(rng.normal(scale=0.01, size=(31, 24, 3)), axis=0).astype(np.float32)
    return Motion3D(rotation, rng.normal(scale=0.01, size=(31, 3)).astype(np.float32), 60.0, "y", "smpl-24")


def test_a_file_is_resampled_turned_and_put_on_another_skeleton(run, motion, tmp_path):
    write_motion(tmp_path / "a.npz", motion)
    done = run(
        tmp_path / "a.npz", tmp_path / "b.npz", "--resample", 30, "--up", "z", "--skeleton", "smplx-22"
    )
    assert done.exit_code == 0, done.output
    found = read_motion(tmp_path / "b.npz")
    assert (found.fps, found.up, found.skeleton, len(found.rotation)) == (30.0, "z", "smplx-22", 16)
    np.testing.assert_array_equal(found.rotation[:, 1:], motion.rotation[::2, 1:22])


@pytest.mark.parametrize("suffix", ["bvh", "npz"])
def test_there_and_back(run, motion, tmp_path, suffix):
    write_motion(tmp_path / "a.npz", motion)
    assert run(tmp_path / "a.npz", tmp_path / f"b.{suffix}").exit_code == 0
    assert run(tmp_path / f"b.{suffix}", tmp_path / "c.npz", "--mean-body").exit_code == 0
    found = read_motion(tmp_path / "c.npz")
    assert found.offsets is None
    np.testing.assert_allclose(joint_positions(found), joint_positions(motion), atol=1e-5)


def test_a_folder_goes_on_past_what_it_cannot_read(run, motion, tmp_path):
    (tmp_path / "in/deep").mkdir(parents=True)
    write_motion(tmp_path / "in/deep/a.npz", motion)
    (tmp_path / "in/broken.pkl").write_bytes(b"junk")
    (tmp_path / "in/notes.txt").write_text("x")
    done = run(tmp_path / "in", tmp_path / "out", "--to", "glb", "--json")
    assert done.exit_code == 1
    summary = json.loads(done.stdout)
    assert [row["written"] for row in summary["written"]] == [str(tmp_path / "out/deep/a.glb")]
    assert [row["file"] for row in summary["problems"]] == [str(tmp_path / "in/broken.pkl")]
    again = run(tmp_path / "in", tmp_path / "out", "--to", "glb")
    assert again.exit_code == 2 and "is there already; --overwrite" in again.output
    assert run(tmp_path / "in", tmp_path / "out", "--to", "glb", "--overwrite").exit_code == 1


def test_keypoints_become_those_of_the_extractor(run, tmp_path):
    xy = np.random.default_rng(0).uniform(10, 500, (9, 25, 2))
    write_keypoints(
        tmp_path / "a.npz", PoseSequence(xy, np.ones((9, 25)), "coco-25", 32.0, (720, 1280), "made")
    )
    assert run(tmp_path / "a.npz", tmp_path / "a.json", "--resample", 16).exit_code == 0
    found = read_pose_sequence(tmp_path / "a.json")
    assert found.fps == 16.0
    np.testing.assert_allclose(found.xy, xy[::2], atol=1e-4)
    wrong = run(tmp_path / "a.npz", tmp_path / "b.json", "--skeleton", "coco-17")
    assert wrong.exit_code == 2 and "say --skeleton coco-25" in wrong.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--joint", "left_hip"), "write it as left_hip=MyThighL"),
        (("--size", "720x0"), "expected WIDTHxHEIGHT"),
        (("--unit", "yard"), "is not one of"),
    ],
)
def test_options_are_checked_first(run, tmp_path, options, words):
    done = run(tmp_path / "a.npz", tmp_path / "b.npz", *options)
    assert done.exit_code == 2 and words in done.output


def test_a_folder_needs_to_know_what_to_write(run, tmp_path):
    with pytest.raises(Exception, match="say what to write: --to npz"):
        raise run(tmp_path, tmp_path / "out").exception


def test_keypoints_that_are_no_numbers_are_named(run, tmp_path):
    xy = np.full((4, 25, 2), np.nan)
    write_keypoints(tmp_path / "a.npz", PoseSequence(xy, np.ones((4, 25)), "coco-25", 30.0, None, "made"))
    done = run(tmp_path / "a.npz", tmp_path / "a.json")
    assert done.exit_code == 2 and "holds NaN" in done.stderr and not (tmp_path / "a.json").exists()
