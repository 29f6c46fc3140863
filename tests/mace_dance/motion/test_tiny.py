"""The small model that comes with the package says what it is, and is on the beat of music it never heard."""

import numpy as np
import pytest

from mace_dance.motion.pretrained import load_model
from mace_dance.motion.sample import Song, sample_songs
from mace_dance.motion.system import EMBEDDED, TINY_LABEL
from mace_dance.training.motion.judge import judge_dances
from madata.motion import encode
from madata.music import music_features, write_wav
from madata.synthetic.dances import dance_recipes


def test_it_is_small_and_says_what_it_is():
    assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) < 8e6
    info = load_model(EMBEDDED).info
    assert info.label == TINY_LABEL
    assert info.training_data == ("madata.synthetic",)


@pytest.mark.nightly
def test_it_dances_on_the_beat_of_music_it_never_heard(tmp_path):
    """Eight songs: the alignment lies far above that with the songs dealt out anew."""
    model = load_model(EMBEDDED)
    recipes = dance_recipes(8, 10.0, seed=4711)
    heard, real = [], []
    for number, recipe in enumerate(recipes):
        path = tmp_path / f"{number}.wav"
        write_wav(path, recipe.track().music)
        real.append(encode(recipe.dance().motion, model.info.layout))
        heard.append(music_features(path).values[: len(real[-1])])
    songs = [Song(music, seed=number, genre=number % 5) for number, music in enumerate(heard)]
    danced = [np.asarray(vectors) for vectors in sample_songs(model, songs)]
    danced = [vectors[: len(one)] for vectors, one in zip(danced, real, strict=True)]
    found = judge_dances(
        danced, real, [music[: len(one)] for music, one in zip(heard, danced, strict=True)], "edge-151"
    )
    assert found["bas_z"] > 4
    assert found["div_k"] > 0.6 * found["div_k_real"]
    assert found["unusable"] == 0
