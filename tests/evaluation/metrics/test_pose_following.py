"""Videos that come late, stand elsewhere, or show somebody else, against the pose they should follow."""

from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.bodies import in_picture
from evaluation.comparison import compare, load_run
from evaluation.features.motion.body import clip_body
from evaluation.features.store import read_run
from evaluation.metrics.pose_following import frames_of_lag
from evaluation.problems import Refused
from evaluation.protocol import load_protocol
from evaluation.scoring import FEATURES_FILE, rescore, score, write_scored
from leaderboard.feature_bounds import impossible_features
from madata.files import write_npz
from madata.skeletons import skeleton

PROTOCOL = load_protocol("ma-following")
SIZE, FPS, FRAMES, EARLY, CLIPS = (720, 1280), 16.0, 64, 8, 7


@pytest.fixture(scope="module")
def poses(make_dances):
    """(N, T, 25, 3) with some frames before and after those of one window."""
    return make_dances(CLIPS, np.random.default_rng(5), frames=FRAMES + 2 * EARLY, fps=FPS).points


def write(folder, clips, late=0, size=SIZE, early=EARLY, frames=FRAMES):
    folder.mkdir()
    for number, clip in enumerate(clips):
        shown = clip[early - late : early - late + frames]
        told = {} if size is None else {"size": np.array(size)}
        file = folder / f"c{number}.npz"
        write_npz(file, xy=shown[..., :2], score=shown[..., 2], skeleton="coco-25", fps=FPS, **told)
    return folder


def torso_of(xy):
    at = {name: xy[:, column] for column, name in enumerate(skeleton("coco-25").joints)}
    neck, hips = ((at[f"left_{part}"] + at[f"right_{part}"]) / 2 for part in ("shoulder", "hip"))
    return np.median(np.linalg.norm(neck - hips, axis=-1))


@pytest.fixture
def followed(tmp_path, poses, monkeypatch):
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    reference = write(tmp_path / "real", poses)

    def scored(clips, name="mine", **how):
        found = score(write(tmp_path / name, clips, **how), reference, PROTOCOL)
        write_scored(found, tmp_path / f"{name}-scores")
        return found

    return scored


def values(found):
    return {name: found.result.metric(name).value for name in ("pose_lag", "pose_error", "pck")}


@pytest.mark.parametrize("late", range(-4, 5))
def test_frames_of_lag_are_found_on_motion_capture_through_noise(mocap, late):
    rng = np.random.default_rng(0)
    told = []
    for clip in mocap:
        body = clip_body(in_picture(clip)).points
        video, pose = (body[8 - shift : 128 - shift] for shift in (late, 0))
        try:
            told.append(
                frames_of_lag(*(side + rng.normal(0, 0.03, side.shape) for side in (video, pose)), 15)
            )
        except ValueError:
            told.append(None)
    assert told.count(late) >= 0.9 * len(told)
    assert set(told) <= {late, None}, "no lag rather than a wrong one"


def test_another_dance_has_no_lag(mocap):
    bodies = [clip_body(in_picture(clip)).points[:120] for clip in mocap]
    told = 0
    for video, pose in pairwise(bodies):
        with suppress(ValueError):
            frames_of_lag(video, pose, 15)
            told += 1
    assert told <= 0.1 * len(bodies)


def test_a_lag_beyond_the_largest_is_none(mocap):
    body = clip_body(in_picture(mocap[0])).points
    assert frames_of_lag(body[:120], body[6:126], 6) == 6
    with pytest.raises(ValueError, match="more than 5 frames apart"):
        frames_of_lag(body[:120], body[6:126], 5)


def test_who_stands_still_or_is_hardly_seen_has_no_lag(mocap):
    pose = clip_body(in_picture(mocap[0])).points[:120]
    glimpse = np.where(np.arange(120)[:, None, None] % 5 == 0, pose, np.nan)
    for video in (np.zeros_like(pose), glimpse):
        with pytest.raises(ValueError, match="does not move"):
            frames_of_lag(video, pose, 15)


def test_the_pose_itself_is_followed_in_a_picture_of_any_size(followed, poses):
    assert values(followed(poses)) == {"pose_lag": 0, "pose_error": 0, "pck": 1}
    small = poses * (0.5, 0.5, 1)
    assert values(followed(small, "small", size=(360, 640))) == pytest.approx(
        {"pose_lag": 0, "pose_error": 0, "pck": 1}, abs=1e-9
    )
    wider = poses + np.array([280, 0, 0])
    assert values(followed(wider, "wider", size=(1280, 1280)))["pose_error"] == pytest.approx(0, abs=1e-9)


