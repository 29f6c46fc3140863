"""Does exactly one person perform here? The people filter of the curation (paper section 4.1, rule iii).

The paper drops clips in which two or more people are seen and says no more, so the rule is ours. It looks at
about two pictures a second of one shot. Definitions (S samples, K sightings, J joints; positions in px):

* *confidence* of one person in one sample: sqrt(detection score * presence of the pose). * *sighting*:
confidence of at least ``weak``, and not on the head or the bones of a better one of that sample. * *track*:
sightings of one person over time. It is a person when its best confidence reaches ``strong`` and
  it has ``min_hits`` sightings. Between two sightings it counts as present, unless whoever is seen there was
  never seen beside it and may be the same person.
* *performer*: the person with the largest size * confidence, summed over time. Others count as performers
  when they are at least ``relative_size`` as large, unless they are a *poster* (the pose never changes
  although the performer's does) or a *mirror* image (the performer's pose with left and right exchanged, at
  the same time). A *passer-by* counts in the samples in which he is there, which are too few to matter.
* ``share_two_or_more`` >= ``multi_share`` drops the shot as ``multi_person``, else ``share_none`` >=
  ``none_share`` as ``no_person``. The performer is seen in a sample where his shoulders are (and his hips, if
  ``min_hips`` asks for them: a talking head has none).

The thresholds come from the confidences measured with the backend ``blazepose`` on sample footage, 5 to 50
pictures a clip. First: the best of each picture, lowest decile. Second: the best of anybody else, largest.

========================================== ========= ========= =========== ========= =============
what is in the clips (how many)            first     second    two or more none      decision
========================================== ========= ========= =========== ========= =============
one person, photographed (8)               0.74-0.98 none      0.00        0.00      keep 8
one rendered dancer (2)                    0.97      none      0.00        0.00      keep 2
two people, whole bodies (4)               0.86-0.97 0.83-0.99 0.50-1.00   0.00      multi_person 4
street crowd from behind (1)               0.83      0.73      1.00        0.00      multi_person
two dancers as DensePose colour maps (1)   0.20      0.66      0.85        0.60      multi_person
one dancer as a DensePose colour map (1)   0.11      none      0.00        0.75      no_person
two arm wrestlers cut off by the frame (1) 0.27      0.42      0.00        0.95      no_person
landscape, slides, end card (3)            0.00-0.40 none      0.00        1.00      no_person 3
one person, head and chest cut off (15)    0.00-0.29 0.60      0.00-0.35   0.70-1.00 dropped 15
========================================== ========= ========= =========== ========= =============

Known misses: people who hide one another count as one while they do (a hug: half of the samples); people
smaller than about a tenth of the picture are not found; a colour map or a drawing may be nobody; a trunk
without head and legs may be somebody; a mirror that shows the other side of the dancer was not at hand.
"""

from madata.people.rule import PeopleRule
from madata.people.tracks import (
    Sightings,
    Track,
    confidence,
    follow_people,
    joint_change,
    pose_change,
    sightings,
)
from madata.people.verdict import Verdict, decide, examine, judge_people, mirror_error

__all__ = [
    "PeopleRule",
    "Sightings",
    "Track",
    "Verdict",
    "confidence",
    "decide",
    "examine",
    "follow_people",
    "joint_change",
    "judge_people",
    "mirror_error",
    "pose_change",
    "sightings",
]
