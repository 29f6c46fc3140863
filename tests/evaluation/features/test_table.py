"""Features survive the disk bit by bit, and a file that is none says so."""

from dataclasses import fields

import numpy as np
import pytest

from evaluation.features.table import (
    Features,
    Window,
    concatenate,
    measure_windows,
    read_features,
    write_features,
)
from evaluation.inputs.pose_files import Track
from madata.errors import MadanceError, MediaError
from madata.files import read_npz, write_npz
from tests.evaluation.dancers import dance


def track(seed, **how):
    clip = dance(seed, **how)
    return Track(clip[..., :2], clip[..., 2], "coco-25", 16.0, "-y", "x")


def features(count=4, definition="corrected"):
    return measure_windows([Window(f"c{seed}", 0, 0.0, track(seed)) for seed in range(count)], definition, {})


def same(first, second):
    for part in fields(Features):
        left, right = getattr(first, part.name), getattr(second, part.name)
        if part.name == "scalars":
            assert left.keys() == right.keys()
            left, right = list(left.values()), list(right.values())
        if part.name in ("motion_beats", "music_beats"):
            assert [row.tolist() for row in left] == [row.tolist() for row in right]
        else:
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("definition", ["corrected", "mace2d"])
def test_features_come_back_bit_by_bit(tmp_path, definition):
    made = features(definition=definition)
    write_features(tmp_path / "f.npz", {"prediction": made, "reference": made.take([0, 2])}, protocol="p")
    sides, facts = read_features(tmp_path / "f.npz")
    assert facts == {"protocol": "p"}
    same(sides["prediction"], made)
    same(sides["reference"], made.take([0, 2]))


def test_equal_features_make_equal_files(tmp_path):
    for name in "ab":
        write_features(tmp_path / name, {"prediction": features()})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_clips_do_not_depend_on_their_neighbours():
    for definition in ("corrected", "mace2d"):
        alone = [features(4, definition).take([row]) for row in range(4)]
        same(concatenate(alone), features(4, definition))


def test_a_person_without_a_torso_is_refused():
    lost = track(0)
    lost.score[:, 6:15] = 0
    with pytest.raises(MediaError) as error:
        measure_windows([Window("a", 0, 0.0, lost)], "corrected", {})
    assert error.value.reason == "no_torso"


def test_what_is_no_features_file_is_refused(tmp_path):
    write_npz(tmp_path / "f.npz", xy=np.zeros(3))
    with pytest.raises(MediaError, match="not a features file"):
        read_features(tmp_path / "f.npz")
    write_features(tmp_path / "f.npz", {"prediction": features()})
    arrays = read_npz(tmp_path / "f.npz")
    write_npz(tmp_path / "f.npz", **(arrays | {"prediction/kinetic": arrays["prediction/kinetic"][:-1]}))
    with pytest.raises(MediaError, match="4 clips, but columns"):
        read_features(tmp_path / "f.npz")
    with pytest.raises(MadanceError, match="no definition"):
        features(definition="lodg")
