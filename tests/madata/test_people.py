import json
from itertools import islice

import numpy as np
import pytest

from madata.errors import ConfigError, MadanceError, WeightsError
from madata.people import (
    PeopleRule,
    examine,
    follow_people,
    judge_people,
    mirror_error,
    pose_change,
    sightings,
)
from madata.people.tracks import bone_distance
from madata.pose import Detections, Poses, load
from madata.skeletons import skeleton

COCO = "coco-17"
# A standing body, sizes (half body heights) about the torso, in the columns of COCO-17.
STANDING = np.array(
    [
        [0.02, -0.95], [0.06, -1.0], [-0.03, -1.0], [0.12, -0.97], [-0.1, -0.97],
        [0.2, -0.7], [-0.2, -0.7], [0.28, -0.4], [-0.28, -0.4], [0.3, -0.1], [-0.3, -0.1],
        [0.12, -0.05], [-0.12, -0.05], [0.13, 0.4], [-0.13, 0.4], [0.13, 0.85], [-0.13, 0.85],
    ]
)  # fmt: skip


def dance(steps, seed=0, amount=0.15):
    """Poses (steps, 17, 2) of a body whose limbs swing, in sizes."""
    rng = np.random.default_rng(seed)
    phase, pace = rng.uniform(0, 6, (17, 2)), rng.uniform(0.6, 1.6, (17, 2))
    limb = np.array([0.2] * 5 + [0.3, 0.3] + [1.0] * 4 + [0.2, 0.2] + [0.8] * 4)[:, None]
    return STANDING + amount * limb * np.sin(np.arange(steps)[:, None, None] * pace + phase)


class Actor:
    """One person: ``shapes`` in sizes, at ``place`` px, of ``size`` px, seen in the samples ``when``."""

    def __init__(self, shapes, place, size=100.0, when=None, score=0.95, presence=0.98, visible=1.0):
        self.xy = (shapes * size + np.asarray(place, float)[..., None, :]).astype(np.float32)
        self.size, self.score, self.presence, self.visible = size, score, presence, visible
        self.when = set(range(len(shapes)) if when is None else when)


class Stage:
    """A backend that reports actors; sample number = brightness of the picture."""

    skeleton = COCO
    identity = {"name": "stage"}  # noqa: RUF012

    def __init__(self, *actors):
        self.actors = actors

    def detect(self, images):
        return [self._people(int(image[0, 0, 0])) for image in images]

    def _people(self, sample):
        here = [actor for actor in self.actors if sample in actor.when]
        boxes = np.array([[*actor.xy[sample].min(0), *actor.xy[sample].max(0)] for actor in here], np.float32)
        return Detections(
            boxes.reshape(-1, 4),
            np.array([actor.score for actor in here], np.float32),
            np.array([actor.size for actor in here], np.float32),
        )

    def estimate(self, images, people):
        poses = []
        for image in images:
            sample = int(image[0, 0, 0])
            here = [actor for actor in self.actors if sample in actor.when]
            xy = np.array([actor.xy[sample] for actor in here], np.float32).reshape(-1, 17, 2)
            score = np.array([np.full(17, 1.0) * actor.visible for actor in here], np.float32).reshape(-1, 17)
            poses.append(Poses(xy, score, np.array([actor.presence for actor in here], np.float32)))
        return poses


def look(*actors, steps=20, rule=None, step_s=0.5):
    images = [np.full((4, 4, 3), sample, np.uint8) for sample in range(steps)]
    return examine(Stage(*actors), images, np.arange(steps) * step_s, rule)


def test_one_dancer_is_kept():
    verdict = look(Actor(dance(20), (200, 200)))
    assert verdict.reason is None and verdict.roles == ("performer",)
    assert verdict.share_two_or_more == 0 and verdict.share_none == 0
    assert verdict.counts.tolist() == [1] * 20 and verdict.seen.all()
    assert verdict.xy.shape == (20, 17, 2) and np.isfinite(verdict.xy).all()
    assert (verdict.boxes[:, 0] <= verdict.xy[..., 0].min(1)).all()
    assert verdict.settings["backend"] == {"name": "stage"}
    assert verdict.settings["rule"]["multi_share"] == PeopleRule().multi_share


