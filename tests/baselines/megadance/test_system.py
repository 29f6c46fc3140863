"""MEGADance as a system, on a tiny random network, and its official files."""

import pickle

import numpy as np
import pytest
import torch

from baselines.megadance import model as module
from baselines.megadance.classifier import GenreClassifier
from baselines.megadance.model import (
    MEGADANCE_KIND,
    MegaDance,
    MegaDanceConfig,
    dance_in_genre,
    guess_genre,
    load_classifier,
    load_megadance,
    make_tiny_megadance,
)
from baselines.megadance.network import GenreGptConfig
from baselines.megadance.system import MegaDanceSystem
from evaluation.systems import find
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.motion import joint_positions
from madata.music import music_features
from tests.baselines.conftest import Tried

TRIED = Tried(MegaDanceSystem, make_tiny_megadance)


def loud(weights):
    """The tiny network with weights that make everything matter."""
    network = load_megadance(weights).network
    torch.manual_seed(0)
    for name, value in network.gpt.named_parameters():
        if value.ndim > 1 and "A_log" not in name and "dt_proj" not in name:
            torch.nn.init.normal_(value, std=0.7)
    return network


def test_a_dance_is_as_long_as_asked_stands_and_is_marked(ready, request_):
    made = ready()
    for name in ("song", "silence"):
        motion = made.generate(request_(1.9, name=name))
        assert (len(motion.rotation), motion.fps, motion.up) == (57, 30.0, "y")
    points = joint_positions(motion)
    assert abs(points[..., 1].min()) < 0.05 and (points[:, 15, 1] > 1.2).all()
    assert made.loaded.label == "tiny-random"
    assert find("megadance").declaration.fps == 30
    assert made.plan(request_(), "cpu")[1] == "8 codes of 8 frames for each half of the body, a guessed genre"
    assert "genre Dai" in ready(genre="Dai").plan(request_(), "cpu")[1]


def test_every_eighth_row_of_the_music_is_heard(ready, request_, monkeypatch):
    heard = []
    plain = module.dance_in_genre

    def listen(network, music, genre):
        heard.append((music, genre))
        return plain(network, music, genre)

    monkeypatch.setattr(module, "dance_in_genre", listen)
    ready(genre="Korean").generate(request_(1.5))
    ((music, genre),) = heard
    values = music_features(request_().music, "megadance").values
    np.testing.assert_array_equal(music[0].numpy(), values[:45:8])
    assert genre.tolist() == [3]


def test_music_and_genre_decide(weights):
    network = loud(weights)
    music = torch.randn(1, 30, 35, generator=torch.Generator().manual_seed(1))
    (danced,) = dance_in_genre(network, music, torch.tensor([3]))
    assert danced.shape == (240, 147)
    for changed, genre in ((-music, 3), (music, 4)):
        (other,) = dance_in_genre(network, changed, torch.tensor([genre]))
        assert (other - danced).abs().max() > 1e-4


