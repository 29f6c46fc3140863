"""Magic-Animate as a system: what it follows, what it refuses, and the length it pads."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.magic_animate.densepose import part_colours
from baselines.magic_animate.network import MagicAnimatePainter, empty_text, make_tiny_magic_animate
from baselines.magic_animate.system import MagicAnimate
from baselines.sd15.tiny import tiny_clip_text
from evaluation.systems import find
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import read_json
from madata.video import write_video
from tests.mace_dance.appearance.clips import request_of

pytestmark = pytest.mark.usefixtures("no_weights")

SMALL = {"steps": 1, "window": 8, "overlap": 2}
SQUARE = {"frames": 5, "size": (32, 32)}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("magic") / "tiny"
    make_tiny_magic_animate(folder)
    return folder


@pytest.fixture(scope="module")
def animator(tiny):
    made = MagicAnimate(str(tiny), **SMALL)
    made.setup("cpu")
    return made


def test_a_motion_is_followed_and_a_given_densepose_video_as_well(animator, tiny, tmp_path):
    request = request_of(tmp_path, **SQUARE, keep=tmp_path / "keep")
    frames = list(animator.generate(request))
    assert (len(frames), frames[0].shape) == (5, (32, 32, 3))
    assert read_json(tmp_path / "keep" / "video" / "report.json")["frames"] == 5
    assert (animator.loaded.label, animator.loaded.weights) == ("tiny-random", (tiny,))

    (tmp_path / "poses").mkdir()
    write_video(tmp_path / "poses" / "clip.mp4", np.full((8, 64, 64, 3), 200, np.uint8), 15)
    given = MagicAnimate(str(tiny), densepose=str(tmp_path / "poses"), **SMALL)
    asked = replace(request, motion=None)
    given.check_request(asked)
    (line,) = (line for line in given.preflight(asked) if line.startswith("DensePose"))
    assert line.startswith("DensePose video: 100% of clip.mp4 has none of the 25 colours")
    picture, controls = given.controls(asked)
    assert (picture.shape, len(controls), controls[0].shape) == ((32, 32, 3), 5, (32, 32, 3))
    assert abs(int(controls[0].mean()) - 200) < 6
    write_video(tmp_path / "poses" / "clip.mp4", np.full((8, 64, 32, 3), 200, np.uint8), 15)
    portrait = given.controls(asked)[1][0]
    assert (portrait[:, :7] == part_colours()[0]).all() and (portrait[:, 25:] == part_colours()[0]).all()
    assert abs(int(portrait[:, 8:24].mean()) - 200) < 6
    given._model = animator._model
    assert not np.array_equal(np.stack(list(given.generate(replace(asked, keep=None)))), np.stack(frames))
    write_video(
        tmp_path / "poses" / "clip.mp4",
        animator.controls(request_of(tmp_path, frames=5, size=(128, 128)))[1],
        15,
    )
    assert not [line for line in given.preflight(asked) if line.startswith("DensePose")]


def test_it_is_registered():
    plugin = find("magic-animate")
    assert (plugin.declaration.size, plugin.declaration.card.n_parameters) == ((512, 512), 2_701_718_587)
    assert find("cascade:edge+magic-animate").declaration.tasks == ("video",)


def test_noise_of_sixteen_frames_comes_again():
    painter = MagicAnimatePainter(None, None, {}, None, None, None)
    assert [painter.padded(frames) for frames in (1, 16, 17, 40)] == [16, 16, 32, 48]
    noise = painter.noise(32, 16, 16, torch.Generator().manual_seed(0))
    assert noise.shape == (1, 4, 32, 2, 2)
    assert torch.equal(noise[:, :, :16], noise[:, :, 16:])
    assert not torch.equal(noise[:, :, 0], noise[:, :, 1])


@torch.no_grad()
def test_the_empty_text_is_a_beginning_and_ends():
    text = tiny_clip_text(16).eval()
    asked = []
    text.register_forward_pre_hook(lambda module, inputs: asked.append(inputs[0].tolist()))
    assert empty_text(text).shape == (1, 8, 16)
    assert asked == [[[6, *[7] * 7]]]


def test_what_cannot_be_made_is_refused(tiny, tmp_path):
    made = MagicAnimate(str(tiny), **SMALL)
    assert made.plan(request_of(tmp_path, **SQUARE), "cpu")[1].endswith("passes of the denoiser: 2")
    with pytest.raises(MadanceError, match="makes squares, not 32x48"):
        made.plan(request_of(tmp_path), "cpu")
    with pytest.raises(MadanceError, match="only keypoints are known of its pose"):
        made.plan(replace(request_of(tmp_path, **SQUARE), motion=None), "cpu")
    with pytest.raises(ConfigError, match="nowhere: no such file or folder"):
        MagicAnimate(str(tiny), densepose="nowhere")
    write_video(tmp_path / "short.mp4", np.zeros((2, 32, 32, 3), np.uint8), 15)
    short = MagicAnimate(str(tiny), densepose=str(tmp_path / "short.mp4"), **SMALL)
    with pytest.raises(MadanceError, match=r"the DensePose video lasts 0.13 s, the clip 0.33 s"):
        short.plan(request_of(tmp_path, **SQUARE), "cpu")
    empty = MagicAnimate(str(tiny), densepose=str(tmp_path), **SMALL)
    with pytest.raises(MadanceError, match=r"holds no video clip.mp4 of DensePose"):
        empty.plan(request_of(tmp_path, **SQUARE), "cpu")
    with pytest.raises(WeightsError, match="madance weights fetch magic-animate"):
        MagicAnimate().setup("cpu")
