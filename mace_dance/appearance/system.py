"""The Appearance Expert as an ``animation`` system: the person of a picture, dancing a pose.

Wan-Animate with the release's Body Adapter and LoRA. Options:

- ``weights``: folder of the backbone, or its hub id; by default ``wan-animate-14b`` of ``madance weights``.
- ``adapter``, ``lora``: a file, or ``none``; by default the released ones.
- ``preset``: ``release`` or ``upstream``; single settings override it: ``steps``, ``overlap``, ``sampler``,
  ``shift``, ``guidance``, ``negative_prompt``, ``segment_frames``, ``lora_strength``, ``match_colour``
  (:mod:`mace_dance.appearance.settings`).
- ``prompt``: by default the one it was trained with.
- ``style``, ``align``, ``face``, ``people``, ``pose_backend``: see :mod:`mace_dance.appearance.controls`.
- ``dtype``: ``bfloat16``, ``float32``, or ``auto``: the first on a GPU.

Size and frame rate are those of the request. With ``request.keep`` everything stays there: ``pose_video.mp4``,
``plan.json`` (memory and work), ``provenance.json`` (every weights file) and ``video/`` (the run folder of
:mod:`mace_dance.appearance.run_folder`: settings, segments, report), from which a killed run goes on.
"""

from __future__ import annotations

import gc
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from evaluation.systems import Card, Loaded, Request, system
from mace_dance.appearance.controls import (
    ControlOptions,
    check_faces,
    find_person,
    make_controls,
)
from mace_dance.appearance.preflight import TrainedOn, deviations
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import write_json
from madata.formats import suffix_of
from madata.video.stills import read_still

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt

    from mace_dance.appearance.controls import DrawnPoses
    from mace_dance.appearance.driver import SegmentProgress
    from mace_dance.appearance.load import LoadedPipeline
    from mace_dance.appearance.memory import MemoryPlan
    from mace_dance.appearance.placement import Placement
    from mace_dance.appearance.settings import InferenceSettings

__all__ = ["AppearanceExpert", "WanAnimator", "show_poses", "workplace"]

_NONE = "none"
_BASE, _ADAPTER, _LORA = "wan-animate-14b", "mace-dance-adapter", "mace-dance-lora"
_OF_THE_REQUEST = ("width", "height", "fps")

CARD = Card(
    paper="MACE-Dance",
    url="https://github.com/AMAP-ML/MACE-Dance",
    licence="Apache-2.0 (backbone)",
    n_parameters=23_713_385_831 + 153_354_240,
    training_data=("ma-data:train",),
)


@dataclass(frozen=True)
class Sources:
    """Where the weights are; ``None`` where a part is left out."""

    base: Path | str
    adapter: Path | None
    lora: Path | None


