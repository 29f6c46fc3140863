import errno
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from madata.errors import ConfigError, MadanceError, MediaError
from madata.types import Span
from madata.video import CutRequest, Decoder, EncodeSettings, cut, probe
from madata.video.geometry import Crop
from tests.media_builder import (
    ROWS,
    Recipe,
    barcodes,
    build,
    find_pips,
    frame_stamps_s,
    overwrite,
    read_barcode,
    sound_of,
    truncate,
)

EXACT_MS = 0.5


def source_times(path):
    with Decoder(path) as decoder:
        frames = [(frame.time_s, frame.end_s) for frame in decoder]
    return np.array([start for start, _ in frames] + [frames[-1][1]])


def spans(path, pairs):
    times = source_times(path)
    return [Span(a, b, float(times[a]), float(times[b])) for a, b in pairs]


def cut_spans(path, pairs, folder, **options):
    requests = [CutRequest(span, folder / f"clip{i}.mp4") for i, span in enumerate(spans(path, pairs))]
    return cut(path, requests, EncodeSettings(**options)), [request.span for request in requests]


def sound_error_ms(path, source, start_s):
    """Largest distance of a pip in a clip from where the source has it, frame 0 being source time ``start_s``."""
    waveform, rate = sound_of(path)
    found = find_pips(waveform, rate) + start_s
    # a pip cut in two at an end of the clip has no centre to speak of
    end_s = start_s + len(waveform) / rate
    inner = found[(found > start_s + 0.03) & (found < end_s - 0.05)]
    there = find_pips(*sound_of(source))
    expected = there[(there > start_s + 0.03) & (there < end_s - 0.05)]
    if source.suffix == ".mkv":
        # its time stamps are rounded to milliseconds, too coarse to put its sound together naively
        expected = np.round(inner)
    assert len(inner) == len(expected)
    return 1000 * float(np.abs(inner - expected).max()) if len(inner) else 0.0


def random_pairs(count, total, seed=0, shortest=2):
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        a = int(rng.integers(0, total - shortest))
        pairs.append((a, int(rng.integers(a + shortest, total + 1))))
    return pairs


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(num_frames=120),
        Recipe(num_frames=120, gop=250, b_frames=3),
        Recipe(num_frames=120, fps=Fraction(30_000, 1001)),
        Recipe(num_frames=120, start_s=1.7),
        Recipe(num_frames=120, sound_start_s=1.37),
        Recipe(num_frames=120, sound_end_s=2.6),
        Recipe(num_frames=120, sound_rate_hz=48_000, channels="mono"),
        Recipe(num_frames=120, sound_rate_hz=32_000, channels="5.1"),
        Recipe(num_frames=120, pixel_format="yuv420p10le"),
        Recipe(num_frames=120, codec="mpeg4", b_frames=0),
    ],
    ids=[
        "plain",
        "long_gop",
        "ntsc",
        "late_video",
        "late_sound",
        "short_sound",
        "mono",
        "surround",
        "ten_bit",
        "mpeg4",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_exact_frames_and_sound(tmp_path, recipe, suffix):
    path = build(tmp_path / f"a{suffix}", recipe)
    pairs = [(0, 120), *random_pairs(3, 120, seed=len(suffix))]
    results, wanted = cut_spans(path, pairs, tmp_path)
    for result, span in zip(results, wanted, strict=True):
        assert result.reason is None
        assert barcodes(result.path) == list(range(span.start, span.end))
        assert result.num_frames == span.end - span.start
        assert result.source_frames == (span.start, span.end - 1)
        assert result.fps == float(recipe.fps)
        np.testing.assert_allclose(
            frame_stamps_s(result.path), np.arange(result.num_frames) / result.fps, atol=1e-4
        )
        info = probe(result.path)
        assert (info.codec, info.pixel_format, info.size, info.start_s) == ("h264", "yuv420p", (128, 96), 0)
        assert info.audio is not None
        assert abs(info.audio.duration_s - span.duration_s) < 0.024
        assert result.audio.channels == (1 if recipe.channels == "mono" else 2)
        assert sound_error_ms(result.path, path, span.start_s) < (1.6 if suffix == ".mkv" else EXACT_MS)


def test_many_random_spans_at_once_and_one_by_one_are_the_same_bytes(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=240, gop=24))
    pairs = random_pairs(8, 240, seed=5)
    together, wanted = cut_spans(path, pairs, tmp_path / "together")
    for i, (result, span) in enumerate(zip(together, wanted, strict=True)):
        assert barcodes(result.path) == list(range(span.start, span.end))
        assert sound_error_ms(result.path, path, span.start_s) < EXACT_MS
        (alone,) = cut(path, [CutRequest(span, tmp_path / "alone" / f"{i}.mp4")])
        assert alone.path.read_bytes() == result.path.read_bytes()


