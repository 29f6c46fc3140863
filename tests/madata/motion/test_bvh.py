import lzma
import time

import numpy as np
import pytest

from madata.errors import MediaError
from madata.motion.bvh import bvh_world, read_bvh

TEXT = """HIERARCHY
ROOT base
{
  OFFSET 0 10 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT arm
  {
    OFFSET 1 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT slider
    {
      OFFSET 2 0 0
      CHANNELS 4 Xposition Zrotation Yrotation Xrotation
      End Site
      {
        OFFSET 0 0 3
      }
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
5 6 7 0 0 0 90 0 0 2.5 0 0 0
0 0 0 0 0 90 0 0 0 2 0 90 0
"""


_NO_CHANNELS = "HIERARCHY\nROOT r\n{\nOFFSET 0 0 0\n}\nMOTION\nFrames: 9999999999999\nFrame Time: 1\n"


@pytest.fixture
def bvh_file(tmp_path):
    def write(text, name="take.bvh"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_hierarchy_and_values(bvh_file):
    bvh = read_bvh(bvh_file(TEXT))
    assert bvh.names == ("base", "arm", "slider", "slider.end")
    assert bvh.parents == (-1, 0, 1, 2)
    assert bvh.channels[2] == ("Xposition", "Zrotation", "Yrotation", "Xrotation")
    assert bvh.values.shape == (2, 13)
    assert bvh.fps == 30.0


def test_positions_replace_offsets_and_rotations_multiply_in_order(bvh_file):
    rotations, positions = bvh_world(read_bvh(bvh_file(TEXT)))
    np.testing.assert_allclose(positions[0], [[5, 6, 7], [0, 0, 0]])
    # Frame 0: the arm is turned 90 degrees about z, so the slider sits 2.5 above it, not 2.
    np.testing.assert_allclose(positions[2][0], [6, 8.5, 7], atol=1e-12)
    np.testing.assert_allclose(positions[3][0], [6, 8.5, 10], atol=1e-12)
    # Frame 1: base turned 90 degrees about y (x becomes -z), the slider 90 about y once more.
    np.testing.assert_allclose(positions[2][1], [0, 0, -3], atol=1e-12)
    np.testing.assert_allclose(positions[3][1], [0, 0, -6], atol=1e-12)
    assert set(bvh_world(read_bvh(bvh_file(TEXT)), frozenset({1}))[0]) == {0, 1}
    assert rotations[3].shape == (2, 3, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("JOINT arm\n  {", "JOINT arm {"),
        lambda text: text.replace("  ", "\t"),
        lambda text: text.replace("Frames: 2", "Frames:\t2"),
        lambda text: text.replace("Zrotation", "zrotation"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n  \n",
        lambda text: text.replace("ROOT base", "ROOT LOCOMOTION of MOTION"),
    ],
)
def test_spellings_of_the_same_file(bvh_file, change):
    expected = read_bvh(bvh_file(TEXT))
    found = read_bvh(bvh_file(change(TEXT), "other.bvh"))
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.channels == expected.channels and found.fps == expected.fps


def test_xz(tmp_path):
    path = tmp_path / "take.bvh.xz"
    path.write_bytes(lzma.compress(TEXT.encode()))
    assert read_bvh(path).values.shape == (2, 13)
    path.write_bytes(lzma.compress(TEXT.encode())[:-20])
    with pytest.raises(MediaError, match=r"take\.bvh\.xz: cannot be read"):
        read_bvh(path)
    path.write_bytes(b"not xz")
    with pytest.raises(MediaError, match="cannot be read"):
        read_bvh(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HIERARCH", "line 1: expected HIERARCHY"),
        ("OFFSET 1 0 0", "OFFSET 1 0", "line 8: OFFSET needs three finite numbers"),
        ("OFFSET 1 0 0", "OFFSET 1 0 nan", "line 8: OFFSET needs three finite numbers"),
        ("OFFSET 1 0 0", "OFFSET one 0 0", "line 8: OFFSET needs three finite numbers"),
        ("    OFFSET 1 0 0\n", "", "line 18: joint 'arm' has no OFFSET"),
        ("CHANNELS 3 ", "CHANNELS 4 ", "line 9: CHANNELS announces 4 and lists 3"),
        ("CHANNELS 4 Xposition", "CHANNELS 4 Wposition", "line 13: unknown channel 'Wposition'"),
        ("CHANNELS 3 Zrotation X", "CHANNELS 3 Yrotation X", "line 9: the same channel twice"),
        ("JOINT slider", "JOINT arm", "line 10: two joints are called 'arm'"),
        ("JOINT slider", "JOINT", "line 10: JOINT without a name"),
        ("JOINT slider", "ROOT slider", "line 10: a second ROOT"),
        ("JOINT slider", "BONE slider", "line 10: expected ROOT, JOINT"),
        ("JOINT slider\n    {", "JOINT slider", "line 11: expected '{' after joint 'slider'"),
        ("  }\n}\nMOTION", "  }\nMOTION", "the hierarchy ends inside a joint"),
        ("}\nMOTION", "}\n}\nMOTION", "line 21: one '}' too many"),
        ("MOTION", "MOTIO", "no line MOTION"),
        ("Frames: 2", "Frames: two", "line 22: the number of frames"),
        ("Frames: 2", "Frames: 0", "line 22: the number of frames"),
        ("Frame Time: 0.0333333", "Frame Time: 0", "line 23: the frame time"),
        ("Frame Time", "Frequency", "line 22: after MOTION come"),
        ("Frames: 2", "Frames: 3", "announces 3 frames and holds 2: the file is cut short"),
        ("Frames: 2", "Frames: 1", "announces 1 frames and holds 2: correct the line"),
        ("5 6 7 0 0 0 90", "5 6 7 0 0 90", "line 24: frame 1 has 12 values for 13 channels"),
        ("0 0 0 0 0 90 0 0 0 2 0 90 0", "0 0 0 0 0 90 0 0 0 2 0 90", "line 25: frame 2 has 12 values"),
        ("0 0 0 0 0 90 0", "0 0 0 0 0 nan 0", "line 25: 'nan' is not a finite number"),
        ("0 0 0 0 0 90 0", "0 0 0 0 0 9o 0", "line 25: '9o' is not a finite number"),
        ("2 0 90 0\n", "2 0 90 0x\n", "line 25: '0x' is not a finite number"),
    ],
)
def test_errors_name_the_file_and_the_line(bvh_file, old, new, message):
    assert old in TEXT
    with pytest.raises(MediaError) as caught:
        read_bvh(bvh_file(TEXT.replace(old, new, 1)))
    assert message in str(caught.value)
    assert "take.bvh" in str(caught.value)


