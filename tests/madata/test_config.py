import pytest

from madata.config import load_config, to_toml
from madata.errors import ConfigError


def test_defaults_follow_the_paper():
    config = load_config()
    assert config.shots.min_s == 5.0
    assert (config.windows.min_s, config.windows.max_s) == (5.0, 10.0)


def test_override_by_file_and_by_flag(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[clip]\nfps = 25\ncrf = 20\n")
    config = load_config(path, ["clip.crf=23", "people.backend=vitpose", "people.options.model=/models/a"])
    assert (config.clip.fps, config.clip.crf) == (25, 23)
    assert config.people.backend == "vitpose"
    assert config.people.options == {"model": "/models/a"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("motion.static_bellow=1", "motion.static_below"),
        ("windws.law=uniform", "windows"),
        ("windows.law=gauss", "windows.law"),
        ("windows.min_s=11", "min_s"),
        ("windows=3", "section"),
        ("clip.size=[511, 512]", "even"),
        ("clip.fps=0", "fps"),
        ("shots.max_s=4", "shots.max_s"),
        ("seed", "section.key=value"),
    ],
)
def test_wrong_settings_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(overrides=[override])


def test_hash_changes_with_any_setting():
    assert load_config().hash == load_config().hash
    assert load_config().hash != load_config(overrides=["windows.overlap=0.5"]).hash


def test_settings_written_are_the_settings_read(tmp_path):
    config = load_config(
        overrides=["clip.size=[512, 768]", 'people.options.model="a \\"b\\" c"', "clip.fps=29.97"]
    )
    path = tmp_path / "settings.toml"
    path.write_text(to_toml(config))
    assert load_config(path) == config
