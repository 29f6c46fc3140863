"""A clip from noise to frames: all windows of a step, step after step, then decoded in segments.

The latents are on disk after every step, and every segment of frames once it is decoded; so a killed run goes on where
it was and ends in the same bits. Latents are float32 on the host, where the DDIM steps are taken; the networks compute
in their own precision. The folder is that of :mod:`mace_dance.appearance.run_folder`, ``latents.safetensors`` beside
its segments. Noise is drawn on the CPU, so that a seed means the same on every device.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.sd15.painter import ClipPainter, Image, Predict, decode_frames
from baselines.sd15.schedule import ddim_sampler
from baselines.sd15.settings import DenoisingSettings, PaintingSettings
from mace_dance.appearance.driver import Animation
from mace_dance.appearance.memory import check_disk, lossless_bytes
from mace_dance.appearance.run_folder import (
    RunFolder,
    frames_digest,
    network_fingerprint,
    read_tensor,
    write_tensor,
)
from mace_dance.appearance.tensors import read_metadata
from madata.config import ClosedModel
from madata.errors import MediaError
from madata.files import read_json, write_json

__all__ = ["clip_bytes", "denoised", "paint_clip", "run_record", "run_report"]

_SEGMENT = 24
_DENOISING = 0.95
"""Share of a clip's time that goes into its steps, for the progress line alone."""


@dataclass(frozen=True, eq=False)
class _Work:
    """A clip in the making."""

    painter: ClipPainter
    settings: PaintingSettings
    picture: Image
    controls: Sequence[Image]
    seed: int
    fps: float
    run: RunFolder

    @property
    def segments(self) -> list[range]:
        """Frames of each file."""
        count = len(self.controls)
        return [range(start, min(start + _SEGMENT, count)) for start in range(0, count, _SEGMENT)]


@torch.no_grad()
def paint_clip(
    painter: ClipPainter,
    settings: PaintingSettings,
    picture: Image,
    controls: Sequence[Image],
    seed: int,
    fps: float,
    folder: Path,
    report: Callable[[str, float], None],
) -> Animation:
    """Make the person of a picture follow the control frames; go on with what ``folder`` holds of the same run.

    Args:
        picture: (H, W, 3), of the size of the controls.
        controls: one per frame of the result.
        report: hears what is being done and the share that is done.

    Returns:
        As many frames as controls.

    Raises:
        ConfigError: the folder holds another run.
        MediaError: the picture or a control frame is of another size.
        MadanceError: the disk has or gets no room; what is done stays.
    """
    _check_sizes(picture, controls)
    started = time.monotonic()
    work = _Work(painter, settings, picture, controls, seed, fps, RunFolder(folder))
    inputs = {"reference": frames_digest([picture]), "controls": frames_digest(controls)}
    work.run.open(run_record(settings, seed, len(controls), inputs, painter.networks()))
    missing = [index for index in range(len(work.segments)) if not work.run.finished(index)]
    if missing:
        check_disk(folder, clip_bytes(len(controls), picture.shape[0] * picture.shape[1]))
        latents = _denoise(work, report)
        for done, index in enumerate(missing):
            _decode(work, index, latents)
            share = _DENOISING + (1 - _DENOISING) * (done + 1) / len(missing)
            report(f"decoding: segment {index + 1} of {len(work.segments)}", share)
        (folder / "latents.safetensors").unlink(missing_ok=True)
    if missing or not work.run.report.exists():
        count = len(work.segments)
        told = run_report(settings, seed, fps, picture, len(controls), (count, count - len(missing)))
        write_json(work.run.report, {**told, "seconds": time.monotonic() - started})
    return Animation(work.run.frames(len(work.segments)), read_json(work.run.report), folder)


def clip_bytes(frames: int, pixels: int) -> int:
    """What a clip may take on the disk: its frames and its latents."""
    return lossless_bytes(frames, pixels) + 4 * 4 * frames * pixels // 64