def test_two_dancers_are_dropped():
    verdict = look(Actor(dance(20), (200, 200)), Actor(dance(20, seed=1), (450, 200), size=80))
    assert verdict.reason == "multi_person" and verdict.share_two_or_more == 1.0
    assert verdict.roles == ("performer", "second")
    assert verdict.measured()["max_count"] == 2


def test_nobody():
    verdict = look()
    assert verdict.reason == "no_person" and verdict.share_none == 1.0 and verdict.tracks == ()
    assert np.isnan(verdict.boxes).all() and np.isnan(verdict.xy).all() and (verdict.score == 0).all()


def test_a_passer_by_is_tolerated_until_he_stays():
    dancer = Actor(dance(20), (200, 200))
    for samples, reason in ((4, None), (5, "multi_person")):
        verdict = look(dancer, Actor(dance(20, seed=1), (450, 200), when=range(6, 6 + samples)))
        assert verdict.reason == reason and verdict.share_two_or_more == pytest.approx(samples / 20)
        assert verdict.roles[1] == ("second" if reason else "passer-by")


def test_small_people_behind_do_not_count():
    dancer = Actor(dance(20), (200, 200))
    small = Actor(dance(20, seed=1), (450, 100), size=40)
    verdict = look(dancer, small)
    assert verdict.reason is None and verdict.roles == ("performer", "small")
    assert look(dancer, small, rule=PeopleRule(relative_size=0.35)).reason == "multi_person"


def test_weak_sightings_count_beside_a_strong_one_and_not_alone():
    dancer = Actor(dance(20), (200, 200))
    ghost = Actor(dance(20, seed=1), (450, 200), score=0.45, presence=0.35)
    assert look(dancer, ghost).share_two_or_more == 0
    assert look(ghost).reason == "no_person"
    flash = Actor(dance(20, seed=1), (450, 200), when=[9])
    verdict = look(dancer, flash)
    assert verdict.roles == ("performer", "unsure") and verdict.share_two_or_more == 0


def test_short_gaps_of_a_second_person_are_bridged_and_long_ones_are_not():
    dancer = Actor(dance(20), (200, 200))
    flicker = look(dancer, Actor(dance(20, seed=1), (450, 200), when=range(0, 20, 3)))
    assert flicker.share_two_or_more == pytest.approx(19 / 20)
    seldom = look(dancer, Actor(dance(20, seed=1), (450, 200), when=[0, 1, 12, 13]))
    assert seldom.share_two_or_more == pytest.approx(4 / 20)


def test_one_person_lost_and_found_elsewhere_is_one_person():
    place = np.full((20, 2), 200.0)
    place[7:] = [700, 200]  # a leap too far to follow
    verdict = look(Actor(dance(20), place))
    assert verdict.reason is None and verdict.roles == ("performer", "performer")
    assert np.isfinite(verdict.xy).all() and verdict.counts.max() == 1


def test_two_reports_of_one_body_are_one_sighting():
    shapes = dance(20)
    dancer = Actor(shapes, (200, 200))
    assert look(dancer, Actor(shapes, (205, 202), score=0.6)).counts.max() == 1
    torso_lost = shapes.copy()
    torso_lost[:, 5:] += [0.8, 0.3]  # the same head on another body
    assert look(dancer, Actor(torso_lost, (200, 200), score=0.6)).counts.max() == 1


def test_legs_taken_for_a_small_person_are_no_sighting_and_a_child_in_front_is_one():
    shapes = np.repeat(STANDING[None], 20, 0)
    dancer = Actor(shapes, (200, 200))
    leg = Actor(shapes * [0.1, 0.6], (212, 250), size=60, score=0.6)  # all of it along one leg
    assert look(dancer, leg).counts.max() == 1
    child = Actor(shapes, (255, 240), size=60, score=0.6)
    assert look(dancer, child).counts.max() == 2


