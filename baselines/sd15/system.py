"""What the ``animation`` systems that denoise a clip in windows have in common.

A method says its ``name``, what its ``networks`` are called in ``madance weights``, its ``card``, what upstream's
settings are, how its weights are loaded and what drives it; see :mod:`baselines.animate_anyone.system`.
Options of all of them:

- ``weights``: the folder; by default what ``madance weights`` knows as ``networks``.
- ``steps``, ``guidance``, ``window``, ``overlap``, ``stride``, ``closed_loop``: see
  :class:`baselines.sd15.settings.PaintingSettings`.
- ``dtype``: ``float16`` (upstream's), ``bfloat16``, ``float32``, or ``auto``: the first on a GPU, the last on a CPU.

With ``request.keep`` everything stays there, and a killed run goes on from it: see :mod:`baselines.sd15.driver`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from baselines.sd15.settings import DenoisingSettings, PaintingSettings
from evaluation.systems import Card, Loaded, Request
from mace_dance.appearance.controls import ControlOptions
from mace_dance.appearance.preflight import TrainedOn, deviations
from mace_dance.appearance.system import workplace
from madata.config import validated
from madata.devices import on_device
from madata.errors import ConfigError, MadanceError, WeightsError

if TYPE_CHECKING:
    import torch

    from baselines.sd15.painter import Image
    from mace_dance.appearance.driver import Animation

__all__ = ["Dtype", "LoadedPainter", "WindowedSystem"]

Dtype = Literal["auto", "float16", "bfloat16", "float32"]
_DTYPES = ("auto", "float16", "bfloat16", "float32")
_LATENT_PX = 8
# Activations for each byte of precision: of a place of the latents of a frame, and of a pixel that is decoded. Found by
# following every allocation of the full-size denoiser and autoencoder in half precision without computing anything
# (16 frames of 512x512, 24 of 512x784; attention that keeps no matrix): 18.6 to 19.4 kB, and 1.54 kB.
_DENOISER_BYTES = 9_700
_VAE_BYTES = 775


@dataclass(frozen=True, eq=False)
class LoadedPainter:
    """A method's networks.

    Attributes:
        longest: frames of the longest window its positions allow.
        label: marks results; ``None`` for the published sizes.
        weights: files and folders they were read from.
    """

    painter: Any
    longest: int
    label: str | None
    weights: tuple[Path, ...]


class WindowedSystem(ABC):
    """See the module.

    Attributes:
        upstream: settings of the release.
        options: which settings there are.
        trained: what it was trained on, for the preflight.
        loaded: what ``setup`` has loaded.
    """

    name: ClassVar[str]
    networks: ClassVar[str]
    card: ClassVar[Card]
    upstream: ClassVar[dict[str, Any]]
    options: ClassVar[type[DenoisingSettings]] = PaintingSettings
    trained: ClassVar[TrainedOn]

    def __init__(self, weights: str | None = None, dtype: Dtype = "auto", **settings: Any) -> None:
        """See the module for the options.

        Raises:
            ConfigError: one is unknown or out of range.
        """
        if dtype not in _DTYPES:
            raise ConfigError(f"dtype: expected {' or '.join(map(repr, _DTYPES))}, got {dtype!r}")
        self._given, self._dtype, self._device = weights, dtype, "cpu"
        self.settings: Any = validated(self.options, {**self.upstream, **settings})
        self._model: LoadedPainter | None = None
        self.loaded: Loaded | None = None

    @abstractmethod
    def files(self, folder: Path) -> tuple[Path, ...]:
        """What :meth:`load` reads: files and folders, in ``folder`` and beside it.

        Raises:
            WeightsError: a part is neither there nor known to ``madance weights``; the message holds the command.
        """

    @abstractmethod
    def load(self, folder: Path, dtype: torch.dtype) -> LoadedPainter:
        """The networks of a folder, on the CPU.

        Raises:
            WeightsError: it does not hold them; the message says what is missing.
        """

    @abstractmethod
    def controls(self, request: Request) -> tuple[Image, Sequence[Image]]:
        """The picture and a control frame for each frame wanted, all of the request's size.

        Raises:
            MadanceError: picture or pose is missing or does not do.
        """

    def check_request(self, request: Request) -> None:
        """Refuse what cannot be made, before anything is spent.

        Raises:
            MadanceError: the size does not fit the network.
        """
        for side, length in zip(("width", "height"), request.size, strict=True):
            if length % _LATENT_PX:
                lower = max(length // _LATENT_PX, 1) * _LATENT_PX
                raise MadanceError(
                    f"{side} must be a multiple of {_LATENT_PX}, not {length}; the nearest are {lower} "
                    f"and {lower + _LATENT_PX} (--size)"
                )

    def setup(self, device: str) -> None:
        """Load the weights into the memory of the machine; a clip brings them onto the device.

        Raises:
            WeightsError: a file is missing, damaged, or of another model.
            ConfigError: the windows are longer than the network's, or the device cannot be used.
        """
        import torch

        model = self.load(self.folder(), getattr(torch, self._dtype_on(device)))
        if self.settings.window > model.longest:
            raise ConfigError(
                f"window is {self.settings.window} frames, its network was trained for {model.longest} "
                f"at most: --set window={model.longest}"
            )
        networks = model.painter.networks()
        on_device(next(iter(networks.values())), device)
        self._device, self._model = device, model
        count = sum(weight.numel() for network in networks.values() for weight in network.parameters())
        notes = None if model.label is None else f"{model.label}: not the model that {self.name} stands for"
        self.loaded = Loaded(model.label, replace(self.card, n_parameters=count, notes=notes), model.weights)

    def plan(self, request: Request, device: str) -> list[str]:
        """Weights, windows and disk for a clip.

        Raises:
            MadanceError: the size, the picture, the pose, the weights or the disk does not do.
        """
        from baselines.sd15.driver import clip_bytes
        from mace_dance.appearance.memory import check_disk

        self.check_request(request)
        folder, settings, frames = self.folder(), self.settings, request.num_frames
        for path in self.files(folder):
            if not path.exists():
                raise WeightsError(
                    f"{path}: no such file or folder; madance weights list --for {self.name} tells what belongs there"
                )
        width, height = request.size
        there = workplace(request) / "video"
        spent = sum(path.stat().st_size for path in there.rglob("*") if path.is_file())
        check_disk(there, max(0, clip_bytes(frames, width * height) - spent))
        windows = len(settings.windows(frames))
        passes = windows * settings.steps * (2 if settings.guided else 1)
        return [
            f"weights {folder}",
            f"{frames} frames {width}x{height} at {request.fps:g} fps, windows of {settings.window}: {windows}, "
            f"{settings.steps} steps, passes of the denoiser: {passes}",
            self._memory(folder, min(settings.window, frames), width * height, device),
        ]

    def _memory(self, folder: Path, frames: int, pixels: int, device: str) -> str:
        """What is on the device at once, counted; only told, since nothing of it has been measured on a card."""
        from mace_dance.appearance.load import label_of_marker
        from mace_dance.appearance.memory import free_memory

        free = free_memory(device)
        if self.card.n_parameters is None or label_of_marker(folder) is not None:
            return f"memory: not counted for networks of another size, {free / 1e9:.1f} GB are free"
        each = 4 if self._dtype_on(device) == "float32" else 2
        weights = self.card.n_parameters * each
        halves = 2 if self.settings.guided else 1
        denoiser = _DENOISER_BYTES * each * halves * frames * pixels // _LATENT_PX**2
        activations = max(denoiser, _VAE_BYTES * each * pixels)
        enough = "" if weights + activations <= free else ": smaller windows or pictures take less"
        return (
            f"memory: about {(weights + activations) / 1e9:.1f} of {free / 1e9:.1f} GB, weights {weights / 1e9:.1f} "
            f"and activations {activations / 1e9:.1f}{enough}"
        )

    def preflight(self, request: Request) -> list[str]:
        """In what a request is not what it was trained on, see :mod:`mace_dance.appearance.preflight`."""
        return deviations(self.trained, request, self.drawing)

    @property
    def drawing(self) -> ControlOptions:
        """How poses are drawn, and who is looked for in the picture."""
        return ControlOptions(align=False, face="none")

    def generate(self, request: Request) -> Iterable[Image]:
        """The frames, read from the finished segments.

        Raises:
            MadanceError: picture, pose or size does not do, or the disk is full; what is done stays.
        """
        if self._model is None:
            raise MadanceError(f"{self.name}: setup(device) comes before generate(request)")
        self.check_request(request)
        for network in self._model.painter.networks().values():
            on_device(network, self._device)
        return self.paint(self._model.painter, request, workplace(request) / "video").frames

    def paint(self, painter: Any, request: Request, folder: Path) -> Animation:
        """Make the clip, in ``folder``.

        Raises:
            MadanceError: picture, pose or size does not do, or the disk is full; what is done stays.
        """
        from baselines.sd15.driver import paint_clip

        picture, controls = self.controls(request)
        return paint_clip(
            painter, self.settings, picture, controls, request.seed, request.fps, folder, request.report
        )

    def release(self) -> None:
        """Leave the accelerator until the next clip."""
        for network in self._model.painter.networks().values() if self._model is not None else ():
            network.to("cpu")

    def _dtype_on(self, device: str) -> str:
        return ("float32" if device == "cpu" else "float16") if self._dtype == "auto" else self._dtype

    def folder(self) -> Path:
        """The folder of weights.

        Raises:
            WeightsError: there is none.
        """
        from madata.weights import find_weights

        folder = find_weights(self.networks) if self._given is None else Path(self._given).expanduser()
        if not folder.is_dir():
            raise WeightsError(
                f"{folder}: no such folder; madance weights list --for {self.name} tells what it holds"
            )
        return folder