def test_songs_of_any_length_and_genre_are_danced_at_once(weights):
    network = loud(weights)
    songs = [torch.randn(codes, 35) for codes in (30, 5, 1, 30)]
    genres = torch.tensor([3, 4, 3, 7])
    for song, genre, danced in zip(songs, genres, dance_in_genre(network, songs, genres), strict=True):
        (alone,) = dance_in_genre(network, [song], genre[None])
        assert danced.shape == alone.shape == (8 * len(song), 147)
        torch.testing.assert_close(danced, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("genre", ["Korean", None])
def test_clips_at_once_are_those_made_one_by_one(ready, request_, genre):
    made, requests = ready(genre=genre), [request_(2.0), request_(0.7), request_(1.3, name="silence")]
    for motion, request in zip(made.generate_many(requests), requests, strict=True):
        assert len(motion.rotation) == request.num_frames
        np.testing.assert_allclose(
            joint_positions(motion), joint_positions(made.generate(request)), atol=1e-4
        )


def test_the_guess_is_the_expert_that_is_surest_and_hears_one_window(weights, monkeypatch):
    network = loud(weights)
    music = torch.randn(40, 35, generator=torch.Generator().manual_seed(1))
    guess = guess_genre(network, music)
    sure = []
    for genre in range(16):
        begin = network.begin[:, None, None]
        window = music[None, :23]
        sure.append(
            float(module.choose_codes(network.gpt, begin[0], begin[1], window, torch.tensor([genre]))[2])
        )
    assert guess == int(np.argmax(sure)) and len({round(each, 4) for each in sure}) > 3
    heard = []
    monkeypatch.setattr(
        module, "choose_codes", lambda *given: heard.append(given[3]) or (0, 0, torch.zeros(16))
    )
    guess_genre(network, music)
    assert heard[0].shape == (16, 23, 35)  # 22 are heard: nothing is of the last row


def write_official(folder, network):
    state = {f"fsq.{name}": value for name, value in network.poses.state_dict().items()}
    state |= {f"gpt.{name}": value for name, value in network.gpt.state_dict().items()}
    classifier = GenreClassifier(width=8, heads=2, layers=1)
    state |= {f"cls_model.dance_encoder.{name}": value for name, value in classifier.state_dict().items()}
    state["fsq.smpl.betas"] = torch.zeros(1, 10)
    for epoch in ("50", "8"):
        path = folder / "output" / "GPT" / epoch / "Model" / "model.pth"
        path.parent.mkdir(parents=True)
        torch.save({"model": state} if epoch == "50" else {}, path)
    (folder / "Pretrained").mkdir()
    for name in ("mean", "std"):
        pose, music = network.get_buffer(f"pose_{name}"), network.get_buffer(f"music_{name}")
        content = {
            f"smpl_root_vel_{name}": pose[:3],
            f"smpl_poses_{name}": pose[3:],
            f"music_librosa_{name}": music,
        }
        torch.save({**content, f"smpl_trans_{name}": torch.ones(3)}, folder / "Pretrained" / f"{name}.pt")


def test_the_files_of_the_authors(weights, tmp_path, monkeypatch):
    model = load_megadance(weights)
    network = model.network
    write_official(tmp_path, network)
    monkeypatch.setattr(module, "MegaDanceConfig", lambda: model.config)
    loaded = load_megadance(tmp_path).network
    state = loaded.state_dict()
    for name, value in network.state_dict().items():
        assert name == "begin" or torch.equal(value, state[name]), name
    monkeypatch.setattr(module, "GenreClassifier", lambda: GenreClassifier(width=8, heads=2, layers=1))
    assert not load_classifier(tmp_path).training
    monkeypatch.setattr(module, "GenreClassifier", lambda: GenreClassifier(width=8, heads=2, layers=2))
    with pytest.raises(WeightsError, match=r"missing.*Dance_Former_1"):
        load_classifier(tmp_path)
    rng = np.random.default_rng(0)
    dance = {"smpl_poses": rng.normal(size=(17, 72)), "smpl_trans": rng.normal(size=(17, 3))}
    (tmp_path / "Pretrained" / "Init1.pkl").write_bytes(pickle.dumps(dance))
    begun = load_megadance(tmp_path).network
    expected = MegaDance(model.config).eval()
    expected.load_state_dict(loaded.state_dict())
    expected.begin_with(
        torch.tensor(dance["smpl_poses"], dtype=torch.float32).reshape(17, 24, 3),
        torch.tensor(dance["smpl_trans"], dtype=torch.float32),
    )
    assert torch.equal(begun.begin, expected.begin) and not torch.equal(begun.begin, loaded.begin)
    torch.save({"smpl_poses_std": torch.ones(144)}, tmp_path / "Pretrained" / "std.pt")
    with pytest.raises(WeightsError, match="has no smpl_root_vel_std and no music_librosa_std"):
        load_megadance(tmp_path)
    (tmp_path / "output" / "GPT" / "50" / "Model" / "model.pth").unlink()
    with pytest.raises(WeightsError, match="has no model"):
        load_megadance(tmp_path)
    (tmp_path / "Pretrained" / "std.pt").unlink()
    with pytest.raises(WeightsError, match=r"std\.pt: no such file"):
        load_megadance(tmp_path)


def test_refusals(ready, weights, request_, tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match="megadance"):
        MegaDanceSystem().setup("cpu")
    with pytest.raises(WeightsError, match="no such folder"):
        MegaDanceSystem(str(tmp_path / "absent")).setup("cpu")
    with pytest.raises(WeightsError, match=r"there is no output/GPT/N/Model/model\.pth"):
        MegaDanceSystem(str(tmp_path)).setup("cpu")
    with pytest.raises(MadanceError, match="setup"):
        MegaDanceSystem(str(weights)).generate(request_())
    with pytest.raises(ConfigError, match=r"no genre 'Jaz'.*Jazz"):
        ready(genre="Jaz")
    with pytest.raises(MediaError, match=r"9\.00 s are asked for"):
        ready().generate(request_(9.0))
    with pytest.raises(ConfigError, match="poses have 4375 codes, the GPT knows 9"):
        MEGADANCE_KIND.build(MegaDanceConfig(gpt=GenreGptConfig(codes=9)))
