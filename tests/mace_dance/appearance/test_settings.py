import numpy as np
import pytest

from mace_dance.appearance.faces import no_face, repeat_face
from mace_dance.appearance.settings import PRESETS, check_inputs, inference_settings
from madata.errors import ConfigError

SMALL = inference_settings("release", {"width": 48, "height": 64, "segment_frames": 17})
REFERENCE = np.zeros((80, 40, 3), np.uint8)


def poses(frames=20, height=64, width=48, dtype=np.uint8):
    return np.zeros((frames, height, width, 3), dtype)


def test_presets_are_what_was_published():
    release, upstream = PRESETS["release"], PRESETS["upstream"]
    assert (release.sampler, release.shift, release.guidance, release.steps) == ("euler", 5, 1, 20)
    assert (release.width, release.height, release.segment_frames, release.fps) == (720, 1280, 77, 15)
    assert (release.lora_strength, release.overlap, release.guided) == (0.5, 1, False)
    assert (upstream.sampler, upstream.fps, upstream.overlap, upstream.lora_strength) == ("unipc", 30, 1, 0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"width": 730}, "width must be a multiple of 16, not 730; the nearest are 720 and 736"),
        ({"segment_frames": 80}, "4 n .* not 80; the nearest lengths are 77 and 81"),
        ({"segment_frames": 5, "overlap": 5}, "more than its overlap of 5"),
        ({"overlap": 2}, "setting overlap"),
        ({"guidance": 0.5}, "setting guidance"),
        ({"step": 3}, "no setting step; did you mean 'steps'"),
    ],
)
def test_settings_that_cannot_work_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        inference_settings("release", overrides)


def test_an_unknown_preset_lists_those_there_are():
    with pytest.raises(ConfigError, match="release, upstream"):
        inference_settings("best")


def test_inputs_that_fit_give_their_plan():
    plan = check_inputs(SMALL, REFERENCE, poses(), no_face(20))
    assert len(plan.segments) == 2
    assert plan.num_frames == 20


@pytest.mark.parametrize(
    ("pose", "face", "message"),
    [
        (poses(1), no_face(1), r"too few control frames \(1\)"),
        (poses(), no_face(19), "face video has 19 frames and the pose video 20"),
        (poses(height=80), no_face(20), r"pose frame 0 is uint8 \(80, 48, 3\).*\(64, 48, 3\)"),
        (poses(dtype=np.float32), no_face(20), "pose frame 0 is float32"),
        (poses(), np.zeros((20, 8, 8), np.uint8), r"face frame 0 is uint8 \(H, W, 3\), not uint8 \(8, 8\)"),
        ([*poses(19), np.zeros((64, 40, 3), np.uint8)], no_face(20), "pose frame 19"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(pose, face, message):
    with pytest.raises(ConfigError, match=message):
        check_inputs(SMALL, REFERENCE, pose, face)


def test_a_repeated_face_is_one_picture_and_a_sequence():
    face = repeat_face(np.full((5, 7, 3), 9, np.uint8), 3)
    assert len(face) == 3
    assert sum(1 for _ in face) == 3
    assert face[2] is face[0]
    with pytest.raises(IndexError):
        face[3]
