"""Training of motion networks: families, ablations, judging, and what a run refuses."""

import numpy as np
import pytest
import torch

from baselines.edge.network import EDGE_KIND
from mace_dance.motion.pretrained import MOTION_EXPERT, read_model
from mace_dance.training.motion.family import find_family
from mace_dance.training.motion.settings import preset_names, settings_layers
from mace_dance.training.motion.task import MotionTask, resolve_training, train_motion
from mace_dance.training.shared.checkpoints import read_newest
from mace_dance.training.shared.memory import estimate_memory
from madata.errors import ConfigError, MadanceError
from madata.motion import read_motion
from tests.mace_dance.training.motion.made_windows import prepared

TINY = (
    "model.latent=16",
    "model.feed_forward=16",
    "model.heads=2",
    "loop.batch_size=4",
    "loop.average_decay=0.9",
    "loop.checkpoint_every=50",
    "samples.clips=4",
    "samples.steps=2",
    "samples.keep=1",
)
EXPERT = ("model.dance_layers=1", "model.music_layers=1")
PRESETS = [
    name
    for name in preset_names()
    if settings_layers(name).get("family", "motion-expert") in ("motion-expert", "edge")
]
EDGE = ("model.layers=1", "model.frames=30")


def make_task(preset="official", *overrides, data=None, small=None):
    small = small or (EDGE if preset == "edge" else EXPERT)
    settings, family = resolve_training(settings_layers(preset, None, [*TINY, *small, *overrides]))
    return MotionTask(settings, family, data or prepared(), "made")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_and_its_model_loads_again(tmp_path, preset):
    task = make_task(preset, "loop.steps=2")
    before = task.network.state_dict()["final_layer.weight"].clone()
    trained = train_motion(task, tmp_path, "cpu")
    kind = EDGE_KIND if preset == "edge" else MOTION_EXPERT
    model = read_model(trained.model, kind)
    averages = read_newest(tmp_path / "checkpoints").average
    own = model.network.state_dict()
    assert all(torch.equal(own[name], value) for name, value in averages.items())
    assert not torch.equal(own["final_layer.weight"], before)
    assert (model.info.fps, model.info.layout, model.info.genres) == (30.0, "edge-151", ("a", "b"))
    assert model.info.training_data == ("made",)
    assert model.info.provenance["held_out"]["pieces"] == 4
    kept = list((tmp_path / "samples" / "step-00000002").iterdir())
    assert len(kept) == 1 and read_motion(kept[0]).rotation.shape == (30, 24, 3)


def test_presets_are_what_they_say():
    def model(preset):
        return resolve_training(settings_layers(preset))[0].model

    assert model("gft-to-cfg").guidance == "cfg"
    assert model("bimamba-to-mamba").mixer == "mamba"
    assert model("bimamba-to-transformer").mixer == "attention"
    with torch.device("meta"):
        sizes = {
            name: sum(value.numel() for value in find_family(name).kind.build(model(preset)).parameters())
            for name, preset in (("motion-expert", "official"), ("edge", "edge"))
        }
    assert sizes == {"motion-expert": 66_680_983, "edge": 47_024_791}


def test_the_loss_falls_on_a_few_windows(tmp_path):
    task = make_task(
        "official", "loop.steps=60", "loop.learning_rate=1e-2", "loop.log_every=15", "model.dropout=0.0"
    )
    rows = []
    train_motion(task, tmp_path, "cpu", lambda row: rows.append(row) if not row.judged else None)
    first, last = rows[0].values, rows[-1].values
    assert last["loss"] < 0.5 * first["loss"]
    parts = [last[name] for name in ("reconstruction", "velocity", "joints", "foot")]
    assert sum(parts) == pytest.approx(last["loss"], rel=1e-5)


@pytest.mark.parametrize("preset", ["official", "edge"])
def test_a_resumed_run_has_the_bits_of_a_whole_one(tmp_path, preset):
    for out, lengths in (("whole", [6]), ("parts", [2, 5, 6])):
        for steps in lengths:
            train_motion(make_task(preset, f"loop.steps={steps}"), tmp_path / out, "cpu")
    whole, parts = (read_newest(tmp_path / out / "checkpoints") for out in ("whole", "parts"))
    for kind in ("weights", "average"):
        ours, theirs = getattr(whole, kind), getattr(parts, kind)
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_training_does_not_depend_on_how_often_it_is_judged(tmp_path):
    for out, every in (("often", 1), ("never", 0)):
        train_motion(
            make_task("official", "loop.steps=4", f"loop.sample_every={every}"), tmp_path / out, "cpu"
        )
    often, never = (read_newest(tmp_path / out / "checkpoints").weights for out in ("often", "never"))
    assert all(torch.equal(value, never[name]) for name, value in often.items())
    assert (tmp_path / "often" / "samples.csv").read_text().count("\n") == 3


