import gc
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from madata.errors import MediaError
from madata.video import Decoder, probe, read_audio
from madata.video.container import open_media, video_stream
from madata.video.timeline import read_timeline
from tests.media_builder import (
    Recipe,
    build,
    draw_barcode,
    find_pips,
    frame_stamps_s,
    overwrite,
    picture,
    read_barcode,
    truncate,
    video_packets,
)


def decode(path, size=(128, 96), **options):
    with Decoder(path, **options) as decoder:
        frames = [
            (f.index, f.time_s, f.end_s, f.damaged, read_barcode(f.scaled(size, "gray"))) for f in decoder
        ]
        return frames, decoder.report


def indices(frames):
    return [frame[0] for frame in frames]


def codes(frames):
    return [frame[4] for frame in frames]


def damaged(frames):
    return {frame[0] for frame in frames if frame[3]}


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(b_frames=0, gop=250),
        Recipe(start_s=3.25),
        Recipe(num_frames=1),
        Recipe(num_frames=2),
        Recipe(pixel_format="yuv420p10le"),
        Recipe(pixel_format="yuv444p"),
        Recipe(fps=Fraction(30_000, 1001)),
        Recipe(times_s=np.cumsum([0, 1, 1, 3, 1, 2, 4, 1, 1, 1, 2, 5, 1, 1]) / 30),
        Recipe(times_s=1.5 + np.cumsum(np.random.default_rng(0).uniform(0.01, 0.2, 40))),
        Recipe(codec="mpeg4", b_frames=0),
    ],
    ids=lambda r: (
        f"{r.codec}-{r.pixel_format}-{r.num_frames}-{r.start_s}-{'vfr' if r.times_s is not None else r.fps}"
    ),
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_indices_times_and_pictures(tmp_path, recipe, suffix):
    path = build(tmp_path / f"a{suffix}", recipe)
    frames, report = decode(path)
    times = recipe.frame_times_s()
    assert indices(frames) == codes(frames) == list(range(len(times)))
    np.testing.assert_allclose([f[1] for f in frames], times, atol=6e-4 if suffix == ".mkv" else 2e-4)
    np.testing.assert_array_equal([f[2] for f in frames][:-1], [f[1] for f in frames][1:])
    assert frames[-1][2] > frames[-1][1]
    assert (report.frames_decoded, report.damaged, report.truncated, report.repaired_times, report.error) == (
        len(times),
        (),
        False,
        0,
        None,
    )


def test_packets_tell_the_same_times_as_pictures(tmp_path):
    recipe = Recipe(times_s=0.7 + np.cumsum(np.random.default_rng(3).choice([1, 1, 2, 3], 50)) / 30)
    path = build(tmp_path / "a.mp4", recipe)
    with open_media(path) as container:
        timeline = read_timeline(container, video_stream(container, path))
    assert timeline.times_s.tolist() == [f[1] for f in decode(path)[0]]
    assert timeline.rate == 30
    with Decoder(path) as decoder:
        for key in timeline.key_frames:
            first = next(decoder.frames(key))
            assert first.time_s <= key.time_s
            assert read_barcode(first.scaled((128, 96), "gray")) % recipe.gop == 0


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_change_nothing(tmp_path, threads):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=50))
    broken = overwrite(path, tmp_path / "b.mp4", packet=14)
    assert decode(path, threads=threads) == decode(path)
    assert damaged(decode(broken, threads=threads)[0]) >= damaged(decode(broken)[0]) - {0}


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_scaled_pictures_are_shown_upright(tmp_path, rotation, mirrored):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=2, sound=False, rotation=rotation, mirrored=mirrored))
    stored = picture(0, (128, 96))
    shown = np.rot90(stored, rotation // 90)
    if mirrored:
        shown = shown[:, ::-1]
    with Decoder(path) as decoder:
        frame = next(iter(decoder))
        size = (shown.shape[1], shown.shape[0])
        assert size == decoder.info.size
        grey = frame.scaled(size, "gray").astype(int)
        colour = frame.scaled(size)
    assert colour.shape == shown.shape
    assert np.abs(grey - shown.mean(axis=2)).mean() < 25
    assert np.abs(colour.astype(int) - shown).mean() < 8


def test_unrotated_scaling_is_pyav_bicubic_bit_for_bit(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=8, size=(300, 170)))
    with Decoder(path) as decoder:
        ours = [(f.scaled((48, 27)), f.scaled((80, 45), "gray", interpolation="area")) for f in decoder]
    with av.open(str(path)) as container:
        for (colour, grey), frame in zip(ours, container.decode(video=0), strict=True):
            np.testing.assert_array_equal(
                colour, frame.reformat(48, 27, "rgb24", interpolation="BICUBIC").to_ndarray()
            )
            np.testing.assert_array_equal(
                grey, frame.reformat(80, 45, "gray", interpolation="AREA").to_ndarray()
            )