def test_a_video_that_comes_four_frames_late_says_so(followed, poses, tmp_path):
    late = followed(poses, late=4)
    lag = late.result.metric("pose_lag")
    assert (lag.value, lag.unit, lag.reference, lag.n) == (4, "frames", 0, CLIPS)
    assert values(late)["pose_error"] > 0.1 and values(late)["pck"] < 0.95
    assert values(followed(poses, "early", late=-3))["pose_lag"] == -3
    features = tmp_path / "mine-scores" / FEATURES_FILE
    assert impossible_features(read_run(features)) == []
    measurement, _ = rescore(features)
    assert measurement.metrics == late.measurement.metrics
    assert late.measurement.samples["pose_lag"].tolist() == [4] * CLIPS


def test_a_dancer_that_stands_elsewhere_is_off_by_as_much(followed, poses):
    torso = np.array([torso_of(clip[EARLY : EARLY + FRAMES, :, :2]) for clip in poses])
    aside = poses + torso[:, None, None, None] * (0.3, 0.4, 0)
    found = values(followed(aside))
    assert found["pose_lag"] == 0 and found["pck"] == 0
    assert found["pose_error"] == pytest.approx(0.5, rel=1e-6)
    near = poses + torso[:, None, None, None] * (0.1, 0.1, 0)
    assert values(followed(near, "near")) == pytest.approx(
        {"pose_lag": 0, "pose_error": 0.1 * np.sqrt(2), "pck": 1}, rel=1e-6
    )


def test_joints_that_are_not_found_are_out_of_place_and_no_error(followed, poses):
    hidden = poses.copy()
    hidden[:, ::2, :, 2] = np.where(np.arange(25) == 0, 0, hidden[:, ::2, :, 2])
    found = values(followed(hidden))
    assert found["pose_error"] == 0
    assert found["pck"] == pytest.approx(1 - 0.5 / 17)


def test_somebody_else_follows_nothing(followed, poses):
    found = followed(np.roll(poses, 1, axis=0))
    lag = found.result.metric("pose_lag")
    assert lag.value is None or lag.n <= 2
    assert values(found)["pck"] < 0.3 and values(found)["pose_error"] > 0.5


def test_a_file_that_does_not_say_how_large_its_picture_is_is_refused_with_the_command(followed, poses):
    with pytest.raises(Refused, match="no_size") as refused:
        followed(poses, size=None)
    assert "--size 720x1280" in str(refused.value)


@pytest.mark.parametrize("spoiled", [np.full(64 * 34, np.inf), np.zeros(64 * 34 - 1), np.zeros(0)])
def test_joints_that_no_measurement_gives_are_refused(followed, poses, spoiled, tmp_path):
    followed(poses)
    run = read_run(tmp_path / "mine-scores" / FEATURES_FILE)
    kept = (spoiled, *run.prediction.kept("pose")[1:])
    for lists in ({"kept/pose": kept}, {"kept/other": kept}):
        edited = replace(run, prediction=run.prediction.having({}, lists))
        assert impossible_features(edited)


def test_of_two_systems_the_one_on_time_is_better(followed, poses, tmp_path):
    rng = np.random.default_rng(2)
    shaken = poses + rng.normal(0, 2, poses.shape) * (1, 1, 0)
    for name, late in (("punctual", 0), ("early", -4)):
        followed(shaken, name, late=late)
    found = compare(*(load_run(tmp_path / f"{name}-scores") for name in ("punctual", "early")))
    verdicts = {one.metric: one.verdict for one in found}
    assert {verdicts[name] for name in ("pose_lag", "pose_error", "pck")} == {"better"}


@pytest.mark.parametrize("frames", [2 * FRAMES, 2 * FRAMES + EARLY])
def test_a_video_that_falls_behind_does_so_in_its_later_windows(make_dances, tmp_path, monkeypatch, frames):
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    poses = make_dances(CLIPS, np.random.default_rng(5), frames=frames, fps=FPS).points
    turn, whole = np.arange(frames), {"early": 0, "frames": frames}
    behind = write(tmp_path / "behind", poses[:, np.where(turn < FRAMES, turn, turn - 5)], **whole)
    found = score(behind, write(tmp_path / "real", poses, **whole), PROTOCOL)
    lag = found.measurement.samples["pose_lag"].reshape(CLIPS, 2)
    assert (lag[:, 0] == 0).all() and np.median(lag[:, 1]) == 5
