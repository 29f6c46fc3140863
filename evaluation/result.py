"""What one scoring run says, as one closed and versioned JSON document.

A number never stands alone: it carries n, an interval and the method behind it, its noise floor, its unit
and direction, and the hashes of everything it was made from. A number that could not be computed is ``null``
with the reason. The document holds no path and no name of a user or machine, and no NaN.

``id`` is the hash of all that was measured: scoring the same files twice gives the same id.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from evaluation.options import RunOptions, Sha256
from madata.config import ClosedModel, GrownModel, validated
from madata.errors import MadanceError
from madata.files import read_json, sha256_bytes, write_json

__all__ = [
    "OLDER_INTERVALS",
    "SCHEMA",
    "Artefact",
    "Checkpoint",
    "Course",
    "Dataset",
    "Edit",
    "Environment",
    "FileHashes",
    "Generation",
    "Metric",
    "Network",
    "PoseSource",
    "Problem",
    "ProtocolRef",
    "Result",
    "SystemRecord",
    "Verification",
    "Viewing",
    "as_far_as_comparable",
    "content_id",
    "json_schema",
    "labelled",
    "older_intervals",
    "read_result",
    "seal",
    "write_result",
]

SCHEMA: Literal["madance.result/1"] = "madance.result/1"

Track = Literal["motion", "appearance", "efficiency"]
Side = Literal["prediction", "reference", "music"]


class Course(ClosedModel):
    """A metric second by second of the clips.

    Attributes:
        values: mean over the clips at each second from the first on; ``None`` where none has a value.
        n: how many clips have one.
        reference: the same of the real clips, as far as they reach.
    """

    values: list[float | None]
    n: list[int]
    reference: list[float | None] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Course:
        if len(self.values) != len(self.n) or len(self.reference or ()) > len(self.values):
            raise ValueError("values, n and reference are not of the same seconds")
        return self


class Metric(GrownModel):
    """One number, or the reason why there is none.

    Attributes:
        n: clips (windows of clips, where the protocol cuts windows) the value rests on.
        ci95: 95 % interval by ``ci_method``.
        noise_floor: value of the same metric between two disjoint parts of the reference of ``noise_floor_n``
            clips each.
        reference: value of the same metric on the reference itself, where that means something (DIV, BAS,
            ...).
        caution: what a reader must know before using the number; it is shown beside it wherever it is shown.
        by_second: where in the clips it comes from, for metrics that say.
    """

    _later = ("by_second",)

    name: str
    track: Track
    value: float | None
    reason: str | None = None
    unit: str
    higher_is_better: bool | None
    n: int = Field(ge=0)
    n_reference: int | None = Field(default=None, ge=0)
    ci95: tuple[float, float] | None = None
    ci_method: str | None = None
    noise_floor: float | None = None
    noise_floor_n: int | None = None
    reference: float | None = None
    reference_ci95: tuple[float, float] | None = None
    caution: str | None = None
    version: int = Field(ge=1)
    by_second: Course | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Metric:
        if (self.value is None) != (self.reason is not None):
            raise ValueError("a metric has a value or a reason why not, never both")
        if (self.ci95 is None) != (self.ci_method is None):
            raise ValueError("ci95 and ci_method come together")
        if self.ci95 is not None and not self.ci95[0] <= self.ci95[1]:
            raise ValueError(f"ci95 {list(self.ci95)} is not in order")
        return self


OLDER_INTERVALS = frozenset({"half-sampling", "basic-bootstrap", "jackknife"})
"""Methods of intervals that results on disk may name and that are no longer made."""


def older_intervals(metrics: Collection[Metric]) -> set[str]:
    """Names of the metrics of a result whose intervals an earlier version made, or would not make.

    Where all methods are older ones, so is the lack of an interval.
    """
    methods = {metric.ci_method for metric in metrics if metric.ci_method not in (None, "shuffled-music")}
    whole = bool(methods) and methods <= OLDER_INTERVALS
    return {metric.name for metric in metrics if whole or metric.ci_method in OLDER_INTERVALS}


def as_far_as_comparable(found: Metric, stated: Metric) -> Metric:
    """``found``, computed again, with the intervals and remarks of ``stated``, whose method is an older one.

    Values, counts, noise floors and the values of the reference are what both versions agree on.
    """
    kept = ("ci95", "ci_method", "reference_ci95", "caution")
    return found.model_copy(update={name: getattr(stated, name) for name in kept})


class Problem(ClosedModel):
    """One file that is not as it must be, and what became of it.

    Attributes:
        reason: short code (``missing``, ``not_json``, ``too_short``, ``wrong_fps``, ``not_finite``, ...).
        dropped: the clip takes no part in the numbers.
    """

    clip_id: str
    side: Side
    file: str
    reason: str
    message: str
    dropped: bool


class Checkpoint(ClosedModel):
    """A weights file that was loaded."""

    name: str
    sha256: Sha256
    bytes: int = Field(ge=0)


def labelled(name: str, label: str | None) -> str:
    """The name of a system; the label of a model that does not stand for it goes wherever the name goes.

    Example:
        >>> labelled("motion-expert", "tiny-synthetic")
        'motion-expert (tiny-synthetic)'
    """
    return f"{name} ({label})" if label else name


class SystemRecord(ClosedModel):
    """What made the predictions. Only ``name`` is known of a folder of files."""

    name: str
    version: str | None = None
    task: Literal["video", "motion", "animation"]
    origin: dict[str, str | None] = Field(default_factory=dict)
    code: dict[str, str | bool | None] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    checkpoints: list[Checkpoint] = Field(default_factory=list)
    card: dict[str, Any] = Field(default_factory=dict)


class ProtocolRef(ClosedModel):
    """The protocol by which a result was made."""

    name: str
    version: int = Field(ge=1)
    sha256: Sha256


class FileHashes(ClosedModel):
    """SHA-256 of the files one clip was scored from; ``None`` where there was none."""

    prediction: Sha256 | None = None
    reference: Sha256 | None = None
    music: Sha256 | None = None


class Dataset(ClosedModel):
    """Which clips were asked for and which were scored.

    Attributes:
        reference_sha256: hash over the clip ids and contents of the reference files.
        music_sha256: the same over the music files.
        n_expected: clips the protocol asks for with this reference.
        missing: clips that were expected and not scored.
        ignored: predictions without a counterpart.
    """

    name: str
    version: str | None = None
    manifest_sha256: Sha256 | None = None
    split: str | None = None
    reference_sha256: Sha256
    music_sha256: Sha256 | None = None
    n_expected: int = Field(ge=0)
    n_scored: int = Field(ge=0)
    n_reference: int = Field(ge=0)
    missing: list[str] = Field(default_factory=list)
    ignored: list[str] = Field(default_factory=list)
    limit: int | None = None
    files: dict[str, FileHashes] = Field(default_factory=dict)


class PoseSource(ClosedModel):
    """Where 2D keypoints come from; keypoints of two backends are not comparable.

    Attributes:
        mixed: the two sides differ and the run was forced.
    """

    prediction: str
    reference: str
    skeleton: str
    mixed: bool = False
    identity: dict[str, Any] = Field(default_factory=dict)


class Network(ClosedModel):
    """One network that looked at the pictures.

    Attributes:
        noncommercial: its licence forbids commercial use, of the numbers too where it says so.
    """

    name: str
    sha256: Sha256
    licence: str
    noncommercial: bool = False


class Viewing(ClosedModel):
    """How the pictures were looked at.

    Attributes:
        dtype: of the networks; ``clip_dtype`` of both CLIPs, where they are asked for.
        fps, frames: smallest and largest of the predictions' videos.
        sizes: of the predictions' videos as shown, ``WxH``, the most frequent first.
    """

    device: str
    dtype: str = "float32"
    clip_dtype: str | None = None
    fps: tuple[float, float] | None = None
    frames: tuple[int, int] | None = None
    sizes: list[str] = Field(default_factory=list)
    networks: list[Network] = Field(default_factory=list)


class Generation(GrownModel):
    """How the clips that were scored were made.

    Attributes:
        batch: how many at once, at most; ``frames_per_s`` is that of all of them together.
    """

    _later = ("batch",)

    run_seed: int
    seeds_per_clip: int = Field(default=1, ge=1)
    device: str
    dtype: str
    wall_s: float = Field(ge=0)
    frames_per_s: float = Field(ge=0)
    batch: int = Field(default=1, ge=1)
    peak_gpu_mib: float | None = Field(default=None, ge=0)


class Artefact(ClosedModel):
    """A file beside the result, by plain name."""

    file: str = Field(pattern=r"^[^/\\]+$")
    sha256: Sha256


class Environment(ClosedModel):
    """Where the numbers were made."""

    python: str
    platform: str
    packages: dict[str, str]
    gpu: str | None = None
    cuda: str | None = None


class Edit(ClosedModel):
    """A later change, by whom and why; edits are only ever added."""

    time: str
    author: str
    reason: str
    change: str


class Verification(ClosedModel):
    """How far a result was checked.

    0 reported, 1 re-scored from features, 2 re-measured from the files, 3 re-generated from code and weights.
    """

    level: int = Field(default=0, ge=0, le=3)
    by: str | None = None
    time: str | None = None
    tool_version: str | None = None


class Result(GrownModel):
    """One system, one task, one protocol, one run."""

    _later = ("options",)

    schema_name: Literal["madance.result/1"] = Field(default=SCHEMA, alias="schema")
    id: str = ""
    created: str
    status: Literal["complete", "partial", "failed"]
    errors: list[Problem] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    system: SystemRecord
    protocol: ProtocolRef
    options: RunOptions = Field(default_factory=RunOptions)
    dataset: Dataset
    pose: PoseSource | None = None
    viewing: Viewing | None = None
    generation: Generation | None = None
    metrics: list[Metric]
    artefacts: dict[str, Artefact] = Field(default_factory=dict)
    environment: Environment
    edits: list[Edit] = Field(default_factory=list)
    verification: Verification = Field(default_factory=Verification)

    @model_validator(mode="after")
    def _consistent(self) -> Result:
        names = [metric.name for metric in self.metrics]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"metrics are listed twice: {', '.join(sorted(repeated))}")
        if self.status == "complete" and (self.dataset.missing or self.dataset.limit is not None):
            raise ValueError("a result with missing clips or a limit is not complete")
        return self

    def metric(self, name: str) -> Metric:
        """The entry called ``name``.

        Raises:
            MadanceError: there is none.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        known = ", ".join(metric.name for metric in self.metrics)
        raise MadanceError(f"the result has no metric {name!r}; it has {known}")


