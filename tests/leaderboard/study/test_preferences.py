"""Strengths out of votes: known orders, ties, intervals that hold, and how many votes are missing."""

import numpy as np
import pytest
from scipy.optimize import minimize

from benchmarks.study import Population, covered
from leaderboard.study.agreement import intransitivity, krippendorff_alpha, metric_agreement
from leaderboard.study.preferences import Votes, fit_strengths, preferences, shares


def votes_of(population, raters=12, clips=10, each=20, seed=0):
    return population.votes(raters, clips, each, np.random.default_rng(seed))


def test_the_fit_is_the_maximum_of_the_likelihood():
    wins = np.array([[0, 14, 20], [6, 0, 11], [3, 9, 0]], float)
    ties = np.array([[0, 5, 2], [5, 0, 7], [2, 7, 0]], float)

    def loss(parameters):
        theta, tie, total = np.array([0, *parameters[:2]]), parameters[2], 0.0
        for a in range(3):
            for b in range(a + 1, 3):
                logits = np.array([(theta[a] - theta[b]) / 2, (theta[b] - theta[a]) / 2, tie])
                logs = logits - np.log(np.exp(logits).sum())
                total -= np.dot([wins[a, b], wins[b, a], ties[a, b]], logs)
        return total

    best = minimize(loss, np.zeros(3), method="BFGS").x
    strengths, tie = fit_strengths(wins, ties)
    assert strengths - strengths[0] == pytest.approx([0, *best[:2]], abs=0.02)
    assert tie == pytest.approx(np.exp(best[2]), abs=0.02)


def test_a_known_order_is_recovered_and_turned_around_with_the_votes():
    votes = votes_of(Population((-1.0, 0.0, 1.0), taste=0.2, song=0.2), raters=30)
    found = preferences(votes, np.random.default_rng(0), resamples=100)
    assert np.argsort(found.share).tolist() == [0, 1, 2]
    assert found.ranks[2].tolist() == [1, 1]
    turned = Votes(votes.first, votes.second, -votes.outcome, votes.rater, votes.clip, 3)
    assert preferences(turned, np.random.default_rng(0), resamples=100).share == pytest.approx(
        1 - found.share, abs=1e-6
    )


def test_shares_of_equals_are_half_and_add_up():
    assert shares(np.zeros(4), 1.0) == pytest.approx(0.5)
    assert shares(np.array([2.0, 0.3, -1.0]), 0.4).sum() == pytest.approx(1.5)


def test_intervals_hold_the_truth_as_often_as_they_say():
    held, ranked, _ = covered(Population(), 20, (12, 12, 16), resamples=60)
    assert 0.88 <= held <= 1
    assert ranked >= 0.9


@pytest.mark.nightly
@pytest.mark.parametrize("shape", [(6, 10, 20), (15, 20, 20), (40, 15, 12)])
def test_the_whole_table_of_coverage(shape):
    held, ranked, _ = covered(Population(), 150, shape)
    assert 0.9 <= held <= 0.995
    assert ranked >= 0.95


def test_many_votes_of_few_are_not_many():
    population = Population(taste=1.0, song=0.1)
    few = preferences(votes_of(population, raters=3, each=400), np.random.default_rng(0), resamples=100)
    many = preferences(votes_of(population, raters=60, each=20), np.random.default_rng(0), resamples=100)
    assert np.diff(few.interval).mean() > 1.5 * np.diff(many.interval).mean()


def test_near_systems_need_more_votes_and_apart_ones_none():
    near = preferences(
        votes_of(Population((0.0, 0.15, -2.0)), seed=4), np.random.default_rng(0), resamples=100
    )
    assert near.needed > near.votes
    apart = preferences(votes_of(Population((0.0, 2.0, -2.0))), np.random.default_rng(0), resamples=100)
    assert apart.needed is None
    assert apart.better[1, 0] > 0.99 > 0.01 > apart.better[0, 1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rater": 0}, "two raters"),
        ({"clip": 0}, "two raters and two clips"),
        ({"second": 1, "first": 0}, "never met"),
    ],
)
def test_too_little_is_said(change, reason):
    votes = votes_of(Population())
    parts = {name: np.full_like(getattr(votes, name), value) for name, value in change.items()}
    with pytest.raises(ValueError, match=reason):
        preferences(Votes(**{**vars(votes), **parts}), np.random.default_rng(0))


def test_circles_are_found_and_a_scale_is_none():
    rng = np.random.default_rng(0)
    first = np.repeat([0, 1, 2], 60)
    circle = Votes(first, (first + 1) % 3, np.where(rng.random(180) < 0.8, 1, -1), first, first, 3)
    assert intransitivity(circle) < 1e-4
    p = [intransitivity(votes_of(Population(taste=0, song=0), seed=seed)) for seed in range(30)]
    assert np.mean(np.array(p) < 0.05) < 0.25


def test_agreement_of_raters_is_that_of_the_textbook():
    # reliability data of Krippendorff (2011), nominal: alpha 0.743, with three values only
    unit = np.repeat(np.arange(4), 2)
    said = np.array([1, 1, -1, -1, 0, 0, 1, -1])
    votes = Votes(unit * 0, unit * 0 + 1, said, np.tile([0, 1], 4), unit, 2)
    observed, total = 2 / 8, 8
    values = np.array([3, 2, 3])
    expected = 1 - (values * (values - 1)).sum() / (total * (total - 1))
    assert krippendorff_alpha(votes) == pytest.approx(1 - observed / expected)


def test_a_metric_that_follows_people_is_told_from_a_coin_and_from_its_opposite():
    population = Population((-1.0, 0.0, 1.0), taste=0.2, song=0.2)
    votes = votes_of(population, raters=20)
    clips = [f"c{number}" for number in range(10)]
    rng = np.random.default_rng(0)
    good = {at: dict.fromkeys(clips, strength) for at, strength in enumerate(population.strengths)}
    coin = {at: {clip: float(rng.random()) for clip in clips} for at in range(3)}
    sets = dict(enumerate(population.strengths))
    against = {at: -value for at, value in sets.items()}
    people = preferences(votes, np.random.default_rng(2), resamples=100)
    shown = people.share, people.drawn
    of = {
        name: metric_agreement(
            name, "p", votes, clips, values, sets, *shown, np.random.default_rng(1), resamples=100
        )
        for name, values in (("good", good), ("coin", coin))
    }
    turned = {at: {clip: -value for clip, value in values.items()} for at, values in good.items()}
    bad = metric_agreement(
        "bad", "p", votes, clips, turned, against, *shown, np.random.default_rng(1), resamples=100
    )
    assert of["good"].interval[0] > 0.5
    assert of["good"].of_systems == 1
    assert of["coin"].interval[0] < 0.5 < of["coin"].interval[1]
    assert bad.of_clips == pytest.approx(1 - of["good"].of_clips)
    assert bad.of_systems == -1
    assert of["good"].systems_interval[0] > 0 > bad.systems_interval[1]
    assert of["good"].systems_p > 0.05, "three systems stand in one order by chance"
    alone = metric_agreement("set", "p", votes, clips, {}, sets, *shown, np.random.default_rng(1))
    assert alone.of_clips is None and alone.follows == "open"
    assert [one.follows for one in (of["good"], of["coin"], bad)] == ["with", "open", "against"]
