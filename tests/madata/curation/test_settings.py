import ast
import inspect
import json
import pickle
import re
import tomllib
from pathlib import Path

import pytest

from madata.config import to_toml
from madata.curation import settings
from madata.curation.again import decide_again
from madata.curation.coverage import TIMELINE_COLUMNS
from madata.curation.decide import filters_of, measured_columns
from madata.curation.filters import FILTERS
from madata.curation.settings import PRESETS, load_config
from madata.errors import ConfigError, MadanceError
from madata.manifest import DROPPED_COLUMNS, SHOT_COLUMNS, SOURCE_COLUMNS, clip_columns
from madata.pose import BACKENDS
from madata.render.settings import RenderSettings


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


def test_options_are_those_of_the_backend_that_is_named():
    backend = "people.backend=vitpose"
    assert load_config(overrides=[backend, "people.options.model=/m"]).people.options == {"model": "/m"}
    for wrong in ("people.options.tile_side=0.5", "people.options.decoding=guess"):
        with pytest.raises(ConfigError, match=r"of vitpose|vitpose has no option"):
            load_config(overrides=[backend, wrong])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("motion.static_bellow=1", r"motion\.static_below"),
        ("windws.law=uniform", "windows"),
        ("windows.law=gauss", r"windows\.law"),
        ("windows.min_s=11", "min_s"),
        ("windows=3", "section"),
        ("clip.size=[511, 512]", "even"),
        ("clip.fps=0", "fps"),
        ("shots.max_s=4", r"shots\.max_s"),
        ("shots.min_s=0", r"shots\.min_s"),
        ("people.multi_share=1.5", r"people\.multi_share"),
        ('filters=["lenght"]', "unknown filter 'lenght'; did you mean 'length'"),
        ("filters=length", "filters: a list of names"),
        ('filters=["length", "length"]', "named twice"),
        ("clip.preset=quick", "clip: preset must be one of ultrafast"),
        ("clip.preset=placebo", "clip: preset must be one of"),
        ("clip.long_side=5", "clip: long_side must be at least 16 px, got 5"),
        ("clip.audio_rate_hz=9000", "clip: audio_rate_hz must be one of 8000"),
        ("people.backend=blaze", r"people\.backend.*did you mean 'blazepose'"),
        ("people.options.modle=x", r"people.*options.*blazepose has no option 'modle'"),
        ("people.options.min_score=3", r"people.*options.*min_score.*less than or equal to 1"),
        ("people.options.min_score=high", r"people.*options.*min_score.*number"),
        ("seed", r"section\.key=value"),
    ],
)
def test_wrong_settings_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(overrides=[override])


def test_hash_changes_with_any_setting():
    assert load_config().hash == load_config().hash
    assert load_config().hash != load_config(overrides=["windows.overlap=0.5"]).hash
    assert load_config().hash != load_config(overrides=['filters=["length"]']).hash


def test_settings_written_are_the_settings_read(tmp_path):
    config = load_config(
        overrides=[
            "clip.size=[512, 768]",
            "people.backend=vitpose",
            'people.options.model="a \\"b\\" c"',
            "clip.fps=29.97",
        ]
    )
    path = tmp_path / "settings.toml"
    path.write_text(to_toml(config))
    assert load_config(path) == config
    assert tomllib.loads(path.read_text())["people"]["options"] == {"model": 'a "b" c'}


def test_settings_reach_a_worker_as_they_are():
    config = load_config(overrides=["motion.static_below=0.5"])
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_settings_file_may_set_what_a_filter_left_out_would_read(tmp_path):
    config = load_config(overrides=['filters=["length"]', "people.multi_share=0.5"])
    assert measured_columns(config) == {}
    assert config.people.multi_share == 0.5


def test_every_filter_says_everything_about_itself():
    columns = set()
    for name in FILTERS.names():
        one = FILTERS.load(name)
        assert one.reasons and all(one.reasons.values())
        assert not columns & set(one.columns), "two filters write one column"
        columns |= set(one.columns)
        assert all(column.meaning for column in one.columns.values())
        for chart in one.charts:
            assert chart.column in one.columns or chart.per == "segment"
            assert chart.setting in one.settings.model_fields


