"""Wan-Dancer as a ``video`` system: music and a picture to a dance, without a pose in between.

The first open model of music to dance video. Keyframes are made over the whole song, then segments between them
(:mod:`baselines.wan_dancer.stages`). Options:

- ``weights``: the published folder (:mod:`baselines.wan_dancer.load`); by default that of ``madance weights``.
- ``genre``: ``classical``, ``k-pop``, ``street``, ``latin`` or ``tap``, what the prompts of the release tell apart.
- ``stages``: ``both``, or ``local`` for music below 7.5 s.
- ``keyframe_plan``, ``music_windows``, ``global_steps``, ``local_steps``, ``shift``, ``guidance``, ``negative_prompt``,
  ``slots``: see :class:`baselines.wan_dancer.settings.DancerSettings`.
- ``dtype``: ``bfloat16``, ``float32``, or ``auto``: the first on a GPU.

The rate is 30 fps. With ``request.keep`` all pieces stay there, and a killed run goes on from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluation.systems import Card, Loaded, Request, system
from mace_dance.appearance.controls import ControlOptions
from mace_dance.appearance.preflight import TrainedOn, deviations
from mace_dance.appearance.system import workplace
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import write_json
from madata.video.stills import read_still

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from baselines.wan_dancer.load import DancerPipeline, Stage
    from baselines.wan_dancer.settings import DancerSettings
    from mace_dance.appearance.memory import ClipEstimate, MemoryPlan
    from mace_dance.appearance.placement import Placement

__all__ = ["WanDancer"]

_NAME = "wan-dancer"
_FPS = 30
_SUSTAINED = 400e12
_OF_THE_REQUEST = ("width", "height", "frames")
_TRAINED = TrainedOn("the sizes and the rate of its release", fps=30, sizes=((480, 832), (720, 1280)))

CARD = Card(
    paper="Wan-Dancer",
    url="https://github.com/Wan-Video/Wan-Dancer",
    licence="Apache-2.0 (code)",
    n_parameters=2 * 17_245_198_464 + 126_892_531 + 5_680_910_336 + 630_766_080,
    notes="training data not published",
)


@system("wan-dancer", task="video", card=CARD, weights=("wan-dancer-14b",), fps=30, size=(720, 1280))
class WanDancer:
    """See the module.

    Attributes:
        loaded: what ``setup`` has loaded.
    """

    def __init__(
        self,
        weights: str | None = None,
        dtype: Literal["auto", "bfloat16", "float32"] = "auto",
        **settings: Any,
    ) -> None:
        """See the module for the options.

        Raises:
            ConfigError: one is unknown or out of range.
        """
        if dtype not in ("auto", "bfloat16", "float32"):
            raise ConfigError(f"dtype: expected 'auto', 'bfloat16' or 'float32', got {dtype!r}")
        for name in _OF_THE_REQUEST:
            if name in settings:
                raise ConfigError(
                    f"{name} is no option: size and length are asked for with --size and --duration"
                )
        self._given, self._dtype, self._overrides, self._device = weights, dtype, settings, "cpu"
        self._settings_of((720, 1280), 1)
        self._dancer: DancerPipeline | None = None
        self._plan: tuple[object, MemoryPlan] | None = None
        self._placed: tuple[object, Placement] | None = None
        self.loaded: Loaded | None = None

    def setup(self, device: str) -> None:
        """Load VAE and encoders into the memory of the machine; networks come with their stages.

        Raises:
            WeightsError: a file is missing, damaged, or of another model.
        """
        import torch

        from baselines.wan_dancer.load import DancerPipeline, sizes_of_dancer
        from madata.devices import on_device

        on_device(torch.nn.Identity(), device)
        self._device = device
        self._dancer = DancerPipeline(
            self._folder(), torch.bfloat16 if self._bytes_each(device) == 2 else torch.float32
        )
        label, card = self._dancer.label, None
        if label is not None:
            sizes = sizes_of_dancer(self._dancer.folder, 2)
            count = sizes.all_bytes // 2 + sizes.transformer
            card = replace(CARD, n_parameters=count, notes=f"{label}: not the model that {_NAME} stands for")
        self.loaded = Loaded(label, card, (self._dancer.folder,))

    def plan(self, request: Request, device: str) -> list[str]:
        """Keyframes and segments, memory plan, operations and disk for a clip.

        Raises:
            MadanceError: the size, the rate, the length, the weights, the memory or the disk does not do.
        """
        from baselines.wan_dancer.load import check_dancer, positions_of, sizes_of_dancer
        from baselines.wan_dancer.plan import global_pace
        from baselines.wan_dancer.settings import count_flop
        from baselines.wan_dancer.stages import dance_parts
        from mace_dance.appearance.memory import check_disk, choose_plan, free_memory

        settings, folder = self._checked(request), self._folder()
        check_dancer(folder)
        parts = dance_parts(settings)
        first = f"{len(parts)} segments of {settings.slots} frames, {settings.local_steps} steps each"
        if settings.stages == "both":
            pace = global_pace(settings.frames + 1, settings.slots, positions_of(folder))
            first = f"keyframes at {pace.fps:g} fps in {settings.global_steps} steps, then {first}"
        counted = self._count(settings, sizes_of_dancer(folder, self._bytes_each(device)))
        there = workplace(request) / "video"
        spent = sum(path.stat().st_size for path in there.rglob("*") if path.is_file())
        check_disk(there, max(0, counted.disk - spent))
        chosen = choose_plan(counted, free_memory(device), None if device == "cpu" else free_memory("cpu"))
        flop = count_flop(counted)
        return [
            f"weights {folder}",
            f"{first}, {settings.width}x{settings.height} at {_FPS} fps, music in {settings.music_windows} windows",
            f"{flop:.2g} operations: {flop / _SUSTAINED / 3600:.2g} h at 400 TFLOP/s",
            *chosen.describe().splitlines(),
        ]

    def generate(self, request: Request) -> Iterable[npt.NDArray[np.uint8]]:
        """The frames, read from the finished segments.

        Raises:
            MadanceError: picture, music or size does not do, or the disk is full; what is done stays.
        """
        from baselines.wan_dancer.stages import make_dance_video

        if self._dancer is None:
            raise MadanceError(f"{_NAME}: setup(device) comes before generate(request)")
        settings = self._checked(request)
        if request.image is None or request.music is None:
            raise MadanceError(f"{request.clip_id}: {_NAME} needs music and a picture")
        folder = workplace(request)
        folder.mkdir(parents=True, exist_ok=True)
        request.report("listening", 0.0)
        return make_dance_video(
            self._dancer,
            settings,
            read_still(request.image),
            request.music,
            request.seed,
            folder=folder / "video",
            place=lambda stage: self._place(stage, settings, folder),
            report=request.report,
        )

    def preflight(self, request: Request) -> list[str]:
        """In what a request is not what it was made for, see :mod:`mace_dance.appearance.preflight`."""
        return deviations(_TRAINED, request, ControlOptions(align=False, face="none"))

    def release(self) -> None:
        """Leave the accelerator until the next clip."""
        if self._dancer is not None:
            self._placed = None
            self._dancer.forget()
            for part in (
                self._dancer.pipeline.vae,
                self._dancer.pipeline.text_encoder,
                self._dancer.pipeline.image_encoder,
            ):
                part.to("cpu")

    def _checked(self, request: Request) -> DancerSettings:
        if round(request.fps * 1000) != _FPS * 1000:
            raise ConfigError(f"it draws {_FPS} frames a second, not {request.fps:g}: leave --fps out")
        return self._settings_of(request.size, request.num_frames)

    def _settings_of(self, size: tuple[int, int], frames: int) -> DancerSettings:
        from baselines.wan_dancer.settings import DancerSettings
        from madata.config import validated

        of_request = {"width": size[0], "height": size[1], "frames": frames}
        return validated(DancerSettings, {**self._overrides, **of_request})

    def _folder(self) -> Path:
        from madata.weights import find_weights

        folder = find_weights("wan-dancer-14b") if self._given is None else Path(self._given).expanduser()
        if not folder.is_dir():
            raise WeightsError(
                f"{folder}: no such folder; madance weights fetch {_NAME} gets the published one"
            )
        return folder

    def _bytes_each(self, device: str) -> int:
        if self._dtype == "auto":
            return 4 if device == "cpu" else 2
        return 2 if self._dtype == "bfloat16" else 4

    def _count(self, settings: DancerSettings, sizes: Any) -> ClipEstimate:
        from baselines.wan_dancer.settings import count_dance
        from baselines.wan_dancer.stages import dance_parts

        return count_dance(settings, len(dance_parts(settings)), sizes)

    def _place(self, stage: Stage, settings: DancerSettings, folder: Path) -> Placement:
        """Load a stage's network and put the pipeline where the memory plan wants it; one plan serves both stages."""
        from baselines.wan_dancer.load import sizes_of_dancer
        from mace_dance.appearance.memory import choose_plan, free_memory
        from mace_dance.appearance.placement import Placement, place_pipeline

        dancer = self._dancer
        assert dancer is not None
        key = (stage, settings.latent_shape)
        if self._placed is not None and self._placed[0] == key:
            return self._placed[1]
        self._placed = None
        if self._device == "cpu":
            dancer.load(stage)
            placement = Placement.where_it_is(dancer.pipeline)
        else:
            dancer.forget()
            if self._plan is None or self._plan[0] != settings.latent_shape:
                counted = self._count(settings, sizes_of_dancer(dancer.folder, dancer.dtype.itemsize))
                chosen = choose_plan(counted, free_memory(self._device), free_memory("cpu"))
                self._plan = (settings.latent_shape, chosen)
            plan = self._plan[1]
            write_json(folder / "plan.json", {"device": self._device, "plan": asdict(plan)})
            dancer.load(stage)
            placement = place_pipeline(dancer.pipeline, plan, self._device)
        self._placed = (key, placement)
        return placement
