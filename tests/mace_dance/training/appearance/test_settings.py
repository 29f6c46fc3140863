import pytest

from mace_dance.training.appearance.settings import training_settings
from madata.errors import ConfigError


def test_defaults_are_the_recipe_of_the_release():
    kinematic, aesthetic = training_settings("kinematic"), training_settings("aesthetic")
    assert (kinematic.loop.learning_rate, aesthetic.loop.learning_rate) == (1e-5, 1e-4)
    for settings in (kinematic, aesthetic):
        assert settings.loop.optimizer == "adamw"
        assert (settings.loop.weight_decay, settings.loop.batch_size) == (0.01, 1)
        assert (settings.data.size, settings.data.frames, settings.target_frames) == ((480, 832), 77, 77)
        assert (settings.loop.precision, settings.rounding) == ("bf16", "none")
    assert (aesthetic.lora.rank, aesthetic.lora.scale) == (32, 32.0)


def test_the_layout_of_the_release_takes_four_frames_more_and_rounds_the_times():
    settings = training_settings("aesthetic", flags={"layout": "diffsynth"})
    assert (settings.target_frames, settings.data.frames, settings.rounding) == (81, 77, "bf16")
    assert (
        training_settings("aesthetic", overrides=["layout=diffsynth", "flow.rounding=none"]).rounding
        == "none"
    )


def test_one_sample_for_every_device_and_micro_batch(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert training_settings("kinematic", overrides=["loop.accumulate=2"]).loop.batch_size == 8
    assert training_settings("kinematic", overrides=["loop.batch_size=16"]).loop.batch_size == 16


def test_later_layers_win(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("[loop]\nlearning_rate = 2e-5\nseed = 1\n[data]\nfps = 15\n")
    settings = training_settings("kinematic", file, ["loop.seed=2"], {"loop": {"steps": 3}})
    assert (settings.loop.learning_rate, settings.loop.seed, settings.loop.steps) == (2e-5, 2, 3)
    assert settings.data.fps == 15


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.width=500", "multiple of 16, not 500; the nearest are 496 and 512"),
        ("data.frames=80", "4 n \\+ 1, not 80; the nearest are 77 and 81"),
        ("data.hight=832", r"did you mean 'data\.height"),
        ("loop.precision=fp16", "overflows in fp16"),
        ("loop.sample_every=2", r"say samples\.every_steps"),
        ("pose=false", "the kinematic stage trains what reads the pose"),
        ("shard=true", r"say samples\.clips=0"),
        ("lora.rank=0", "greater than or equal to 1"),
    ],
)
def test_what_cannot_work_is_refused(override, said):
    with pytest.raises(ConfigError, match=said):
        training_settings("kinematic", overrides=[override])
