"""What a terminal shows of a result: the answer first, the rest on demand, one unit for a quantity."""

import json

import pytest
from click.testing import CliRunner

from evaluation.commands.score import score as command
from evaluation.problems import Refused, grouped
from evaluation.protocol import load_protocol, protocol_names
from evaluation.report.text import side_by_side, text_of_result
from evaluation.result import Problem, read_result
from madata.errors import ConfigError
from tests.evaluation.report.vbench_files import upstream
from tests.evaluation.test_result import metric, result


def problem(name, reason="too_short", message="3 frames, 8 are needed", side="prediction", dropped=True):
    return Problem(
        clip_id=name, side=side, file=f"{name}.npz", reason=reason, message=message, dropped=dropped
    )


def shown(text):
    """Metric -> its line."""
    return {line.split()[0]: line for line in text.splitlines()[2:] if line and not line.startswith(" ")}


def test_the_headline_comes_first_and_the_rest_on_demand():
    found = result(metrics=[metric(), metric(name="kid_k", caution="few clips"), metric(name="bas")])
    short, whole = (
        text_of_result(found, ("fid_k", "bas")),
        text_of_result(found, ("fid_k", "bas"), everything=True),
    )
    assert list(shown(short)) == ["fid_k", "bas", "1"] and "1 more with --all" in short
    assert "few clips" not in short and "few clips" in whole
    assert list(shown(whole)) == ["fid_k", "kid_k", "bas"] == list(shown(text_of_result(found)))


def test_a_protocol_whose_headline_is_not_measured_shows_everything():
    assert "more with" not in text_of_result(result(), ("fid_k", "bas"))


def test_every_headline_is_measured_by_its_protocol():
    for name in protocol_names():
        protocol = load_protocol(name)
        assert set(protocol.headline) <= set(protocol.metrics), name


def test_what_only_readers_see_changes_no_hash():
    protocol = load_protocol("finedance-motion3d")
    assert protocol.model_copy(update={"headline": ()}).sha256 == protocol.sha256
    assert protocol.sha256.startswith("a0f880b02490")


def test_shares_are_printed_in_per_cent_everywhere():
    found = result(metrics=[metric(name="temporal_flickering", value=0.995, reference=0.98), metric()])
    lines = shown(text_of_result(found))
    assert lines["temporal_flickering"].split()[1] == "99.5" and lines["temporal_flickering"].endswith("%")
    assert " 98 " in lines["temporal_flickering"] and "%" not in lines["fid_k"]
    assert "99.5 %" in side_by_side([found, found])


def test_problems_are_grouped_by_reason_with_the_first_names():
    many = [problem(name) for name in "abcde"]
    other = [problem("x", "missing", "no x"), problem("y", "missing", "no y")]
    lines = grouped([*many, *other, problem("a", side="reference", dropped=False)])
    assert lines == [
        "5 x prediction [too_short], left out: a.npz, b.npz, c.npz, 2 more: 3 frames, 8 are needed",
        "2 x prediction [missing], left out: x.npz, y.npz: the first: no x",
        "reference a.npz: 3 frames, 8 are needed [too_short], kept",
    ]
    assert len(grouped(many, every=True)) == 5
    assert "d.npz" not in str(Refused(many)) and "--all names every one" in str(Refused(many))
    assert "d.npz" in str(Refused(many, every=True)) and "--all names" not in str(Refused(many[:1]))
    assert "d.npz" in text_of_result(result(status="partial", errors=many), everything=True)


def test_a_caution_of_several_metrics_is_one_line():
    found = result(
        metrics=[metric(caution="few clips; two rates"), metric(name="fid_g", caution="two rates")]
    )
    assert "  fid_k, fid_g: two rates" in text_of_result(found).splitlines()
    assert "  fid_k: few clips" in text_of_result(found).splitlines()


def invoke(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_verb_shows_the_headline_the_rest_or_what_was_chosen(tmp_path):
    file = upstream(tmp_path / "x.json")
    first = invoke("--import-vbench", file).stdout
    assert shown(first)["temporal_flickering"].split()[1] == "90"
    assert "motion_magnitude" not in shown(first)
    assert "motion_magnitude" in shown(invoke("--import-vbench", file, "--all").stdout)
    chosen = invoke("--import-vbench", file, "--metrics", "motion_smoothness, temporal_flickering")
    assert list(shown(chosen.stdout)) == ["motion_smoothness", "temporal_flickering"]
    stated = json.loads(invoke("--import-vbench", file, "--metrics", "motion_smoothness", "--json").stdout)
    assert [one["name"] for one in stated["metrics"]] == ["motion_smoothness"]


def test_metrics_that_were_chosen_are_another_protocol_and_an_unknown_one_is_named(tmp_path):
    file = upstream(tmp_path / "x.json")
    assert (
        invoke("--import-vbench", file, "--metrics", "motion_smoothness", "--out", tmp_path / "o").exit_code
        == 0
    )
    stated = read_result(tmp_path / "o" / "result.json").protocol
    assert stated.name == "vbench" and stated.sha256 != load_protocol("vbench").sha256
    with pytest.raises(ConfigError, match="did you mean 'motion_smoothness'"):
        load_protocol("vbench").only(["motion_smothness"])
