"""Made-up data sets: the same seed gives the same files, and dance and music share their beats."""

from itertools import pairwise

import numpy as np
import pytest

from madata.errors import ConfigError
from madata.files import sha256_file
from madata.motion import read_motion
from madata.music import load_audio
from madata.synthetic.dance import STYLES
from madata.synthetic.dances import dance_recipes, make_dances


def digests(folder):
    return {path.relative_to(folder): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


def test_recipes_fill_the_range_of_tempi_evenly_and_take_styles_in_turn():
    recipes = dance_recipes(20, 4.0, seed=3, tempi_bpm=(90, 130))
    tempi = sorted(recipe.tempo_bpm for recipe in recipes)
    assert tempi[0] >= 90 and tempi[-1] <= 130
    assert max(later - earlier for earlier, later in pairwise(tempi)) < 2 * 40 / 20
    assert [recipe.style for recipe in recipes[: len(STYLES)]] == list(STYLES)
    assert dance_recipes(20, 4.0, seed=3, tempi_bpm=(90, 130)) == recipes
    assert dance_recipes(20, 4.0, seed=4, tempi_bpm=(90, 130)) != recipes


def test_nothing_to_dance_is_an_error():
    with pytest.raises(ConfigError, match="0 dances"):
        dance_recipes(0, 4.0)


def test_dances_and_music_lie_side_by_side_and_are_made_once(tmp_path):
    make_dances(tmp_path, {"test": 2, "train": 1}, 3.0, seed=5)
    names = {str(name) for name in digests(tmp_path)}
    assert names == {
        "truth.json",
        *(f"test/music/test-{n:02d}.wav" for n in range(2)),
        *(f"test/motions/test-{n:02d}.npz" for n in range(2)),
        "train/music/train-00.wav",
        "train/motions/train-00.npz",
    }
    motion = read_motion(tmp_path / "test/motions/test-01.npz")
    assert motion.rotation.shape == (90, 24, 3)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    make_dances(tmp_path, {"test": 2, "train": 1}, 3.0, seed=5)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == before
    make_dances(tmp_path / "again", {"test": 2, "train": 1}, 3.0, seed=5)
    again = digests(tmp_path / "again")
    assert {name: digest for name, digest in digests(tmp_path).items() if name in again} == again


def test_the_beats_of_a_recipe_are_those_of_its_music(tmp_path):
    (recipe,) = dance_recipes(1, 6.0, seed=1)
    track = recipe.track()
    np.testing.assert_allclose(recipe.dance().beats_s, track.beats_s)
    make_dances(tmp_path, {"all": 1}, 6.0, seed=1)
    heard = load_audio(tmp_path / "all/music/all-00.wav", track.music.rate_hz)
    np.testing.assert_allclose(heard.waveform, np.clip(track.music.waveform, -1, 1), atol=1.5 / 32767)
