"""Comparing: a real difference is found, chance is called a tie, and apples never meet pears unmarked."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.commands.compare import compare as command
from evaluation.comparison import compare, incomparable, load_run
from evaluation.metrics.contrasts import contrasts
from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.result import seal, write_result
from evaluation.scoring import FEATURES_FILE, score, write_scored
from madata.errors import MadanceError
from madata.files import read_npz, sha256_file, write_npz
from tests.evaluation.dancers import write_motion_set, write_set

CORRECTED = load_protocol("ma-data-motion2d")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two systems alike in kind, one that trembles, each scored against the same reference."""
    root = tmp_path_factory.mktemp("runs")
    real = write_set(root / "real", range(24))
    systems = {
        "one": write_set(root / "one", range(100, 124)),
        "other": write_set(root / "other", range(200, 224)),
        "trembling": write_set(root / "trembling", range(100, 124), jitter=3.0),
    }
    for name, folder in systems.items():
        write_scored(score(folder, real, CORRECTED), root / "out" / name)
    write_scored(score(systems["one"], real, load_protocol("mace2d-official")), root / "out" / "official")
    few = Options(limit=20)
    write_scored(score(systems["one"], real, CORRECTED, options=few), root / "out" / "limited")
    return root / "out"


def differences(runs, first, second, **how):
    found = compare(load_run(runs / first), load_run(runs / second), **how)
    return {one.metric: one for one in found}


def test_a_trembling_dancer_is_told_from_a_steady_one(runs):
    found = differences(runs, "one", "trembling")
    assert found["fid_k"].verdict == "better"
    assert found["fid_k"].low <= found["fid_k"].difference <= found["fid_k"].high < 0
    assert found["fid_k"].p < 0.05 and found["kid_k"].verdict == "better"
    assert (found["kid_k"].beside, found["kid_g"].beside, found["fid_k"].beside) == ("fid_k", "fid_g", "")
    assert differences(runs, "trembling", "one")["fid_k"].verdict == "worse"


def test_diversity_is_better_nearer_to_the_reference_not_higher(runs):
    found = differences(runs, "one", "trembling")["div_g"]
    reference = load_run(runs / "one").result.metric("div_g")
    assert reference.higher_is_better is None
    assert found.second > found.first > 0
    assert abs(found.first - reference.reference) < abs(found.second - reference.reference)
    assert found.verdict == "better" and found.to_reference and found.difference < 0


def test_the_same_music_of_both_sides_is_left_out_together(runs):
    tables = [load_run(runs / name).tables for name in ("one", "trembling")]
    for name in ("div_g", "kid_g", "fid_g"):
        assert all(len(one.reference_shifts) == 0 for one in contrasts(tables)[name].estimates)


def test_of_two_draws_of_the_same_kind_none_is_better(runs):
    found = differences(runs, "one", "other")
    assert {one.verdict for one in found.values()} <= {"tie", "undecided"}
    assert all(one.needed is None or one.needed > one.units for one in found.values())
    assert found["fid_k"].first != found["fid_k"].second


def test_a_run_ties_with_itself(runs):
    for one in differences(runs, "one", "one").values():
        assert (one.difference, one.p, one.verdict) == (0.0, 1.0, "tie")


def test_values_are_those_of_the_results(runs):
    run = load_run(runs / "trembling")
    for one in differences(runs, "one", "trembling").values():
        assert one.second == pytest.approx(run.result.metric(one.metric).value, rel=1e-9)


def test_p_and_interval_never_contradict_each_other(runs):
    for second in ("one", "other", "trembling"):
        for one in differences(runs, "one", second).values():
            decided = one.verdict in ("better", "worse", "differ")
            assert decided == (one.p < 0.05) == (not one.low <= 0 <= one.high), one


@pytest.mark.parametrize(("second", "says"), [("official", "protocols"), ("limited", "clips")])
def test_what_does_not_compare_is_refused_unless_forced(runs, second, says):
    assert any(says in reason for reason in incomparable(load_run(runs / "one"), load_run(runs / second)))
    with pytest.raises(MadanceError, match=says):
        differences(runs, "one", second)


def test_what_is_kept_of_a_run_belongs_to_its_own_clips_and_reference(runs):
    """A run that was compared before is compared as if it were new, on fewer clips, or against another truth."""
    names = ("one", "trembling", "other", "limited")
    used = {name: load_run(runs / name) for name in names}
    truth = used["trembling"].tables.reference
    assert truth is not None
    turned = truth.take(np.arange(len(truth))[::-1]).having({"clip_ids": truth.columns["clip_ids"]})
    used["elsewhere"] = replace(
        used["other"], tables=replace(used["other"].tables, reference=turned, _known={})
    )
    for first, second in (("one", "trembling"), ("one", "limited"), ("one", "other"), ("trembling", "one")):
        fresh = compare(load_run(runs / first), load_run(runs / second), force=True)
        assert compare(used[first], used[second], force=True) == fresh
    expected = compare(load_run(runs / "one"), load_run(runs / "other"))
    assert compare(used["one"], used["elsewhere"], force=True) == expected  # the truth is that of the first


def test_forced_comparison_uses_the_common_clips_and_is_marked(runs):
    assert differences(runs, "one", "limited", force=True)["fid_k"].n == 20
    arguments = [
        str(runs / "one"),
        str(runs / "limited"),
        "--force",
    ]
    shown = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "NOT COMPARABLE, FORCED: different clips" in shown.stdout
    document = json.loads(CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False).stdout)
    assert document["forced"]
    assert {one["metric"] for one in document["metrics"]} >= {"fid_k", "fid_g", "div_k", "div_g"}


