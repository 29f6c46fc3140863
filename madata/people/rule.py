"""The thresholds of the people filter."""

from __future__ import annotations

from dataclasses import dataclass, fields

from madata.errors import ConfigError

__all__ = ["PeopleRule"]

_SHARES = ("multi_share", "none_share", "weak", "strong", "relative_size", "min_shoulders", "min_hips")


@dataclass(frozen=True)
class PeopleRule:
    """Thresholds. Sizes are :attr:`madata.pose.Detections.size`, half the height of the standing body.

    Attributes:
        multi_share: a shot is dropped when two or more performers are present in this share of its samples.
        none_share: a shot is dropped when no performer is seen in this share of its samples.
        weak: confidence that makes a sighting.
        strong: confidence that a track must reach once to be a person.
        min_hits: sightings a person needs, where the shot has at least twice as many samples.
        relative_size: a person smaller than this share of the performer is background.
        same_head: two poses of one sample are one person when their heads are nearer, in sizes of the
            smaller.
        same_body: a pose is part of another one when its joints are on average nearer to the other's bones,
            in sizes of the other. Measured: limbs taken for people 0.02-0.07, people who hug 0.39 and more.
        max_step: how far a person goes from one sighting to the next, in sizes.
        max_gap_s: a track ends after this long without a sighting.
        min_shoulders, min_hips: mean visibility at which the performer counts as seen.
        poster_change: a pose that changes less is a picture, see :func:`madata.people.pose_change`. Measured:
            pictures in front of a shaking camera 0.016-0.020, living people 0.05-0.5.
        mirror_distance: a pose nearer to the performer's mirror image is one, see
            :func:`madata.people.mirror_error`. Measured: mirrors 0.02-0.05, a second late 0.07-0.25, two
            people 0.14 and more.
    """

    multi_share: float = 0.25
    none_share: float = 0.5
    weak: float = 0.3
    strong: float = 0.5
    min_hits: int = 2
    relative_size: float = 0.45
    same_head: float = 0.2
    same_body: float = 0.15
    max_step: float = 1.5
    max_gap_s: float = 1.6
    min_shoulders: float = 0.5
    min_hips: float = 0.0
    poster_change: float = 0.025
    mirror_distance: float = 0.06

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value < 0 or (item.name in _SHARES and value > 1):
                wanted = "in 0..1" if item.name in _SHARES else "at least 0"
                raise ConfigError(f"people rule: {item.name} must be {wanted}, got {value}")
        if self.weak > self.strong:
            raise ConfigError(f"people rule: weak ({self.weak}) is above strong ({self.strong})")
