"""One dance is one dance: at another rate, on another body, in another file."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.inputs.pose_files import JointTrack, read_motion_file, resampled_track
from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.scoring import rescore, score, write_scored
from madata.motion import encode, resample, with_skeleton, write_motion
from madata.synthetic.dance import STYLES, make_dance

CLIPS = 6


def dances(fps, seconds=6.0):
    return [
        make_dance(
            seconds, tempo_bpm=100 + 5 * row, fps=fps, style=STYLES[row % len(STYLES)], seed=row
        ).motion
        for row in range(CLIPS)
    ]


def write(folder, motions):
    folder.mkdir()
    for row, motion in enumerate(motions):
        write_motion(folder / f"c{row}.npz", motion)
    return folder


def test_a_track_at_twice_the_rate_is_the_track():
    points = np.cumsum(np.random.default_rng(0).normal(size=(60, 24, 3)), axis=0).cumsum(axis=0) / 100
    track = JointTrack(points, None, "smpl-24", 60.0, "y", "made")
    half = resampled_track(track, 30.0)
    np.testing.assert_allclose(half.points, points[::2], atol=1e-9)
    assert resampled_track(half, 60.0).frames == 59


def test_keypoints_between_frames_are_missing_where_either_is():
    score = np.ones((4, 17))
    score[1, 0] = 0
    track = JointTrack(np.arange(4.0)[:, None, None] * np.ones((17, 2)), score, "coco-17", 10.0, "-y", "made")
    found = resampled_track(track, 20.0)
    np.testing.assert_allclose(found.points[:, 1, 0], np.arange(7) / 2)
    assert found.score[:, 0].tolist() == [1, 0, 0, 0, 1, 1, 1]


def test_rotations_are_put_on_one_body_and_own_bones_are_kept(tmp_path):
    motion = dances(30.0)[0]
    write_motion(tmp_path / "a.npz", motion)
    np.save(tmp_path / "b.npy", encode(with_skeleton(motion, "smplx-22"), "lodge-139"))
    first, second = (read_motion_file(tmp_path / name, "smplx-22") for name in ("a.npz", "b.npy"))
    assert (first.body, second.body, first.skeleton) == ("smpl-24", "smplx-22", "smplx-22")
    np.testing.assert_allclose(first.points, second.points, atol=2e-4)
    apart = (
        read_motion_file(tmp_path / "a.npz").points[:, 20]
        - read_motion_file(tmp_path / "b.npy").points[:, 20]
    )
    assert np.linalg.norm(apart, axis=-1).mean() > 0.01


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("rates")
    fast = dances(60.0)
    return write(root / "at60", fast), write(root / "at30", [resample(motion, 30.0) for motion in fast])


def test_a_corrected_protocol_takes_the_rate_of_the_reference(folders):
    at60, at30 = folders
    protocol = load_protocol("finedance-motion3d")
    same = score(at60, at60, protocol).result
    brought = score(at30, at60, protocol).result
    assert brought.status == "complete"
    assert brought.metric("fid_k").value == pytest.approx(same.metric("fid_k").value, abs=0.5)
    assert any("resampled to 60" in line for line in brought.warnings)


def test_a_published_one_says_that_two_rates_meet(folders, tmp_path):
    at60, at30 = folders
    protocol = load_protocol("bailando")
    scored = score(at30, at60, protocol)
    assert "two frame rates meet (30 against 60" in scored.result.metric("fid_k").caution
    alike = score(at30, at60, protocol, options=Options(resample_fps=60.0)).result
    assert "two frame rates" not in (alike.metric("fid_k").caution or "")
    assert alike.metric("fid_k").value < 0.1 * scored.result.metric("fid_k").value
    result = write_scored(scored, tmp_path / "out")
    again, _ = rescore(tmp_path / "out" / "features.npz")
    assert [metric.caution for metric in again.metrics] == [metric.caution for metric in result.metrics]


def test_a_dance_in_centimetres_is_the_dance_once_its_unit_is_said(tmp_path):
    motions = dances(30.0)[:3]
    real = write(tmp_path / "real", motions)
    large = [replace(motion, translation=motion.translation * 100) for motion in motions]
    made = write(tmp_path / "made", large)
    protocol = load_protocol("edge-pfc")
    assert "root speed" in score(made, real, protocol).result.metric("pfc").caution
    found = score(made, real, protocol, options=Options(unit="centimetre")).result
    assert found.options.lines() == ("--unit centimetre",)
    assert found.metric("pfc").value == pytest.approx(found.metric("pfc").reference, rel=1e-3)
