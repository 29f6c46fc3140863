import sys
import types
import wave

import numpy as np
import pytest
import torch

from baselines.edge import system as edge_system
from baselines.edge.jukebox import load_jukebox
from baselines.edge.network import EDGE_KIND, Edge, EdgeConfig, load_edge, sample_edge_long
from baselines.edge.system import EdgeSystem, cut_song, windows_needed
from evaluation.check import check_system
from evaluation.systems import Request, find
from mace_dance.motion.diffusion import cosine_schedule, seeded_noise
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import ModelInfo, load_model, save_model
from madata.errors import ConfigError, MadanceError, MediaError, MissingDependencyError, WeightsError
from madata.motion import encode
from madata.music import music_features
from madata.synthetic.dance import make_dance
from tests.mace_dance.motion.test_checkpoint import official, upstream

pytestmark = pytest.mark.usefixtures("no_weights")

__all__ = ["upstream"]

FRAMES = 30


@pytest.fixture
def few_steps(monkeypatch):
    """Two steps instead of fifty."""
    from baselines.edge import network as edge

    real = edge.ddim
    monkeypatch.setattr(
        edge,
        "ddim",
        lambda predict, draw, schedule, times=None, **more: real(
            predict, draw, schedule, (times or [900, 300])[:2], **more
        ),
    )


def save_upright(folder, **settings):
    """A tiny network on windows of one second whose untrained dances are those of somebody who sways."""
    torch.manual_seed(0)
    sizes = {"frames": FRAMES, "latent": 8, "feed_forward": 8, "layers": 1, "heads": 2}
    config = EdgeConfig(**{**sizes, **settings})
    network = Edge(config)
    vectors = encode(make_dance(4.0, seed=3).motion, "edge-151")
    normaliser = Normaliser.fit(vectors)
    with torch.no_grad():
        network.final_layer.weight *= 0.3
        network.final_layer.bias.copy_(torch.tensor(normaliser.normalise(vectors).mean(0)))
    save_model(folder, network, config, normaliser, ModelInfo(label="tiny"), kind=EDGE_KIND.name)
    return folder


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    clock = np.arange(round(16000 * 2.6)) / 16000
    beats = np.sin(2 * np.pi * 220 * clock) * (clock % 0.5 < 0.1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((beats * 20000).astype("<i2").tobytes())
    return path


def ask(path, seconds, tmp_path, seed=1):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return Request("clip", "motion", path, None, None, None, seconds, 30.0, (64, 64), seed, scratch)


def ready(folder, **options):
    made = EdgeSystem(str(folder), **options)
    made.setup("cpu")
    return made


def test_it_keeps_the_contract(tmp_path, few_steps):
    options = {"weights": str(save_upright(tmp_path / "model"))}
    findings = list(check_system(find("edge"), "motion", options=options))
    assert [finding.message for finding in findings if finding.status == "fail"] == []
    assert {"contract", "body", "determinism", "seeds"} <= {finding.rule for finding in findings}


def test_any_length_is_covered_by_windows(song, tmp_path, few_steps):
    made = ready(save_upright(tmp_path / "model"))
    for seconds in (0.3, 1.0, 1.1, 2.6):
        assert len(made.generate(ask(song, seconds, tmp_path)).rotation) == round(seconds * 30)
    assert [windows_needed(frames, 30) for frames in (1, 30, 31, 45, 46)] == [1, 1, 2, 2, 3]
    assert list((tmp_path / "scratch").iterdir()) == []
    with pytest.raises(MediaError, match=r"song\.wav: lasts 2\.60 s, 9\.00 s are asked for"):
        made.generate(ask(song, 9.0, tmp_path))


def test_each_window_is_heard_by_itself_and_the_last_ends_in_silence(song, tmp_path):
    sounds = []
    for path in cut_song(song, tmp_path, 2.6, 5, FRAMES):
        with wave.open(str(path)) as file:
            sounds.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
        assert path.name == f"song_slice{len(sounds) - 1}.wav"
    assert [len(sound) for sound in sounds] == [16000] * 5
    np.testing.assert_array_equal(sounds[1][:8000], sounds[0][8000:])
    assert sounds[4][:9000].any() and not sounds[4][9600:].any()


def test_features_computed_elsewhere(song, tmp_path, few_steps):
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(78, 4800)).astype(np.float32)
    made = ready(save_upright(tmp_path / "model", music_features=4800))
    asked = ask(song, 2.0, tmp_path)
    np.save(song.with_suffix(".npy"), whole)
    beside = made.generate(asked)
    (tmp_path / "cache-of-edge").mkdir()
    windows = np.stack([whole[start : start + 30] for start in (0, 15, 30, 45)])
    np.save(tmp_path / "cache-of-edge" / "song.npy", windows)
    named = ready(tmp_path / "model", features=str(tmp_path / "cache-of-edge"))
    np.testing.assert_allclose(named.generate(asked).rotation, beside.rotation, atol=1e-4)
    assert len(made.generate(ask(song, 2.6, tmp_path)).rotation) == 78
    for values, words in (
        (whole[:, :7], r"expected \(T, 4800\)"),
        (whole[:20], "of 20 frames, 60 are needed"),
        (windows[:2], "holds 2 windows of 30 frames, 3 of 30 are needed"),
        (whole * np.nan, "NaN"),
    ):
        np.save(song.with_suffix(".npy"), values)
        with pytest.raises(MediaError, match=words):
            made.generate(asked)
    song.with_suffix(".npy").write_bytes(b"junk")
    with pytest.raises(MediaError, match="not a readable"):
        made.generate(asked)


