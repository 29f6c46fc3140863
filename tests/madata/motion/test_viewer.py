"""The page of dancers: what it holds is what the files say, and it holds nothing it should not."""

import base64
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from madata.commands.view import view
from madata.errors import MadanceError
from madata.files import write_npz
from madata.motion.kinematics import joint_positions
from madata.motion.viewer import Dancer, dancer_data, write_viewer
from madata.synthetic.dance import make_dance
from madata.types import Positions3D


@pytest.fixture(scope="module")
def dance():
    motion = make_dance(2.0, seed=3).motion
    return Positions3D(joint_positions(motion, up="y"), motion.fps, "y", motion.skeleton)


@pytest.fixture
def file(dance, tmp_path):
    path = tmp_path / "dance.npz"
    write_npz(path, positions=dance.positions, skeleton=dance.skeleton, fps=dance.fps, up="y")
    return path


def unpacked(one):
    points = np.frombuffer(base64.b64decode(one["positions"]), "<i2").reshape(one["frames"], one["joints"], 3)
    return points / 1000


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text())[1])


def test_positions_are_those_of_the_file_to_the_millimetre(dance):
    (one,) = dancer_data([Dancer("a", dance)])
    found = unpacked(one)
    moved = dance.positions - dance.positions[:1, :1]
    assert found - found[:1, :1] == pytest.approx(moved, abs=1.1e-3)
    assert found[..., 1].min() > -0.02
    assert np.abs(found[0].mean(axis=0)[[0, 2]]).max() < 1e-3


def test_a_file_with_z_up_stands_as_one_with_y_up(dance):
    turned = np.stack([dance.positions[..., 0], -dance.positions[..., 2], dance.positions[..., 1]], axis=-1)
    of = dancer_data([Dancer("a", dance), Dancer("b", Positions3D(turned, dance.fps, "z", dance.skeleton))])
    assert unpacked(of[0]) == pytest.approx(unpacked(of[1]), abs=1.1e-3)


def test_a_still_foot_on_the_floor_stands_and_one_in_the_air_does_not(dance):
    still = np.tile(dance.positions[:1], (20, 1, 1))
    lifted = still.copy()
    lifted[5:, 8] += (0, 0.4, 0)
    lifted[5:, 11] += (0, 0.4, 0)
    (one,) = dancer_data([Dancer("a", Positions3D(lifted, 30.0, "y", dance.skeleton))])
    stands = np.frombuffer(base64.b64decode(one["standing"]), np.uint8).reshape(20, len(one["feet"]))
    right = [place for place, joint in enumerate(one["feet"]) if joint in (8, 11)]
    assert not stands[8:, right].any()
    assert stands[8:, [place for place in range(4) if place not in right]].all()


def test_a_stranger_s_name_is_text(file, tmp_path):
    page = write_viewer({"</script><img src=x>": file}, tmp_path / "p.html", beats_s=[0.5], title="<b>&")
    text = page.read_text()
    assert "<img" not in text and "<b>" not in text
    assert data_of(page)["dancers"][0]["name"] == "</script><img src=x>"
    assert data_of(page)["beats"] == [0.5]
    assert "default-src &#39;none&#39;" in text
    assert "://" not in text


def test_what_cannot_be_shown_is_said(dance, file, tmp_path):
    broken = Positions3D(np.full_like(dance.positions, np.nan), 30.0, "y", dance.skeleton)
    with pytest.raises(MadanceError, match="not numbers"):
        dancer_data([Dancer("a", broken)])
    for name, message in (
        ("a.aiff", "a page plays"),
        ("a.mp3", "no such file"),
        (".", "is a folder; --music takes one"),
    ):
        with pytest.raises(MadanceError, match=message):
            write_viewer({"a": file}, tmp_path / "p.html", music=tmp_path / name)
        assert not (tmp_path / "p.html").exists()


def test_the_script_stays_small():
    from importlib import resources

    assert len(resources.files("madata").joinpath("templates/dancer.js").read_bytes()) < 10_240


def test_files_of_one_name_are_told_apart(file, tmp_path):
    other = tmp_path / "other" / "dance.npz"
    other.parent.mkdir()
    other.write_bytes(file.read_bytes())
    done = CliRunner().invoke(view, [str(file), str(other), "--out", str(tmp_path / "two.html")])
    assert done.exit_code == 0, done.output
    names = [one["name"] for one in data_of(tmp_path / "two.html")["dancers"]]
    assert len(set(names)) == 2 and names[1] == "other/dance"
