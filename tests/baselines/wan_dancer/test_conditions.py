"""Music, plans, pictures and tiles against numbers of the authors' code, and what the plan over time promises."""

import json

import numpy as np
import pytest
import torch

from baselines.wan_dancer.conditions import (
    condition_latents,
    global_prompt,
    letterbox_grey,
    shown_video,
    told_rate,
)
from baselines.wan_dancer.plan import (
    BLACK,
    chained_parts,
    global_pace,
    music_span,
    pictures_of,
    plan_parts,
    upstream_parts,
)
from baselines.wan_dancer.tiles import decode_tiles, encode_tiles
from madata.errors import ConfigError
from madata.music import music_features, write_wav
from madata.types import Music

POSITIONS = 2794


def cases_of(archive):
    return list(enumerate(json.loads(str(archive["cfg"]))["cases"]))


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_music_features*.npz")
def test_music_is_heard_at_the_rate_of_the_release(golden_file, tmp_path, golden_deviations):
    with np.load(golden_file) as archive:
        # the name is that of an AIST++ file, which is nothing to this layout
        path = tmp_path / "gBR_sBM_c01_d04_mBR5_ch01.wav"
        write_wav(path, Music(archive["in/pcm"].astype(np.float32) / 32767.0, int(archive["in/rate"])))
        found = music_features(path, "wan-dancer").values
        expected = archive["out/features"]
        golden_deviations("Wan-Dancer features", np.abs(found[:, :33] - expected[:, :33]).max())
        np.testing.assert_allclose(found[:, :33], expected[:, :33], rtol=0, atol=1e-3)
        np.testing.assert_array_equal(found[:, 33:], expected[:, 33:])


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_fps*.npz")
def test_the_pace_of_the_global_stage(golden_file):
    with np.load(golden_file) as archive:
        for _, case in cases_of(archive):
            if case["k"] < 2:
                with pytest.raises(ConfigError, match="--set stages=local"):
                    global_pace(case["T"], 149, POSITIONS)
                continue
            pace = global_pace(case["T"], 149, 10 * POSITIONS)
            assert (pace.step, pace.fps) == (case["k"], case["fps"])
            assert case["prompt"].endswith("。" + told_rate(pace.fps))
            assert global_prompt("tap", pace.fps).endswith(told_rate(pace.fps))
    with pytest.raises(ConfigError, match="up to 365 s"):
        global_pace(74 * 149, 149, POSITIONS)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_keyframes*.npz")
def test_the_plan_of_the_release(golden_file):
    with np.load(golden_file) as archive:
        for index, case in cases_of(archive):
            mask, source = archive[f"out/mask_{index}"], archive[f"out/source_{index}"]
            told = [
                {int(slot): int(pictures[slot]) for slot in np.flatnonzero(known)}
                for known, pictures in zip(mask, source, strict=True)
            ]
            total, pictures = case["total_frames"], case["global_frames"]
            assert [part.keyframes for part in upstream_parts(total, 149, pictures)] == told
            if pictures == pictures_of(149):
                assert plan_parts(total, 149, "upstream") == upstream_parts(total, 149, pictures)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_music_cut*.npz")
def test_music_is_cut_where_the_release_cuts_it(golden_file):
    with np.load(golden_file) as archive:
        for _, case in cases_of(archive):
            spans = [
                music_span(149 * i, 149, case["samples"], case["rate"]) for i in range(len(case["clips"]))
            ]
            # the release counts seconds: rounding costs some songs their last sample
            told = int(case["samples"] / case["rate"] * case["rate"])
            assert [(begin, min(end, told)) for begin, end in spans] == [
                tuple(clip) for clip in case["clips"]
            ]
            assert len(plan_parts(case["total_frames"], 149, "upstream")) == case["keyframe_segments"]