def test_jukebox_runs_through_its_library_with_weights_that_are_here(song, tmp_path, monkeypatch, few_steps):
    made = ready(save_upright(tmp_path / "model", music_features=4800))
    asked = ask(song, 1.4, tmp_path)
    with pytest.raises(MissingDependencyError, match="jukemirlib: pip install"):
        made.generate(asked)
    heard = []

    def extract(audio, layers, downsample_target_rate):
        heard.append((len(audio), layers, downsample_target_rate))
        return {66: np.full((31, 4800), float(len(heard)), np.float64)}

    library = types.ModuleType("jukemirlib")
    library.__spec__ = types.SimpleNamespace()
    library.constants = types.ModuleType("jukemirlib.constants")
    library.load_audio = lambda path: np.zeros(44100, np.float32)
    library.extract = extract
    monkeypatch.setitem(sys.modules, "jukemirlib", library)
    monkeypatch.setitem(sys.modules, "jukemirlib.constants", library.constants)
    with pytest.raises(WeightsError, match="madance weights fetch jukebox"):
        load_jukebox()
    folder = tmp_path / "weights" / "jukebox"
    files = {"jukebox-vqvae": folder / "vqvae.pth.tar", "jukebox-prior": folder / "prior_level_2.pth.tar"}
    monkeypatch.setattr("madata.weights.find_weights", files.__getitem__)
    assert len(made.generate(asked).rotation) == 42
    assert heard == [(44100, [66], 30)] * 2
    assert str(folder) == library.constants.CACHE_DIR


def test_windows_go_through_the_network_in_parts(tmp_path):
    model = load_edge(save_upright(tmp_path / "model", music_features=5))
    music = torch.randn(5, FRAMES, 5, generator=torch.Generator().manual_seed(0))
    together, parts = (
        sample_edge_long(
            model.network, music, seeded_noise(range(5), FRAMES, 151), cosine_schedule(), windows_at_once
        )
        for windows_at_once in (64, 2)
    )
    torch.testing.assert_close(parts, together, rtol=1e-4, atol=1e-5)


def test_the_published_way_window_by_window(song, tmp_path, few_steps, monkeypatch):
    """What goes into the network are the features of a window alone, its first frames."""
    made = ready(save_upright(tmp_path / "model"))
    seen = []
    real = edge_system._first_frames
    monkeypatch.setattr(edge_system, "_first_frames", lambda *args: seen.append(real(*args)) or seen[-1])
    made.generate(ask(song, 1.4, tmp_path))
    assert len(seen) == 2
    for index, path in enumerate(cut_song(song, tmp_path, 1.4, 2, FRAMES)):
        np.testing.assert_allclose(seen[index], music_features(path).values[:FRAMES], rtol=1e-5, atol=1e-4)


def test_weights_are_the_option_or_the_registry(tmp_path):
    with pytest.raises(WeightsError, match=r"edge.*gdown"):
        EdgeSystem().setup("cpu")
    folder = save_upright(tmp_path / "model")
    made = ready(folder)
    assert (made.loaded.label, made.loaded.weights, made.loaded.card.training_data) == ("tiny", (folder,), ())
    with pytest.raises(WeightsError, match="of the kind 'edge', not 'motion-expert'"):
        load_model(folder)
    with pytest.raises(WeightsError, match="no such checkpoint"):
        ready(tmp_path / "absent.pt")
    with pytest.raises(ConfigError, match="takes 7 music features"):
        ready(save_upright(tmp_path / "odd", music_features=7))
    with pytest.raises(MadanceError, match="setup"):
        EdgeSystem().generate(None)


@pytest.mark.parametrize("width", [35, 48])
def test_the_authors_file_says_which_features_it_needs(upstream, tmp_path, monkeypatch, width):
    from baselines.edge import network as edge

    sizes = {"frames": FRAMES, "latent": 8, "feed_forward": 8, "layers": 1, "heads": 2}
    monkeypatch.setattr(edge, "EDGE", EdgeConfig(**sizes))
    monkeypatch.setattr(edge, "EDGE_JUKEBOX", EdgeConfig(**sizes, music_features=48))
    network = Edge(EdgeConfig(**sizes, music_features=width))
    path = upstream(tmp_path / "checkpoint.pt", official(network), features=151)
    loaded = load_edge(path)
    assert loaded.config.music_features == width
    assert torch.equal(loaded.network.final_layer.bias, network.final_layer.bias + 1)  # the averaged weights
