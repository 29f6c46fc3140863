"""Hallo2 as a system: music and a picture in, segments that know the one before, masks of the body."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from baselines.hallo2.masks import level_masks, read_mask, region_of
from baselines.hallo2.network import make_tiny_hallo2
from baselines.hallo2.sound import heard_at
from baselines.hallo2.system import Hallo2Body
from evaluation.systems import find
from mace_dance.appearance.run_folder import read_tensor, write_tensor
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.files import read_json
from madata.music import write_wav
from madata.types import Music
from madata.video import write_video
from tests.mace_dance.appearance.clips import request_of

pytestmark = pytest.mark.usefixtures("no_weights")

SMALL = {"steps": 1, "window": 4}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hallo") / "tiny"
    make_tiny_hallo2(folder)
    return folder


def request_for(tmp_path, frames=6, size=(64, 64), **changes):
    """A ``video`` request with a second of noise for music, and a mask of the body."""
    body = np.zeros((size[1], size[0]), np.uint8)
    body[8:56, 20:40] = 255
    cv2.imwrite(str(tmp_path / "body.png"), body)
    noise = np.random.default_rng(0).uniform(-1, 1, 16_000).astype(np.float32)
    write_wav(tmp_path / "song.wav", Music(noise, 16_000))
    base = request_of(tmp_path, frames=frames, size=size)
    changes = {"task": "video", "music": tmp_path / "song.wav", "pose": None, "motion": None, **changes}
    return replace(base, **{"duration_s": frames / 25, "fps": 25.0, **changes})


class Killed(Exception):
    pass


def test_a_killed_clip_goes_on_to_the_same_bits(tiny, tmp_path):
    request = request_for(tmp_path)
    system = Hallo2Body(str(tiny), mask=str(tmp_path / "body.png"), **SMALL)
    system.setup("cpu")
    assert (system.loaded.label, system.loaded.weights) == ("tiny-random", (tiny,))
    whole = list(system.generate(replace(request, keep=tmp_path / "whole")))
    assert (len(whole), whole[0].shape, whole[0].dtype) == (6, (64, 64, 3), np.uint8)
    assert read_json(tmp_path / "whole" / "video" / "report.json")["segments"] == 2

    def die(words, share):
        if words == "painting: segment 1 of 2 is done":
            raise Killed

    asked = replace(request, keep=tmp_path / "killed")
    with pytest.raises(Killed):
        system.generate(replace(asked, report=die))
    told = []
    again = list(system.generate(replace(asked, report=lambda *words: told.append(words))))
    np.testing.assert_array_equal(again, whole)
    assert not [words for words, _ in told if "segment 1" in words]
    shares = [share for _, share in told]
    assert (shares, shares[-1]) == (sorted(shares), 1.0)

    # the second segment knows the last two frames of the first: other frames, another continuation
    segments = tmp_path / "killed" / "video" / "segments"
    tail = read_tensor(segments / "000.tail.safetensors")
    last = np.stack(whole[2:4]).transpose(3, 0, 1, 2)[None] / 127.5 - 1
    np.testing.assert_allclose(tail, last, atol=1 / 127)
    write_tensor(segments / "000.tail.safetensors", torch.zeros_like(tail))
    (segments / "001.json").unlink()
    other = np.array(list(system.generate(asked)))
    np.testing.assert_array_equal(other[:4], whole[:4])
    assert (other[4:] != np.array(whole)[4:]).any()
    quiet = Hallo2Body(str(tiny), mask=str(tmp_path / "body.png"), body=0.0, background=0.0, **SMALL)
    quiet._model, quiet._device = system._model, "cpu"
    still = list(quiet.generate(replace(request, keep=tmp_path / "quiet")))
    assert (np.array(still) != np.array(whole)).any()


def test_half_precision_is_computed_throughout(tiny, tmp_path):
    request = request_for(tmp_path, frames=2)
    half = Hallo2Body(str(tiny), mask=str(tmp_path / "body.png"), dtype="bfloat16", guidance=1.0, **SMALL)
    half.setup("cpu")
    assert len(list(half.generate(request))) == 2
    assert half._model.painter.hallo.denoiser.dtype == torch.bfloat16


def test_masks_are_soft_and_of_every_level():
    region = np.zeros((512, 512), np.uint8)
    region[100:400, 200:300] = 255
    masks = level_masks(region, 4)
    assert list(masks) == [64 * 64, 32 * 32, 16 * 16, 8 * 8]
    for places, (background, body, lips) in masks.items():
        assert {len(kind) for kind in (background, body, lips)} == {places}
        torch.testing.assert_close(background + body, torch.ones(places), atol=0.01, rtol=0)
        assert lips.max() == 0
        side = int(places**0.5)
        row, column = divmod(int(body.argmax()), side)
        assert abs(row / side - 250 / 512) < 0.15
        assert abs(column / side - 250 / 512) < 0.15
    assert masks[64 * 64][1].max() == 1
    assert 0.2 < masks[64 * 64][1].mean() < 0.6


def test_a_mask_video_counts_with_all_of_its_frames(tmp_path):
    frames = np.zeros((3, 64, 64, 3), np.uint8)
    for index in range(3):
        frames[index, :, index * 16 : index * 16 + 16] = 255
    write_video(tmp_path / "mask.mp4", frames, 25)
    region = region_of(read_mask(tmp_path / "mask.mp4", (64, 64)))
    assert (region[:, :46] == 255).all()
    assert (region[:, 50:] == 0).all()
    with pytest.raises(MadanceError, match="no person was found in the reference picture"):
        region_of(np.zeros((8, 8), np.float32))


def test_what_is_heard_beyond_the_music_is_silence():
    asked = []

    class Deaf:
        device, dtype = torch.device("cpu"), torch.float32

    def features(network, values, frames):
        asked.append((values.clone(), frames))
        return torch.zeros(frames, 2, 4)

    from baselines.hallo2 import sound

    real, sound.sound_features = sound.sound_features, features
    try:
        assert heard_at(Deaf(), torch.rand(640 * 3), 1504, 25).shape == (1504, 2, 4)
    finally:
        sound.sound_features = real
    assert [frames for _, frames in asked] == [1500, 4]
    assert (asked[0][0][640 * 3 :] == 0).all()
    assert asked[0][0][: 640 * 3].std() == pytest.approx(1, abs=0.01)
    assert len(asked[1][0]) == 4 * 640


def test_what_cannot_be_made_is_refused(tiny, tmp_path):
    plugin = find("hallo2")
    assert (plugin.declaration.tasks, plugin.declaration.fps) == (("video",), 25)
    made = Hallo2Body(str(tiny), **SMALL)
    assert made.plan(request_for(tmp_path), "cpu")[1].endswith(
        "windows of 4: 2, 1 steps, passes of the denoiser: 4"
    )
    for changes, words in (
        ({"size": (64, 128)}, "makes squares of multiples of 64, not 64x128"),
        ({"size": (96, 96)}, "makes squares of multiples of 64, not 96x96"),
        ({"fps": 30.0}, "makes 25 frames a second, not 30: --fps 25"),
    ):
        with pytest.raises(MadanceError, match=words):
            made.plan(request_for(tmp_path, **changes), "cpu")
    with pytest.raises(ConfigError, match="nowhere: no such file"):
        Hallo2Body(str(tiny), mask="nowhere")
    with pytest.raises(ConfigError, match="overlap"):
        Hallo2Body(str(tiny), overlap=2)
    with pytest.raises(WeightsError, match="madance weights fetch hallo2"):
        Hallo2Body().setup("cpu")
    (tmp_path / "masks").mkdir()
    with pytest.raises(MadanceError, match=r"holds no mask clip.png"):
        Hallo2Body(str(tiny), mask=str(tmp_path / "masks"), **SMALL).plan(request_for(tmp_path), "cpu")
    made.setup("cpu")
    with pytest.raises(WeightsError, match="madance weights fetch segmentation"):
        made.generate(request_for(tmp_path))
    masked = Hallo2Body(str(tiny), mask=str(tmp_path / "body.png"), **SMALL)
    masked._model = made._model
    with pytest.raises(MediaError, match=r"lasts 1.00 s, the clip 2.00 s"):
        masked.generate(request_for(tmp_path, frames=50))
