"""A tie is a difference that may be 0, whichever side of 0 better lies."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from evaluation.comparison import Difference, compare
from evaluation.result import Metric
from leaderboard import ties
from leaderboard.entries import read_entries
from leaderboard.ties import TieJudge, intervals_meet

SIDES = [
    ((-2.0, -1.0), False),
    ((-1.0, 1.0), True),
    ((1.0, 2.0), False),
    ((-1.0, 0.0), True),
    ((0.0, 1.0), True),
]


def metric(value, ends, *, higher=False, name="fid_k"):
    return Metric(
        name=name,
        track="motion",
        value=value,
        unit="",
        higher_is_better=higher,
        n=9,
        ci95=ends,
        ci_method=None if ends is None else "half-sampling",
        version=1,
    )


def entry(name, own, samples=None):
    result = SimpleNamespace(id=name, metric=lambda wanted: own)
    return SimpleNamespace(result=result, features=Path("there"), file=name, samples=samples)


@pytest.mark.parametrize("higher", [False, True], ids=["lower", "higher"])
@pytest.mark.parametrize(("ends", "tie"), SIDES)
def test_features_decide_whichever_side_of_zero_the_difference_lies(monkeypatch, ends, tie, higher):
    middle = sum(ends) / 2
    one = Difference(
        "fid_k",
        middle,
        0.0,
        middle,
        *ends,
        0.5,
        9,
        9,
        "undecided" if tie else "better" if middle < 0 else "worse",
        9,
    )
    monkeypatch.setattr(ties, "load_run", lambda file: file)
    monkeypatch.setattr(ties, "compare", lambda *runs: [one])
    near = metric(middle, (middle - 5, middle + 5), higher=higher), metric(0.0, (-5.0, 5.0), higher=higher)
    assert TieJudge().tied(entry("a", near[0]), entry("b", near[1]), "fid_k") is tie


@pytest.mark.parametrize("higher", [False, True], ids=["lower", "higher"])
def test_two_intervals_meet_from_either_side(higher):
    low, high = metric(1.0, (0.5, 1.5), higher=higher), metric(3.0, (2.5, 3.5), higher=higher)
    near = metric(1.5, (1.0, 2.0), higher=higher)
    assert intervals_meet(low, high) is intervals_meet(high, low) is False
    assert intervals_meet(low, near) is intervals_meet(near, low) is True
    edge = metric(1.0 + np.sqrt(0.5), (0.5 + np.sqrt(0.5), 1.5 + np.sqrt(0.5)), higher=higher)
    assert intervals_meet(low, edge) is not None
    assert intervals_meet(low, metric(1.0, None)) is None


def test_an_interval_counts_by_its_width_not_by_where_its_value_lies():
    shifted = metric(9.0, (0.5, 1.5)), metric(1.2, (0.7, 1.7))
    assert intervals_meet(*shifted) is True


@pytest.mark.parametrize("better", [-1.0, 1.0])
def test_scores_of_single_clips_are_paired_from_either_side(monkeypatch, tmp_path, better):
    rng = np.random.default_rng(0)
    hard = rng.normal(5.0, 2.0, 20)
    values = {
        "a": hard,
        "b": hard + 0.2 * better + rng.normal(0, 0.01, 20),
        "c": hard + rng.normal(0, 1.0, 20),
    }
    entries = {}
    for name, scores in values.items():
        path = tmp_path / f"{name}.parquet"
        rows = {"clip_id": [f"v{n}" for n in range(20)], "metric": "pfc", "value": scores}
        pd.DataFrame(rows).to_parquet(path)
        mean = float(scores.mean())
        entries[name] = entry(name, metric(mean, (mean - 1, mean + 1), name="pfc"), path)
    monkeypatch.setattr(ties, "load_run", lambda file: None)
    judge = TieJudge()
    assert not judge.tied(entries["a"], entries["b"], "pfc")
    assert not judge.tied(entries["b"], entries["a"], "pfc")
    assert judge.tied(entries["a"], entries["c"], "pfc")


def test_a_comparison_is_computed_once(runs, tmp_path, monkeypatch):
    """A second board asks no features; other features, or other numbers, are compared anew."""
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    asked = []
    monkeypatch.setattr(ties, "compare", lambda first, second: asked.append(1) or compare(first, second))
    good, alike = read_entries([runs / "good"]), read_entries([runs / "alike"])

    def verdict():
        return TieJudge().tied(good[0], alike[0], "fid_k")

    first = verdict()
    assert verdict() == first
    assert len(asked) == 1
    asked.clear()
    for record in (tmp_path / "cache" / "comparisons").rglob("*.json"):
        record.write_text('{"fid_k": "surely"}')
    assert verdict() == first
    assert len(asked) == 1