def test_absent_and_foreign_files(tmp_path, bvh_file):
    with pytest.raises(MediaError, match="no such file"):
        read_bvh(tmp_path / "none.bvh")
    for text in ("", "\x00" * 100, "HIERARCHY\nMOTION\nFrames: 1\nFrame Time: 1\n1\n", _NO_CHANNELS):
        with pytest.raises(MediaError):
            read_bvh(bvh_file(text))


@pytest.mark.parametrize(
    ("printed", "fps"),
    [
        ("0.00833333", 120),
        ("0.0333333", 30),
        ("0.033367", 30000 / 1001),
        ("0.04", 25),
        ("0.0166833", 60000 / 1001),
        ("0.013", 1 / 0.013),
    ],
)
def test_frame_times_printed_with_few_digits(bvh_file, printed, fps):
    assert read_bvh(bvh_file(TEXT.replace("0.0333333", printed))).fps == pytest.approx(fps, rel=1e-12)


def test_a_long_take_is_read_in_well_under_a_second(bvh_file):
    turns = "Zrotation Xrotation Yrotation"
    joints = "".join(f"JOINT j{i}\n{{\nOFFSET 1 0 0\nCHANNELS 3 {turns}\n}}\n" for i in range(42))
    row = " ".join(["12.34567", "-0.00012", "98.76543"] * 44)
    text = (
        f"HIERARCHY\nROOT r\n{{\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition {turns}\n"
        f"{joints}}}\nMOTION\nFrames: 4800\nFrame Time: 0.00833333\n" + (row + "\n") * 4800
    )
    path = bvh_file(text)
    start = time.process_time()
    bvh = read_bvh(path)
    assert time.process_time() - start < 0.8
    assert bvh.values.shape == (4800, 132)


def test_a_deep_hierarchy_is_no_problem(bvh_file):
    depth = 3000
    text = "HIERARCHY\nROOT j\n{\nOFFSET 0 1 0\nCHANNELS 1 Yrotation\n"
    text += "".join(f"JOINT j{i}\n{{\nOFFSET 0 1 0\n" for i in range(depth)) + "}\n" * (depth + 1)
    bvh = read_bvh(bvh_file(text + "MOTION\nFrames: 1\nFrame Time: 1\n0\n"))
    assert bvh_world(bvh)[1][depth][0].tolist() == [0, depth + 1, 0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings_and_line_ends(tmp_path, encoding):
    path = tmp_path / "take.bvh"
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    path.write_bytes((mark + TEXT.replace("\n", "\r\n")).encode(encoding))
    np.testing.assert_array_equal(read_bvh(path).values[0], [5, 6, 7, 0, 0, 0, 90, 0, 0, 2.5, 0, 0, 0])


def test_blank_lines_between_the_lines_of_the_header(bvh_file):
    text = TEXT.replace("MOTION\n", "MOTION\n\n").replace("Frames: 2\n", "Frames: 2\n \n")
    assert len(read_bvh(bvh_file(text)).values) == 2
    with pytest.raises(MediaError, match="line 25: the frame time must be"):
        read_bvh(bvh_file(text.replace("0.0333333", "x")))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(tmp_path, encoding):
    (tmp_path / "take.bvh").write_bytes(TEXT.encode(encoding))
    assert read_bvh(tmp_path / "take.bvh").values.shape == (2, 13)


def test_a_frame_time_of_almost_nothing_gives_no_finite_rate(bvh_file):
    assert read_bvh(bvh_file(TEXT.replace("0.0333333", "1e-320"))).fps == float("inf")
