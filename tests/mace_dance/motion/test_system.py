import json
import wave

import numpy as np
import pytest
import torch

from evaluation.check import check_system
from evaluation.generate import Settings, describe_run, generate
from evaluation.systems import Request, find
from mace_dance.motion import system
from mace_dance.motion.config import ABLATIONS, MotionExpertConfig
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import ModelInfo, save_model
from mace_dance.motion.system import MotionExpertSystem
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.motion import encode, read_motion
from madata.synthetic.dance import make_dance

GENRES = ("Pop", "Jazz", "Wei")


def save_upright(folder, ablation=None, label=None, **settings):
    """A tiny network whose untrained dances are those of somebody who stands and sways."""
    torch.manual_seed(0)
    sizes = {"latent": 8, "feed_forward": 8, "heads": 2, "dance_layers": 1, "music_layers": 1, "genres": 3}
    base = {} if ablation is None else ABLATIONS[ablation].model_dump()
    config = MotionExpertConfig(**{**base, **sizes, **settings})
    network = MotionExpert(config)
    vectors = encode(make_dance(4.0, seed=3).motion, "edge-151")
    normaliser = Normaliser.fit(vectors)
    with torch.no_grad():
        network.final_layer.weight *= 0.3
        network.final_layer.bias.copy_(torch.tensor(normaliser.normalise(vectors).mean(0)))
    info = ModelInfo(label=label, genres=GENRES, training_data=("made:train",), provenance={"steps": 0})
    save_model(folder, network, config, normaliser, info)
    return folder


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No weights are installed, and none come with the package."""
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(system, "EMBEDDED", tmp_path / "embedded")


@pytest.fixture
def model(tmp_path):
    return save_upright(tmp_path / "model")


def write_sound(path, seconds, hertz=220.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    clock = np.arange(round(16000 * seconds)) / 16000
    beats = np.sin(2 * np.pi * hertz * clock) * (clock % 0.5 < 0.1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((beats * 20000).astype("<i2").tobytes())
    return path


def ask(path, seconds, scratch, seed=1, fps=30.0):
    return Request("clip", "motion", path, None, None, None, seconds, fps, (64, 64), seed, scratch)


def ready(*args, **options):
    made = MotionExpertSystem(*args, steps=3, **options)
    made.setup("cpu")
    return made


def test_it_keeps_the_contract(model):
    findings = list(
        check_system(find("motion-expert"), "motion", options={"weights": str(model), "steps": 3})
    )
    assert [finding.message for finding in findings if finding.status == "fail"] == []
    assert {"contract", "body", "determinism", "order", "seeds"} <= {finding.rule for finding in findings}


def test_a_folder_of_songs_becomes_a_run_with_its_speed(model, tmp_path):
    for name, seconds in (("a", 0.6), ("b", 1.0), ("c", 0.3)):
        write_sound(tmp_path / "data" / "music" / f"{name}.wav", seconds)
    options = {"weights": str(model), "steps": 3, "genre": "jazz"}
    summary = generate(find("motion-expert"), tmp_path / "data", tmp_path / "run", Settings(options=options))
    assert (summary.done, summary.failed) == (3, {})
    assert summary.warm and summary.frames_per_s > 0
    motion = read_motion(tmp_path / "run" / "clips" / "c.npz")
    assert (len(motion.rotation), motion.fps, motion.up, motion.skeleton) == (9, 30.0, "z", "smpl-24")
    made_by, generation = describe_run(tmp_path / "run")
    assert made_by.name == "motion-expert"
    assert made_by.card["training_data"] == ["made:train"]
    assert made_by.card["n_parameters"] < 100_000
    assert [checkpoint.name for checkpoint in made_by.checkpoints] == ["model"]
    assert generation.frames_per_s == summary.frames_per_s


def test_what_comes_with_the_package_is_labelled_wherever_its_name_goes(tmp_path):
    save_upright(system.EMBEDDED)
    write_sound(tmp_path / "data" / "music" / "a.wav", 0.5)
    generate(find("motion-expert"), tmp_path / "data", tmp_path / "run", Settings(options={"steps": 2}))
    made_by, _ = describe_run(tmp_path / "run")
    assert made_by.name == "motion-expert (tiny-synthetic)"
    assert made_by.card["notes"] == "tiny-synthetic: not the paper's model"
    assert describe_run(tmp_path / "run", "mine")[0].name == "mine (tiny-synthetic)"
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["loaded"]["label"] == "tiny-synthetic"
    assert "tiny-synthetic" in MotionExpertSystem().plan(ask(None, 2.0, tmp_path), "cpu")[0]


def test_a_run_goes_on_with_the_model_it_began_with(tmp_path):
    save_upright(system.EMBEDDED)
    for name in "ab":
        write_sound(tmp_path / "data" / "music" / f"{name}.wav", 0.5)
    plugin, out = find("motion-expert"), tmp_path / "run"
    generate(plugin, tmp_path / "data", out, Settings(options={"steps": 2}, limit=1))
    save_upright(tmp_path / "weights" / "motion-expert", latent=12)
    with pytest.raises(MadanceError, match="begun with another model; different are: card"):
        generate(plugin, tmp_path / "data", out, Settings(options={"steps": 2}))
    (tmp_path / "weights" / "motion-expert").rename(tmp_path / "elsewhere")
    assert generate(plugin, tmp_path / "data", out, Settings(options={"steps": 2})).done == 2


def test_weights_are_looked_for_in_order(model, tmp_path):
    with pytest.raises(WeightsError, match=r"madance train motion.*--set weights="):
        MotionExpertSystem().setup("cpu")
    save_upright(system.EMBEDDED)
    assert ready().loaded.label == "tiny-synthetic"
    registered = save_upright(tmp_path / "weights" / "motion-expert")
    assert (ready().loaded.label, ready().loaded.weights) == (None, (registered,))
    assert ready(str(model)).loaded.weights == (model,)
    with pytest.raises(WeightsError, match=r"absent: no such"):
        ready(str(tmp_path / "absent"))
    assert ready(str(save_upright(tmp_path / "marked", label="run 7"))).loaded.label == "run 7"


@pytest.mark.parametrize("ablation", sorted(ABLATIONS))
def test_an_ablation_is_a_system_of_its_own(ablation, model, tmp_path):
    plugin = find(f"motion-expert-{ablation}")
    folder = save_upright(tmp_path / "weights" / plugin.name, ablation)
    made = plugin.make({"steps": 2})
    made.setup("cpu")
    assert made.loaded.weights == (folder,)
    song = write_sound(tmp_path / "a.wav", 0.4)
    assert len(made.generate(ask(song, 0.4, tmp_path)).rotation) == 12
    with pytest.raises(MadanceError, match=rf"belongs to the system motion-expert-{ablation}"):
        find("motion-expert").make({"weights": str(folder)}).setup("cpu")
    with pytest.raises(MadanceError, match=r"belongs to the system motion-expert$"):
        plugin.make({"weights": str(model)}).setup("cpu")
    save_upright(system.EMBEDDED, ablation)
    folder.rename(tmp_path / "gone")
    with pytest.raises(MadanceError, match="there is no model"):
        plugin.make({}).setup("cpu")


def test_genres_by_name_by_label_and_by_seed(model, tmp_path):
    song = write_sound(tmp_path / "a.wav", 0.5)
    by_name, by_label = ready(str(model), genre="wei"), ready(str(model), genre=2)
    asked = ask(song, 0.5, tmp_path)
    named, labelled = by_name.generate(asked), by_label.generate(asked)
    np.testing.assert_allclose(named.rotation, labelled.rotation, atol=1e-6)
    other = ready(str(model), genre=0).generate(asked)
    assert np.abs(other.rotation - by_name.generate(asked).rotation).max() > 1e-5
    drawn = {system._genre_label(None, GENRES, MotionExpertConfig(genres=3), seed) for seed in range(40)}
    assert drawn == {0, 1, 2}
    with pytest.raises(ConfigError, match="did you mean 'Jazz'"):
        ready(str(model), genre="jaz")
    with pytest.raises(ConfigError, match=r"0 \.\. 2, not 3"):
        ready(str(model), genre=3)
    without = save_upright(tmp_path / "off", choices={"genre": "off"})
    with pytest.raises(ConfigError, match="knows no genres"):
        ready(str(without), genre="Pop")
    assert len(ready(str(without)).generate(asked).rotation) == 15


def test_short_silent_and_unreadable_music(model, tmp_path):
    made = ready(str(model))
    for name, seconds, hertz in (("short", 0.3, 220.0), ("silent", 1.0, 0.0)):
        song = write_sound(tmp_path / f"{name}.wav", seconds, hertz)
        motion = made.generate(ask(song, seconds, tmp_path))
        assert len(motion.rotation) == round(seconds * 30)
        assert np.isfinite(motion.rotation).all()
    with pytest.raises(MediaError, match=r"short\.wav: lasts 0\.33 s, 2\.00 s are asked for"):
        made.generate(ask(tmp_path / "short.wav", 2.0, tmp_path))
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(MediaError, match=r"noise\.mp3"):
        made.generate(ask(tmp_path / "noise.mp3", 2.0, tmp_path))


def test_the_memory_of_the_accelerator_is_given_back(model, tmp_path):
    made = ready(str(model))
    asked = ask(write_sound(tmp_path / "a.wav", 0.3), 0.3, tmp_path)
    before = made.generate(asked)
    made.release()
    np.testing.assert_allclose(made.generate(asked).rotation, before.rotation, atol=1e-6)


def test_options_out_of_range(model):
    for options in ({"beta": 2.0}, {"which": "best"}, {"eta": -1.0}):
        with pytest.raises(ConfigError):
            MotionExpertSystem(**options)
    with pytest.raises(MadanceError, match="setup"):
        MotionExpertSystem(str(model)).generate(None)
