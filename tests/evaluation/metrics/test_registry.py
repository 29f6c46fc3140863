"""What the metrics say of themselves, held against what is known of them, and that nobody else says it."""

import ast
from pathlib import Path

import numpy as np
import pytest

import evaluation
import leaderboard
from evaluation.features.wanted import WantedFeatures
from evaluation.metrics.registry import check_metrics, find_metric, metrics_of, own_metrics, wanted_by
from evaluation.metrics.spec import MetricSpec
from evaluation.protocol import load_protocol, protocol_names
from madata.errors import ConfigError, MadanceError
from tests.evaluation.features.test_table import track

HIGHER = {"bas", "bas_z", "bas_music_to_motion", "bas_motion_to_music", "precision", "recall", "density"}
HIGHER |= {"coverage", "ssim", "psnr", "imaging_quality", "aesthetic_quality", "subject_consistency"}
HIGHER |= {"background_consistency", "motion_smoothness", "temporal_flickering"}
HIGHER |= {"subject_consistency_video_mean", "background_consistency_video_mean", "pck"}
IDENTITY = {"face_identity", "body_identity"}
HIGHER |= IDENTITY
LOWER = {"fid_k", "fid_g", "fid_k_infinity", "fid_g_infinity", "kid_k", "kid_g", "fsr", "pfc", "fvd", "lpips"}
LOWER |= {
    "nearest_real",
    "bone_stretch",
    "limb_excess",
    "joint_excess",
    "self_collision",
    "foot_slip",
    "floating",
}
LOWER |= {"floor_penetration", "side_swaps", "pose_error", "uneven_limbs"}
DIVERSITY = {"div_k", "div_g"}
_ASKED = ("beat_hit", "beat_coverage", "beat_f1", "beat_phase", "beat_continuity", "tempo_agreement")
_ASKED += ("downbeat_coverage", "bar_phase")
ABOVE = {f"{name}_z" for name in _ASKED}
HIGHER |= {*_ASKED, *ABOVE}
NEARER = {
    *DIVERSITY,
    "missing_limbs",
    "acceleration",
    "jerk",
    "root_drift",
    "size_drift",
    "colour_drift",
    "sharpness_drift",
    "pose_lag",
}
NONE = {"bas_chance", "missing_rate", "motion_magnitude"}

SHARE = {"bas", "bas_chance", "bas_music_to_motion", "bas_motion_to_music", "precision", "recall", "coverage"}
SHARE |= {
    "fsr",
    "missing_rate",
    "missing_limbs",
    "floating",
    *(HIGHER - {"bas_z", "density", "ssim", "psnr", *IDENTITY}),
}
POSITIVE = {"fid_k", "fid_g", "fid_k_infinity", "fid_g_infinity", "div_k", "div_g", "density", "pfc", "fvd"}
POSITIVE |= {
    "lpips",
    "nearest_real",
    "bone_stretch",
    "limb_excess",
    "joint_excess",
    "self_collision",
    "foot_slip",
}
POSITIVE |= {
    "colour_drift",
    "pose_error",
    "uneven_limbs",
    "floor_penetration",
    "side_swaps",
    "acceleration",
    "jerk",
    "root_drift",
    "size_drift",
}
BOUNDS = {
    **dict.fromkeys(SHARE, (0.0, 1.0)),
    **dict.fromkeys(POSITIVE, (0.0, np.inf)),
    **dict.fromkeys(
        ("kid_k", "kid_g", "bas_z", "psnr", "sharpness_drift", "pose_lag", *ABOVE), (-np.inf, np.inf)
    ),
    **dict.fromkeys(("ssim", *IDENTITY), (-1.0, 1.0)),
    "motion_magnitude": (0.0, 255.0),
}


def spec(**changes):
    """A metric of single clips."""
    told = {"name": "mine", "version": 1, "label": "Mine", "title": "Mine", "needs": frozenset({"keypoints"})}
    return MetricSpec(**{**told, "direction": "lower", "per_clip": lambda clip: 1.0, **changes})


def test_every_direction_is_the_one_that_is_known():
    found = {}
    for name, one in own_metrics().items():
        found.setdefault(one.direction, set()).add(name)
    assert found == {"higher": HIGHER, "lower": LOWER, "reference": NEARER, "none": NONE}


def test_published_scripts_call_more_diversity_better_and_turn_nothing_else_around():
    turned = {name for name, one in own_metrics().items() if one.direction_in("official") != one.direction}
    assert turned == DIVERSITY
    assert {own_metrics()[name].direction_in("official") for name in DIVERSITY} == {"higher"}
    assert {own_metrics()[name].direction_in("corrected") for name in DIVERSITY} == {"reference"}


def test_every_bound_is_the_one_that_is_known():
    assert {name: one.bounds for name, one in own_metrics().items()} == BOUNDS


def test_every_protocol_is_measured_and_every_metric_is_asked_for():
    asked = {spec.name for name in protocol_names() for spec in check_metrics(load_protocol(name))}
    assert set(own_metrics()) - asked == {"nearest_real"}