@pytest.mark.parametrize("total", [225, 298, 449, 600, 901, 1800, 3000, 5404, 10950])
def test_over_time_every_picture_stands_where_it_belongs(total):
    parts = plan_parts(total, 149)
    used = {picture for part in parts for picture in part.keyframes.values()}
    assert used == set(range(38))
    made = [part.start + part.first + i for part in parts for i in range(part.keep)]
    assert made == list(range(total))
    for part in parts:
        assert BLACK not in part.keyframes.values()
        assert len(set(part.keyframes.values())) == len(part.keyframes)
        for slot, picture in part.keyframes.items():
            off = abs(part.start + slot - 4 * picture * total / 149)
            is_edge = slot in (0, 148) or part.start + slot == total - 1
            assert off <= (0.54 * 4 * total / 149 if is_edge else 0.5)
    chained = chained_parts(total, 149)
    assert [(part.start, part.first, part.keep) for part in chained] == [
        (part.start, part.first, part.keep) for part in parts
    ]


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_letterbox*.npz")
def test_a_picture_is_centred_on_grey(golden_file):
    with np.load(golden_file) as archive:
        for index, case in cases_of(archive):
            framed, box = letterbox_grey(archive[f"in/image_{index}"], *case["target"])
            assert list(box) == case["box"]
            difference = framed.astype(int) - archive[f"out/image_{index}"]
            assert np.abs(difference).max() <= 1


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_condition*.npz")
def test_what_is_known_of_a_segment(golden_file):
    with np.load(golden_file) as archive:
        for index, case in cases_of(archive):
            colours = archive[f"in/keyframe_colours_{index}"]
            pictures = {slot: np.tile(colours[slot], (16, 16, 1)) for slot in case["keyframes"]}
            video = shown_video(pictures, case["frames"], 16, 16)
            assert (video == video[..., :1, :1]).all()
            np.testing.assert_allclose(
                video[0, :, :, 0, 0], archive[f"out/vae_pixels_{index}"], rtol=0, atol=1e-6
            )
            np.testing.assert_allclose(
                video[0, :, 0, 0, 0], archive[f"out/clip_pixels_{index}"], rtol=0, atol=1e-6
            )
            latents = torch.from_numpy(archive[f"in/vae_latents_{index}"]).float()[None]
            known = condition_latents(case["keyframes"], case["frames"], latents)
            np.testing.assert_array_equal(known, archive[f"out/y_{index}"].astype(np.float32))


def stand_in_decode(latents):
    """The golden file's: nearest x8, latent frames after the first four times, and the mean of the tile."""
    frames = torch.cat([latents[:, :, :1], latents[:, :, 1:].repeat_interleave(4, dim=2)], dim=2)
    mean = latents.sum() / (16 * latents[0, 0].numel())
    return frames.repeat_interleave(8, dim=3).repeat_interleave(8, dim=4) + mean


def stand_in_encode(video):
    small = torch.nn.functional.avg_pool3d(video, (1, 8, 8))[:, :, ::4]
    return small + video.mean()


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_dancer_vae_tiles*.npz")
def test_tiles_are_cut_and_blended_as_in_the_release(golden_file, golden_deviations):
    with np.load(golden_file) as archive:
        for index, _ in cases_of(archive):
            latents = torch.from_numpy(archive[f"in/latents_{index}"]).float()
            found = decode_tiles(stand_in_decode, latents)[..., 4::8, 4::8]
            expected = archive[f"out/decoded_4_8_{index}"]
            golden_deviations("Wan-Dancer tiles", np.abs(found.numpy() - expected).max())
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
            eighth = torch.from_numpy(archive[f"in/video_8th_{index}"]).float()
            video = torch.cat([eighth[:, :, :1], eighth[:, :, 1:].repeat_interleave(4, dim=2)], dim=2)
            video = video.repeat_interleave(8, dim=3).repeat_interleave(8, dim=4)
            np.testing.assert_allclose(
                encode_tiles(stand_in_encode, video)[0], archive[f"out/encoded_{index}"], rtol=0, atol=1e-5
            )