def test_bone_distance():
    bones = skeleton(COCO).edges
    pose = STANDING.astype(np.float32)
    middle = np.array([(pose[a] + pose[b]) / 2 for a, b in bones], np.float32)
    assert bone_distance(middle, pose[None], COCO) == pytest.approx([0], abs=1e-6)
    away = bone_distance(pose + np.float32([0, 5]), np.stack([pose, pose + np.float32([0, 5])]), COCO)
    assert away[0] > 3 and away[1] == pytest.approx(0, abs=1e-6)


def test_a_poster_does_not_count_even_if_the_camera_moves():
    rng = np.random.default_rng(5)
    sway = np.array([500, 200]) + rng.normal(0, 15, (20, 2))
    poster = STANDING + rng.normal(0, 0.002, (20, 17, 2))
    verdict = look(Actor(dance(20), (200, 200)), Actor(poster, sway, size=120))
    assert verdict.reason is None and set(verdict.roles) == {"performer", "poster"}
    assert verdict.roles[0] == "poster"  # the larger one: the dancer is the performer all the same
    assert np.nanmean(verdict.boxes[:, 0]) < 300


def test_a_still_person_alone_is_no_poster():
    assert look(Actor(np.repeat(STANDING[None], 20, 0), (200, 200))).roles == ("performer",)


def test_a_person_who_stands_by_is_no_poster():
    onlooker = dance(20, seed=3, amount=0.04)
    verdict = look(Actor(dance(20), (200, 200)), Actor(onlooker, (450, 200)))
    assert verdict.reason == "multi_person"


@pytest.mark.parametrize("turned", [1.0, -1.0])
def test_a_mirror_image_does_not_count(turned):
    shapes = dance(20)
    image = shapes[:, skeleton(COCO).mirrored] * [turned, 1.0] * 0.8
    verdict = look(Actor(shapes, (200, 200)), Actor(image, (450, 190)))
    assert verdict.roles == ("performer", "mirror") and verdict.reason is None


def test_a_mirror_image_is_one_up_to_a_distance_of_six_hundredths():
    """Between the mirrors measured (0.02 to 0.05) and the same dance a second late (0.07 and more)."""
    shapes = dance(20)
    image = shapes[:, skeleton(COCO).mirrored] * [-1.0, 1.0]
    wobble = np.random.default_rng(4).normal(0, 1, shapes.shape)
    roles, errors = [], []
    for amount in (0.02, 0.0275, 0.0285, 0.0315, 0.0325, 0.05):
        verdict = look(Actor(shapes, (200, 200)), Actor(image + amount * wobble, (450, 200), size=80))
        performer, other = verdict.tracks[:2]
        errors.append(mirror_error(other, performer, COCO))
        roles.append(verdict.roles[1])
    assert [role == "mirror" for role in roles] == [error < 0.06 for error in errors]
    assert sorted(roles) == ["mirror"] * 3 + ["second"] * 3
    assert errors[2] > 0.055 and errors[3] < 0.065


def test_people_who_dance_the_same_steps_are_no_mirror():
    shapes = dance(20)
    assert look(Actor(shapes, (200, 200)), Actor(shapes, (450, 200))).reason == "multi_person"
    late = np.roll(shapes[:, skeleton(COCO).mirrored] * [-1.0, 1.0], 3, axis=0)
    assert look(Actor(shapes, (200, 200)), Actor(late, (450, 200))).reason == "multi_person"


def test_a_performer_without_shoulders_is_nobody():
    scores = np.ones(17)
    scores[[5, 6]] = 0.2
    verdict = look(Actor(dance(20), (200, 200), visible=scores))
    assert verdict.reason == "no_person" and verdict.counts.max() == 1


def test_hips_are_asked_for_only_on_demand():
    scores = np.ones(17)
    scores[11:] = 0.05
    talking_head = Actor(dance(20), (200, 200), visible=scores)
    assert look(talking_head).reason is None
    assert look(talking_head, rule=PeopleRule(min_hips=0.5)).reason == "no_person"


def test_a_performer_gone_for_half_the_shot():
    assert look(Actor(dance(20), (200, 200), when=range(11))).reason is None
    assert look(Actor(dance(20), (200, 200), when=range(10))).reason == "no_person"


