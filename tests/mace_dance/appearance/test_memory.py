import numpy as np
import pytest
import torch

from mace_dance.appearance.memory import (
    FULL_SIZE,
    choose_plan,
    estimate,
    free_memory,
    model_sizes,
    segment_tokens,
)
from mace_dance.appearance.placement import place_pipeline
from mace_dance.appearance.segments import plan_segments
from mace_dance.appearance.settings import inference_settings
from mace_dance.appearance.tiny import tiny_pipeline
from madata.errors import MadanceError
from tests.mace_dance.appearance.clips import make

GB = 10**9
RELEASE = inference_settings("release")


def counted(frames=77, **overrides):
    settings = inference_settings("release", overrides)
    return estimate(settings, plan_segments(frames, settings.segment_frames, settings.overlap))


def test_the_full_size_is_counted_as_published():
    assert pytest.approx(47.4 * GB, rel=1e-3) == FULL_SIZE.all_bytes
    assert FULL_SIZE.block * FULL_SIZE.blocks == 16_153_538_560
    assert segment_tokens(RELEASE) == 75_600
    assert segment_tokens(inference_settings("release", {"width": 480, "height": 832})) == 32_760


def test_a_clip_is_counted():
    song = counted(frames=15 * 180, guidance=2.0)
    assert (song.segments, song.network_calls) == (36, 36 * 20 * 2)
    assert song.disk > 15 * 180 * 720 * 1280 * 1.5
    small = counted(width=480, height=832)
    assert small.transformer_activations / counted().transformer_activations == pytest.approx(32_760 / 75_600)


@pytest.mark.parametrize(
    ("free_gb", "name"),
    [
        (80, "resident"),
        (56, "encoders-released"),
        (48, "offload"),
        (32, "group-offload"),
        (16, "group-offload"),
        (15, "fp8-group-offload"),
    ],
)
def test_the_fastest_plan_that_fits_is_taken(free_gb, name):
    plan = choose_plan(counted(), free_gb * GB)
    assert plan.name == name
    assert plan.peak_bytes < 0.94 * plan.free_bytes


def test_tiles_help_where_frames_weigh_more_than_tokens():
    short = {"width": 1440, "height": 2560, "segment_frames": 5}
    plan = choose_plan(counted(5, **short), 32 * GB)
    assert (plan.name, plan.tiled) == ("group-offload-tiled", True)
    assert plan.estimate.vae_activations > 32 * GB > plan.peak_bytes


def test_a_machine_with_little_memory_stores_8_bits():
    plan = choose_plan(counted(), 32 * GB, host_bytes=36 * GB)
    assert (plan.name, plan.fp8) == ("fp8", True)


def test_a_text_encoder_too_large_for_the_device_computes_on_the_host():
    plan = choose_plan(counted(width=480, height=832), 12 * GB)
    assert (plan.name, plan.text_on_host) == ("group-offload", True)
    assert plan.peak_bytes < 10 * GB
    assert "text encoder on the host" in plan.describe()
    pipeline = tiny_pipeline()
    assert "text_encoder" not in place_pipeline(pipeline, plan, "cpu").visiting
    assert not choose_plan(counted(width=480, height=832), 13 * GB).text_on_host


def test_what_fits_nowhere_says_what_it_would_take():
    with pytest.raises(MadanceError, match=r"fits 6\.0 GB on the device: the most frugal takes 1\d\.\d GB"):
        choose_plan(counted(), 6 * GB)
    with pytest.raises(MadanceError, match=r"and 8\.0 GB in the machine"):
        choose_plan(counted(), 80 * GB, host_bytes=8 * GB)


def test_a_plan_describes_itself():
    text = choose_plan(counted(frames=300), 40 * GB).describe()
    for part in (
        "group-offload",
        "75,600 per segment",
        "47.4 GB",
        "segments: 4, steps in each: 20",
        "transformer: 80",
    ):
        assert part in text


def test_a_loaded_pipeline_is_counted_and_the_free_memory_is_known():
    pipeline = tiny_pipeline()
    sizes = model_sizes(pipeline)
    assert sizes.transformer == sum(weight.numel() for weight in pipeline.transformer.parameters())
    assert (sizes.blocks, sizes.hidden, sizes.bytes_each) == (2, 24, 4)
    pipeline.text_encoder = None
    assert model_sizes(pipeline).text_encoder == 0
    assert free_memory("cpu") > 2**20


@pytest.mark.parametrize(
    ("free_gb", "host_gb", "same"), [(56, 90, True), (28, 90, True), (34, 36, False), (15, 36, False)]
)
def test_every_plan_runs_and_offloading_changes_nothing(free_gb, host_gb, same, tmp_path, whole_frames):
    """The plan is chosen for the full size and applied to the tiny pipeline."""
    pipeline = tiny_pipeline()
    plan = choose_plan(counted(), int(free_gb * GB), int(host_gb * GB))
    result = make(pipeline, tmp_path, placement=place_pipeline(pipeline, plan, "cpu"))
    frames = np.stack(list(result.frames))
    assert result.report["memory_plan"] == plan.name
    if same:
        # Another pipeline of equal weights: its kernels may round a pixel the other way.
        assert np.abs(frames.astype(int) - whole_frames).max() <= 1
    else:
        stored = {weight.dtype for weight in pipeline.transformer.blocks[0].ffn.parameters()}
        assert stored == {torch.float8_e4m3fn}
        off = np.abs(frames.astype(int) - whole_frames).mean()
        assert 0 < off < 20


@pytest.fixture(scope="module")
def whole_frames(tmp_path_factory):
    result = make(tiny_pipeline(), tmp_path_factory.mktemp("whole"))
    return np.stack(list(result.frames))
