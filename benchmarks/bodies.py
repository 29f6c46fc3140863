"""Ways to spoil the body of a dance, and what the metrics of bodies say of each: the table of docs/bodies.md.

    python -m benchmarks.bodies [FOLDER of motion files]
    python -m benchmarks.bodies --picture docs/images/bodies.jpg

Without a folder, the dances are made. Every row spoils one thing in three strengths; the value of its metric must move
away from that of the dance with each, and a defect must not show where it is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from evaluation.inputs.pose_files import JointTrack, convert_track, read_motion_file, resampled_track
from evaluation.metrics.registry import own_metrics
from madata.errors import MediaError
from madata.formats import is_a
from madata.motion.kinematics import joint_positions
from madata.render import CapsuleRenderer, build_figure, front_camera, make_stage
from madata.skeletons import skeleton
from madata.synthetic.dance import make_dance
from madata.types import Motion3D
from madata.video.thumbnails import encode_jpeg

FPS, SECONDS = 30.0, 5.0
Spoil = Callable[[JointTrack, float], JointTrack]


@dataclass(frozen=True)
class Row:
    """One way to spoil a dance: strengths, weak to strong, and the metric that must see it."""

    name: str
    metric: str
    strengths: tuple[float, float, float]
    spoil: Spoil
    in_picture: bool = False


def _with(clip: JointTrack, points: npt.NDArray[np.float64]) -> JointTrack:
    return replace(clip, points=points)


def _at(clip: JointTrack, name: str) -> int:
    return clip.names.index(name)


def _time(clip: JointTrack) -> npt.NDArray[np.float64]:
    return np.arange(clip.frames) / float(clip.fps or FPS)


def _moved(clip: JointTrack, shift: npt.NDArray[np.float64], joints: slice | list[int]) -> JointTrack:
    points = clip.points.astype(np.float64)
    points[:, joints] += shift
    return _with(clip, points)


def _long_arm(clip: JointTrack, share: float) -> JointTrack:
    """The forearm grows and shrinks by ``share`` in a rhythm of two seconds."""
    elbow, wrist = _at(clip, "left_elbow"), _at(clip, "left_wrist")
    bone = clip.points[:, wrist] - clip.points[:, elbow]
    return _moved(clip, (bone * share * np.sin(np.pi * _time(clip))[:, None])[:, None], [wrist])


def _arm_too_long(clip: JointTrack, share: float) -> JointTrack:
    """The left forearm is too long by ``share``, from the first frame to the last."""
    elbow, wrist = _at(clip, "left_elbow"), _at(clip, "left_wrist")
    return _moved(clip, (share * (clip.points[:, wrist] - clip.points[:, elbow]))[:, None], [wrist])


def _breathing(clip: JointTrack, share: float) -> JointTrack:
    middle = clip.points.mean(axis=1, keepdims=True)
    return _with(
        clip, middle + (clip.points - middle) * (1 + share * np.sin(np.pi * _time(clip)))[:, None, None]
    )


def _noise(clip: JointTrack, metres: float) -> JointTrack:
    rng = np.random.default_rng(1)
    return _with(clip, clip.points + rng.normal(0, metres, clip.points.shape))


def _wrist_noise(clip: JointTrack, metres: float) -> JointTrack:
    rng = np.random.default_rng(1)
    return _moved(clip, rng.normal(0, metres, (clip.frames, 1, 3)), [_at(clip, "left_wrist")])


def _smooth(clip: JointTrack, seconds: float) -> JointTrack:
    points = clip.points.astype(np.float64)
    return _with(clip, gaussian_filter1d(points, seconds * float(clip.fps or FPS), axis=0, mode="nearest"))


def _held(clip: JointTrack, share: float) -> JointTrack:
    """In ``share`` of the frames the picture before is shown again."""
    again = np.random.default_rng(3).permutation(clip.frames) < share * clip.frames
    again[0] = False
    return _with(clip, clip.points[np.maximum.accumulate(np.where(again, 0, np.arange(clip.frames)))])


def _swaps(parts: tuple[str, ...]) -> Spoil:
    def spoil(clip: JointTrack, times: float) -> JointTrack:
        order = np.arange(len(clip.names))
        for part in parts:
            left, right = _at(clip, f"left_{part}"), _at(clip, f"right_{part}")
            order[[left, right]] = right, left
        points = clip.points.astype(np.float64).copy()
        for number in range(int(times)):
            start = (2 * number + 1) * clip.frames // (2 * int(times) + 1)
            points[start : start + 3] = points[start : start + 3][:, order]
        return _with(clip, points)

    return spoil


def _slide(clip: JointTrack, metres_per_s: float) -> JointTrack:
    return _moved(clip, _time(clip)[:, None, None] * np.array([metres_per_s, 0, 0]), slice(None))


def _skate(clip: JointTrack, turns_per_s: float) -> JointTrack:
    """The left foot, and half as far its knee, goes to and fro sideways by 15 cm."""
    leg = [_at(clip, f"left_{joint}") for joint in ("knee", "ankle", "foot")]
    way = 0.15 * np.sin(2 * np.pi * turns_per_s * _time(clip))
    return _moved(
        clip, way[:, None, None] * np.array([0.5, 1.0, 1.0])[:, None] * np.array([1.0, 0.0, 0.0]), leg
    )


def _shrink(clip: JointTrack, per_s: float) -> JointTrack:
    return _grow(clip, -per_s)


def _grow(clip: JointTrack, per_s: float) -> JointTrack:
    root = clip.points[:, :1]
    return _with(clip, root + (clip.points - root) * np.exp(per_s * _time(clip))[:, None, None])


def _sink(clip: JointTrack, metres: float) -> JointTrack:
    """The second half of the dance goes down, as if the floor had sunk."""
    depth = metres * np.clip(4 * np.arange(clip.frames) / clip.frames - 2, 0, 1)
    return _moved(clip, -depth[:, None, None] * np.array([0, 1, 0]), slice(None))


def _hang(clip: JointTrack, share: float) -> JointTrack:
    """For ``share`` of the dance the body hangs half a metre above the floor."""
    lifted = np.arange(clip.frames) < share * clip.frames
    return _moved(clip, 0.5 * lifted[:, None, None] * np.array([0, 1, 0]), slice(None))


def _knee_backwards(clip: JointTrack, degrees: float) -> JointTrack:
    """The left shin turns forward in the knee until it bends ``degrees`` the wrong way."""
    knee, ankle, toe = (_at(clip, f"left_{joint}") for joint in ("knee", "ankle", "foot"))
    thigh = _unit(clip.points[:, knee] - clip.points[:, _at(clip, "left_hip")])
    shin, foot = clip.points[:, ankle] - clip.points[:, knee], clip.points[:, toe] - clip.points[:, ankle]
    axis = _unit(np.cross(shin, foot))
    axis = _unit(axis - np.einsum("tc,tc->t", axis, thigh)[:, None] * thigh)
    straight = thigh * np.linalg.norm(shin, axis=-1, keepdims=True)
    points = clip.points.astype(np.float64).copy()
    points[:, ankle] = points[:, knee] + _turned(straight, axis, degrees)
    ahead = _unit(np.cross(axis, _turned(thigh, axis, degrees)))
    points[:, toe] = points[:, ankle] + ahead * np.linalg.norm(foot, axis=-1, keepdims=True)
    return _with(clip, points)


def _elbow_folded(clip: JointTrack, degrees: float) -> JointTrack:
    shoulder, elbow, wrist = (_at(clip, f"left_{joint}") for joint in ("shoulder", "elbow", "wrist"))
    upper, fore = (
        clip.points[:, elbow] - clip.points[:, shoulder],
        clip.points[:, wrist] - clip.points[:, elbow],
    )
    axis = _unit(np.cross(upper, fore) + 1e-9)
    points = clip.points.astype(np.float64).copy()
    length = np.linalg.norm(fore, axis=-1, keepdims=True)
    points[:, wrist] = points[:, elbow] + _turned(_unit(upper), axis, degrees) * length
    return _with(clip, points)


def _hand_inside(clip: JointTrack, share: float) -> JointTrack:
    """The left hand goes towards the middle of the trunk and reaches it at 1."""
    wrist = _at(clip, "left_wrist")
    inside = (clip.points[:, _at(clip, "pelvis")] + clip.points[:, _at(clip, "neck")]) / 2
    return _moved(clip, (share * (inside - clip.points[:, wrist]))[:, None], [wrist])


def _legs_through(clip: JointTrack, share: float) -> JointTrack:
    """The left leg goes towards the right one and lies in it at 1."""
    knee, ankle, foot = (
        (_at(clip, f"left_{joint}"), _at(clip, f"right_{joint}")) for joint in ("knee", "ankle", "foot")
    )
    points = clip.points.astype(np.float64).copy()
    for left, right in (knee, ankle, foot):
        points[:, left] += share * (points[:, right] - points[:, left])
    return _with(clip, points)


def _lost(clip: JointTrack, share: float) -> JointTrack:
    """The left arm is not found in ``share`` of the frames."""
    score = np.ones(clip.points.shape[:2]) if clip.score is None else clip.score.copy()
    gone = np.random.default_rng(2).permutation(clip.frames) < share * clip.frames
    score[np.ix_(np.flatnonzero(gone), np.array([_at(clip, "left_elbow"), _at(clip, "left_wrist")]))] = 0
    return replace(clip, score=score)


def _too_long(clip: JointTrack, factor: float) -> JointTrack:
    """The left shin is ``factor`` times as long."""
    knee, ankle = _at(clip, "left_knee"), _at(clip, "left_ankle")
    return _moved(clip, ((factor - 1) * (clip.points[:, ankle] - clip.points[:, knee]))[:, None], [ankle])


def _unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def _turned(
    vectors: npt.NDArray[np.float64], axis: npt.NDArray[np.float64], degrees: float
) -> npt.NDArray[np.float64]:
    """Vectors perpendicular to unit axes, turned about them."""
    angle = np.radians(degrees)
    turned: npt.NDArray[np.float64] = np.cos(angle) * vectors + np.sin(angle) * np.cross(axis, vectors)
    return turned


_ARMS, _LEGS = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")

ROWS = (
    Row("forearm stretched", "bone_stretch", (0.05, 0.1, 0.3), _long_arm),
    Row("forearm too long throughout", "uneven_limbs", (0.05, 0.1, 0.3), _arm_too_long),
    Row("whole body breathes", "bone_stretch", (0.02, 0.05, 0.1), _breathing),
    Row("noise on every joint, m", "bone_stretch", (0.005, 0.01, 0.02), _noise),
    Row("noise on every joint, m", "jerk", (0.005, 0.01, 0.02), _noise),
    Row("noise on every joint, m", "acceleration", (0.005, 0.01, 0.02), _noise),
    Row("noise on one wrist, m", "jerk", (0.005, 0.01, 0.02), _wrist_noise),
    Row("over-smoothed, s", "jerk", (0.05, 0.1, 0.2), _smooth),
    Row("frames shown again, share", "jerk", (0.05, 0.1, 0.3), _held),
    Row("left and right swapped, times", "side_swaps", (1, 2, 4), _swaps((*_ARMS, *_LEGS))),
    Row("arms swapped, times", "side_swaps", (1, 2, 4), _swaps(_ARMS)),
    Row("slides away, m/s", "root_drift", (0.5, 1.0, 2.0), _slide),
    Row("slides away, m/s", "foot_slip", (0.5, 1.0, 2.0), _slide),
    Row("one foot skates, times a second", "foot_slip", (0.25, 0.5, 1.0), _skate),
    Row("shrinks, 1/s", "size_drift", (0.005, 0.01, 0.03), _shrink),
    Row("grows, 1/s", "size_drift", (0.01, 0.03, 0.1), _grow),
    Row("floor sunk in the second half, m", "floor_penetration", (0.1, 0.2, 0.4), _sink),
    Row("hangs in the air, share of the dance", "floating", (0.1, 0.2, 0.4), _hang),
    Row("knee bends backwards, degrees", "joint_excess", (30, 50, 70), _knee_backwards),
    Row("elbow folded too far, degrees", "joint_excess", (174, 176, 179), _elbow_folded),
    Row("hand inside the trunk, share of the way", "self_collision", (0.8, 0.9, 1.0), _hand_inside),
    Row("legs through each other, share of the way", "self_collision", (0.8, 0.9, 1.0), _legs_through),
    Row("noise on every joint, px", "jerk", (2, 4, 8), _noise, in_picture=True),
    Row("arm not found, share of frames", "missing_limbs", (0.1, 0.3, 0.6), _lost, in_picture=True),
    Row("shin too long, times", "limb_excess", (1.5, 2, 3), _too_long, in_picture=True),
    Row("left and right swapped, times", "side_swaps", (1, 2, 4), _swaps((*_ARMS, *_LEGS)), in_picture=True),
    Row("camera nearer, 1/s", "size_drift", (0.02, 0.05, 0.1), _grow, in_picture=True),
)


def in_picture(clip: JointTrack) -> JointTrack:
    """The dance as COCO keypoints, px, of a camera in front of it that sees all of it."""
    seen = clip.y_up[..., :2].astype(np.float64)
    names = {name: seen[:, index] for index, name in enumerate(clip.names)}
    coco = skeleton("coco-17").joints
    points = np.stack([names.get(name, names["head"]) for name in coco], axis=1) * (300, -300) + (360, 900)
    return JointTrack(points, np.ones(points.shape[:2]), "coco-17", clip.fps, "-y", "made")


def made_dances(count: int) -> list[JointTrack]:
    """Five seconds each of made-up dances."""
    return [track_of(make_dance(SECONDS, fps=FPS, seed=seed).motion) for seed in range(count)]


def track_of(motion: Motion3D) -> JointTrack:
    joints = joint_positions(motion, up="y").astype(np.float64)
    return convert_track(JointTrack(joints, None, motion.skeleton, motion.fps, "y", "made"), "smplx-22")


def read_dances(folder: Path) -> list[JointTrack]:
    """All windows of five seconds of the motion files of ``folder``, without the first second (calibration poses)."""
    clips = []
    for path in sorted(path for path in folder.iterdir() if is_a(path, "motion")):
        try:
            track = convert_track(read_motion_file(path, "smplx-22"), "smplx-22")
        except MediaError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            continue
        track = resampled_track(track, FPS)
        track = replace(track, points=track.y_up.astype(np.float64), up="y")
        length = round(SECONDS * FPS)
        clips += [track.cut(start, start + length) for start in range(30, track.frames - length, length)]
    return clips


def mean_value(metric: str, clips: list[JointTrack]) -> float:
    """The mean over the clips that have a value."""
    function = own_metrics()[metric].per_clip
    assert function is not None, metric
    values = []
    for clip in clips:
        try:
            values.append(function(clip))
        except ValueError:
            continue
    return float(np.nanmean(values)) if values else float("nan")


def judged(row: Row, clips: list[JointTrack]) -> list[float]:
    """The metric of the dances as they are, and spoiled in the three strengths."""
    flat = [in_picture(clip) for clip in clips] if row.in_picture else clips
    spoiled = [[row.spoil(clip, strength) for clip in flat] for strength in row.strengths]
    return [mean_value(row.metric, some) for some in (flat, *spoiled)]


PICTURED = (
    ("as danced", None, 0.0),
    ("forearm stretched", _long_arm, 2.0),
    ("noise", _noise, 0.06),
    ("knee backwards", _knee_backwards, 60.0),
    ("elbow folded", _elbow_folded, 179.0),
    ("hand inside", _hand_inside, 1.0),
    ("legs through", _legs_through, 1.0),
    ("grows", _grow, 0.06),
    ("sunk", _sink, 0.35),
    ("hangs", _hang, 0.95),
)
"""What the picture of the docs shows: label, defect, strength."""


def draw_picture(path: Path, size: tuple[int, int] = (230, 330)) -> None:
    """One frame of a made-up dance, as danced and spoiled in nine ways, in two rows."""
    clip, frame, panels = made_dances(3)[2], 135, []
    whole = _with_hands(clip)
    floor = build_figure(whole).lowest()
    up = np.array([0.0, 1.0, 0.0])
    room = np.concatenate([whole + 0.3 * up, whole - 0.2 * up])
    camera = front_camera([room], size)
    stage = make_stage("studio", camera, [room], floor)
    for label, spoil, strength in PICTURED:
        joints = _with_hands(clip if spoil is None else spoil(clip, strength))
        picture = CapsuleRenderer().draw([build_figure(joints)], frame, stage)
        panel = np.full((size[1] + 34, size[0] + 8, 3), 255, np.uint8)
        panel[: size[1], : size[0]] = picture
        cv2.putText(
            panel, label, (6, size[1] + 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (40, 40, 40), 1, cv2.LINE_AA
        )
        panels.append(panel)
    half = len(panels) // 2
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in (panels[:half], panels[half:])])
    path.write_bytes(encode_jpeg(sheet))


def _with_hands(clip: JointTrack) -> npt.NDArray[np.float64]:
    """(T, 24, 3) joints of SMPL: hands go on where forearms point."""
    points = clip.points.astype(np.float64)
    hands = []
    for side in ("left", "right"):
        wrist = points[:, _at(clip, f"{side}_wrist")]
        hands.append(wrist + 0.09 * _unit(wrist - points[:, _at(clip, f"{side}_elbow")]))
    return np.concatenate([points, np.stack(hands, axis=1)], axis=1)


def main(folder: Path | None) -> None:
    """Print the table in Markdown."""
    clips = read_dances(folder) if folder else made_dances(8)
    print(f"| defect ({len(clips)} clips) | strengths | metric | as danced | weak | middle | strong |")
    print("|---|---|---|---|---|---|---|")
    for row in ROWS:
        values = " | ".join(f"{value:.4g}" for value in judged(row, clips))
        where = ", in pictures" if row.in_picture else ""
        strengths = ", ".join(f"{strength:g}" for strength in row.strengths)
        print(f"| {row.name}{where} | {strengths} | `{row.metric}` | {values} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--picture"]:
        draw_picture(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