def test_boxes_are_interpolated_in_gaps_and_keypoints_are_not():
    place = np.stack([np.linspace(100, 290, 20), np.full(20, 200.0)], axis=1)
    still = np.repeat(STANDING[None], 20, 0)
    verdict = look(Actor(still, place, when=set(range(20)) - {5, 6}))
    assert np.isnan(verdict.xy[5]).all() and (verdict.score[5] == 0).all()
    assert verdict.boxes[5, 0] == pytest.approx((verdict.boxes[4, 0] * 2 + verdict.boxes[7, 0]) / 3, abs=1e-3)
    gone = look(Actor(still, place, when=set(range(20)) - set(range(5, 12))))
    assert np.isnan(gone.boxes[8]).all()


def test_a_shot_of_one_sample_is_judged_by_that():
    two = [Actor(dance(1), (200, 200)), Actor(dance(1, seed=1), (450, 200))]
    assert look(*two, steps=1).reason == "multi_person" and look(two[0], steps=1).reason is None


def test_the_picture_scale_and_the_order_of_detections_change_nothing():
    actors = [Actor(dance(20), (200, 200)), Actor(dance(20, seed=1), (450, 200), when=range(3, 9))]
    larger = [
        Actor(dance(20), (600, 600), size=300),
        Actor(dance(20, seed=1), (1350, 600), size=300, when=range(3, 9)),
    ]
    verdicts = [look(*actors), look(*actors[::-1]), look(*larger)]
    assert len({(one.share_two_or_more, one.roles, one.reason) for one in verdicts}) == 1
    assert (verdicts[0].xy == verdicts[1].xy).all()


def test_tracks_keep_people_apart_who_pass_each_other():
    left = np.stack([np.linspace(100, 500, 20), np.full(20, 200.0)], axis=1)
    right = np.stack([np.linspace(500, 100, 20), np.full(20, 205.0)], axis=1)
    people = Stage(Actor(dance(20), left), Actor(dance(20, seed=1), right, size=60))
    images = [np.full((4, 4, 3), sample, np.uint8) for sample in range(20)]
    rule = PeopleRule()
    found = [
        sightings(some, pose, COCO, rule)
        for some, pose in zip(people.detect(images), people.estimate(images, [None] * 20), strict=True)
    ]
    tracks = follow_people(found, np.arange(20) * 0.25, COCO, rule)
    assert sorted({float(size) for size in track.size} == {100.0} for track in tracks if len(track) > 5) == [
        False,
        True,
    ]
    assert tracks[0].weight >= tracks[-1].weight


def test_pose_change_and_mirror_error_say_nothing_of_two_sightings():
    verdict = look(
        Actor(dance(20), (200, 200), when=[3, 4]), Actor(dance(20, seed=1), (450, 200), when=[3, 4])
    )
    assert all(np.isinf(pose_change(track)) for track in verdict.tracks)
    assert np.isinf(mirror_error(*verdict.tracks[:2], COCO))


def test_judge_of_no_tracks_keeps_the_settings():
    verdict = judge_people([], np.arange(3.0), COCO, PeopleRule(), settings={"backend": "x"})
    assert verdict.reason == "no_person" and verdict.settings["backend"] == "x"


@pytest.mark.parametrize("times", [[0.0, 0.5], [0.0, 0.5, 0.5], [1.0, 0.5, 2.0]])
def test_times_must_fit(times):
    with pytest.raises(MadanceError, match="ascending time"):
        examine(Stage(), [np.zeros((4, 4, 3), np.uint8)] * 3, times)


def test_no_picture_at_all():
    with pytest.raises(MadanceError, match="0 pictures"):
        examine(Stage(), [], [])


