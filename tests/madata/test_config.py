from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madata.config import (
    ClosedModel,
    differences,
    merged,
    parse_override,
    parse_value,
    settle,
    to_toml,
    validated,
)
from madata.errors import ConfigError, WeightsError, did_you_mean
from madata.files import read_toml


class Inner(ClosedModel):
    width: int = 3
    share: float = 0.5
    path: Path | None = None


class Other(ClosedModel):
    depth: int = 1
    share: float = 0.5


class Outer(ClosedModel):
    name: str = "x"
    inner: Inner = Inner()


class Whole(ClosedModel):
    widths: int = 0
    inner: Inner = Inner()
    other: Other = Other()


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("width", "'inner.width'"),  # a name as it stands comes before one that is like it
        ("depht", "'other.depth'"),
        ("inner.depth", "'other.depth'"),
        ("share", "'inner.share' or 'other.share'"),
        ("inner.widht", "'inner.width'"),
        ("widhts", "'widths'"),
    ],
)
def test_a_setting_without_its_section_is_suggested_with_it(key, meant):
    with pytest.raises(ConfigError) as raised:
        validated(Whole, parse_override(f"{key}=1"))
    assert str(raised.value) == f"there is no setting {key}; did you mean {meant}?"


def test_settings_come_in_layers_and_go_back_to_toml():
    layers = [
        {"inner": {"width": 1}, "name": "a"},
        parse_override("inner.width=2"),
        parse_override("name=b c"),
    ]
    outer = validated(Outer, merged(layers))
    assert (outer.inner.width, outer.name) == (2, "b c")
    assert to_toml(outer) == 'name = "b c"\n\n[inner]\nwidth = 2\nshare = 0.5\n'
    with pytest.raises(ConfigError, match=r"takes section\.key=value"):
        parse_override("inner.width")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner": {"widht": 1}}, r"^here: there is no setting inner\.widht; did you mean 'inner\.width'\?$"),
        ({"inner": {"width": "wide"}}, r"^here: setting inner\.width: .*integer.* \(got \"wide\"\)$"),
        ({"inner": {"share": float("nan")}}, r"setting inner\.share: .*finite"),
        ({"inner": 3}, r"setting inner: is a section, not a value \(got 3\)"),
        ({"name": "a" * 10**6}, None),
        ({"name": [0] * 10**6}, r"\(got \[0, 0, 0, 0,\.\.\., 0\]\)$"),
    ],
)
def test_what_does_not_fit_is_one_short_line(values, message):
    if message is None:
        assert validated(Outer, values).name == values["name"]
        return
    with pytest.raises(WeightsError, match=message) as raised:
        validated(Outer, values, where="here", error=WeightsError)
    assert len(str(raised.value)) < 200


JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
)


@given(JSON, JSON)
def test_differences_are_found_exactly_where_there_are_any(before, now):
    def without_nothing(value):  # an absent key and one that is null say the same
        if isinstance(value, dict):
            return {
                key: inner for key, each in value.items() if (inner := without_nothing(each)) is not None
            } or None
        return value

    assert differences(before, before) == []
    assert bool(differences(before, now)) >= (without_nothing(before) != without_nothing(now))


def test_differences_name_the_place_and_stay_short():
    assert differences({"a": {"b": "x" * 90}}, {"a": {"b": 1}}) == ['a.b was "xxxxxxxxxxx...xxx", is 1']
    assert differences({"a": [1, 2]}, {"a": [2, 1], "b": 0}) == [
        "a was [1, 2], is [2, 1]",
        "b was null, is 0",
    ]


def test_a_folder_goes_on_only_as_it_was_begun(tmp_path):
    settle(tmp_path / "run.json", {"size": (3, 4), "seed": 0})
    settle(tmp_path / "run.json", {"seed": 0, "size": [3, 4]})
    with pytest.raises(ConfigError, match=r"seed was 0, is 2; size was \[3, 4\], is null"):
        settle(tmp_path / "run.json", {"seed": 2})
    many = {f"k{index:02d}": index for index in range(20)}
    settle(tmp_path / "many" / "run.json", many)
    with pytest.raises(ConfigError, match=r"k07 was 7, is null; and 12 more"):
        settle(tmp_path / "many" / "run.json", {})


@pytest.mark.parametrize(
    ("name", "known", "end"),
    [
        ("JAZ", ["Ballet", "Jazz"], "; did you mean 'Jazz'?"),
        ("x", [str(index) for index in range(13)], "; known: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ..."),
        ("x", [str(index) for index in range(12)], "; known: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"),
        ("x", [], "; known: none"),
        ("finedance", ["megadance", "finedance-motion3d"], "; did you mean 'finedance-motion3d'?"),
        ("", ["a"], "; known: a"),
        ("waltz", ["Ballet", "Jazz"], "; known: Ballet, Jazz"),
        ("lenght", ["length", "light"], "; did you mean 'length'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_or_with_all(name, known, end):
    assert did_you_mean(name, known) == end


@pytest.mark.parametrize(
    ("text", "why"),
    [("a = " + "9" * 5000, "digits"), ("a = " + "[" * 5000, "too deep"), ("a = \xff", "utf-8")],
)
def test_toml_without_bounds_is_one_error(tmp_path, text, why):
    path = tmp_path / "settings.toml"
    path.write_text(text, "latin-1")
    with pytest.raises(ConfigError, match=why) as caught:
        read_toml(path)
    assert str(path) in str(caught.value)
    assert parse_value(text.removeprefix("a = "))