def test_the_default_filters_are_asked_in_the_papers_order():
    stages = [one.section for one in filters_of(load_config())]
    assert stages.index("shots") < stages.index("motion") < stages.index("people")


def test_a_preset_lies_below_file_and_flags(tmp_path):
    assert load_config().people.body_share > 0
    anyone = load_config(preset="any")
    assert (anyone.people.body_share, anyone.sound.required) == (0.0, False)
    path = tmp_path / "mine.toml"
    path.write_text("[people]\nbody_share = 0.3\n")
    mine = load_config(path, ["sound.required=true"], preset="any")
    assert (mine.people.body_share, mine.people.min_height, mine.sound.required) == (0.3, 0.0, True)
    assert set(PRESETS) == {"ma-data", "any"}


PAGE = (Path(__file__).parents[3] / "docs" / "curation.md").read_text("utf-8")
PACKAGE = Path(settings.__file__).parents[1]


def test_the_page_names_every_filter_and_its_reasons():
    config = load_config()
    for name, one in zip(config.filters, filters_of(config), strict=True):
        assert f"| `{name}` |" in PAGE
        for reason, meaning in one.reasons.items():
            row = next(
                line for line in PAGE.splitlines() if line.startswith(f"| `{reason}` | `{one.section}` |")
            )
            assert meaning in row


def test_the_page_names_every_setting_with_its_default():
    defaults = (PACKAGE / "configs" / "ma-data.toml").read_text("utf-8")
    for key, value in flat(load_config().model_dump(mode="json")):
        assert f"| `{key}` | `{json.dumps(value)}` |" in PAGE
        assert f"\n{key.rpartition('.')[2]} = " in defaults or f"[{key}]" in defaults
    named = set(re.findall(r"^\| `([a-z]+(?:\.[a-z_]+)?)` \| `[^|]*` \| ", PAGE, re.MULTILINE))
    known = {key for key, _ in flat(load_config().model_dump(mode="json"))}
    assert {name for name in named if "." in name} == {name for name in known if "." in name}


def flat(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_the_page_names_every_option_of_every_backend():
    for name in BACKENDS.names():
        known = list(inspect.signature(BACKENDS.load(name)).parameters)
        options = ", ".join(f"`{option}`" for option in known if option not in ("weights", "device"))
        assert f"| `{name}` | {options} |" in PAGE


NOT_OF_SOURCES = {"no_frames", "bad_frame", "too_short"}
"""Reasons of writing a video and of reading a window of one."""


def test_the_page_names_every_reason_of_sources_and_cuts():
    for path in (*(PACKAGE / "video").glob("*.py"), *(PACKAGE / "curation").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for reason in reasons_in(node):
                assert reason in NOT_OF_SOURCES or f"| `{reason}` |" in PAGE, f"{path.name}: {reason}"


def reasons_in(node):
    """Constants given as ``reason=``, under the key ``"reason"``, or to ``fail(...)``."""
    match node:
        case ast.keyword(arg="reason", value=ast.Constant(value=str(reason))):
            yield reason
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if (
                    isinstance(key, ast.Constant)
                    and key.value == "reason"
                    and isinstance(value, ast.Constant)
                ):
                    yield from [value.value] if value.value else []
        case ast.Call(func=ast.Attribute(attr="fail"), args=[ast.Constant(value=str(reason)), *_]):
            yield reason


def test_the_page_names_every_column():
    columns = [SOURCE_COLUMNS, clip_columns(measured_columns(load_config())), DROPPED_COLUMNS, SHOT_COLUMNS]
    for column, about in (item for table in (*columns, TIMELINE_COLUMNS) for item in table.items()):
        assert f"| `{column}` | {about.kind} | {about.meaning} |" in PAGE


def test_a_word_where_a_list_belongs_is_said_so():
    with pytest.raises(ConfigError, match=r'setting bars\.crop: is a list, in brackets \(got "blue"\)'):
        load_config(None, ["bars.crop=blue"])
    assert load_config(None, ['bars.crop=["colour"]']).bars.crop == ("colour",)


def test_what_render_made_is_not_decided_again(tmp_path):
    (tmp_path / "settings.toml").write_text(to_toml(RenderSettings(windows=load_config().windows)))
    with pytest.raises(MadanceError, match="madance render made it"):
        decide_again(tmp_path, tmp_path, overrides=[])