def test_mixed_precision_keeps_the_losses_in_float32(tmp_path):
    rows = []
    for precision in ("no", "bf16"):
        task = make_task("official", "loop.steps=1", f'loop.precision="{precision}"', "model.dropout=0.0")
        train_motion(
            task,
            tmp_path / precision,
            "cpu",
            lambda row: rows.append(row.values.get("loss")),
        )
    plain, mixed = (row for row in rows if row is not None)
    assert mixed == pytest.approx(plain, rel=0.02) and mixed != plain
    weights = read_newest(tmp_path / "bf16" / "checkpoints").weights
    assert {value.dtype for value in weights.values()} == {torch.float32}


def test_other_data_or_another_network_does_not_go_on(tmp_path):
    train_motion(make_task("official", "loop.steps=1"), tmp_path, "cpu")
    with pytest.raises(ConfigError, match=r'data\.content_id was "made", is "other"'):
        train_motion(
            make_task("official", "loop.steps=2", data=prepared(content_id="other")), tmp_path, "cpu"
        )
    with pytest.raises(ConfigError, match=r"model\.latent was 16, is 32"):
        train_motion(make_task("official", "loop.steps=2", "model.latent=32"), tmp_path, "cpu")
    with pytest.raises(ConfigError, match="trained there is 'motion-expert', not 'edge'"):
        train_motion(make_task("edge", "loop.steps=2"), tmp_path, "cpu")


def test_data_that_does_not_fit_names_the_setting():
    with pytest.raises(ConfigError, match=r"--set model\.features=151"):
        make_task("official", "model.features=139")
    with pytest.raises(ConfigError, match=r"--set model\.genres=3"):
        make_task("official", "model.genres=2", data=prepared(genres=("a", "b", "c")))
    with pytest.raises(ConfigError, match="windows of 40 frames; this network takes windows of 30"):
        make_task("edge", data=prepared(frames=40))
    with pytest.raises(ConfigError, match="no training window"):
        make_task("official", data=prepared(frames=500))


def test_nan_in_a_window_names_the_take(tmp_path):
    data = prepared()
    music = data.train.music
    music[int(data.train.starts[5])] = np.nan
    take = data.train.take_names[int(data.train.takes[5])]
    with pytest.raises(MadanceError, match=rf"not finite: loss nan.*{take} at"):
        train_motion(make_task("official", "loop.steps=9", data=data), tmp_path, "cpu")


def test_unknown_settings_suggest_the_nearest():
    with pytest.raises(ConfigError, match=r"no setting model\.latnet; did you mean 'model\.latent'"):
        resolve_training(settings_layers("official", None, ["model.latnet=3"]))
    with pytest.raises(ConfigError, match=r"no setting loop\.batchsize; did you mean 'loop\.batch_size'"):
        resolve_training(settings_layers("official", None, ["loop.batchsize=3"]))
    with pytest.raises(ConfigError, match="no preset 'oficial'; did you mean 'official'"):
        settings_layers("oficial")
    with pytest.raises(ConfigError, match="'ege'; did you mean 'edge'"):
        resolve_training(settings_layers("official", None, ["family=ege"]))
    with pytest.raises(
        ConfigError, match=r"setting loop\.batch_size: .*greater than or equal to 1 \(got 0\)"
    ):
        resolve_training(settings_layers("official", None, ["loop.batch_size=0"]))


def test_later_layers_win_and_epochs_take_back_steps(tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("[loop]\nepochs = 7\nseed = 3\n")
    settings, _ = resolve_training(
        settings_layers("tiny", config, ["loop.seed=4"], {"loop": {"batch_size": 9}})
    )
    assert (settings.loop.steps, settings.loop.epochs) == (None, 7)
    assert (settings.loop.seed, settings.loop.batch_size, settings.model.latent) == (4, 9, 48)


def test_memory_is_reckoned_from_what_the_network_has():
    task = make_task("official", "loop.batch_size=8", "loop.accumulate=2")
    memory = estimate_memory(task, task.settings.loop)
    parameters = 4 * sum(value.numel() for value in task.network.parameters())
    assert memory.network == parameters
    assert memory.training == 6 * parameters
    assert memory.total == 7 * parameters + 4 * memory.sample
    longer = make_task("official", data=prepared(frames=60))
    assert 1.8 < estimate_memory(longer, longer.settings.loop).sample / memory.sample < 2.6