class WanAnimator:
    """Wan-Animate, with or without what fine-tuning put on top of it; see the module.

    Attributes:
        tuned: it has an adapter and a LoRA on top.
        preset, prompt: taken where the options name none.
        trained: what it was trained on, for the preflight.
        loaded: what ``setup`` has loaded.
    """

    name: ClassVar[str] = "wan-animate"
    tuned: ClassVar[bool] = False
    preset: ClassVar[str] = "release"
    prompt: ClassVar[str | None] = None
    trained: ClassVar[TrainedOn] = TrainedOn(
        "Wan2.2's animate preprocessing",
        fps=30,
        sizes=((720, 1280),),
        style="wan",
        stick=2 / 720,
        face_control=True,
    )

    def __init__(
        self,
        weights: str | None = None,
        adapter: str | None = None,
        lora: str | None = None,
        preset: str | None = None,
        prompt: str | None = None,
        dtype: Literal["auto", "bfloat16", "float32"] = "auto",
        style: Literal["wan", "mace"] = "wan",
        align: bool | None = None,
        face: str = "reference",
        people: Literal["one", "largest"] = "one",
        pose_backend: str = "wholebody",
        **settings: Any,
    ) -> None:
        """See the module for the options; ``preset`` and ``prompt`` are those of the class by default.

        Raises:
            ConfigError: one is unknown or out of range, or a part is given to a system that has none.
        """
        from mace_dance.appearance.settings import DEFAULT_PROMPT, inference_settings

        for name in _OF_THE_REQUEST:
            if name in settings:
                raise ConfigError(f"{name} is no option: size and rate are asked for with --size and --fps")
        for name, value in (("adapter", adapter), ("lora", lora)):
            if value is not None and not self.tuned:
                raise ConfigError(f"it has no {name}: appearance-expert takes one (--set {name}=FILE)")
        if dtype not in ("auto", "bfloat16", "float32"):
            raise ConfigError(f"dtype: expected 'auto', 'bfloat16' or 'float32', got {dtype!r}")
        self._given = (weights, adapter, lora)
        self._preset, self._overrides = preset or self.preset, settings
        inference_settings(self._preset, self._overrides)
        self._prompt = next(text for text in (prompt, self.prompt, DEFAULT_PROMPT) if text is not None)
        self._dtype: Literal["auto", "bfloat16", "float32"] = dtype
        self._controls = ControlOptions(style, align, face, people, pose_backend)
        self._device = "cpu"
        self._pipeline: LoadedPipeline | None = None
        self._placed: tuple[object, MemoryPlan | None, Placement] | None = None
        self.loaded: Loaded | None = None

    def setup(self, device: str) -> None:
        """Load the weights into the memory of the machine; a clip brings them onto the device.

        Raises:
            WeightsError: a file is missing, damaged, or of another model.
        """
        self._device = device
        sources = self._sources()
        self._pipeline, self._placed = self._load(sources), None
        label = self._label(self._pipeline.label, sources)
        parts = (Path(sources.base), sources.adapter, sources.lora)
        self.loaded = Loaded(
            label,
            None if label is None else self._card_of(self._pipeline.pipeline, label),
            tuple(path for path in parts if path is not None and path.exists()),
        )

    def plan(self, request: Request, device: str) -> list[str]:
        """Segments, memory plan and disk for a clip; the person is looked for in the picture.

        Raises:
            MadanceError: the size, the length, the picture, the weights, the memory or the disk does not do.
        """
        from mace_dance.appearance.footprint import sizes_of_folder
        from mace_dance.appearance.memory import check_disk, choose_plan, estimate, free_memory
        from mace_dance.appearance.segments import plan_segments

        settings = self._settings(request)
        segments = plan_segments(request.num_frames, settings.segment_frames, settings.overlap)
        sources = self._sources()
        self._judge_controls(request)
        counted = estimate(settings, segments, sizes_of_folder(Path(sources.base), self._bytes_each(device)))
        folder = workplace(request) / "video"
        there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        check_disk(folder, max(0, counted.disk - there))
        chosen = choose_plan(counted, free_memory(device), None if device == "cpu" else free_memory("cpu"))
        tuning = ", ".join(
            f"{kind} {path}" for kind, path in (("adapter", sources.adapter), ("lora", sources.lora)) if path
        )
        return [
            f"weights {sources.base}{', ' + tuning if tuning else ''}",
            f"{len(segments.segments)} segments of {settings.segment_frames} frames, overlap {settings.overlap}, "
            f"{settings.steps} steps ({settings.sampler}), {settings.width}x{settings.height} at {settings.fps:g} fps",
            *chosen.describe().splitlines(),
        ]

    def preflight(self, request: Request) -> list[str]:
        """In what a request is not what the backbone was trained on, see :mod:`mace_dance.appearance.preflight`."""
        trained = self.trained
        if self._controls.face != "reference":
            trained = replace(trained, face_control=False)
        return deviations(trained, request, self._controls)

    def generate(self, request: Request) -> Iterable[npt.NDArray[np.uint8]]:
        """The frames, as many as asked for, read from the finished segments.

        Raises:
            MadanceError: picture, pose or settings do not do, or the disk is full; finished segments stay.
        """
        from mace_dance.appearance.driver import animate

        if self._pipeline is None:
            raise MadanceError(f"{self.name}: setup(device) comes before generate(request)")
        settings, folder = self._settings(request), workplace(request)
        request.report("drawing the poses", 0.0)
        controls = make_controls(request, self._controls)
        show_poses(folder, controls.poses, request.fps)
        plan, placement = self._place(settings, request.num_frames)
        write_json(folder / "provenance.json", self._pipeline.provenance)
        write_json(
            folder / "plan.json", {"device": self._device, "plan": None if plan is None else asdict(plan)}
        )
        result = animate(
            self._pipeline.pipeline,
            settings,
            controls.picture,
            controls.poses,
            controls.faces,
            self._prompt,
            request.seed,
            folder=folder / "video",
            progress=lambda progress: request.report(*_told(progress)),
            placement=placement,
        )
        return result.frames

    def _settings(self, request: Request) -> InferenceSettings:
        from mace_dance.appearance.settings import inference_settings

        width, height = request.size
        grid = {"width": width, "height": height, "fps": request.fps}
        return inference_settings(self._preset, {**self._overrides, **grid})

    def _judge_controls(self, request: Request) -> None:
        """Look at the picture and the face video now rather than after the motion was made."""
        options = self._controls
        if options.face_video is not None:
            check_faces(options.face_video, request.num_frames, request.fps)
        if request.image is not None and options.needs_person(
            is_motion=request.pose is None or request.motion is not None
        ):
            find_person(read_still(request.image), options)

    def _sources(self) -> Sources:
        """The files to load.

        Raises:
            WeightsError: one is not on this machine, or damaged; the message holds the command that gets it.
        """
        from mace_dance.appearance.load import check_folder, is_hub_id
        from madata.weights import find_weights

        weights, adapter, lora = self._given
        base: Path | str = find_weights(_BASE) if weights is None else weights
        if Path(base).expanduser().is_dir():
            base = Path(base).expanduser()
        if not is_hub_id(base):
            check_folder(Path(base))
        is_tiny = _marked(base)
        return Sources(
            base,
            self._on_top(adapter, _ADAPTER, is_tiny=is_tiny),
            self._on_top(lora, _LORA, is_tiny=is_tiny),
        )

    def _on_top(self, given: str | None, name: str, *, is_tiny: bool) -> Path | None:
        """A file on top of the backbone. Released files fit the published backbone alone, never a tiny one."""
        from mace_dance.appearance.tensors import check_safetensors
        from madata.weights import find_weights

        if given == _NONE or (given is None and (is_tiny or not self.tuned)):
            return None
        path = find_weights(name) if given is None else Path(given).expanduser()
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; madance weights fetch {name} gets the released one")
        if suffix_of(path) == ".safetensors":
            check_safetensors(path)
        return path

    def _label(self, of_base: str, sources: Sources) -> str | None:
        """What marks the results: another backbone, or a part of the system left out."""
        from mace_dance.appearance.load import PUBLISHED

        if of_base != PUBLISHED:
            return of_base
        lacking = [
            f"without {kind}"
            for kind, path in (("adapter", sources.adapter), ("LoRA", sources.lora))
            if self.tuned and path is None
        ]
        return ", ".join(lacking) or None

    def _card_of(self, pipeline: Any, label: str) -> Card:
        """The card of a model that the system's name does not stand for."""
        from mace_dance.appearance.memory import model_sizes

        sizes = model_sizes(pipeline)
        parts = (sizes.transformer, sizes.vae, sizes.text_encoder, sizes.image_encoder)
        return Card(n_parameters=sum(parts), notes=f"{label}: not the model that {self.name} stands for")

    def _load(self, sources: Sources) -> LoadedPipeline:
        from mace_dance.appearance.load import load_pipeline
        from mace_dance.appearance.settings import inference_settings

        return load_pipeline(
            sources.base,
            adapter=sources.adapter,
            lora=sources.lora,
            lora_strength=inference_settings(self._preset, self._overrides).lora_strength,
            dtype="bfloat16" if self._bytes_each(self._device) == 2 else "float32",
            device="cpu",
        )

    def _bytes_each(self, device: str) -> int:
        if self._dtype == "auto":
            return 4 if device == "cpu" else 2
        return 2 if self._dtype == "bfloat16" else 4

    def _place(self, settings: InferenceSettings, num_frames: int) -> tuple[MemoryPlan | None, Placement]:
        """Put the pipeline where the memory plan wants it; clips of one shape share a placement."""
        from mace_dance.appearance.memory import choose_plan, estimate, free_memory, model_sizes
        from mace_dance.appearance.placement import Placement, place_pipeline
        from mace_dance.appearance.segments import plan_segments

        shape = (settings.width, settings.height, settings.segment_frames, settings.guided)
        if self._placed is not None and self._placed[0] == shape:
            return self._placed[1], self._placed[2]
        if self._placed is not None:
            self._pipeline, self._placed = None, None
            gc.collect()
        if self._pipeline is None:
            self._pipeline = self._load(self._sources())
        pipeline = self._pipeline.pipeline
        plan: MemoryPlan | None = None
        if self._device == "cpu":
            placement = Placement.where_it_is(pipeline)
        else:
            segments = plan_segments(num_frames, settings.segment_frames, settings.overlap)
            counted = estimate(settings, segments, model_sizes(pipeline))
            plan = choose_plan(counted, free_memory(self._device), free_memory("cpu"))
            placement = place_pipeline(pipeline, plan, self._device)
        self._placed = (shape, plan, placement)
        return plan, placement


