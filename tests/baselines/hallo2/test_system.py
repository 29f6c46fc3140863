"""Hallo2 as a system: music and a picture in, segments that know the one before, masks of the body."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from baselines.hallo2.network import make_tiny_hallo2
from baselines.hallo2.sound import heard_at
from baselines.hallo2.system import Hallo2Body
from evaluation.systems import find
from mace_dance.appearance.run_folder import read_tensor, write_tensor
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.files import read_json
from madata.music import write_wav
from madata.types import Music
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
    cv2.imwrite(str(tmp_path / "lips.png"), np.pad(np.full((8, 8), 255, np.uint8), 28))
    shown = {"mask": str(tmp_path / "body.png"), "lips_mask": str(tmp_path / "lips.png"), "lips": 0.5}
    system = Hallo2Body(str(tiny), **shown, **SMALL)
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
    assert system._model.painter.hallo.cues.scale == (1.0, 1.0, 0.5)
    assert all(masks[2].max() > 0 for masks in system._model.painter.hallo.cues.masks.values())
    quiet = Hallo2Body(str(tiny), **{**shown, "lips": 0.0}, body=0.0, background=0.0, **SMALL)
    quiet._model, quiet._device = system._model, "cpu"
    still = list(quiet.generate(replace(request, keep=tmp_path / "quiet")))
    assert (np.array(still) != np.array(whole)).any()


def test_half_precision_is_computed_throughout(tiny, tmp_path):
    request = request_for(tmp_path, frames=2)
    half = Hallo2Body(str(tiny), mask=str(tmp_path / "body.png"), dtype="bfloat16", guidance=1.0, **SMALL)
    half.setup("cpu")
    assert len(list(half.generate(request))) == 2
    assert half._model.painter.hallo.denoiser.dtype == torch.bfloat16
    assert half._model.painter.hallo.cues.scale == (1.0, 1.0, 0.0)  # no lips, no term of theirs


def test_the_face_is_moved_in_place_of_the_body(tiny, tmp_path, monkeypatch):
    """Boxes found in the picture, or masks of the user's own in place of either."""
    from baselines.hallo2 import driver, masks

    face, lips = (np.zeros((64, 64), np.uint8) for _ in range(2))
    face[8:40, 16:48], lips[28:36, 24:40] = 255, 255
    for name, shown in (("face", face), ("lips", lips)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), shown)
    mask, lips_mask = str(tmp_path / "face.png"), str(tmp_path / "lips.png")
    loaded = Hallo2Body(str(tiny), **SMALL)
    loaded.setup("cpu")

    def told(**options):
        made = Hallo2Body(str(tiny), **SMALL, **options)
        made._model = loaded._model
        with monkeypatch.context() as patch, pytest.raises(Killed) as stopped:
            patch.setattr(driver, "animate_sound", die)
            made.generate(request_for(tmp_path, frames=2))
        return stopped.value.args

    def die(painter, settings, picture, region, lips, *rest, **others):
        raise Killed(region, lips)

    given = told(region="face", mask=mask, lips_mask=lips_mask)
    np.testing.assert_array_equal(given, (face, lips))
    region, none = told(mask=mask)
    assert none is None and (region == face).all()
    with pytest.raises(WeightsError, match="madance weights fetch"):
        told(region="face", mask=mask)
    found = (255 - face, 255 - lips)
    monkeypatch.setattr(masks, "find_face", lambda picture, size: found)
    np.testing.assert_array_equal(told(region="face"), found)
    np.testing.assert_array_equal(told(region="face", mask=mask), (face, found[1]))
    np.testing.assert_array_equal(told(region="face", lips_mask=lips_mask), (found[0], lips))


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
    with pytest.raises(ConfigError, match="lips_mask: nowhere: no such file"):
        Hallo2Body(str(tiny), lips_mask="nowhere")
    with pytest.raises(ConfigError, match="region: expected 'body' or 'face', got 'hands'"):
        Hallo2Body(str(tiny), region="hands")
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