@pytest.mark.parametrize("bad", [{"multi_share": 1.5}, {"weak": 0.7}, {"max_gap_s": -1}])
def test_rules_out_of_range_are_refused(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        PeopleRule(**bad)


# Real footage ----------------------------------------------------------------------------------------


LONGEST = 240
"""Frames of real footage that are looked at: about as long as a clip."""


@pytest.fixture(scope="module")
def blazepose():
    try:
        return load("blazepose")
    except WeightsError as error:
        pytest.skip(str(error))


def sampled(path, *spans, samples_per_s=2.0, least=7, long_side=512):
    """(pictures, times) of each span of frames: two pictures a second, at least ``least`` where there are so many."""
    av = pytest.importorskip("av")
    with av.open(path) as container:
        rate = float(container.streams.video[0].average_rate)
    chosen = []
    for first, last in spans:
        count = min(last - first, max(least, round((last - first) / rate * samples_per_s)))
        chosen.append(np.linspace(first, last - 1, count).round().astype(int).tolist())
    pictures = dict.fromkeys(number for numbers in chosen for number in numbers)
    with av.open(path) as container:
        for number, frame in enumerate(islice(container.decode(video=0), max(pictures) + 1)):
            if number in pictures:
                scale = min(1.0, long_side / max(frame.width, frame.height))
                size = (round(frame.width * scale), round(frame.height * scale))
                pictures[number] = frame.reformat(*size, "rgb24").to_ndarray()
    there = [[number for number in numbers if pictures[number] is not None] for numbers in chosen]
    return [([pictures[n] for n in numbers], [n / rate for n in numbers]) for numbers in there]


@pytest.mark.media
@pytest.mark.nightly
def test_real_single_clips_are_kept_and_others_dropped(blazepose, media_dir):
    truth = json.loads((media_dir / "raw_ground_truth.json").read_text())
    wrong = {}
    for clip in truth:
        performers = clip.get("performers")
        painted = "DensePose" in clip.get("description", "")  # colour maps of bodies: not photographs
        if not isinstance(performers, int) or not clip.get("n_frames") or painted:
            continue
        ((images, times),) = sampled(media_dir / clip["file"], (0, min(clip["n_frames"], LONGEST)))
        verdict = examine(blazepose, images, times)
        if (verdict.reason is None) != (performers == 1):
            wrong[clip["file"]] = (performers, verdict.reason, verdict.measured())
    assert wrong == {}


@pytest.mark.media
@pytest.mark.slow
def test_shots_of_the_crawl(blazepose, media_dir):
    crawl = json.loads((media_dir / "crawl_a.json").read_text())
    wanted = {0: "no_person", 1: None, 2: "multi_person"}
    spans = [(shot["start"], shot["end"]) for shot in crawl["shots"]]
    for shot, seen in zip(crawl["shots"], sampled(media_dir / crawl["file"], *spans), strict=True):
        verdict = examine(blazepose, *seen)
        assert verdict.reason == wanted[shot["persons"]], shot


@pytest.mark.media
def test_legs_alone_are_nobody(blazepose, media_dir):
    ((images, times),) = sampled(media_dir / "raw" / "unianimate_source_video.mp4", (0, 80))
    assert examine(blazepose, images, times).reason is None
    legs = [np.ascontiguousarray(image[int(0.62 * len(image)) :]) for image in images]
    assert examine(blazepose, legs, times).reason == "no_person"


@pytest.mark.media
def test_a_real_dancer_beside_a_mirror(blazepose, media_dir):
    ((images, times),) = sampled(media_dir / "raw" / "unianimate_source_video.mp4", (0, 64))
    beside = [np.concatenate([image, image[:, ::-1]], axis=1) for image in images]
    assert examine(blazepose, beside, times).reason is None
    twins = [np.concatenate([image, image], axis=1) for image in images]
    assert examine(blazepose, twins, times).reason == "multi_person"


def test_joints_that_were_not_found_join_nobody():
    """Hands and faces that are not seen lie at (0, 0): two people do not meet there."""
    xy = np.zeros((2, 133, 2), np.float32)
    xy[:, :17] = np.random.default_rng(0).uniform(0, 100, (17, 2))
    xy[1, :17] += [400, 0]
    score = (xy > 0).all(axis=-1).astype(np.float32)
    people = Detections(np.zeros((2, 4), np.float32), np.ones(2, np.float32), np.full(2, 100, np.float32))
    seen = sightings(people, Poses(xy, score, np.ones(2, np.float32)), "coco-wholebody-133", PeopleRule())
    assert len(seen) == 2
