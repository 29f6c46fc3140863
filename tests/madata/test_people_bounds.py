"""Every threshold of the people rule from both sides: a value that equals it falls where the rule says it does.

Thresholds are set to what was measured, which floats hold exactly, or a little beyond.
"""

from dataclasses import replace

import numpy as np
import pytest

from madata.people import PeopleRule, follow_people, mirror_error, pose_change
from madata.people.tracks import Track
from madata.skeletons import skeleton
from tests.madata.test_people import COCO, STANDING, Actor, dance, look

RULE = PeopleRule()
DANCER = Actor(dance(20), (200, 200))
SECOND = Actor(dance(20, seed=1), (450, 200), size=80)


def above(value):
    return 1.001 * value


def test_confidence_that_reaches_strong_makes_a_person():
    sure = float(look(DANCER).tracks[0].confidence.max())
    assert look(DANCER, rule=replace(RULE, strong=sure)).roles == ("performer",)
    assert look(DANCER, rule=replace(RULE, strong=above(sure))).roles == ("unsure",)
    seen = look(DANCER, rule=replace(RULE, strong=sure)).seen
    assert seen.all()


def test_confidence_that_reaches_weak_makes_a_sighting():
    faint = Actor(dance(20, seed=1), (450, 200), score=0.5, presence=0.5)
    sure = float(look(DANCER, faint).tracks[1].confidence.max())
    assert len(look(DANCER, faint, rule=replace(RULE, weak=sure)).tracks) == 2
    assert len(look(DANCER, faint, rule=replace(RULE, weak=above(sure), strong=0.6)).tracks) == 1


@pytest.mark.parametrize(("joint", "field"), [(5, "min_shoulders"), (11, "min_hips")])
def test_visibility_that_reaches_the_least_is_enough(joint, field):
    scores = np.ones(17)
    scores[[joint, joint + 1]] = 0.625
    actor = Actor(dance(20), (200, 200), visible=scores)
    assert look(actor, rule=replace(RULE, **{field: 0.625})).seen.all()
    assert not look(actor, rule=replace(RULE, **{field: 0.626})).seen.any()


def test_two_hits_are_asked_for_where_the_shot_has_four_samples():
    flash = Actor(dance(4, seed=1), (450, 200), when=[1])
    for steps, role in ((4, "unsure"), (3, "second")):
        assert look(Actor(dance(4), (200, 200)), flash, steps=steps).roles[1] == role


def test_a_person_of_just_the_relative_size_counts():
    small = Actor(dance(20, seed=1), (450, 200), size=50.0)  # half of the dancer's 100
    assert look(DANCER, small, rule=replace(RULE, relative_size=0.5)).roles[1] == "second"
    assert look(DANCER, small, rule=replace(RULE, relative_size=0.51)).roles[1] == "small"


def test_a_pose_that_changes_by_just_the_threshold_is_no_poster():
    swaying = Actor(dance(20, seed=3, amount=0.04), (450, 200))
    lively = Actor(dance(20, amount=0.4), (200, 200))
    change = pose_change(look(lively, swaying).tracks[1])
    assert look(lively, swaying, rule=replace(RULE, poster_change=change)).roles[1] == "second"
    assert look(lively, swaying, rule=replace(RULE, poster_change=above(change))).roles[1] == "poster"


def test_a_picture_changes_a_third_of_what_the_liveliest_does_or_less():
    """Where all of a shot are calm, a small change is that of somebody who is calm too."""
    calm = Actor(dance(20, amount=0.03), (200, 200))
    calmer = Actor(dance(20, seed=3, amount=0.02), (450, 200))
    assert look(calm, calmer, rule=replace(RULE, poster_change=10.0)).roles[1] == "second"


def test_a_mirror_error_of_just_the_threshold_is_a_second_person():
    image = dance(20)[:, skeleton(COCO).mirrored] * [-1.0, 1.0]
    wobble = np.random.default_rng(4).normal(0, 0.02, image.shape)
    actors = DANCER, Actor(image + wobble, (450, 200), size=80)
    performer, other = look(*actors).tracks[:2]
    error = mirror_error(other, performer, COCO)
    assert look(*actors, rule=replace(RULE, mirror_distance=error)).roles[1] == "second"
    assert look(*actors, rule=replace(RULE, mirror_distance=error * 1.001)).roles[1] == "mirror"


def test_three_common_samples_tell_a_mirror_and_three_sightings_a_change():
    image = dance(20)[:, skeleton(COCO).mirrored] * [-1.0, 1.0]
    for samples, told in (([3, 4], False), ([3, 4, 5], True)):
        verdict = look(
            Actor(dance(20), (200, 200), when=samples), Actor(image, (450, 200), when=samples, size=80)
        )
        assert np.isfinite(mirror_error(*verdict.tracks[:2], COCO)) == told
        assert np.isfinite(pose_change(verdict.tracks[0])) == told


def test_a_gap_of_just_the_longest_is_bridged():
    """Sightings 1.5 s apart, exact in binary."""
    place = np.stack([np.arange(20) * 16.0, np.full(20, 200.0)], axis=1)
    gone = Actor(np.repeat(STANDING[None], 20, 0), place, when=set(range(20)) - {5, 6})
    for longest_s, tracks in ((1.5, 1), (1.499, 2)):
        verdict = look(gone, rule=replace(RULE, max_gap_s=longest_s))
        assert len(verdict.tracks) == tracks
        assert np.isfinite(verdict.boxes[[5, 6]]).all() == (tracks == 1)


def test_a_second_person_in_a_gap_of_just_the_longest_counts():
    """In longer ones each sighting stands alone, and one is not enough."""
    flicker = Actor(dance(20, seed=1), (450, 200), when=range(0, 20, 3))
    for longest_s, counted in ((1.5, 19), (1.499, 0)):
        assert (look(DANCER, flicker, rule=replace(RULE, max_gap_s=longest_s)).counts == 2).sum() == counted


def test_those_who_were_never_seen_together_may_be_one():
    """In the gap of one stands another who was not there before: nobody is counted twice."""
    first = Actor(dance(20, seed=1), (450, 200), when={0, 1, 2, 5, 6, 7})
    other = Actor(dance(20, seed=2), (950, 200), when={3, 4})
    assert look(DANCER, first, other).counts[3:5].tolist() == [2, 2]


def test_a_step_of_just_the_longest_is_followed():
    """The torso moves by 1.5 of a size that stays, exactly."""
    place = np.full((20, 2), 200.0)
    place[10:, 0] += 150.0
    for longest, tracks in ((1.5, 1), (1.499, 2)):
        verdict = look(Actor(np.repeat(STANDING[None], 20, 0), place), rule=replace(RULE, max_step=longest))
        assert len(verdict.tracks) == tracks


@pytest.mark.parametrize("swapped", [False, True])
def test_two_who_are_nearest_to_one_sighting_are_told_apart_by_the_cheapest_pairs(swapped):
    """Both step to the right, the left one to where the right one nearly stood."""
    steps = 90.0 * (np.arange(20) >= 10)[:, None] * [1.0, 0.0]
    actors = [Actor(np.repeat(STANDING[None], 20, 0), place + steps) for place in ((200, 200), (300, 200))]
    tracks = look(*(actors[::-1] if swapped else actors)).tracks
    assert [len(track) for track in tracks] == [20, 20]
    assert all(85 < np.ptp(track.xy[:, 11, 0]) < 95 for track in tracks)


def test_nobody_in_any_sample_makes_no_track():
    assert follow_people([], np.arange(0.0), COCO, RULE) == []
    assert Track.__len__(look(DANCER).tracks[0]) == 20
