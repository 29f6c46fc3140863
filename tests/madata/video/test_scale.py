"""Colours of known light, coded in high dynamic range or in an odd layout, come back as they were."""

from fractions import Fraction

import av
import numpy as np
import pytest

from madata.types import Span
from madata.video import CutRequest, Decoder, EncodeSettings, cut

PQ, HLG = 16, 18
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
WHITE = 203.0  # cd/m2
GREYS = np.array([[v, v, v] for v in range(0, 256, 17)])
COLOURS = np.concatenate([GREYS, [[200, 60, 60], [60, 180, 70], [50, 70, 190]]])
PATCH = 16


def pq(light):
    """Code (0 to 1) of light in cd/m2, SMPTE ST 2084."""
    y = (np.asarray(light) / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def hlg(light):
    """Code of light in cd/m2 on a screen of 1000, ITU-R BT.2100: the inverse of its OOTF, then its OETF."""
    shown = np.asarray(light) / 1000
    luminance = shown @ [0.2627, 0.6780, 0.0593]
    scene = shown * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def planes(rgb, bits, full):
    """Y, Cb, Cr (BT.2020 non-constant luminance) of codes (..., 3) as whole numbers."""
    y = rgb @ [0.2627, 0.6780, 0.0593]
    chroma = [(rgb[..., 2] - y) / 1.8814, (rgb[..., 0] - y) / 1.4746]
    low, high, middle = (
        (0, 2**bits - 1, 2 ** (bits - 1)) if full else tuple(v << bits - 8 for v in (16, 235, 128))
    )
    wide = high if full else 224 << bits - 8
    return [low + (high - low) * y, *(middle + wide * part for part in chroma)]


def film(path, transfer, pixel_format="yuv420p10le", *, full=False, codec="ffv1", colours=COLOURS):
    light = WHITE * (colours / 255) ** 2.4 @ TO_BT2020.T
    code = {PQ: pq, HLG: hlg}[transfer](light)
    bits = 10 if "10" in pixel_format else 8
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = PATCH * len(colours), 32, pixel_format
        context.thread_count = 1
        if codec == "libx264":
            context.options = {"crf": "1", "preset": "ultrafast"}
        tags = (9, 2 if full else 1, 9, transfer)
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = tags
        frame = av.VideoFrame(context.width, context.height, pixel_format)
        for plane, values in zip(frame.planes, planes(code, bits, full), strict=True):
            row = np.repeat(values.round(), plane.width // len(colours)).astype(
                np.uint16 if bits > 8 else np.uint8
            )
            padded = np.zeros((plane.height, plane.line_size // row.itemsize), row.dtype)
            padded[:, : len(row)] = row
            plane.update(padded)
        frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = tags
        for index in range(6):
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def patches(image):
    return image[16, PATCH // 2 :: PATCH].astype(int)


@pytest.mark.parametrize(
    ("transfer", "layout", "tolerance"),
    [
        (PQ, {}, 3),
        (HLG, {}, 5),
        (PQ, {"full": True}, 3),
        (PQ, {"pixel_format": "yuv444p10le"}, 3),
        (PQ, {"pixel_format": "yuv420p"}, 8),
        (HLG, {"pixel_format": "yuv422p"}, 8),
    ],
    ids=str,
)
def test_high_range_is_seen_and_cut_in_standard_range(tmp_path, transfer, layout, tolerance):
    path = film(tmp_path / "high.mkv", transfer, **layout)
    with Decoder(path) as decoder:
        frame = next(iter(decoder))
        width, height = frame.shown_size
        seen = patches(frame.scaled((width, height), "rgb24", interpolation="point"))
        grey = patches(frame.scaled((width, height), "gray", interpolation="point"))
    np.testing.assert_allclose(seen, COLOURS, atol=tolerance)
    np.testing.assert_allclose(grey[: len(GREYS)], GREYS[:, 0], atol=tolerance)
    span = Span(0, 5, 0.0, 5 / 24)
    (done,) = cut(path, [CutRequest(span, tmp_path / "clip.mp4")], EncodeSettings(crf=4))
    assert done.reason is None
    with av.open(str(tmp_path / "clip.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (
            1,
        ) * 4
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    np.testing.assert_allclose(patches(shown), COLOURS, atol=tolerance + 2)


def test_an_ordinary_codec_with_8_bits_that_is_tagged_pq_is_tone_mapped(tmp_path):
    path = film(tmp_path / "high.mp4", PQ, "yuv420p", codec="libx264")
    with Decoder(path) as decoder:
        seen = patches(next(iter(decoder)).scaled((PATCH * len(COLOURS), 32), "rgb24", interpolation="point"))
    np.testing.assert_allclose(seen, COLOURS, atol=12)


LAYOUTS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuv420p10le", "nv12",
           "yuv422p10le", "yuv444p12le", "gray", "gray10le", "rgb24", "gbrp10le", "yuva420p", "uyvy422")  # fmt: skip


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("pixel_format", LAYOUTS)
def test_every_layout_and_range_shows_the_same_greys(pixel_format, full):
    from madata.video.encode import ColourTags, Painter
    from madata.video.geometry import Orientation, frame_clip
    from madata.video.scale import Scaler, is_rgb

    ramp = np.repeat(np.arange(0, 256, 15, dtype=np.uint8), 16)
    image = np.broadcast_to(ramp[None, :, None], (32, len(ramp), 3))
    whole = full or pixel_format.startswith("yuvj")
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
    picture = rgb.reformat(format=pixel_format, dst_color_range="JPEG" if whole else "MPEG")
    if not is_rgb(picture):
        picture.color_range = 2 if whole else 1
    seen = Scaler()(picture, (len(ramp), 32), "rgb24", interpolation="POINT").to_ndarray()
    np.testing.assert_allclose(seen[16, 8::16, 1], ramp[8::16].astype(int), atol=3)
    painter = Painter(frame_clip((len(ramp), 32)), Orientation(), ColourTags.of(picture))
    luma = np.frombuffer(memoryview(painter.paint(picture).planes[0]), np.uint8).reshape(32, -1)[
        16, 8 : len(ramp) : 16
    ]
    kept_whole = whole and not is_rgb(picture)
    expected = ramp[8::16] if kept_whole else 16 + ramp[8::16].astype(float) * 219 / 255
    np.testing.assert_allclose(luma.astype(float), expected, atol=2)


def test_light_above_white_is_white(tmp_path):
    bright = np.array([[255, 255, 255], [340, 340, 340], [500, 500, 500]])
    for transfer in (PQ, HLG):
        with Decoder(film(tmp_path / f"{transfer}.mkv", transfer, colours=bright)) as decoder:
            seen = patches(next(iter(decoder)).scaled((PATCH * 3, 32), "rgb24", interpolation="point"))
        assert seen.min() >= 252