def denoised(
    schedule: dict[str, Any],
    settings: DenoisingSettings,
    predict_at: Callable[[Tensor], Predict],
    latents: Tensor,
    done: int = 0,
) -> Iterator[Tensor]:
    """Latents (1, 4, T, h, w) after each step from step ``done`` on; windows are averaged where they overlap."""
    sampler = ddim_sampler(schedule, settings.steps)
    windows = settings.windows(latents.shape[2])
    for moment in sampler.timesteps[done:]:
        predict = predict_at(moment)
        total = torch.zeros(2 if settings.guided else 1, *latents.shape[1:])
        count = torch.zeros(latents.shape[2], 1, 1)
        for window in windows:
            total[:, :, window] += predict(latents[:, :, window], window).float().cpu()
            count[window] += 1
        predicted = total / count
        if settings.guided:
            without, along = predicted.chunk(2)
            predicted = without + settings.guidance * (along - without)
        latents = sampler.step(predicted, moment, latents, return_dict=False)[0]
        yield latents


def _check_sizes(picture: Image, controls: Sequence[Image]) -> None:
    for index in (0, len(controls) - 1):
        if controls[index].shape != picture.shape:
            raise MediaError(
                f"control frame {index} is {controls[index].shape}, the picture {picture.shape}: give both the "
                "size of the clip",
                reason="bad_frame",
            )


def run_record(
    settings: ClosedModel, seed: int, frames: int, inputs: dict[str, str], networks: dict[str, nn.Module]
) -> dict[str, Any]:
    """Everything that decides the bits of a result.

    Args:
        inputs: digest of each.
    """
    weight = next(next(iter(networks.values())).parameters())
    return {
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "frames": frames,
        "inputs": inputs,
        "weights": {name: network_fingerprint(network) for name, network in networks.items()},
        "numerics": {
            "device": weight.device.type,
            "compute": str(weight.dtype),
            "torch": torch.__version__,
        },
    }


def _denoise(work: _Work, report: Callable[[str, float], None]) -> Tensor:
    """The finished latents, from where the last run stopped."""
    path, steps = work.run.path / "latents.safetensors", work.settings.steps
    latents, done = _start(work, path)
    if done == steps:
        return latents
    report("looking at the picture and its controls", 0.0)
    frames = latents.shape[2]
    controls = [work.controls[min(index, len(work.controls) - 1)] for index in range(frames)]
    predict_at = work.painter.prepare(work.picture, controls, guided=work.settings.guided)
    for stepped in denoised(work.painter.schedule, work.settings, predict_at, latents, done):
        latents, done = stepped, done + 1
        write_tensor(path, latents, {"done": str(done)})
        report(f"painting: step {done} of {steps}", _DENOISING * done / steps)
    return latents


def _start(work: _Work, path: Path) -> tuple[Tensor, int]:
    if path.is_file():
        return read_tensor(path), int(read_metadata(path)["done"])
    height, width = work.picture.shape[:2]
    frames = work.painter.padded(len(work.controls))
    return work.painter.noise(frames, height, width, torch.Generator("cpu").manual_seed(work.seed)), 0


def _decode(work: _Work, index: int, latents: Tensor) -> None:
    part = work.segments[index]
    decoded = decode_frames(work.painter.vae, latents[:, :, part.start : part.stop])
    frames = [np.round(frame.permute(1, 2, 0).numpy() * 255).astype(np.uint8) for frame in decoded]
    work.run.finish(index, frames, None, work.fps, {"segment": index, "start": part.start})


def run_report(
    settings: ClosedModel, seed: int, fps: float, picture: Image, frames: int, segments: tuple[int, int]
) -> dict[str, Any]:
    """What is told of a finished clip.

    Args:
        segments: how many, and how many of them were found finished.
    """
    height, width = picture.shape[:2]
    return {
        "frames": frames,
        "fps": fps,
        "duration_s": frames / fps,
        "size": [width, height],
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "segments": segments[0],
        "segments_reused": segments[1],
        "made_with": {"torch": torch.__version__, "python": platform.python_version()},
    }
