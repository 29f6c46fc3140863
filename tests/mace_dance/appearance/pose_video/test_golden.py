"""Keypoints, frames, placements and picture tools against upstream's numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mace_dance.appearance.pose_video import (
    MaceStyle,
    WanStyle,
    draw,
    draw_mace,
    landmark_box,
    retarget,
    wholebody_points,
)
from mace_dance.appearance.pose_video.frame_size import centre_crop, resize_by_area
from mace_dance.appearance.pose_video.frame_times import frame_indices
from mace_dance.appearance.pose_video.masks import dilate, fill_grid
from mace_dance.appearance.pose_video.placement import (
    CanvasFit,
    align_to_reference,
    fit_canvas,
    keep_on_canvas,
)
from mace_dance.appearance.pose_video.smpl_figure import hand_shape, project, smpl_body, smpl_hands

pytestmark = pytest.mark.golden


def cases(path):
    """``case -> field -> array`` of a file with keys ``case/field``."""
    found = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            case, _, field = key.partition("/")
            found.setdefault(case, {})[field] = arrays[key]
    return found


def differing(frame, expected):
    """Share of the drawn px that differ."""
    drawn = (frame > 0).any(-1) | (expected > 0).any(-1)
    return (frame != expected).any(-1).sum() / max(drawn.sum(), 1)


def size_of(hw):
    return int(hw[1]), int(hw[0])


@pytest.mark.golden_files("models_appearance/pose_draw_wan*.npz")
def test_wan_keypoints_boxes_and_frames(golden_file, golden_deviations):
    for case, data in cases(golden_file).items():
        size = size_of(data["size_hw"])
        points = wholebody_points(data["kp133"], size, as_upstream=True)
        unit = np.array([*size, 1.0])
        hands = {"lhand21": points.hands[:, 0], "rhand21": points.hands[:, 1]}
        # Upstream's first "face" point is the right heel; it is left out everywhere.
        pairs = [(points.body, data["body20"]), (points.face, data["face69"][:, 1:])]
        for ours, expected in pairs + [(hand, data[name]) for name, hand in hands.items()]:
            deviation = np.abs(ours / unit - expected).max()
            golden_deviations("pose video: wan keypoints (0..1)", deviation)
            assert deviation <= 1e-6, case
        for face, expected in zip(points.face, data["face_bbox_x1x2y1y2"], strict=True):
            box = landmark_box(face, size)
            left, right, top, bottom = expected.tolist()
            if box is None:
                assert right <= left or bottom <= top, case
            else:
                assert box == (left, top, right, bottom), case
        options = json.loads(str(data["options"]))
        style = WanStyle(
            stick=options.pop("stickwidth_type", "v2"),
            hands=options.pop("draw_hand", True),
            head=options.pop("draw_head", True),
            min_score=options.pop("threshold", 0.5),
        )
        assert not options, case
        for frame, expected in zip(draw(points, style), data["frames"], strict=True):
            share = differing(frame, expected)
            golden_deviations("pose video: wan frames (share of drawn px)", share)
            assert share <= 1e-3, case


@pytest.mark.golden_files("models_appearance/pose_retarget_wan*.npz")
def test_retargeted_wan_poses(golden_file, golden_deviations):
    for case, data in cases(golden_file).items():
        driving, reference = (
            wholebody_points(data[f"{who}_kp133"], size_of(data[f"{who}_size_hw"]), as_upstream=True)
            for who in ("template", "reference")
        )
        ours = retarget(driving, reference, as_upstream=True)
        assert ours.size == size_of(data["out_size_hw"])
        deviation = np.abs(ours.body[..., :2] - data["out_body_xy"]).max()
        golden_deviations("pose video: retargeted body (px)", deviation)
        assert deviation <= 1e-3, case
        np.testing.assert_allclose(ours.body[..., 2], data["out_body_p"], atol=1e-6)
        # Upstream calls the hand on the right wrist the left one, and truncates hands to whole px.
        for hand, name in ((1, "lhand"), (0, "rhand")):
            points, expected = ours.hands[:, hand], np.array(data[f"out_{name}_xy"], float)
            found = np.isfinite(expected).all(-1)
            assert (found == (points[..., 2] > 0)).all(), case
            np.testing.assert_allclose(points[..., 2], data[f"out_{name}_p"], atol=1e-6, err_msg=case)
            low, high = (np.trunc(points[..., :2] + nudge)[found] for nudge in (-1e-3, 1e-3))
            assert ((low == expected[found]) | (high == expected[found])).all(), case
        if data["frame0"].size:
            drawn_last = replace(ours, hands=ours.hands[:, ::-1])
            assert differing(next(draw(drawn_last)), data["frame0"]) <= 1e-3, case


@pytest.mark.golden_files("models_appearance/motion_to_pose_mace*.npz")
def test_mace_placements_points_and_frames(golden_file, golden_deviations):
    for case, data in cases(golden_file).items():
        options = json.loads(str(data["options"]))
        size = options.pop("width", 720), options.pop("height", 1280)
        fit = CanvasFit(
            options.pop("fit_width_ratio", 0.72),
            options.pop("fit_height_ratio", 0.86),
            centre_y=options.pop("center_y_ratio", 0.56),
        )
        flat = project(data["joints"])
        placement = fit_canvas(flat, size, fit)
        check_transform(placement, data["canvas_fit"], golden_deviations)
        shapes = (None, None)
        reference_hands = options.pop("use_reference_hands", True)
        min_joints = options.pop("reference_align_min_joints", 6)
        min_score = options.pop("keypoint_threshold", 0.08)
        safe = options.pop("reference_fit_strategy", "canvas-safe") == "canvas-safe"
        aligned = options.pop("reference_mode", "auto") != "off" and "reference_kp133" in data
        if aligned:
            person = wholebody_points(data["reference_kp133"][None], size)
            placement = align_to_reference(
                smpl_body(flat[0]), person.body[0], min_joints=min_joints, min_score=min_score
            )
            if safe:
                placement = keep_on_canvas(placement, flat, size, fit)
            assert placement.source == str(data["source"]), case
            check_transform(placement, data["reference_transform"], golden_deviations)
            if reference_hands:
                shapes = tuple(hand_shape(hand, min_score) for hand in person.hands[0])
                found = [side for side, shape in zip(("left", "right"), shapes, strict=True) if shape]
                assert found == list(data["hand_templates"]), case
        xy = placement.apply(flat)
        # The tool lets none of the three fall below 0.05.
        head, wide, high = (
            max(options.pop(f"head_{name}", usual), 0.05)
            for name, usual in (("scale", 1.8), ("width_scale", 1.65), ("height_scale", 1.15))
        )
        body = smpl_body(xy, head_width=head * wide, head_height=head * high)
        hands = smpl_hands(xy, shapes, hand_length=options.pop("hand_scale_ratio", 0.55))
        # The stored points are px of the larger canvas that is averaged at the end.
        times = options.get("antialias_scale", 1)
        larger = np.array([times, times, 1.0])
        for ours, expected in ((body[:, :18], data["openpose18"]), (hands, data["hands"])):
            deviation = np.abs(ours * larger - expected).max()
            golden_deviations("pose video: mace points (px)", deviation)
            assert deviation <= 1e-2, case
        style = MaceStyle(
            line_width=options.pop("line_width", 4),
            joint_radius=options.pop("joint_radius", 4),
            hand_line_width=options.pop("hand_line_width", 2),
            hand_joint_radius=options.pop("hand_joint_radius", 4),
            limb_brightness=options.pop("body_limb_alpha", 0.6),
            antialias=options.pop("antialias_scale", 1),
            hands=options.pop("draw_hands", True),
            feet=options.pop("draw_feet", True),
            min_score=min_score,
        )
        assert not options, case
        for k, expected in enumerate(data["frames"]):
            share = differing(draw_mace(body[k], hands[k], size, style), expected)
            golden_deviations("pose video: mace frames (share of drawn px)", share)
            assert share <= 5e-3, case


def check_transform(placement, expected, golden_deviations):
    ours = np.concatenate([placement.matrix, placement.translation[:, None]], axis=1)
    deviation = np.abs(ours - expected).max()
    golden_deviations("pose video: mace transforms", deviation)
    assert deviation <= 1e-3


@pytest.mark.golden_files("models_appearance/wan_preprocess_utils*.npz")
def test_wan_picture_tools(golden_file, golden_companion):
    found = cases(golden_file)
    if "mask" not in found:
        found["mask"] = cases(golden_companion("models_appearance/wan_preprocess_utils.npz"))["mask"]
    mask = found["mask"][""]
    for case, data in found.items():
        if case.startswith("resize"):
            ours = resize_by_area(data["image"], int(data["area"]), divisor=16)
            assert np.abs(ours.astype(int) - data["out"]).max() <= 1, case
        elif case.startswith("frame_idx"):
            num_source, source_fps, num_frames, fps = data["frame_num_fps_target_fps"]
            ours = frame_indices(int(num_source), source_fps, int(num_frames), fps)
            np.testing.assert_array_equal(ours, data["out"])
        elif case.startswith("mask_"):
            kernel_px, iterations = (
                int(part[k:]) for part, k in zip(case.split("_")[1:], (1, 2), strict=True)
            )
            grown = dilate(mask, kernel_px, iterations)
            np.testing.assert_array_equal(grown, data["dilated"])
            for name in (name for name in data if name.startswith("aug_")):
                columns, rows = (int(part[1:]) for part in name.split("_")[1:])
                np.testing.assert_array_equal(fill_grid(grown, columns, rows), data[name], err_msg=name)


@pytest.mark.golden_files("models_appearance/mace_frame_crop*.npz")
def test_mace_centre_crop(golden_file):
    for case, data in cases(golden_file).items():
        height, width = data["size"]
        ours = centre_crop(data["image"], (int(width), int(height)))
        assert np.abs(ours.astype(int) - data["out"]).max() <= 1, case