@pytest.mark.golden
@pytest.mark.media
@pytest.mark.parametrize("name", ["sintel_30s", pytest.param("crawl_a", marks=pytest.mark.nightly)])
def test_thumbnails_equal_the_reference_input_of_the_shot_detector(media_dir, name):
    with np.load(media_dir / f"{name}_transnet.npz") as stored:
        expected = stored["frames48x27"]
    path = next(media_dir.rglob(f"{name}.mp4"))
    with Decoder(path) as decoder:
        for frame in decoder:
            assert np.array_equal(frame.scaled((48, 27)), expected[frame.index]), frame.index
        assert decoder.report.frames_decoded == len(expected)


def expected_damage(path, packet):
    """Frames a bad packet can reach, from the packets alone: everything up to the next key frame."""
    with av.open(str(path)) as container:
        packets = [(p.pts, p.is_keyframe) for p in container.demux(container.streams.video[0]) if p.size]
    shown = sorted(pts for pts, _ in packets)
    after = next((i for i in range(packet + 1, len(packets)) if packets[i][1]), len(packets))
    before_key = {pts for pts, _ in packets[packet:after]}
    leading = {pts for pts, _ in packets[after:] if after < len(packets) and pts < packets[after][0]}
    return {shown.index(pts) for pts in before_key | leading}


@pytest.mark.parametrize("bytes_hit", [4, 64, 500])
@pytest.mark.parametrize("packet", [0, 1, 13, 20, 24, 30, 59])
def test_damage_reaches_exactly_to_the_next_key_frame(tmp_path, packet, bytes_hit):
    recipe = Recipe(num_frames=60, gop=12, crf=6, size=(192, 128))
    path = build(tmp_path / "a.mp4", recipe)
    broken = overwrite(path, tmp_path / "b.mp4", packet=packet, count=bytes_hit, seed=packet)
    with Decoder(path) as decoder:
        clean = {f.time_s: f.scaled((192, 128), "gray").astype(int) for f in decoder}
    times = sorted(clean)
    with Decoder(broken) as decoder:
        seen = {}
        for f in decoder:
            differs = np.abs(f.scaled((192, 128), "gray") - clean[f.time_s]).max() > 0
            seen[times.index(f.time_s)] = f.damaged
            assert f.damaged or not differs, f"frame {f.index} differs from the clean file and is not marked"
        report = decoder.report
    reach = expected_damage(path, packet)
    marked = {index for index, bad in seen.items() if bad}
    lost = set(range(len(times))) - set(seen)
    # a lost frame leaves its predecessor on screen, which is marked too
    assert marked | lost <= reach | {min(reach) - 1}
    if marked or lost:
        assert marked | lost >= reach & set(seen)
    assert report.damaged_frames == len(marked)


def test_a_lost_last_frame_of_a_group_is_not_silently_replaced_by_a_longer_one(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=24, gop=12, b_frames=0))
    data = bytearray(path.read_bytes())
    position, size, _ = video_packets(path)[11]
    data[position : position + size] = bytes(size)
    broken = tmp_path / "b.mp4"
    broken.write_bytes(bytes(data))
    frames, report = decode(broken)
    assert all(frame[3] for frame in frames if frame[2] - frame[1] > 1.5 / 24)
    assert report.error is not None or report.damaged


