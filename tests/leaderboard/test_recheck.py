"""Results of earlier versions are still checked: every value, but not intervals of a method that is gone."""

import pytest
from click.testing import CliRunner

from evaluation.commands.score import score as command
from evaluation.result import OLDER_INTERVALS, read_result
from leaderboard.entries import read_entries
from leaderboard.recheck import checked_level
from tests.leaderboard.runs import change, change_metric


def age(run, method):
    """Give every interval of a run other ends, by a method of an earlier version."""
    metrics = [
        metric.model_copy(update={"ci95": (metric.value - 9, metric.value + 9), "ci_method": method})
        if metric.ci95 is not None
        else metric
        for metric in read_result(run / "result.json").metrics
    ]
    change(run, metrics=metrics)


@pytest.mark.parametrize("method", sorted(OLDER_INTERVALS))
def test_intervals_of_an_earlier_version_are_no_fault_and_a_reader_is_told(runs, method):
    age(runs / "good", method)
    level, faults = checked_level(read_entries([runs / "good"])[0])
    assert level == 1 and [fault.code for fault in faults] == ["older_intervals"]
    shown = CliRunner().invoke(command, [str(runs / "good" / "features.npz")])
    assert shown.exit_code == 0 and "but for intervals, which an earlier version made" in shown.stdout


@pytest.mark.parametrize("field", ["value", "noise_floor", "n"])
def test_every_other_number_of_such_a_result_must_come_out(runs, field):
    age(runs / "good", "half-sampling")
    stated = read_result(runs / "good" / "result.json").metric("fid_k")
    change_metric(runs / "good", "fid_k", **{field: getattr(stated, field) + 1})
    level, faults = checked_level(read_entries([runs / "good"])[0])
    assert level == 0 and [fault.code for fault in faults] == ["changed_number"]
    assert CliRunner().invoke(command, [str(runs / "good" / "features.npz")]).exit_code == 3


def test_intervals_of_this_version_are_checked(runs):
    stated = read_result(runs / "good" / "result.json").metric("div_k")
    change_metric(runs / "good", "div_k", ci95=(stated.ci95[0], stated.ci95[1] + 1e-3))
    level, faults = checked_level(read_entries([runs / "good"])[0])
    assert level == 0 and "div_k" in str(faults[0])
