from itertools import pairwise

import numpy as np
import pytest
import torch

from mace_dance.motion.diffusion import cosine_schedule, seeded_noise
from mace_dance.motion.guidance import conditioned, sample_motion
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import ModelInfo, Pretrained
from mace_dance.motion.sample import Sampling, Song, dance, sample_songs, song_windows
from madata.errors import ConfigError, MediaError
from tests.mace_dance.motion.golden import tiny

FAST = Sampling(steps=4)


def model(**settings):
    network = tiny(**settings)
    features = network.config.features
    identity = Normaliser(np.full(features, 0.5, np.float32), np.full(features, 0.1, np.float32))
    return Pretrained(network, network.config, identity, ModelInfo())


def song(frames, seed=0, genre=1, width=5):
    music = np.random.default_rng(frames + seed).normal(size=(frames, width)).astype(np.float32)
    return Song(music, seed, genre, f"song {seed}")


def test_a_song_gets_the_same_dance_in_any_company():
    songs = [song(12, 1), song(7, 2), song(12, 3, genre=2), song(1, 4), song(12, 5, genre=0)]
    together = sample_songs(model(), songs, FAST)
    assert [values.shape for values in together] == [(len(one.music), 9) for one in songs]
    for one, values in zip(songs, together, strict=True):
        np.testing.assert_allclose(sample_songs(model(), [one], FAST)[0], values, atol=1e-5)
    turned = sample_songs(model(), songs[::-1], Sampling(steps=4, batch_frames=13))
    for values, again in zip(together, turned[::-1], strict=True):
        np.testing.assert_allclose(again, values, atol=1e-5)


def test_it_is_the_sampler_of_the_paper():
    one = song(11)
    made = sample_songs(model(), [one], Sampling(beta=0.3, steps=(900, 400, 3), eta=0.5))[0]
    direct = sample_motion(
        tiny(),
        torch.tensor(one.music)[None],
        torch.tensor([1]),
        seeded_noise([0], 11, 9),
        cosine_schedule(),
        beta=0.3,
        times=[900, 400, 3],
        eta=0.5,
    )
    np.testing.assert_allclose(made, (direct[0].numpy() - 0.1) / 0.5, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7, 13, 100])
def test_any_number_of_steps_gives_numbers(steps):
    assert np.isfinite(sample_songs(model(), [song(3)], Sampling(steps=steps))[0]).all()


def test_seed_beta_genre_and_eta_matter():
    plain = sample_songs(model(), [song(9)], FAST)[0]
    for other, sampling in (
        (Song(song(9).music, 7, 1), FAST),
        (Song(song(9).music, 0, 2), FAST),
        (song(9), Sampling(steps=4, beta=0.1)),
        (song(9), Sampling(steps=4, eta=0)),
    ):
        assert np.abs(sample_songs(model(), [other], sampling)[0] - plain).max() > 1e-3


@pytest.mark.parametrize("guidance", ["gft", "cfg"])
def test_recalled_keys_and_values_change_nothing(guidance):
    network, music, label = tiny(guidance=guidance), torch.tensor(song(9).music)[None], torch.tensor([1])
    noisy, now = torch.randn(1, 9, 9, generator=torch.Generator().manual_seed(0)), torch.tensor([300])
    with torch.no_grad():
        kept, anew = (
            conditioned(network, music, label, 0.5, recall=recall)(noisy, now) for recall in (True, False)
        )
    torch.testing.assert_close(kept, anew, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("frames", "longest", "overlap"), [(101, 100, 30), (1000, 90, 30), (7, 3, 1)])
def test_windows_cover_the_song(frames, longest, overlap):
    starts, length = song_windows(frames, longest, overlap)
    assert length <= longest
    assert (starts[0], starts[-1] + length) == (0, frames)
    assert all(0 < later - now <= length - overlap for now, later in pairwise(starts))
    assert all(far - now >= length for now, far in zip(starts, starts[2:], strict=False))


class Echo(torch.nn.Module):
    """Sees nothing but its own window, and says what it sees."""

    def __init__(self, network):
        super().__init__()
        self.config, self.null = network.config, network.null_cond_embed
        self.seen = []

    def encode_music(self, music, genre):
        return music

    def recall(self, memory):
        return memory

    def denoise(self, noisy, memory, now, beta):
        self.seen.append(noisy.shape[1])
        return memory[..., :1].expand_as(noisy) / 4


def test_a_long_song_is_one_motion_without_seams():
    made = model()
    echo = Pretrained(Echo(made.network).eval(), made.config, made.normaliser, made.info)
    long = song(100)
    sampling = Sampling(steps=3, window_frames=40, overlap_frames=10)
    values = sample_songs(echo, [long], sampling)[0]
    # Whoever sees the music of each frame says the same in every window, so that their mean is what each says.
    expected = (np.clip(long.music[:, :1] / 4, -1, 1) - 0.1) / 0.5
    np.testing.assert_allclose(values, np.broadcast_to(expected, values.shape), atol=1e-5)
    assert echo.network.seen == [40] * 9
    real = sample_songs(made, [long, song(30)], sampling)
    assert [part.shape for part in real] == [(100, 9), (30, 9)]


def test_progress_ends_at_the_whole():
    shares = []
    sample_songs(model(), [song(9), song(4)], FAST, on_step=shares.append)
    assert len(shares) == 8 and shares == sorted(shares) and shares[-1] == 1


def test_a_dance_is_a_motion():
    made = model(features=151)
    motions = dance(made, [song(6), song(3)], FAST)
    assert [motion.rotation.shape for motion in motions] == [(6, 24, 3), (3, 24, 3)]
    assert (motions[0].up, motions[0].fps, motions[0].skeleton) == ("z", 30.0, "smpl-24")


def test_what_cannot_be_danced_to():
    made = model()
    broken = song(5)
    broken.music[3, 2] = np.nan
    with pytest.raises(MediaError, match="song 0: its features hold NaN"):
        sample_songs(made, [broken], FAST)
    with pytest.raises(MediaError, match=r"expected music features \(T, 5\)"):
        sample_songs(made, [song(5, width=4)], FAST)
    with pytest.raises(MediaError, match="of a frame at least"):
        sample_songs(made, [song(0)], FAST)
    with pytest.raises(ConfigError, match=r"0 \.\. 2, got 3"):
        sample_songs(made, [song(5, genre=3)], FAST)
    with pytest.raises(ConfigError, match="takes no genre"):
        sample_songs(model(choices={"genre": "off"}), [song(5)], FAST)
    with pytest.raises(ConfigError, match="beta and eta"):
        Sampling(beta=1.5)
    with pytest.raises(ConfigError, match="overlap by a third"):
        Sampling(window_frames=10, overlap_frames=5)
