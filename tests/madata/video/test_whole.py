"""Whether a file holds all that its container says it does."""

import struct

import pytest

from madata.video import whole
from madata.video.decode import Decoder
from madata.video.whole import declared
from tests.media_builder import Recipe, build, video_packets


def box(kind, length, said=None, wide=False):
    size = length + 8 if said is None else said
    head = (1).to_bytes(4) + kind + size.to_bytes(8) if wide else size.to_bytes(4) + kind
    return head + b"\0" * (length + 8 - len(head))


@pytest.mark.parametrize(
    ("boxes", "cut"),
    [
        ([box(b"ftyp", 16), box(b"moof", 40), box(b"mdat", 100)], False),
        ([box(b"ftyp", 16), box(b"moof", 40), box(b"mdat", 100, said=109)], True),
        ([box(b"ftyp", 16), box(b"mdat", 100, said=108, wide=True)], False),
        ([box(b"ftyp", 16), box(b"mdat", 100, said=5000, wide=True)], True),
        ([box(b"ftyp", 16), box(b"mdat", 100, said=0)], False),
        ([box(b"ftyp", 16), box(b"mdat", 10), b"\xff" * 40], False),
        ([b"RIFF" + b"\xff" * 60], False),
    ],
)
def test_a_file_that_ends_inside_a_box_is_cut_off(tmp_path, boxes, cut):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"".join(boxes))
    assert declared(path).cut_off is cut


def index_of_segments(*sizes):
    entries = b"".join(struct.pack(">III", size, 1000, 0) for size in sizes)
    return (
        box(b"sidx", 0, said=32 + len(entries))[:8]
        + struct.pack(">IIIIIHH", 0, 1, 1000, 0, 0, 0, len(sizes))
        + entries
    )


def extends(seconds):
    times = b"mvhd" + bytes(12) + struct.pack(">II", 1000, 0)
    whole = b"mehd" + bytes(4) + struct.pack(">I", seconds * 1000)
    return (8 + len(times) + len(whole) + 4).to_bytes(4) + b"moov" + times + b"mvex" + whole


def element(kind, content, live=False):
    length = b"\xff" if live else (0x4000 | len(content)).to_bytes(2)
    return bytes.fromhex(kind) + length + content


def matroska(live):
    info = element(
        "1549a966", element("2ad7b1", (1_000_000).to_bytes(3)) + element("4489", struct.pack(">d", 9000.0))
    )
    clusters = [element("1f43b675", element("a3", bytes(40)), live) for _ in range(3)]
    return element("1a45dfa3", bytes(8)) + element("18538067", info + b"".join(clusters), live)


def page(content, flags=0):
    return b"OggS\0" + bytes([flags]) + bytes(20) + bytes([1, len(content)]) + content


def flv(filesize):
    about = (
        b"\x00\x08duration\x00"
        + struct.pack(">d", 9.0)
        + b"\x00\x08filesize\x00"
        + struct.pack(">d", filesize)
    )
    tags = [
        bytes([kind]) + len(body).to_bytes(3) + bytes(7) + body
        for kind, body in ((18, about), (9, bytes(30)))
    ]
    return b"FLV\x01\x05" + (9).to_bytes(4) + bytes(4) + b"".join(tag + len(tag).to_bytes(4) for tag in tags)


SEGMENTED = [box(b"ftyp", 16), extends(9), index_of_segments(48, 58)]
PES = b"\0\0\1\xe0\0\x20" + bytes(32)
PACK = b"\0\0\1\xba\x44" + bytes(9)


@pytest.mark.parametrize(
    ("data", "lost", "cut", "seconds"),
    [
        (b"".join([*SEGMENTED, box(b"moof", 40), box(b"mdat", 50)]), 0, False, 9.0),
        (b"".join([*SEGMENTED, box(b"moof", 40), box(b"mdat", 50)]), 58, True, 9.0),
        (matroska(live=False), 0, False, 9.0),
        (matroska(live=False), 48, True, None),
        (matroska(live=True), 0, False, None),
        (matroska(live=True), 48, False, None),
        (matroska(live=True), 7, True, None),
        (flv(0.0), 0, False, 9.0),
        (flv(0.0), 45, False, 9.0),
        (flv(0.0), 7, True, 9.0),
        (flv(500.0), 0, True, 9.0),
        (page(bytes(90), 2) + page(bytes(90), 4), 0, False, None),
        (page(bytes(90), 2) + page(bytes(90), 4), 118, True, None),
        (page(bytes(90), 2) + page(bytes(90), 4), 5, True, None),
        ((b"G" + bytes(187)) * 5, 0, False, None),
        ((b"G" + bytes(187)) * 5, 188, False, None),
        ((b"G" + bytes(187)) * 5, 50, True, None),
        ((PACK + PES) * 3, 0, False, None),
        ((PACK + PES) * 3, 7, True, None),
        (b"something else altogether", 0, False, None),
    ],
)
def test_a_container_says_where_it_ends(tmp_path, data, lost, cut, seconds):
    path = tmp_path / "a"
    path.write_bytes(data[: len(data) - lost])
    found = declared(path)
    assert (found.cut_off, found.duration_s) == (cut, seconds)


def is_early(path):
    with Decoder(path) as decoder:
        for _ in decoder:
            pass
        return decoder.report.truncated


@pytest.mark.parametrize("suffix", [".flv", ".avi", ".mkv", ".mp4"])
def test_a_download_that_broke_off_is_told(tmp_path, suffix):
    """Inside a packet, between two, and with an end that the downloader laid out but never filled."""
    recipe = Recipe(num_frames=48, size=(64, 48), crf=30, faststart=suffix == ".mp4", sound_end_s=2.2)
    whole = build(tmp_path / f"whole{suffix}", recipe)
    assert not is_early(whole)
    data, at = whole.read_bytes(), video_packets(whole)[24][0]
    for part in (data[: at + 20], data[:at], data[:at] + bytes(len(data) - at)):
        path = tmp_path / f"part{suffix}"
        path.write_bytes(part)
        assert is_early(path)


def test_a_file_of_countless_empty_boxes_is_given_up(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp", 16) + 20 * box(b"free", 0) + box(b"mdat", 10, said=5000))
    assert declared(path).cut_off
    monkeypatch.setattr(whole, "_MOST_UNITS", 10)
    assert not declared(path).cut_off
