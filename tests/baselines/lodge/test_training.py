"""The stages of Lodge's training, one on the other."""

import numpy as np
import pytest
import torch

from baselines.lodge.losses import FINE_TUNING, lodge_losses
from baselines.lodge.model import LODGE_KIND, LodgeConfig, dance_coarse_to_fine
from baselines.lodge.primitives import primitives_of_windows
from baselines.lodge.training import fine_tuning, global_, local
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import read_model
from mace_dance.training.motion.data import WindowBatch
from mace_dance.training.motion.family import Lesson
from mace_dance.training.motion.settings import DanceSampleSettings, settings_layers
from mace_dance.training.motion.task import resolve_training
from madata.errors import ConfigError
from tests.baselines.trained_stage import assert_the_bits_of_a_whole_run, learned, stage
from tests.mace_dance.training.motion.made_windows import prepared

PARTS = ("latent=16", "feed_forward=16", "heads=2", "layers=1", "dropout=0")
SMALL = (
    *(f"model.{part}.{setting}" for part in ("coarse", "fine") for setting in PARTS),
    "model.fine.frames=64",
    "model.fine.genres=2",
    "model.coarse.frames=256",
    "model.critic_layers=1",
    "samples.steps=10",
    "loop.batch_size=8",
    "loop.learning_rate=5e-3",
    "loop.optimizer='adamw'",
)


@pytest.fixture(scope="module")
def slices():
    return prepared(frames=64, takes=4, vector="lodge-139", stride=32)


@pytest.fixture(scope="module")
def stages(slices, tmp_path_factory):
    """Every stage: losses, samples before and after, model folder."""
    done, start = {}, ()
    windows = prepared(frames=256, takes=4, seconds=9.0, vector="lodge-139", stride=8)
    for name, steps, data in (("local", 25, slices), ("fine-tuning", 5, slices), ("global", 12, windows)):
        out = tmp_path_factory.mktemp(name)
        done[name] = learned(data, out, f"lodge-{name}", *SMALL, *start, steps=steps)
        start = (f"start='{done[name][3]}'",)
    return done


def test_every_stage_learns(stages):
    for name, part in (("local", 0.4), ("global", 0.7)):
        losses = stages[name][0]
        assert np.mean(losses[-3:]) < part * losses[0], name
    logged = (stages["local"][3].parent / "metrics.csv").read_text().splitlines()[0]
    assert {"foot", "adversarial", "critic_loss", "critic_gradient_norm"} <= set(logged.split(","))


def test_a_stage_goes_on_to_the_same_bits(slices, stages, tmp_path):
    start = f"start='{stages['local'][3]}'"
    run = ("lodge-fine-tuning", *SMALL, start)
    assert_the_bits_of_a_whole_run(slices, stages["fine-tuning"][3].parent, tmp_path, *run, steps=5)


def test_every_stage_trains_its_own_part_alone(stages):
    models = {name: read_model(found[3], LODGE_KIND).network.state_dict() for name, found in stages.items()}
    for before, after, parts in (
        ("local", "fine-tuning", {"fine", "critic"}),
        ("fine-tuning", "global", {"coarse"}),
    ):
        old, new = models[before], models[after]
        changed = {name.split(".")[0] for name in new if not torch.equal(old[name], new[name])}
        assert changed == parts


def test_the_last_model_dances_coarse_to_fine(stages):
    model = read_model(stages["global"][3], LODGE_KIND)
    assert (model.info.label, model.info.layout, model.info.genres) == (None, "lodge-139", ("a", "b"))
    assert read_model(stages["local"][3], LODGE_KIND).info.label == "Lodge, local network alone"
    assert dance_coarse_to_fine(model, torch.zeros(300, 35), 300, 1, seed=0).shape == (300, 139)