_NOT_MEASURED = {"id", "created", "edits", "verification"}


def content_id(result: Result) -> str:
    """SHA-256 of everything in ``result`` but its id, its time, its edits and its verification."""
    content = result.model_dump(mode="json", by_alias=True, exclude=_NOT_MEASURED)
    return sha256_bytes(json.dumps(content, sort_keys=True, allow_nan=False).encode())


def seal(result: Result) -> Result:
    """The same result with its content id filled in."""
    return result.model_copy(update={"id": content_id(result)})


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a result file.

    Example:
        >>> json_schema()["additionalProperties"]
        False
    """
    return {"$id": SCHEMA, **Result.model_json_schema(by_alias=True)}


def read_result(path: Path) -> Result:
    """Read and check a result file.

    Raises:
        MadanceError: the file is no result of this version (the field is named), or its id is not that of its
            content, i.e. it was edited by hand.
    """
    content = read_json(path)
    version = content.get("schema") if isinstance(content, dict) else None
    if version != SCHEMA:
        raise MadanceError(f"{path}: not a result file of schema {SCHEMA!r} (found {version!r})")
    _refuse_nan(content, path)
    result = validated(Result, content, where=str(path), noun="field", error=MadanceError)
    if result.id != content_id(result):
        raise MadanceError(
            f"{path}: its id does not belong to its content; it was changed after it was written"
        )
    return result


def _refuse_nan(value: Any, path: Path) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise MadanceError(f"{path}: holds {value}; a missing number is null with a reason")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_nan(inner, path)


def write_result(path: Path, result: Result) -> None:
    """Write ``result`` atomically, sealed."""
    write_json(path, seal(result).model_dump(mode="json", by_alias=True))