def test_no_frame_is_decoded_twice_and_far_spans_are_sought(tmp_path, monkeypatch):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=480, gop=24, sound=False))
    wanted = spans(path, [(30, 60), (40, 70), (300, 330), (320, 340), (460, 480)])
    decoded = []
    deliver = Decoder._deliver

    def counting(self, *arguments):
        frame = deliver(self, *arguments)
        decoded.append(round(frame.time_s * 24))
        return frame

    monkeypatch.setattr(Decoder, "_deliver", counting)
    cut(path, [CutRequest(span, tmp_path / f"{i}.mp4") for i, span in enumerate(wanted)])
    opened_for_its_info = decoded.pop(0)
    assert opened_for_its_info == 0
    assert len(decoded) == len(set(decoded))
    assert min(decoded) >= 0
    assert len(decoded) < 170


def test_variable_rate_becomes_a_constant_grid_with_held_frames(tmp_path):
    steps = np.random.default_rng(2).choice([1, 1, 1, 2, 3], 80)
    at = np.concatenate([[0], np.cumsum(steps)])
    for suffix in (".mp4", ".mkv"):
        path = build(tmp_path / f"a{suffix}", Recipe(times_s=at[:-1] / 30))
        (result, other), _ = cut_spans(path, [(10, 70), (33, 40)], tmp_path)
        held = np.repeat(np.arange(80), steps)
        assert result.fps == 30.0
        assert barcodes(result.path) == held[at[10] : at[70]].tolist()
        assert barcodes(other.path) == held[at[33] : at[40]].tolist()
        assert result.source_frames == (10, 69)
        assert sound_error_ms(result.path, path, at[10] / 30) < 1.6


@pytest.mark.parametrize("fps", [12.0, 23.976, 25.0, 30.0, 60.0])
def test_another_rate_shows_what_a_player_shows(tmp_path, fps):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=96))
    results, wanted = cut_spans(path, [(0, 96), (13, 61)], tmp_path, fps=fps)
    for result, span in zip(results, wanted, strict=True):
        exact = Fraction(24_000, 1001) if fps == 23.976 else Fraction(fps)
        assert result.fps == pytest.approx(float(exact))
        shown = [span.start + int(Fraction(k) / exact * 24) for k in range(result.num_frames)]
        assert barcodes(result.path) == shown
        assert abs(result.num_frames / float(exact) - span.duration_s) <= 0.5 / float(exact) + 1e-6
        assert sound_error_ms(result.path, path, span.start_s) < EXACT_MS


def test_a_span_between_two_frames_begins_with_the_frame_on_screen(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=48))
    span = Span(10, 20, 10.5 / 24, 20.5 / 24)
    (result,) = cut(path, [CutRequest(span, tmp_path / "c.mp4")])
    assert barcodes(result.path) == list(range(10, 20))
    assert sound_error_ms(result.path, path, span.start_s) < EXACT_MS


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_baked_in(tmp_path, rotation):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=12, size=(144, 96), rotation=rotation, sound=False))
    (result,), _ = cut_spans(path, [(2, 9)], tmp_path)
    info = probe(result.path)
    assert info.rotation == 0
    assert info.size == result.size == probe(path).size
    with av.open(str(result.path)) as container:
        codes = [
            read_barcode(np.rot90(frame.to_ndarray(format="gray"), -rotation // 90))
            for frame in container.decode(video=0)
        ]
    assert codes == list(range(2, 9))


def test_pixel_aspect_is_baked_in(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=12, pixel_aspect=Fraction(3, 2), sound=False))
    (result,), _ = cut_spans(path, [(0, 12)], tmp_path)
    assert result.size == probe(result.path).size == (192, 96)
    assert barcodes(result.path) == list(range(12))


@pytest.mark.parametrize(
    ("source", "options", "size"),
    [
        ((256, 192), {"long_side": 128}, (128, 96)),
        ((256, 192), {"long_side": 2000}, (256, 192)),
        ((130, 98), {"long_side": 100}, (100, 74)),
        ((256, 192), {"size": (128, 128), "fit": "pad"}, (128, 128)),
        ((256, 192), {"size": (320, 240), "fit": "crop"}, (320, 240)),
    ],
)
def test_sizes(tmp_path, source, options, size):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=8, size=source, sound=False))
    (result,), _ = cut_spans(path, [(0, 8)], tmp_path, **options)
    assert result.size == probe(result.path).size == size
    if options.get("fit") != "pad":
        assert barcodes(result.path, rows=ROWS * size[1] / source[1]) == list(range(8))


