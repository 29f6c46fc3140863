"""What a metric says of itself. Scoring, comparing, tables, figures, the page and LaTeX know no more than this.

A metric is one :class:`MetricSpec` in one file of this folder (in its tuple ``METRICS``), or in a package of others
under the entry-point group ``madance.metrics``. It is computed in one of these ways:

* ``per_clip``: a number of the joints of one clip, measured when the clip is read and kept as a column of the feature
  table. The metric is its mean over the clips.
* ``per_video``: a number of the pictures of one video, made while its frames go by. The metric is its mean over the
  videos.
* ``of_sets``: a number of two feature tables, prediction and reference. Its interval comes from blocks of clips that
  are left out, its noise floor from two parts of the reference.
* ``values``: numbers of single clips out of what the feature table holds already, or ``kept`` for it; the metric is
  their mean.
* ``estimate`` (with ``statistic`` and ``blocks``, where two systems are compared by it): everything by hand, for the
  metrics of this folder that share a computation, or whose interval has a form of its own.

Example:
    >>> import numpy as np
    >>> travel = MetricSpec(
    ...     name="travel",
    ...     version=1,
    ...     label="Travel",
    ...     title="Mean step of the joints from frame to frame",
    ...     needs=frozenset({"keypoints"}),
    ...     direction="reference",
    ...     bounds=(0.0, np.inf),
    ...     per_clip=lambda clip: float(np.abs(np.diff(clip.points, axis=0)).mean()),
    ... )
    >>> travel.track, travel.arrow
    ('motion', '→')
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from evaluation.features.table import FeatureTable
    from evaluation.features.wanted import ClipSeries, FrameByFrame
    from evaluation.inputs.pose_files import JointTrack
    from evaluation.metrics.estimate import ClipSources, Estimate, RowStatistic
    from evaluation.metrics.tables import RowValues, Tables
    from evaluation.stats.jackknife import BlockEstimate

__all__ = ["ARROWS", "Direction", "MetricSpec", "Need", "Side"]

Direction = Literal["higher", "lower", "reference", "none"]
Need = Literal["keypoints", "motion", "pictures", "pairs", "music", "bars"]
Side = Literal["prediction", "reference"]

ARROWS: Mapping[Direction, str] = {"higher": "↑", "lower": "↓", "reference": "→", "none": ""}

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: in results, protocols and files: small letters, digits, ``_``.
        version: changes whenever a number would.
        label: short name; what follows the first ``_`` is printed as a subscript.
        title: full name.
        needs: ``keypoints``, joints over time in 2D or 3D; ``motion``, 3D joints in metres; ``pictures`` of single
            videos; ``pairs``, videos beside their own references; ``music``; ``bars``, where those of
            the music begin, which a user says.
        direction: ``higher`` or ``lower`` is better, nearer to the value of the ``reference`` is, or ``none`` is.
        published_direction: that of published scripts and of the paper's tables, where it is another one.
        unit: of the value; "" for a number without one.
        bounds: smallest and largest possible value.
        decimals: shown in tables.
        scale: what tables multiply the value with.
        latex: the label in LaTeX, where it is not made of ``label``.
        per_clip: see above; takes a :class:`~evaluation.inputs.pose_files.JointTrack`. NaN, or a ``ValueError``, is a
            clip without a value.
        per_video: see above; makes a fresh :class:`~evaluation.features.wanted.FrameByFrame` for each video.
        per_clip_published: the same in a published definition, which is the second argument.
        kept: name -> what of the joints of each clip is kept in the feature table, as many numbers for every frame,
            where the metric needs both sides of a clip at once.
        absent: why a clip may have no value, in words.
        of_sets, values, estimate, statistic: see above.
        blocks: the metric without bias, as far as that goes, with what each block of clips does to it.
        scores: what it needs to know of the pictures of each video: names of
            :mod:`evaluation.features.extractors`.
        samples: further numbers of single clips (name -> (N,)) that are kept beside the result.
        compared: two systems are held against each other by it; not where another metric decides the same question.
        beside: a metric of the same question that may be undecided where this one decides.
        caution: what a reader must always be told.
        panel: heading of a group of its own in tables, for what the paper's tables do not judge.
    """

    name: str
    version: int
    label: str
    title: str
    needs: frozenset[Need]
    direction: Direction
    published_direction: Direction | None = None
    unit: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    decimals: int = 3
    scale: float = 1.0
    latex: str = ""
    per_clip: Callable[[JointTrack], float] | None = None
    per_clip_published: Callable[[JointTrack, str], float] | None = None
    per_video: Callable[[], FrameByFrame] | None = None
    kept: Mapping[str, ClipSeries] = field(default_factory=dict, hash=False)
    absent: str = "no value"
    of_sets: Callable[[FeatureTable, FeatureTable], float] | None = None
    values: Callable[[Tables, Side], RowValues] | None = None
    estimate: Callable[[Tables], Estimate] | None = None
    statistic: Callable[[Tables], RowStatistic] | None = None
    blocks: Callable[[Tables, ClipSources], BlockEstimate] | None = None
    scores: tuple[str, ...] = ()
    samples: Callable[[Tables], Mapping[str, npt.NDArray[np.float64]]] | None = None
    compared: bool = True
    beside: str = ""
    caution: str = ""
    panel: str = ""

    def __post_init__(self) -> None:
        """Refuse what would fail later and elsewhere.

        Raises:
            ValueError: the field is named.
        """
        faults = {
            "name": not _NAME.fullmatch(self.name),
            "version": self.version < 1,
            "label": not self.label.strip(),
            "title": not self.title.strip(),
            "needs": not self.needs or not self.needs <= set(get_args(Need)),
            "direction": not {self.direction, self.published_direction} <= {*get_args(Direction), None},
            "bounds": not self.bounds[0] < self.bounds[1],
            "decimals": not 0 <= self.decimals <= 9,
            "per_clip": self.per_clip is not None and not self.needs <= {"keypoints", "motion"},
            "per_video": self.per_video is not None and self.needs != {"pictures"},
            "scores": bool(self.scores or self.per_video) != (self.track == "appearance"),
        }
        if wrong := [field for field, is_wrong in faults.items() if is_wrong]:
            raise ValueError(f"metric {self.name!r}: {', '.join(wrong)} cannot be used as given")
        ways = (self.per_clip, self.per_video, self.of_sets, self.values, self.estimate)
        if not any(ways):
            raise ValueError(
                f"metric {self.name!r}: gives none of per_clip, per_video, of_sets, values, estimate"
            )

    @property
    def track(self) -> Literal["motion", "appearance"]:
        """Whether it is a number of motion or of pictures."""
        return "appearance" if self.needs & {"pictures", "pairs"} else "motion"

    @property
    def group(self) -> str:
        """The heading of its column in tables: its panel, or that of the paper's tables."""
        if self.panel:
            return self.panel
        return "Reconstruction" if "pairs" in self.needs else self.track.capitalize()

    @property
    def arrow(self) -> str:
        """``↑``, ``↓``, ``→`` (nearer to the reference), or nothing."""
        return ARROWS[self.direction]

    @property
    def by_clip(self) -> bool:
        """Whether single clips have a value."""
        return any((self.per_clip, self.per_video, self.values))

    def direction_in(self, kind: Literal["official", "corrected"]) -> Direction:
        """The direction in a protocol of that kind."""
        return self.published_direction or self.direction if kind == "official" else self.direction