def test_truncated_files(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=120, faststart=True, crf=6))
    frames, report = decode(truncate(path, tmp_path / "b.mp4", 0.6))
    assert report.truncated
    assert report.frames_declared == 120
    assert 30 < report.frames_decoded < 100
    assert indices(frames) == list(range(len(frames)))
    good = [f for f in frames if not f[3]]
    assert codes(good) == list(range(len(good)))
    assert len(good) >= len(frames) - 13
    open_groups = build(
        tmp_path / "b_frames.mp4", Recipe(num_frames=120, faststart=True, crf=6, gop=250, b_frames=3)
    )
    for fraction in np.linspace(0.3, 0.95, 14):
        good = [f for f in decode(truncate(open_groups, tmp_path / "d.mp4", fraction))[0] if not f[3]]
        assert codes(good) == list(range(len(good)))
        assert all(f[2] - f[1] < 1.5 / 24 for f in good)
    mkv = build(tmp_path / "a.mkv", Recipe(num_frames=120, crf=6, sound=False))
    assert decode(truncate(mkv, tmp_path / "c.mkv", 0.6))[1].truncated
    assert not decode(mkv)[1].truncated


def test_sound_longer_than_the_picture_is_no_truncation(tmp_path):
    for suffix in (".mp4", ".mkv"):
        path = build(tmp_path / f"a{suffix}", Recipe(num_frames=24, sound_end_s=6.0))
        assert not decode(path)[1].truncated