def test_padding_is_black_and_centred_and_cropping_is_centred(tmp_path):
    def grey_with_edges(index, size):
        image = np.full((size[1], size[0], 3), 128, np.uint8)
        image[:, :32] = image[:, -32:] = 255
        return image

    path = build(tmp_path / "a.mp4", Recipe(num_frames=3, size=(256, 128), sound=False), draw=grey_with_edges)
    (padded,), _ = cut_spans(path, [(0, 3)], tmp_path, size=(256, 256), fit="pad")
    with av.open(str(padded.path)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
    assert image[:60].max() < 8
    assert image[-60:].max() < 8
    assert abs(image[128, 128] - 128) < 6
    (cropped,), _ = cut_spans(path, [(0, 3)], tmp_path, size=(128, 128), fit="crop")
    with av.open(str(cropped.path)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
    assert np.abs(image - 128).max() < 12


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p"])
@pytest.mark.parametrize(
    "colour", [(1, 1, 1, 1), (6, 1, 6, 6), (5, 1, 5, 6), (1, 2, 1, 1), (6, 2, 6, 6), None], ids=str
)
@pytest.mark.parametrize("options", [{}, {"long_side": 64}], ids=["same", "scaled"])
def test_colours_keep_their_tags_and_do_not_move(tmp_path, pixel_format, colour, options):
    def patches(index, size):
        image = np.zeros((size[1], size[0], 3), np.uint8)
        for i, rgb in enumerate(
            [(200, 30, 30), (30, 200, 30), (30, 30, 200), (240, 240, 240), (12, 12, 12), (128, 128, 128)]
        ):
            image[:, i * size[0] // 6 : (i + 1) * size[0] // 6] = rgb
        return image

    recipe = Recipe(
        num_frames=4, sound=False, colour=colour, pixel_format=pixel_format, size=(192, 96), crf=4
    )
    path = build(tmp_path / "a.mp4", recipe, draw=patches)
    (result,), _ = cut_spans(path, [(0, 4)], tmp_path, crf=4, **options)

    def look(file):
        with av.open(str(file)) as container:
            context = container.streams.video[0].codec_context
            tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
            frame = next(container.decode(video=0))
            centres = [int((i + 0.5) * frame.width / 6) for i in range(6)]
            return tags, frame.to_ndarray(format="rgb24")[frame.height // 2, centres].astype(int)

    before, after = look(path), look(result.path)
    if colour is not None:
        assert after[0] == before[0] == colour
    else:
        assert after[0][0] == 2
        assert after[0][1] in (0, 1)
    assert np.abs(before[1] - after[1]).max() <= 4


def test_rgb_sources_become_tagged_bt709(tmp_path):
    path = build(
        tmp_path / "a.mkv", Recipe(num_frames=4, codec="ffv1", pixel_format="bgr0", b_frames=0, sound=False)
    )
    (result,), _ = cut_spans(path, [(0, 4)], tmp_path, crf=4)
    with av.open(str(result.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (
            1,
            1,
            1,
            1,
        )
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown - stored).mean() < 3
    assert barcodes(result.path) == list(range(4))


def test_sources_without_sound_give_clips_without_sound(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=12, sound=False))
    (result,), _ = cut_spans(path, [(0, 12)], tmp_path)
    assert result.audio is None
    assert probe(result.path).audio is None


def test_missing_sound_is_silence_and_is_measured(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=96, sound_start_s=1.0, sound_end_s=3.0))
    results, _ = cut_spans(path, [(0, 96), (30, 60), (80, 96)], tmp_path)
    assert results[0].audio.missing_s == pytest.approx(2.0, abs=0.05)
    assert results[1].audio.missing_s == pytest.approx(0.0, abs=0.001)
    assert results[2].audio.missing_s == pytest.approx(16 / 24, abs=0.05)
    assert probe(results[2].path).audio is not None


@pytest.mark.parametrize("packet", [7, 12, 24, 40])
def test_a_clip_never_contains_a_damaged_frame(tmp_path, packet):
    whole = build(tmp_path / "a.mp4", Recipe(num_frames=72, gop=12, crf=6))
    path = overwrite(whole, tmp_path / "b.mp4", packet=packet, count=400)
    with Decoder(path) as decoder:
        good = {frame.time_s for frame in decoder if not frame.damaged}
    pairs = [(a, a + 6) for a in range(0, 66, 3)]
    wanted = spans(whole, pairs)
    results = cut(path, [CutRequest(span, tmp_path / f"{i}.mp4") for i, span in enumerate(wanted)])
    times = source_times(whole)
    assert {result.reason for result in results} == {None, "damaged_frames"}
    for result, span in zip(results, wanted, strict=True):
        if result.reason is None:
            assert all(times[i] in good for i in range(span.start, span.end))
            assert barcodes(result.path) == list(range(span.start, span.end))
        else:
            assert not result.path.exists()
            assert "damaged" in result.error
    assert not list(tmp_path.glob(".tmp-*"))


def test_a_truncated_source_gives_the_spans_it_still_holds(tmp_path):
    whole = build(tmp_path / "a.mp4", Recipe(num_frames=120, faststart=True, crf=6))
    wanted = spans(whole, [(5, 40), (70, 118)])
    path = truncate(whole, tmp_path / "b.mp4", 0.6)
    first, second = cut(path, [CutRequest(span, tmp_path / f"{i}.mp4") for i, span in enumerate(wanted)])
    assert barcodes(first.path) == list(range(5, 40))
    assert second.reason in ("ends_early", "damaged_frames")
    assert not second.path.exists()


def test_bytes_depend_on_the_input_alone(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=48))
    first, _ = cut_spans(path, [(3, 40)], tmp_path / "1")
    second, _ = cut_spans(path, [(3, 40)], tmp_path / "2")
    assert first[0].path.read_bytes() == second[0].path.read_bytes()
    data = first[0].path.read_bytes()
    assert b"Lavf" not in data
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_failure_leaves_no_file_behind(tmp_path, monkeypatch):
    from madata.video import encode

    path = build(tmp_path / "a.mp4", Recipe(num_frames=48))
    calls = []

    def failing(self, picture):
        calls.append(1)
        if len(calls) > 10:
            raise MadanceError("the disk is full")
        return write(self, picture)

    write = encode.MovieWriter.write
    monkeypatch.setattr(encode.MovieWriter, "write", failing)
    with pytest.raises(MadanceError, match="disk"):
        cut_spans(path, [(0, 40), (5, 30)], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_said_in_words_and_leaves_nothing(tmp_path, monkeypatch):
    from madata.video import encode

    def full(self, picture):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encode.MovieWriter, "write", full)
    path = build(tmp_path / "a.mp4", Recipe(num_frames=48))
    with pytest.raises(MadanceError, match="disk is full"):
        cut_spans(path, [(0, 40), (0, 30)], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_nothing_to_cut_and_nothing_to_cut_from(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=6, sound=False))
    assert cut(path, []) == []
    (result,) = cut(path, [CutRequest(Span(90, 96, 90 / 24, 4.0), tmp_path / "c.mp4")])
    assert result.reason == "ends_early"
    with pytest.raises(MediaError):
        cut(tmp_path / "absent.mp4", [CutRequest(Span(0, 1, 0, 1), tmp_path / "d.mp4")])


@pytest.mark.parametrize(
    "options",
    [
        {"fps": 0},
        {"fps": 1000},
        {"long_side": 3},
        {"size": (101, 100)},
        {"size": (100, 100), "long_side": 100},
        {"fit": "stretch"},
        {"crf": 60},
        {"preset": "warp"},
        {"audio_rate_hz": 44_099},
        {"audio_bit_rate": 10},
        {"threads": 0},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ConfigError):
        replace(EncodeSettings(), **options)


def test_odd_sample_rates_become_the_next_one_aac_knows():
    settings = EncodeSettings(audio_rate_hz=None)
    assert [settings.rate_for(rate) for rate in (44_100, 37_800, 11_127, 192_000)] == [
        44_100,
        44_100,
        12_000,
        96_000,
    ]


@pytest.mark.media
@pytest.mark.parametrize(
    "pairs", [[(0, 120), (100, 260)], pytest.param([(700, 860), (905, 1030)], marks=pytest.mark.nightly)]
)
def test_crawl_windows_are_exact(media_dir, tmp_path, pairs):
    path = media_dir / "crawl_a.mp4"
    results, wanted = cut_spans(path, pairs, tmp_path, long_side=320, preset="ultrafast")
    for result, span in zip(results, wanted, strict=True):
        assert barcodes(result.path, rows=4) == list(range(span.start, span.end))
        waveform, rate = sound_of(result.path)
        found = find_pips(waveform, rate) + span.start_s
        near = found[np.abs(found - np.round(found)) < 0.005]
        assert len(near) >= (span.end - span.start) / 24 - 2
        assert 1000 * np.abs(near - np.round(near)).max() < 1.0


@pytest.mark.media
@pytest.mark.parametrize(
    "name",
    [
        "moore_talkinghead_2_vfr.mp4",
        pytest.param("ntu_hug_two.mp4", marks=pytest.mark.nightly),
        pytest.param("ntu_drink_single.avi", marks=pytest.mark.nightly),
        "mmaction2_makeup_mpeg4_mp3.avi",
    ],
)
def test_real_odd_files_are_cut_frame_by_frame(media_dir, tmp_path, name):
    path = media_dir / "raw" / name
    with Decoder(path) as decoder:
        thumbnails = [frame.scaled((64, 64), "gray") for frame in decoder]
    times = source_times(path)
    a, b = 10, min(60, len(thumbnails))
    (result,) = cut(
        path,
        [CutRequest(Span(a, b, float(times[a]), float(times[b])), tmp_path / "c.mp4")],
        EncodeSettings(crf=4, long_side=320),
    )
    assert max(result.size) <= 320
    grid = times[a] + np.arange(result.num_frames) / result.fps
    shown = np.searchsorted(times, grid + 1e-4, side="right") - 1
    with Decoder(result.path) as decoder:
        for frame, index in zip(decoder, shown, strict=True):
            error = np.abs(frame.scaled((64, 64), "gray").astype(int) - thumbnails[index]).mean()
            assert error < 2, (frame.index, index)


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_part_of_the_picture_is_shown_as_it_is(tmp_path, rotation):
    source = build(tmp_path / "a.mp4", Recipe(num_frames=6, rotation=rotation, crf=4))
    (span,) = spans(source, [(0, 6)])
    whole, part = CutRequest(span, tmp_path / "whole.mp4"), Crop(20, 14, 60, 50)
    results = cut(source, [whole, CutRequest(span, tmp_path / "part.mp4", part)], EncodeSettings(crf=4))
    assert results[1].size == (60, 50)
    pictures = []
    for result in results:
        with Decoder(result.path) as decoder:
            pictures.append([frame.scaled(frame.shown_size, "gray") for frame in decoder])
    for all_of_it, cropped in zip(*pictures, strict=True):
        assert np.abs(all_of_it[14:64, 20:80].astype(int) - cropped).mean() < 2


def test_nothing_beside_a_part_comes_into_the_padding(tmp_path):
    source = build(tmp_path / "a.mp4", Recipe(num_frames=3))
    (span,) = spans(source, [(0, 3)])
    request = CutRequest(span, tmp_path / "part.mp4", Crop(40, 10, 40, 80))
    cut(source, [request], EncodeSettings(size=(96, 96)))
    with Decoder(request.target) as decoder:
        picture = next(iter(decoder)).scaled((96, 96), "gray")
    assert picture[:, :20].max() < 6 and picture[:, -20:].max() < 6 and picture[:, 40:56].mean() > 40