@system(
    "appearance-expert",
    task="animation",
    card=CARD,
    weights=("wan-animate-14b", "mace-dance-adapter", "mace-dance-lora"),
    fps=15,
    size=(720, 1280),
)
class AppearanceExpert(WanAnimator):
    """The paper's Appearance Expert with the settings of the release; see the module for the options."""

    name = "appearance-expert"
    tuned = True
    trained = replace(
        WanAnimator.trained,
        source="the MACE-Dance release and its backbone",
        fps=15,
        sizes=((480, 832), (720, 1280)),
    )


def workplace(request: Request) -> Path:
    """Where the pieces of a clip go."""
    return request.scratch if request.keep is None else request.keep


def _marked(base: Path | str) -> bool:
    """Whether a folder is one of ``madance weights tiny``."""
    from mace_dance.appearance.load import label_of_marker
    from mace_dance.appearance.tiny import LABEL

    return label_of_marker(Path(base)) == LABEL


def show_poses(folder: Path, poses: DrawnPoses, fps: float) -> None:
    """Write the pose video for people to look at; the backbone gets the drawn frames themselves."""
    from madata.video import write_video

    path = folder / "pose_video.mp4"
    if not path.exists():
        write_video(path, poses, fps)


def _told(progress: SegmentProgress) -> tuple[str, float]:
    """What the driver is doing, in words, and the share of the clip that is done."""
    place = f"segment {progress.segment + 1} of {progress.segments}, step {progress.step} of {progress.steps}"
    done = 1.0 if progress.stage == "segment" else progress.step / progress.steps
    return f"painting: {place}", (progress.segment + done) / progress.segments