def test_slices_of_a_song_count_once_even_where_one_has_no_value(runs):
    tables = [load_run(runs / name).tables for name in ("one", "other")]
    sliced = np.array([f"c{row // 2:03d}_slice{row % 2}" for row in range(24)])
    for number, one in enumerate(tables):
        missing = one.prediction.columns["scalars/missing_rate"].copy()
        missing[0] = np.nan
        columns = {**one.prediction.columns, "clip_ids": sliced, "scalars/missing_rate": missing}
        tables[number] = replace(one, prediction=replace(one.prediction, columns=columns), _known={})
    found = contrasts(tables)["missing_rate"]
    assert (found.count, found.units) == (23, 12)


def test_features_of_another_run_are_refused(runs, tmp_path):
    for name in ("result.json", FEATURES_FILE):
        (tmp_path / name).write_bytes((runs / "one" / name).read_bytes())
    arrays = read_npz(tmp_path / FEATURES_FILE)
    arrays["prediction/kinetic"][0, 0] += 1.0
    write_npz(tmp_path / FEATURES_FILE, **arrays)
    with pytest.raises(MadanceError, match="hash differs"):
        load_run(tmp_path)
    (tmp_path / FEATURES_FILE).unlink()
    with pytest.raises(MadanceError, match="no such file"):
        load_run(tmp_path)


def test_windows_of_one_dance_change_places_together(tmp_path):
    real = write_motion_set(tmp_path / "real", range(6))
    for name, first in (("a", 20), ("b", 40)):
        folder = write_motion_set(tmp_path / name, range(first, first + 6))
        write_scored(score(folder, real, load_protocol("finedance-motion3d")), tmp_path / "out" / name)
    found = differences(tmp_path / "out", "a", "b")
    assert found["fsr"].n == 6
    assert {"fid_k", "fid_g", "kid_k", "kid_g", "div_k", "div_g", "fsr", "pfc"} == set(found)


def test_a_run_that_names_no_protocol_is_refused(runs, tmp_path):
    result = load_run(runs / "one").result
    arrays = read_npz(runs / "one" / FEATURES_FILE)
    write_npz(tmp_path / FEATURES_FILE, **{key: arrays[key] for key in arrays if key != "fact/protocol"})
    features = result.artefacts["features"].model_copy(
        update={"sha256": sha256_file(tmp_path / FEATURES_FILE)}
    )
    changed = seal(result.model_copy(update={"artefacts": {**result.artefacts, "features": features}}))
    write_result(tmp_path / "result.json", changed)
    with pytest.raises(MadanceError, match="by which protocol"):
        load_run(tmp_path)


def test_what_only_one_run_measured_is_said(runs, tmp_path):
    result = load_run(runs / "other").result
    metrics = [
        metric.model_copy(update={"value": None, "ci95": None, "ci_method": None, "reason": "no"})
        if metric.name == "missing_rate"
        else metric
        for metric in result.metrics
    ]
    write_result(tmp_path / "result.json", seal(result.model_copy(update={"metrics": metrics})))
    (tmp_path / FEATURES_FILE).write_bytes((runs / "other" / FEATURES_FILE).read_bytes())
    arguments = [str(runs / "one"), str(tmp_path)]
    shown = CliRunner().invoke(command, arguments, catch_exceptions=False).stdout
    assert "measured in one run only: missing_rate" in shown
    document = json.loads(CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False).stdout)
    assert document["unpaired"] == ["missing_rate"]


def say(*arguments):
    return CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)


def test_words_and_what_would_decide(runs):
    shown = say(runs / "one", runs / "trembling").stdout
    assert re.search(r"^fid_k .* better$", shown, re.M) and "nan" not in shown.lower()
    again = say(runs / "one", runs / "other").stdout
    assert re.search(r"undecided, needs about \d+ clips", again)
    planned = say(runs / "one", runs / "other", "--plan").stdout
    assert re.search(r"^fid_k .* about \d+ +undecided$", planned, re.M) and "four of five" in planned


def test_too_few_songs_say_how_many_it_takes(tmp_path):
    real = write_set(tmp_path / "real", range(5))
    for name, first in (("a", 20), ("b", 40)):
        folder = write_set(tmp_path / name, range(first, first + 5))
        write_scored(score(folder, real, CORRECTED), tmp_path / "out" / name)
    shown = say(tmp_path / "out" / "a", tmp_path / "out" / "b").stdout
    assert "undecided, needs about 6 clips" in shown and "at least 6 independent" in shown
    document = json.loads(say(tmp_path / "out" / "a", tmp_path / "out" / "b", "--json").stdout)
    assert all(one["low"] is one["p"] is None and one["reason"] for one in document["metrics"])


def test_three_runs_are_ranked(runs):
    shown = say(runs / "trembling", runs / "one", runs / "other").stdout
    assert re.search(r"fid_k +trembling +3 +0 % *|fid_k", shown)
    found = json.loads(say(runs / "trembling", runs / "one", runs / "other", "--json").stdout)
    standings = found["metrics"]["fid_k"]["standings"]
    assert list(standings)[-1] == "trembling" and standings["trembling"]["first"] == 3
    assert sum(one["best"] for one in standings.values()) == pytest.approx(1)
    assert say(runs / "one").exit_code == 2
    assert say(runs / "one", runs / "other", runs / "trembling", "--plan").exit_code == 2
