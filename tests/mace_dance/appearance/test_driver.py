import itertools
import json
import multiprocessing
import os
import shutil
import signal
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from mace_dance.appearance import driver
from mace_dance.appearance.driver import animate
from mace_dance.appearance.tiny import tiny_pipeline
from madata.errors import ConfigError, MadanceError
from tests.mace_dance.appearance.clips import HEIGHT, WIDTH, clip, make, settings, stock

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline()


@pytest.fixture(scope="module")
def whole(pipeline, tmp_path_factory):
    """A video of two segments, never interrupted."""
    return make(pipeline, tmp_path_factory.mktemp("whole"))


def out_of_memory(*given):
    raise torch.OutOfMemoryError("no room for the decoder")


def pixels(result):
    return np.stack(list(result.frames))


@pytest.mark.parametrize(
    ("frames", "options"),
    [
        (9, {"sampler": "euler"}),
        (13, {"sampler": "unipc"}),
        (21, {"sampler": "euler", "steps": 1}),
        (23, {"overlap": 5, "segment_frames": 13, "steps": 1}),
        (7, {"guidance": 3.0, "negative_prompt": "still"}),
    ],
)
def test_a_video_equals_that_of_the_stock_pipeline(pipeline, tmp_path, monkeypatch, frames, options):
    kept = []
    decode = driver.decode_latents
    monkeypatch.setattr(driver, "decode_latents", lambda *given: kept.append(decode(*given)) or kept[-1])
    result = make(pipeline, tmp_path, frames, **options)
    expected = stock(pipeline, frames, **options)
    assert len(result.frames) == frames
    overlap = options.get("overlap", 1)
    video = torch.cat([part[:, :, overlap if index else 0 :] for index, part in enumerate(kept)], dim=2)
    video = (video[0, :, :frames] * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 3, 0).numpy()
    assert np.abs(video - expected).max() < 1e-6
    assert np.abs(pixels(result) - expected * 255).max() <= 0.5 + 1e-3
    assert expected.std() > 0.01


def test_a_killed_run_goes_on_with_the_same_bits(pipeline, whole, tmp_path):
    def die(at):
        if (at.stage, at.segment, at.step) == ("step", 1, 1):
            os.kill(os.getpid(), signal.SIGKILL)

    fork = multiprocessing.get_context("fork")  # with the network as it stands here, and nothing to import
    killed = fork.Process(target=make, args=(pipeline, tmp_path), kwargs={"progress": die})
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert (tmp_path / "segments" / "000.json").exists()
    assert not (tmp_path / "segments" / "001.json").exists()
    seen = []
    resumed = make(pipeline, tmp_path, progress=seen.append)
    assert {at.segment for at in seen} == {1}
    np.testing.assert_array_equal(pixels(resumed), pixels(whole))
    assert resumed.report["segments_reused"] == 1


