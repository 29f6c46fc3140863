"""Wan-Dancer as a system, with tiny random weights: what it makes, keeps, goes on from and refuses."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from baselines.wan_dancer import stages
from baselines.wan_dancer.network import WanDancerTransformer
from baselines.wan_dancer.system import WanDancer
from baselines.wan_dancer.tiny import make_tiny_wan_dancer
from evaluation.systems import Request, find
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.music import write_wav
from madata.types import Music

SMALL = {"slots": 17, "global_steps": 2, "local_steps": 1, "guidance": 2.0}
FRAMES = 26


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dancer") / "tiny"
    make_tiny_wan_dancer(folder)
    return folder


@pytest.fixture(scope="module")
def dancer(tiny):
    made = WanDancer(str(tiny), **SMALL)
    made.setup("cpu")
    return made


def request_of(tmp_path, frames=FRAMES, size=(32, 64), **changes):
    image, music = tmp_path / "person.png", tmp_path / "song.wav"
    rng = np.random.default_rng(0)
    cv2.imwrite(str(image), rng.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8))
    # at 16 kHz a frame begins between two samples
    write_wav(music, Music(rng.uniform(-0.5, 0.5, 16000 * 2).astype(np.float32), 16000))
    (tmp_path / "scratch").mkdir(exist_ok=True)
    base = Request(
        "clip", "video", music, image, None, None, frames / 30, 30.0, size, 7, tmp_path / "scratch"
    )
    return replace(base, **changes)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.mkv"))}


def test_a_dance_is_made_in_two_stages_and_goes_on_where_it_was_killed(dancer, tmp_path, monkeypatch):
    told = []
    request = request_of(tmp_path, keep=tmp_path / "keep", report=lambda *words: told.append(words))
    frames = list(dancer.generate(request))
    assert (len(frames), frames[0].shape, frames[0].dtype) == (FRAMES, (64, 32, 3), np.uint8)
    video = tmp_path / "keep" / "video"
    whole = contents(video)
    assert list(whole) == [
        "global/segments/000.mkv",
        "local/segments/000.mkv",
        "local/segments/001.mkv",
    ]
    assert [words for words, _ in told if "keyframes" in words] == [
        "dancing: keyframes, step 1 of 2", "dancing: keyframes, step 2 of 2",
    ]  # fmt: skip
    assert told[-1] == ("dancing: segment 2 of 2, step 1 of 1", 1.0)
    assert [share for _, share in told] == sorted(share for _, share in told)

    # killed before the second segment was finished: that alone is made again
    (video / "local" / "segments" / "001.json").unlink()
    calls = []
    real = stages.sample_stage
    monkeypatch.setattr(stages, "sample_stage", lambda *a, **k: calls.append(1) or real(*a, **k))
    np.testing.assert_array_equal(list(dancer.generate(request)), frames)
    assert contents(video) == whole
    assert len(calls) == 1
    again = dancer.generate(replace(request, keep=None))
    np.testing.assert_array_equal(list(again), frames)
    with pytest.raises(ConfigError, match="seed"):
        dancer.generate(replace(request, seed=8))


def test_short_music_goes_on_from_segment_to_segment(tiny, tmp_path):
    request = request_of(tmp_path, frames=19)
    both = WanDancer(str(tiny), **SMALL)
    with pytest.raises(ConfigError, match="--set stages=local"):
        both.plan(request, "cpu")
    local = WanDancer(str(tiny), **SMALL, stages="local")
    assert local.plan(request, "cpu")[1].startswith("2 segments of 17 frames")
    local.setup("cpu")
    assert len(list(local.generate(request))) == 19


def test_a_plan_tells_what_a_minute_takes_without_weights(tiny, tmp_path, monkeypatch):
    lines = WanDancer(str(tiny), **SMALL).plan(request_of(tmp_path), "cpu")
    assert lines[1].startswith("keyframes at 15 fps in 2 steps, then 2 segments of 17 frames, 1 steps each")
    assert any(line.startswith("memory plan") for line in lines)
    (work,) = (line for line in lines if line.startswith("work"))
    assert "segments: 2, steps in each: 1, steps of the keyframes: 2, passes of the transformer:" in work
    monkeypatch.setattr("mace_dance.appearance.memory.free_memory", lambda device="cuda": 80_000_000_000)
    monkeypatch.setattr("baselines.wan_dancer.load.check_dancer", lambda folder: None)
    (tmp_path / "published").mkdir()
    told = WanDancer(str(tmp_path / "published")).plan(
        request_of(tmp_path, frames=1800, size=(720, 1280)), "cuda"
    )
    assert any("136,800 per segment" in line for line in told), told
    assert "then 13 segments of 149 frames" in told[1]
    assert told[2].startswith("1.4e+19 operations: 9.9 h"), told


def test_weights_are_marked_counted_and_one_network_is_there_at_a_time(dancer, tiny):
    assert (dancer.loaded.label, dancer.loaded.weights) == ("tiny-random", (tiny,))
    assert dancer.loaded.card.n_parameters < 400_000
    dancer._dancer.load("global")
    first = dancer._dancer.pipeline.transformer
    assert isinstance(first, WanDancerTransformer)
    assert not dancer._dancer.load("global")
    assert dancer._dancer.load("local")
    assert dancer._dancer.pipeline.transformer is not first
    assert find("wan-dancer").declaration.tasks == ("video",)


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"size": (40, 64)}, {}, "width must be a multiple of 16"),
        ({"size": (32, 48)}, {}, "6 patches of 16 px, and music goes into 8 equal bands"),
        ({"fps": 25.0}, {}, "draws 30 frames a second, not 25: leave --fps out"),
        ({}, {"slots": 18}, "slots are 4 n + 1"),
        ({}, {"genre": "strete"}, "did you mean 'street'"),
        ({}, {"music_windows": 50}, "17 frames is heard in 1, 2, 4, 5, 8 or 10 windows, not in 50"),
        ({}, {"slots": 5}, "is heard in 1, 2 or 4 windows, not in 8"),
        ({}, {"weights": "absent/folder"}, "absent/folder: no such folder; madance weights fetch wan-dancer"),
    ],
)
def test_what_cannot_be_made_is_refused_by_the_plan(tiny, tmp_path, changes, options, words):
    with pytest.raises(MadanceError) as caught:
        WanDancer(**{"weights": str(tiny), **SMALL, **options}).plan(request_of(tmp_path, **changes), "cpu")
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_lacks_a_part_is_refused(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "cut")
    (tmp_path / "cut" / "local_model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"local_model\.safetensors: no such file; madance weights fetch"):
        WanDancer(str(tmp_path / "cut"), **SMALL).setup("cpu")
    shutil.copy(tiny / "local_model.safetensors", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "vae")
    with pytest.raises(WeightsError, match=r"Wan2\.1_VAE\.pth: missing"):
        WanDancer(str(tmp_path / "cut"), **SMALL).setup("cpu")


def test_short_music_and_lacking_inputs_are_told(dancer, tmp_path):
    with pytest.raises(MadanceError, match=r"lasts 2\.00 s, 5\.67 s are asked for"):
        dancer.generate(request_of(tmp_path, frames=170))
    with pytest.raises(MadanceError, match="needs music and a picture"):
        dancer.generate(request_of(tmp_path, image=None))
