"""A protocol says what a number means: clips, definition, metrics and their versions, statistics.

Protocols are TOML files with a name and a version; their hash stands in every result, and results of
different hashes are not compared. ``*-official`` and the 3D names of the field reproduce published scripts
number for number, defects included; the others are the corrected ones and the default.

Example:
    >>> load_protocol("mace2d-official").clips.max_frames
    64
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from evaluation.definitions import PAIR_PROTOCOLS, PairProtocol
from madata.config import ClosedModel, validated
from madata.errors import ConfigError, did_you_mean
from madata.files import parse_toml, read_toml, sha256_bytes

__all__ = [
    "DEFAULTS",
    "AppearanceRule",
    "ClipPrecision",
    "ClipRule",
    "IdentityRule",
    "InputKind",
    "Protocol",
    "StatisticsRule",
    "load_protocol",
    "protocol_names",
]

InputKind = Literal["keypoints2d", "motion3d", "video"]
ClipPrecision = Literal["float32", "float16", "bfloat16"]

DEFAULTS: dict[InputKind, str] = {"keypoints2d": "ma-data-motion2d", "motion3d": "finedance-motion3d"}


class ClipRule(ClosedModel):
    """Which part of which files is scored.

    Attributes:
        pairing: ``matched``, every reference clip needs a prediction of the same stem; ``intersection``,
            only stems on both sides (and in the music) count; ``set``, the reference is a distribution of
            its own.
        bad_files: ``refuse`` stops with the list of all of them; ``skip`` goes on without them and lists
            them.
        min_frames, max_frames: frames used, from the first one on; shorter clips are bad.
        duration_s: the same in seconds of the true frame rate.
        windows: cut the whole clip into windows of ``duration_s`` instead of taking the first one; intervals
            then resample whole clips.
        fps: ``any`` is not looked at, ``reference`` must be that of the reference, a number must be met.
        skeleton: joints are taken by name from the file's own; ``reference`` keeps those of the reference;
            empty where only pictures are looked at.
    """

    pairing: Literal["matched", "intersection", "set"]
    bad_files: Literal["refuse", "skip"]
    min_frames: int = Field(default=2, ge=2)
    max_frames: int | None = Field(default=None, ge=2)
    duration_s: float | None = Field(default=None, gt=0)
    windows: bool = False
    fps: Literal["any", "reference"] | float
    skeleton: str = ""

    @model_validator(mode="after")
    def _one_length(self) -> ClipRule:
        if self.duration_s is not None and self.max_frames is not None:
            raise ValueError("give max_frames or duration_s, not both")
        if self.windows and self.duration_s is None:
            raise ValueError("windows need duration_s")
        if self.max_frames is not None and self.max_frames < self.min_frames:
            raise ValueError(f"max_frames ({self.max_frames}) is below min_frames ({self.min_frames})")
        return self


class BeatAlignmentRule(ClosedModel):
    """How beats are compared in the corrected definition.

    Attributes:
        sigma_ms: tolerance.
        min_confidence: music whose beats are less sure counts as music without beats.
        shuffles: how often the music is dealt out anew to find the chance level.
    """

    sigma_ms: float = Field(gt=0)
    min_confidence: float = Field(ge=0, le=1)
    shuffles: int = Field(ge=10)


class AppearanceRule(ClosedModel):
    """How the networks behind the appearance dimensions run.

    Attributes:
        clip_precision: of both CLIPs; upstream is float32 on a CPU and float16 on a GPU. The other networks
            run in float32.
    """

    clip_precision: ClipPrecision


class IdentityRule(ClosedModel):
    """What counts as a face, where identity is measured; the reference may then hold pictures.

    Attributes:
        least_eyes_px: distance of the eyes in the picture.
        most_misfit: of eyes, nose and mouth from where a face has them that looks at the camera, as a share of its
            crop; 0.06 is a head turned by 50 degrees.
    """

    least_eyes_px: float = Field(gt=0)
    most_misfit: float = Field(gt=0, le=1)


class StatisticsRule(ClosedModel):
    """How sure the numbers are.

    Attributes:
        resamples: how thorough random draws are; behind the interval of a FID stands a pair of halves for every 50.
        floor_repeats: random splits of the reference into halves for the noise floor.
        seed: of everything random in the scoring.
        min_n: below this many clips FID and its kin are refused.
    """

    resamples: int = Field(ge=100)
    floor_repeats: int = Field(ge=1)
    seed: int = Field(ge=0)
    min_n: int = Field(ge=2)


class Protocol(ClosedModel):
    """One protocol.

    Attributes:
        kind: ``official`` reproduces a published script, ``corrected`` is ours.
        definition: ``corrected``, a published definition of motion of :mod:`evaluation.features.motion.published`, a
            way to compare pairs of :mod:`evaluation.definitions`, or ``vbench``.
        beats: of the corrected definition; a published one brings its own.
        appearance: where appearance dimensions are measured.
        identity: where people are held against a picture.
        headline: the metrics that are printed first, the others on demand; all where one of these is not measured.
        metrics: version of every metric, in the order of the report; a version changes when a number would.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: int = Field(ge=1)
    kind: Literal["official", "corrected"]
    input: InputKind
    definition: str
    summary: str
    source: str
    clips: ClipRule
    beats: BeatAlignmentRule | None = None
    appearance: AppearanceRule | None = None
    identity: IdentityRule | None = None
    statistics: StatisticsRule
    headline: tuple[str, ...] = ()
    metrics: dict[str, int]

    @model_validator(mode="after")
    def _parts_fit(self) -> Protocol:
        if (self.beats is not None) != (self.definition == "corrected"):
            raise ValueError("[beats] belongs to the corrected definition, and to no other")
        if (self.input == "video") == bool(self.clips.skeleton):
            raise ValueError("clips.skeleton belongs to keypoints and motions, and both need it")
        return self

    @property
    def pairs(self) -> PairProtocol | None:
        """How generated videos are compared with their references, where they are."""
        return PAIR_PROTOCOLS.get(self.definition)

    @property
    def has_pictures(self) -> bool:
        """Whether pictures are measured, and not only the motion in them."""
        return any(part is not None for part in (self.appearance, self.identity, self.pairs))

    @property
    def task(self) -> Literal["video", "motion", "animation"]:
        """What a folder of predictions without further description was made for."""
        if self.input == "motion3d":
            return "motion"
        return "video" if self.pairs is None else "animation"

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the protocol in canonical JSON, without what only concerns its readers."""
        content = self.model_dump(mode="json", exclude={"summary", "source", "headline"})
        content["metrics"] = list(self.metrics.items())
        if self.appearance is None:  # most protocols are older than these sections
            del content["appearance"]
        if self.identity is None:
            del content["identity"]
        return sha256_bytes(json.dumps(content, sort_keys=True).encode())

    def only(self, names: Sequence[str]) -> Protocol:
        """The protocol with these of its metrics alone: another protocol, with a hash of its own.

        Raises:
            ConfigError: it has no such metric; the nearest is named.

        Example:
            >>> list(load_protocol("lodge").only(["fsr", "bas"]).metrics)
            ['bas', 'fsr']
        """
        for name in names:
            if name not in self.metrics:
                raise ConfigError(
                    f"protocol {self.name} has no metric {name!r}{did_you_mean(name, self.metrics)}"
                )
        kept = {name: version for name, version in self.metrics.items() if name in names}
        return self.model_copy(update={"metrics": kept, "headline": ()})


def protocol_names() -> tuple[str, ...]:
    """Names of the protocols that come with the package.

    Example:
        >>> "ma-data-motion2d" in protocol_names()
        True
    """
    folder = resources.files("evaluation").joinpath("protocols")
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    )


def load_protocol(name: str) -> Protocol:
    """The protocol called ``name``, or the one in the TOML file of that path.

    Raises:
        ConfigError: there is no such protocol (the nearest is named), or the file is not a protocol.

    Example:
        >>> load_protocol("lodge").clips.pairing
        'set'
    """
    if name in protocol_names():
        text = resources.files("evaluation").joinpath("protocols", f"{name}.toml").read_bytes()
        return validated(Protocol, parse_toml(text, name), where=f"protocol {name}", noun="key")
    if name.endswith(".toml"):
        return validated(Protocol, read_toml(Path(name)), where=name, noun="key")
    raise ConfigError(f"there is no protocol {name!r}{did_you_mean(name, protocol_names())}")