def test_tracks_follow_from_needs():
    protocol = load_protocol("ma-data-video")
    pictures = metrics_of(protocol, "appearance")
    assert pictures[0] == "imaging_quality" and "motion_magnitude" in pictures
    assert metrics_of(protocol, "motion")[0] == "fid_k"
    assert [*pictures, *metrics_of(protocol, "motion")] == list(protocol.metrics)


def test_only_what_a_protocol_asks_for_is_wanted():
    pairs = wanted_by(load_protocol("ma-data-animation"))
    assert set(pairs.scores) == {"fvd", "ssim", "lpips", "psnr"} and not pairs.music and not pairs.per_clip
    video = wanted_by(load_protocol("ma-data-video"))
    assert len(video.scores) == 6 and video.music, "derived metrics look at nothing of their own"
    assert set(wanted_by(load_protocol("finedance-motion3d")).per_clip) == {"fsr", "pfc"}
    assert wanted_by(load_protocol("edge-pfc")) != WantedFeatures()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "Mine"}, "name"),
        ({"version": 0}, "version"),
        ({"label": " "}, "label"),
        ({"title": ""}, "title"),
        ({"needs": frozenset()}, "needs"),
        ({"needs": frozenset({"smell"})}, "needs"),
        ({"direction": "up"}, "direction"),
        ({"published_direction": "up"}, "direction"),
        ({"bounds": (1.0, 1.0)}, "bounds"),
        ({"bounds": (1.0, 0.0)}, "bounds"),
        ({"decimals": 10}, "decimals"),
        ({"needs": frozenset({"pictures"}), "scores": ("x",)}, "per_clip"),
        ({"scores": ("imaging_quality",)}, "scores"),
        ({"needs": frozenset({"pictures"}), "per_clip": None, "of_sets": len}, "scores"),
        ({"per_clip": None}, "none of per_clip"),
        ({"per_clip": None, "per_video": list}, "per_video"),
    ],
)
def test_a_spec_that_would_fail_later_is_refused_at_once(changes, says):
    with pytest.raises(ValueError, match=says):
        spec(**changes)


def measured(monkeypatch, function, **changes):
    monkeypatch.setitem(own_metrics(), "mine", spec(per_clip=function, **changes))
    protocol = load_protocol("ma-data-motion2d").model_copy(update={"metrics": {"mine": 1}})
    return wanted_by(protocol).per_clip["mine"](track(0))


def test_a_clip_without_a_value_says_why_and_a_fault_names_its_metric(monkeypatch):
    def stop(clip):
        raise ValueError("nobody is there")

    assert measured(monkeypatch, lambda clip: np.float32(0.5)) == 0.5
    with pytest.raises(ValueError, match="nobody is there"):
        measured(monkeypatch, stop)
    with pytest.raises(MadanceError, match="metric mine failed on a clip: TypeError"):
        measured(monkeypatch, lambda clip: float([]))


def test_a_published_definition_measures_clips_in_its_own_way(monkeypatch):
    both = spec(
        per_clip=lambda clip: 1.0, per_clip_published=lambda clip, name: 2.0 if name == "lodge" else 3.0
    )
    monkeypatch.setitem(own_metrics(), "mine", both)
    for name, value in (("finedance-motion3d", 1.0), ("lodge", 2.0), ("bailando", 3.0)):
        protocol = load_protocol(name).model_copy(update={"metrics": {"mine": 1}})
        assert wanted_by(protocol).per_clip["mine"](track(0)) == value


def test_a_metric_nobody_has_is_none_and_another_version_is_refused():
    assert find_metric("no_such_metric") is None
    protocol = load_protocol("lodge").model_copy(update={"metrics": {"fid_k": 2}})
    with pytest.raises(ConfigError, match="fid_k version 2; this build has version 1"):
        check_metrics(protocol)


OTHERS = [
    path
    for package in (evaluation, leaderboard)
    for path in sorted(Path(package.__file__).parent.rglob("*.py"))
    if not {"metrics", "features", "stats"} & set(path.relative_to(Path(package.__file__).parent).parts)
]
IMPORTERS = {"vbench_file.py", "vbench_import.py"}
"""They read names that another program wrote."""


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: "/".join(path.parts[-3:]))
def test_no_other_file_knows_a_metric_by_name(path):
    if path.name in IMPORTERS:
        pytest.skip("reads the names of another program")
    names = {
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not names & set(own_metrics())
    assert not {f"{name}_" for name in ("fid", "kid", "div", "bas")} & names


def test_the_page_of_metrics_lists_them_as_they_say_themselves():
    page = (Path(evaluation.__file__).parents[1] / "docs" / "metrics.md").read_text("utf-8")
    listed = [line for line in page.splitlines() if line.startswith("| `")]
    better = {"reference": "nearer to the reference", "none": "–"}
    told = [
        f"| `{one.name}` | {one.label} | {better.get(one.direction, one.direction)} | {one.unit} | "
        f"{', '.join(sorted(one.needs))} | {one.title} |"
        for one in own_metrics().values()
    ]
    assert listed == told


def test_no_two_metrics_have_one_label():
    labels = [one.label for one in own_metrics().values()]
    assert sorted(labels) == sorted(set(labels))
