"""What a system is: the three tasks, what a system is asked, what it gives back.

| task | asked with | gives |
|---|---|---|
| ``motion`` | music | a :class:`~madata.types.Motion3D` |
| ``animation`` | reference image, pose (and motion, where there is one) | video |
| ``video`` | music, reference image | video |

A video is a file, or the frames themselves: uint8 (H, W, 3) RGB, an array or any iterable. Length, frame rate
and size must be those of the request. Weights load in ``setup`` only; ``generate`` depends on the request and
the weights alone, so that neither the order of the clips nor the sharding of a run changes anything. This
module imports nothing heavy: arrays are named in annotations only.

Four methods are optional:

* ``generate_many(requests)`` -> a list of outputs, in their order: clips as one batch (``--batch``). Each is what
  ``generate`` makes of its request, up to the rounding of sums that a batch adds up in another order.
* ``plan(request, device)`` -> lines of text: what the clip will take (memory, time), told without weights; it
  raises a :class:`~madata.errors.MadanceError` where the request cannot be met, before anything is spent.
* ``preflight(request)`` -> lines of text: in what the request is not what the method was trained on; nothing is
  refused for it, and nothing depends on it.
* ``release()``: give back the memory of the accelerator; the next ``generate`` takes it again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, Union

from madata.seeds import seed_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from madata.types import Keypoints2D, Motion3D

__all__ = [
    "TASKS",
    "Card",
    "Output",
    "RealClip",
    "Request",
    "System",
    "Task",
    "Truth",
    "clip_seed",
    "optional_method",
    "tasks_of",
]

Task = Literal["motion", "animation", "video"]
TASKS: tuple[Task, ...] = ("motion", "animation", "video")

Output: TypeAlias = Union["Motion3D", Path, "Iterable[npt.NDArray[np.uint8]]"]


@dataclass(frozen=True)
class Card:
    """Who made a system and what went into it; ``None`` or empty where it is not said.

    Attributes:
        training_data: names of data sets, or ``name:split``; overlap with a test set is computed from them.
    """

    paper: str | None = None
    url: str | None = None
    licence: str | None = None
    n_parameters: int | None = None
    training_data: tuple[str, ...] = ()
    notes: str | None = None


@dataclass(frozen=True)
class RealClip:
    """A real clip: its motion file and its video, where there are such. Clips of a source share its music.

    Attributes:
        size: (width, height) px of its video.
    """

    clip_id: str
    source_id: str
    duration_s: float
    motion: Path | None
    video: Path | None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Truth:
    """The real clips, for systems that declare ``needs_truth``: the sanity rows, which no board ranks.

    Attributes:
        split: every clip of the split, whatever part of it this run makes.
        others: clips of the same data set outside the split.
        run_seed: of anything drawn for the split as a whole.
    """

    split: tuple[RealClip, ...]
    others: tuple[RealClip, ...]
    run_seed: int


def _unheard(doing: str, share: float) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Request:
    """What a system is asked to make.

    Attributes:
        task: which of the system's tasks.
        music: sound file; ``None`` for ``animation``.
        image: reference picture (PNG) of ``size``; ``None`` for ``motion``.
        pose: keypoints to follow, one row per frame wanted, pixels of ``size``; ``animation`` only.
        motion: the 3D motion behind ``pose``, where there is one.
        duration_s: length; the output has ``num_frames`` frames.
        fps: frame rate wanted.
        size: (width, height) px of videos; of no meaning for ``motion``.
        seed: the only source of randomness, 0 .. 2**32 - 1.
        scratch: an empty folder that is removed after the clip.
        truth: the real clips, ``None`` unless the system declares ``needs_truth``.
        keep: folder (made by whoever writes into it) for intermediates and finished pieces, found again when the
            same request is made to the same system, so that it can go on where it was killed; ``None``: nothing
            is kept, use ``scratch``.
        report: tell what is being done and the share of the clip that is done, 0..1; for show only.
        fit: how a picture of another shape was brought to ``size``: whole, with black beside it (``pad``), or cut off
            evenly (``crop``); what is painted over it goes the same way.
    """

    clip_id: str
    task: Task
    music: Path | None
    image: Path | None
    pose: Keypoints2D | None
    motion: Motion3D | None
    duration_s: float
    fps: float
    size: tuple[int, int]
    seed: int
    scratch: Path
    truth: Truth | None = None
    keep: Path | None = None
    report: Callable[[str, float], None] = _unheard
    fit: Literal["pad", "crop"] = "pad"

    @property
    def num_frames(self) -> int:
        """Frames the output must have."""
        return round(self.duration_s * self.fps)


class System(Protocol):
    """A method of the field. Optional attributes are those of :func:`evaluation.systems.system`."""

    @property
    def task(self) -> Task | tuple[Task, ...]:
        """What it can do."""
        ...

    @property
    def card(self) -> Card:
        """Who made it."""
        ...

    def setup(self, device: str) -> None:
        """Load weights onto ``device`` (``"cpu"``, ``"cuda"``, ``"cuda:1"``); called once, before anything else."""
        ...

    def generate(self, request: Request) -> Output:
        """Make one clip."""
        ...


def optional_method(system: System, name: str) -> Callable[..., Any] | None:
    """One of the four optional methods of a system, itself or wrapped, where it has it."""
    method = getattr(getattr(system, "instance", system), name, None)
    return method if callable(method) else None


def clip_seed(run_seed: int, clip_id: str) -> int:
    """Seed of one clip, 0 .. 2**32 - 1: a hash of the run's seed and the clip's id, so that order is nothing.

    Example:
        >>> clip_seed(0, "a") == clip_seed(0, "a") != clip_seed(1, "a")
        True
    """
    return seed_of(run_seed, clip_id)


def tasks_of(value: Any) -> tuple[Task, ...]:
    """Normalise the ``task`` of a system.

    Raises:
        ValueError: it is none of the three tasks, nor a tuple of them.

    Example:
        >>> tasks_of("motion")
        ('motion',)
    """
    named = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (tuple, list)) else ()
    if not named or any(task not in TASKS for task in named):
        raise ValueError(f"task must be one of {', '.join(TASKS)}, or a tuple of them, not {value!r}")
    return tuple(task for task in TASKS if task in named)