def test_a_segment_that_could_not_be_decoded_is_not_denoised_again(pipeline, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(torch.OutOfMemoryError):
        patch.setattr(driver, "decode_latents", out_of_memory)
        make(pipeline, tmp_path)
    seen = []
    resumed = make(pipeline, tmp_path, progress=seen.append)
    assert [at.segment for at in seen if at.stage == "step"] == [1, 1]
    np.testing.assert_array_equal(pixels(resumed), pixels(whole))
    assert not list(tmp_path.rglob("*.latents.safetensors"))


def test_what_is_finished_is_only_read(pipeline, whole):
    def forbidden(at):
        raise AssertionError(at)

    again = make(pipeline, whole.folder, progress=forbidden)
    np.testing.assert_array_equal(pixels(again), pixels(whole))
    assert again.report == whole.report


def test_a_damaged_segment_is_made_again(pipeline, whole, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(whole.folder, folder)
    video = folder / "segments" / "000.mkv"
    video.write_bytes(video.read_bytes()[:-40])
    seen = []
    mended = make(pipeline, folder, progress=seen.append)
    np.testing.assert_array_equal(pixels(mended), pixels(whole))
    assert {(at.segment, at.segments) for at in seen} == {(0, 2)}


def test_another_run_in_the_same_folder_is_refused_with_every_difference(pipeline, whole):
    with pytest.raises(ConfigError) as refusal:
        make(pipeline, whole.folder, seed=1, steps=3, frames=12)
    message = str(refusal.value)
    assert "settings.steps was 2, is 3" in message
    assert "seed was 0, is 1" in message
    assert "frames was 13, is 12" in message
    assert "inputs.pose_frames" in message
    with pytest.raises(ConfigError, match=r"weights\.transformer was"):
        make(tiny_pipeline(seed=1), whole.folder)


def test_bad_input_is_refused_before_anything_is_written(pipeline, tmp_path):
    reference, pose, face = clip(13)
    with pytest.raises(ConfigError, match="12 frames and the pose video 13"):
        animate(pipeline, settings(), reference, pose, face[:12], folder=tmp_path / "run")
    with pytest.raises(ConfigError, match="too few control frames"):
        animate(pipeline, settings(), reference, pose[:1], face[:1], folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_foreseen(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10_000}))
    with pytest.raises(MadanceError, match=r"take 0.1 MB and the disk has 0.0 MB free"):
        make(pipeline, tmp_path)
    assert not list(tmp_path.rglob("*.mkv"))


def test_encoders_are_needed_once(pipeline, whole, tmp_path):
    shared = whole.folder / "embeddings"
    encoders = pipeline.text_encoder, pipeline.image_encoder
    pipeline.text_encoder = pipeline.image_encoder = None
    try:
        without = make(pipeline, tmp_path, embeddings=shared)
        np.testing.assert_array_equal(pixels(without), pixels(whole))
        with pytest.raises(MadanceError, match="no text_encoder"):
            make(pipeline, tmp_path / "other", prompt="another", embeddings=shared)
    finally:
        pipeline.text_encoder, pipeline.image_encoder = encoders


def test_progress_counts_every_step_and_the_time_left_ends_at_nothing(pipeline, tmp_path, monkeypatch):
    seen, seconds = [], itertools.count()
    monkeypatch.setattr(driver.time, "monotonic", lambda: next(seconds))
    make(pipeline, tmp_path, progress=seen.append)
    assert [(at.stage, at.segment, at.step) for at in seen] == [
        ("encoded", 0, 0),
        ("step", 0, 1),
        ("step", 0, 2),
        ("segment", 0, 2),
        ("step", 1, 1),
        ("step", 1, 2),
        ("segment", 1, 2),
    ]
    assert {(at.segments, at.steps) for at in seen} == {(2, 2)}
    assert seen[0].remaining_s is None
    left = [at.remaining_s for at in seen[3:]]
    assert left == sorted(left, reverse=True)
    assert left[0] > 2 * seen[-2].remaining_s > left[-1] == 0


def test_no_segment_keeps_the_memory_of_the_one_before(pipeline, tmp_path, monkeypatch):
    made, decode = [], driver.decode_latents

    def watched(*given):
        assert all(earlier() is None for earlier in made)
        frames = decode(*given)
        made.append(weakref.ref(frames))
        return frames

    monkeypatch.setattr(driver, "decode_latents", watched)
    make(pipeline, tmp_path, frames=21, steps=1, match_colour="previous")
    assert len(made) == 3


def test_the_report_holds_lengths_and_drift(whole):
    report = json.loads((whole.folder / "report.json").read_text())
    assert report == whole.report
    assert (report["frames"], report["size"]) == (13, [WIDTH, HEIGHT])
    assert report["duration_s"] == pytest.approx(13 / 15)
    assert report["segments"][0]["drift"] == {"contrast": 1.0, "delta_e": 0.0}
    assert report["drift"]["largest_delta_e"] == report["segments"][1]["drift"]["delta_e"] > 0


def test_colours_matched_to_the_picture_stay_near_it(pipeline, whole, tmp_path):
    matched = make(pipeline, tmp_path / "reference", match_colour="reference")
    joined = make(pipeline, tmp_path / "previous", match_colour="previous")
    reference = clip(13)[0].mean(axis=(0, 1)) / 255
    off = [np.abs(pixels(result).mean(axis=(0, 1, 2)) / 255 - reference).max() for result in (matched, whole)]
    assert off[0] < off[1]
    np.testing.assert_array_equal(pixels(joined)[:9], pixels(whole)[:9])
    assert not np.array_equal(pixels(joined)[9:], pixels(whole)[9:])