def test_edit_lists_hide_frames_and_keep_the_time_line(tmp_path):
    path = build(tmp_path / "a.mp4", Recipe(num_frames=60, sound=False, b_frames=0))
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4
    # version 0, one entry: 1.5 s long (movie time scale 1000), media time 20 frames in
    entries = int.from_bytes(data[at + 4 : at + 8], "big")
    assert entries == 1
    scale = int.from_bytes(data[data.index(b"mdhd") + 16 : data.index(b"mdhd") + 20], "big")
    data[at + 8 : at + 12] = (1500).to_bytes(4, "big")
    data[at + 12 : at + 16] = (20 * scale // 24).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    frames, report = decode(path)
    assert codes(frames) == list(range(20, 56))
    np.testing.assert_allclose([f[1] for f in frames], np.arange(36) / 24, atol=2e-3)
    assert (report.truncated, report.damaged) == (False, ())


def mux_with_stamps(path, stamps_ms):
    """Frames whose presentation stamps are exactly ``stamps_ms``, whatever sense they make (Matroska, no B frames)."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.max_b_frames = 0
        packets = []
        for index in range(len(stamps_ms)):
            frame = av.VideoFrame.from_ndarray(picture(index, (128, 96)), "rgb24")
            frame.pts = index
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for index, packet in enumerate(packets):
            packet.time_base = Fraction(1, 1000)
            packet.pts, packet.dts = stamps_ms[index], index - 1000
            container.mux(packet)


@pytest.mark.parametrize(
    "stamps",
    [
        [0, 40, 80, 80, 160, 200],
        [0, 40, 80, 80, 80, 120, 160],
        [0, 40, 120, 80, 160, 200, 240],
        [*range(0, 1200, 40), *range(0, 1200, 40)],
    ],
    ids=["double", "triple", "backwards", "restart"],
)
def test_senseless_stamps_give_increasing_times_and_are_counted(tmp_path, stamps):
    path = tmp_path / "a.mkv"
    mux_with_stamps(path, stamps)
    frames, report = decode(path)
    times = [f[1] for f in frames]
    assert codes(frames) == indices(frames) == list(range(len(stamps)))
    assert all(a < b for a, b in pairwise(times))
    assert report.repaired_times > 0
    assert report.damaged == ()


def test_files_that_store_decoding_times_only_are_shown_evenly(tmp_path):
    path = build(tmp_path / "a.avi", Recipe(num_frames=50, sound_codec="libmp3lame"))
    frames, report = decode(path)
    assert codes(frames) == list(range(50))
    np.testing.assert_allclose([f[1] for f in frames], np.arange(50) / 24, atol=1e-6)
    assert report.repaired_times == 0


def test_a_naked_stream_without_any_times(tmp_path):
    path = build(tmp_path / "a.h264", Recipe(num_frames=30, sound=False))
    frames, _ = decode(path)
    assert codes(frames) == list(range(30))
    assert all(a[1] < b[1] for a, b in pairwise(frames))


def test_transport_streams(tmp_path):
    path = build(tmp_path / "a.ts", Recipe(num_frames=48, sound_codec="mp2"))
    frames, report = decode(path)
    assert codes(frames) == list(range(48))
    # their clock starts anywhere; time 0 is where the file starts
    start_s = probe(path).start_s
    assert 0 <= start_s < 0.02
    np.testing.assert_allclose([f[1] for f in frames], start_s + np.arange(48) / 24, atol=1e-4)
    music = read_audio(path)
    np.testing.assert_allclose(find_pips(music.waveform, music.rate_hz)[1:], [start_s + 1], atol=1e-3)
    assert not report.truncated


def test_a_clock_that_leaps_ahead_is_no_file_that_ends_early(tmp_path):
    first = build(tmp_path / "first.ts", Recipe(num_frames=48, sound=False))
    with (
        av.open(str(first)) as source,
        av.open(str(tmp_path / "later.ts"), "w", options={"output_ts_offset": "3600"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    path = tmp_path / "a.ts"
    path.write_bytes(first.read_bytes() + (tmp_path / "later.ts").read_bytes())
    frames, report = decode(path)
    assert len(frames) == 96 and not report.truncated and not frames[-1][3]
    assert frames[-1][1] - frames[0][1] == pytest.approx(95 / 24, abs=1e-3)


@pytest.mark.parametrize("suffix", [".ts", ".flv"])
def test_packets_that_vanish_from_a_broadcast_are_noticed(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    whole = build(tmp_path / f"whole{suffix}", Recipe(num_frames=72, gop=24, b_frames=0, sound=False))
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None and index != 35:
                packet.stream = stream
                target.mux(packet)
    frames, _ = decode(path)
    # frame 35 is lost: 34 stays on screen in its place, the rest of its group is predicted from a wrong picture
    assert {round(frame[1] * 24) for frame in frames if frame[3]} == {34, *range(36, 48)}


def test_a_stream_that_begins_in_the_middle_of_a_group(tmp_path):
    path = build(tmp_path / "a.ts", Recipe(num_frames=60, gop=20, sound=False, crf=6))
    data = path.read_bytes()
    cut = tmp_path / "b.ts"
    cut.write_bytes(data[len(data) // 6 // 188 * 188 :])
    frames, _ = decode(cut)
    good = [f for f in frames if not f[3]]
    assert codes(good) == list(range(codes(good)[0], 60))
    assert codes(good)[0] % 20 == 0


def test_memory_does_not_grow_with_the_video(tmp_path):
    resource = pytest.importorskip("resource")

    def small(index, size):
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        draw_barcode(image, index)
        return image

    recipe = Recipe(size=(640, 360), sound=False, gop=60)
    path = build(tmp_path / "a.mp4", replace(recipe, num_frames=600), draw=small)
    with Decoder(path) as decoder:
        for frame in decoder:
            frame.scaled((48, 27))
            if frame.index == 100:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    # 500 frames of this size are 165 MiB
    assert grown_mib < 30


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(MediaError):
        Decoder(tmp_path / "absent.mp4")
    assert decode(build(tmp_path / "one.mp4", Recipe(num_frames=1, sound=False)))[0][0][4] == 0


@pytest.mark.media
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.nightly)])
def test_real_files_decode_without_damage_and_in_order(media_dir, step):
    for path in sorted((media_dir / "raw").glob("*.*"))[::step]:
        if path.suffix == ".mp3" or path.stat().st_size > 1_000_000:
            continue
        with Decoder(path) as decoder:
            times = [frame.time_s for frame in decoder]
            report = decoder.report
        assert (report.damaged, report.truncated, report.error) == ((), False, None), path.name
        assert np.all(np.diff(times) > 0), path.name


@pytest.mark.media
def test_the_late_starting_file_keeps_its_times(media_dir):
    path = media_dir / "raw" / "moore_talkinghead_2_vfr.mp4"
    with Decoder(path) as decoder:
        times = [frame.time_s for frame in decoder]
        report = decoder.report
    assert len(times) == 351
    assert report.frames_declared == 352
    assert not report.truncated
    np.testing.assert_allclose(times, frame_stamps_s(path))
    assert times[0] == pytest.approx(8.333, abs=1e-3)


def test_pictures_that_were_looked_at_are_let_go(tmp_path):
    def pictures():
        # by type: an object that stands for another one that is gone ends in an error when it is asked what it is
        return sum(type(one) is av.VideoFrame for one in gc.get_objects())

    build(tmp_path / "a.mp4", Recipe(num_frames=60, size=(64, 48)))
    gc.collect()
    gc.disable()
    try:
        before = pictures()
        with Decoder(tmp_path / "a.mp4") as decoder:
            assert sum(1 for _ in decoder) == 60
        assert pictures() - before < 40
    finally:
        gc.enable()