def test_primitives_are_cut_about_borders_and_beats():
    torch.manual_seed(0)
    windows = 0.1 * torch.randn(1, 256, 139)
    normaliser = Normaliser(np.ones(139, np.float32), np.zeros(139, np.float32))
    windows[..., 4] = torch.arange(256)
    cut = primitives_of_windows(windows, normaliser, [2])[0].reshape(13, 8, 139)
    for place, begin in ((0, 0), (3, 62), (6, 126), (9, 190), (12, 248)):
        torch.testing.assert_close(cut[place, :, 7:], windows[0, begin : begin + 8, 7:])
    assert cut[:, :, 4].tolist() == [list(range(8))] * 13


def a_network():
    torch.manual_seed(0)
    config = LodgeConfig.model_validate(
        {
            "critic_layers": 1,
            "fine": {"frames": 64, "latent": 8, "feed_forward": 8, "layers": 1, "heads": 1, "genres": 3},
            "coarse": {"frames": 256, "latent": 8, "feed_forward": 8, "layers": 1, "heads": 1},
        }
    )
    batch = WindowBatch(
        torch.rand(3, 64, 139) - 0.5, torch.randn(3, 64, 35), torch.tensor([0, 1, 2]), torch.arange(3)
    )
    return LODGE_KIND.build(config).eval(), batch


def test_fine_tuning_is_given_the_ends_of_a_slice(monkeypatch):
    network, batch = a_network()
    seen = []
    forward = network.fine.forward
    monkeypatch.setattr(network.fine, "forward", lambda x, *rest: seen.append(x) or forward(x, *rest))
    lesson = Lesson(None, None, "lodge-139", Normaliser(np.ones(139, np.float32), np.zeros(139, np.float32)))
    for family, given in ((local, False), (fine_tuning, True)):
        for loss in (family.loss, family.critic.loss):
            seen.clear()
            loss(network, lesson, batch, torch.Generator().manual_seed(0))
            ends = [
                torch.equal(seen[0][:, part], batch.motion[:, part]) for part in (slice(4), slice(-4, None))
            ]
            assert ends == [given, given] and not torch.equal(seen[0][:, 4:-4], batch.motion[:, 4:-4])
    _, parts = fine_tuning.loss(network, lesson, batch, torch.Generator().manual_seed(0))
    assert parts.keys() - lodge_losses(batch.motion, batch.motion, lesson.normaliser, FINE_TUNING).keys() == {
        "adversarial",
        "diversity",
        "genre",
    }


def test_samples_take_the_steps_of_the_settings(monkeypatch):
    network, batch = a_network()
    asked = []
    for name in ("coarse", "fine"):
        part = network.get_submodule(name)
        whole = part.denoise
        monkeypatch.setattr(
            part, "denoise", lambda *given, name=name, whole=whole: asked.append(name) or whole(*given)
        )
    normaliser = Normaliser(np.ones(139, np.float32), np.zeros(139, np.float32))
    lesson = Lesson(None, DanceSampleSettings(steps=3), "lodge-139", normaliser)
    local.sample(network, lesson, batch)
    assert asked == ["fine"] * 3
    asked.clear()
    window = WindowBatch(
        *(torch.cat([part[:1]] * 4, 1) for part in batch[:2]), *(part[:1] for part in batch[2:])
    )
    with torch.no_grad():
        global_.sample(network, lesson, window)
    assert asked == ["coarse"] * 3 + ["fine"] * 3


def test_the_presets_are_the_published_networks(slices):
    for name, critic, frames in (("local", 4, 256), ("fine-tuning", 4, 256), ("global", 0, 1024)):
        settings, _ = resolve_training(settings_layers(f"lodge-{name}"))
        assert settings.model == LodgeConfig(critic_layers=critic)
        assert (settings.data.window_frames, settings.data.origin) == (frames, "window")
    with pytest.raises(ConfigError, match="from the model of --preset lodge-local"):
        stage(slices, "lodge-fine-tuning", *SMALL)
    with pytest.raises(ConfigError, match=r"takes 256: set data\.window_frames and model\.fine\.frames"):
        stage(slices, "lodge-local")
    with pytest.raises(ConfigError, match=r"takes 1024, 4 slices: set data\.window_frames"):
        stage(slices, "lodge-global")
