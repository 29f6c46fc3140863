"""The Appearance Expert as a system: what it asks for, what it refuses before hours are spent, what it keeps."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baselines.wan_animate.system import WanAnimate
from evaluation.systems import find
from mace_dance.appearance.memory import FULL_SIZE
from mace_dance.appearance.system import AppearanceExpert
from mace_dance.appearance.tiny import MARKER, make_tiny
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import read_json
from madata.synthetic.dance import make_dance
from madata.video import write_video
from tests.mace_dance.appearance.clips import request_of

pytestmark = pytest.mark.usefixtures("no_weights")

SMALL = {"face": "none", "align": False, "steps": 2, "segment_frames": 9}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wan") / "tiny"
    make_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def expert(tiny):
    made = AppearanceExpert(str(tiny), **SMALL)
    made.setup("cpu")
    return made


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.mkv"))}


def test_a_clip_is_made_in_segments_and_goes_on_from_them(expert, tmp_path):
    told = []
    request = request_of(tmp_path, keep=tmp_path / "keep", report=lambda *words: told.append(words))
    frames = list(expert.generate(request))
    assert (len(frames), frames[0].shape, frames[0].dtype) == (13, (48, 32, 3), np.uint8)
    keep = tmp_path / "keep"
    assert sorted(path.name for path in keep.iterdir()) == [
        "plan.json", "pose_video.mp4", "provenance.json", "video",
    ]  # fmt: skip
    assert {"embeddings", "segments", "run.json", "report.json"} == {
        p.name for p in (keep / "video").iterdir()
    }
    assert read_json(keep / "provenance.json")["label"] == "tiny-random"
    assert read_json(keep / "video" / "run.json")["seed"] == 7
    shares = [share for _, share in told]
    assert (told[-1], shares) == (("painting: segment 2 of 2, step 2 of 2", 1.0), sorted(shares))
    whole = contents(keep / "video" / "segments")
    assert len(whole) == 2
    (keep / "video" / "segments" / "001.json").unlink()
    told.clear()
    again = list(expert.generate(request))
    np.testing.assert_array_equal(again, frames)
    assert contents(keep / "video" / "segments") == whole
    assert not [words for words, _ in told if "segment 1 of" in words]


def test_the_same_request_without_a_folder_gives_the_same(expert, tmp_path):
    request = request_of(tmp_path, frames=9, keep=tmp_path / "keep")
    kept = list(expert.generate(request))
    np.testing.assert_array_equal(list(expert.generate(replace(request, keep=None))), kept)
    other = list(expert.generate(replace(request_of(tmp_path, frames=9), seed=8, scratch=tmp_path / "other")))
    assert (np.array(other) != np.array(kept)).any()


def test_tiny_weights_are_marked_and_counted(expert, tiny):
    assert expert.loaded.label == "tiny-random"
    assert expert.loaded.weights == (tiny,)
    assert expert.loaded.card.n_parameters < 300_000
    assert expert.loaded.card.training_data == ()


def test_a_plan_needs_no_weights(tiny, tmp_path):
    lines = AppearanceExpert(str(tiny), **SMALL).plan(request_of(tmp_path), "cpu")
    assert lines[0] == f"weights {tiny}"
    assert lines[1] == "2 segments of 9 frames, overlap 1, 2 steps (euler), 32x48 at 15 fps"
    assert any(line.startswith("memory plan") for line in lines)
    lines = WanAnimate(str(tiny), **SMALL).plan(request_of(tmp_path), "cpu")
    assert "2 steps (unipc)" in lines[1]


def test_the_size_of_what_is_no_folder_is_the_published_one(tmp_path, monkeypatch):
    monkeypatch.setattr("mace_dance.appearance.memory.free_memory", lambda device="cuda": 80_000_000_000)
    lines = WanAnimate("Wan-AI/Wan2.2-Animate-14B-Diffusers", face="none", align=False).plan(
        request_of(tmp_path, frames=150, size=(720, 1280)), "cuda"
    )
    assert any("weights      47.4 GB" in line for line in lines), lines
    assert any("75,600 per segment" in line for line in lines)
    assert FULL_SIZE.bytes_each == 2


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"size": (40, 48)}, {}, "width must be a multiple of 16, not 40; the nearest are 32 and 48"),
        ({"frames": 1}, {}, "too few control frames (1)"),
        ({}, {"segment_frames": 10}, "a segment has 4 n + 1 frames"),
        ({}, {"adapter": "absent.safetensors"}, "absent.safetensors: no such file"),
        ({}, {"weights": "absent/folder/of/mine"}, "absent/folder/of/mine: no such folder; run: madance"),
        ({}, {"weights": "cut"}, "cut/vae: missing from the pipeline; run: madance weights fetch"),
        ({}, {"lora": "noise.safetensors"}, "noise.safetensors: damaged or not a safetensors file"),
        ({}, {"face": "blink.mp4"}, "blink.mp4: the face video lasts 0.13 s, the clip 0.87 s"),
        ({"device": "cuda:99"}, {}, "the device 'cuda:99' cannot be used"),
    ],
)
def test_what_cannot_be_made_is_refused_by_the_plan(tiny, tmp_path, monkeypatch, changes, options, words):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny, "cut", ignore=lambda folder, names: {"vae"} & set(names))
    Path("noise.safetensors").write_bytes(bytes(range(256)))
    write_video(Path("blink.mp4"), np.zeros((2, 32, 32, 3), np.uint8), 15)
    device = changes.get("device", "cpu")
    request = request_of(tmp_path, **{name: value for name, value in changes.items() if name != "device"})
    with pytest.raises(MadanceError) as caught:
        AppearanceExpert(**{"weights": str(tiny), **SMALL, **options}).plan(request, device)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_options_are_closed(tiny):
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        AppearanceExpert(str(tiny), stepps=3)
    with pytest.raises(ConfigError, match="--size and --fps"):
        AppearanceExpert(str(tiny), width=64)
    with pytest.raises(ConfigError, match="expected 'reference', 'none' or a video file"):
        AppearanceExpert(str(tiny), face="smile")
    with pytest.raises(ConfigError, match="style"):
        AppearanceExpert(str(tiny), style="van")
    with pytest.raises(MadanceError, match="adapter"):
        find("wan-animate").make({"adapter": "file.safetensors"})


def test_missing_weights_are_never_replaced(tiny, tmp_path):
    with pytest.raises(WeightsError, match="madance weights fetch wan-animate"):
        AppearanceExpert().setup("cpu")
    real = tmp_path / "real"
    real.mkdir()
    for path in tiny.iterdir():
        if path.name != MARKER:
            (real / path.name).symlink_to(path)
    with pytest.raises(WeightsError, match="madance weights fetch appearance-weights"):
        AppearanceExpert(str(real)).setup("cpu")
    plain = AppearanceExpert(str(real), adapter="none", lora="none", **SMALL)
    plain.setup("cpu")
    assert plain.loaded.label == "custom"
    assert plain._label("wan2.2-animate-14b", plain._sources()) == "without adapter, without LoRA"
    published = WanAnimate(str(real), **SMALL)
    assert published._label("wan2.2-animate-14b", published._sources()) is None


def test_a_full_disk_is_told_by_the_plan(tiny, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(MadanceError, match="the segments may take"):
        AppearanceExpert(str(tiny), **SMALL).plan(request_of(tmp_path), "cpu")


def test_the_record_of_a_run_tells_the_label(tiny, tmp_path):
    from evaluation.generate import ClipInputs, Settings, generate_clip
    from madata.motion import write_motion

    write_motion(tmp_path / "dance.npz", make_dance(0.8, fps=30.0).motion)
    request = request_of(tmp_path)
    record = generate_clip(
        find("appearance-expert"),
        ClipInputs(image=request.image, pose=tmp_path / "dance.npz"),
        tmp_path / "clip.mp4",
        Settings(size=(32, 48), options={"weights": str(tiny), **SMALL}),
    )
    assert (record["label"], record["num_frames"], record["fps"]) == ("tiny-random", 12, 15)
    assert read_json(tmp_path / "clip.parts" / "run.json")["loaded"]["label"] == "tiny-random"
    assert json.dumps(record["loaded"]["weights"]).count("sha256") == 1
