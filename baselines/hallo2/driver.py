"""A clip, segment after segment: each sees the two frames that the one before ended with.

As upstream does it, three of four pixels of these two frames are kept outside the body (all inside), drawn anew for
every segment, so that errors do not add up. A segment is on disk before the next one starts, with the frames the next
one needs; a killed run goes on with the same bits. Noise and drawn pixels come from one generator on the CPU, for one
segment after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.hallo2.masks import Image, level_masks
from baselines.hallo2.network import Hallo2Networks, look
from baselines.hallo2.settings import BEFORE, Hallo2Settings
from baselines.hallo2.sound import neighbours
from baselines.sd15.driver import clip_bytes, denoised, run_record, run_report
from baselines.sd15.network import predict
from baselines.sd15.painter import Predict, decode_frames, picture_latent, pictures
from baselines.sd15.reference import look_back, watch
from baselines.sd15.schedule import ZERO_SNR
from mace_dance.appearance.driver import Animation
from mace_dance.appearance.memory import check_disk
from mace_dance.appearance.run_folder import RunFolder, frames_digest
from madata.files import read_json, sha256_bytes, write_json

__all__ = ["Hallo2Painter", "animate_sound"]


@dataclass(frozen=True, eq=False)
class Hallo2Painter:
    """Everything with weights, on one device and of one precision.

    Attributes:
        hallo: the five networks.
        vae: of Stable Diffusion.
        wav2vec: what hears.
    """

    hallo: Hallo2Networks
    vae: Any
    wav2vec: Any

    def networks(self) -> dict[str, nn.Module]:
        """By name."""
        return {**self.hallo.parts(), "vae": self.vae, "wav2vec": self.wav2vec}


@dataclass(frozen=True, eq=False)
class _Work:
    painter: Hallo2Painter
    settings: Hallo2Settings
    picture: Image
    region: Image
    lips: Image | None
    sound: Tensor
    tokens: Tensor
    frames: int
    fps: float
    seed: int
    run: RunFolder
    report: Callable[[str, float], None]

    @property
    def segments(self) -> list[list[int]]:
        return self.settings.windows(self.frames)


@torch.no_grad()
def animate_sound(
    painter: Hallo2Painter,
    settings: Hallo2Settings,
    picture: Image,
    region: Image,
    lips: Image | None,
    sound: Tensor,
    face: Tensor,
    frames: int,
    *,
    fps: float,
    seed: int,
    folder: Path,
    report: Callable[[str, float], None],
) -> Animation:
    """Make the person of a picture move to a sound; go on with what ``folder`` holds of the same run.

    Args:
        picture: (H, W, 3).
        region: (H, W) 0 or 255 where the person is, or his face.
        lips: (H, W) 0 or 255 where the lips are; ``None`` where they are not told from the region.
        sound: (T, layers, features) of :func:`baselines.hallo2.sound.sound_features`, whole segments.
        face: (features,) embedding of the face; zeros where none is known.
        frames: of the result.

    Raises:
        ConfigError: the folder holds another run.
        MadanceError: the disk has or gets no room; finished segments stay.
    """
    started = time.monotonic()
    halves = torch.stack([torch.zeros_like(face), face]) if settings.guided else face[None]
    device, dtype = painter.hallo.denoiser.device, painter.hallo.denoiser.dtype
    tokens = painter.hallo.image(halves.to(device, dtype))
    run = RunFolder(folder)
    work = _Work(
        painter, settings, picture, region, lips, neighbours(sound), tokens, frames, fps, seed, run, report
    )
    inputs = {
        "reference": frames_digest([picture]),
        "region": frames_digest([region]),
        "sound": sha256_bytes(sound.float().cpu().numpy().tobytes()),
        "face": sha256_bytes(face.float().numpy().tobytes()),
    }
    if lips is not None:
        inputs["lips"] = frames_digest([lips])
    run.open(run_record(settings, seed, frames, inputs, painter.networks()))
    count = len(work.segments)
    missing = [index for index in range(count) if not run.finished(index)]
    if missing:
        check_disk(folder, clip_bytes(frames, picture.shape[0] * picture.shape[1]))
        _paint(work, missing)
    if missing or not run.report.exists():
        told = run_report(settings, seed, fps, picture, frames, (count, count - len(missing)))
        write_json(run.report, {**told, "seconds": time.monotonic() - started})
    return Animation(run.frames(count), read_json(run.report), folder)


def _paint(work: _Work, missing: Sequence[int]) -> None:
    networks, guided = work.painter.hallo, work.settings.guided
    device, dtype = networks.denoiser.device, networks.denoiser.dtype
    region = pictures([np.repeat(work.region[..., None], 3, 2)], device, dtype)
    located = networks.locator(region)
    guide = torch.cat([torch.zeros_like(located), located]) if guided else located
    halves = 2 if guided else 1
    lips = 0.0 if work.lips is None else work.settings.lips
    networks.cues.scale = (work.settings.background, work.settings.body, lips)
    rows = halves * work.settings.window
    networks.cues.masks = {
        places: tuple(mask.to(device, dtype).expand(rows, -1) for mask in masks)
        for places, masks in level_masks(work.region, len(networks.sizes.channels), work.lips).items()
    }
    for index, (kept, noise) in enumerate(_draws(work)):
        if index in missing:
            _segment(work, index, kept, noise, guide)


def _draws(work: _Work) -> Iterator[tuple[Tensor, Tensor]]:
    """Which pixels (H, W) of the frames before stay, and the noise, of each segment in turn."""
    generator = torch.Generator("cpu").manual_seed(work.seed)
    height, width = work.region.shape
    inside = torch.from_numpy(work.region > 0)
    for _ in work.segments:
        kept = (torch.rand(height, width, generator=generator) > work.settings.mask_rate) | inside
        shape = (1, 4, work.settings.window, height // 8, width // 8)
        yield kept, torch.randn(shape, generator=generator)


def _segment(work: _Work, index: int, kept: Tensor, noise: Tensor, guide: Tensor) -> None:
    part, count = work.segments[index], len(work.segments)
    latents = work.run.read_latents(index)
    if latents is None:
        predict_at = _predictor(work, index, kept, guide)
        latents, steps = noise, work.settings.steps
        for done, stepped in enumerate(denoised(ZERO_SNR, work.settings, predict_at, noise), 1):
            latents = stepped
            share = (index + done / steps * 0.9) / count
            work.report(f"painting: segment {index + 1} of {count}, step {done} of {steps}", share)
        work.run.write_latents(index, latents)
    decoded = torch.stack(list(decode_frames(work.painter.vae, latents)), dim=1)[None]
    frames = [np.round(frame.numpy() * 255).astype(np.uint8) for frame in decoded[0].permute(1, 2, 3, 0)]
    tail = decoded[:, :, -BEFORE:] * 2 - 1
    work.run.finish(index, frames[: len(part)], tail, work.fps, {"segment": index, "start": part[0]})
    work.report(f"painting: segment {index + 1} of {count} is done", (index + 1) / count)


def _predictor(work: _Work, index: int, kept: Tensor, guide: Tensor) -> Callable[[Tensor], Predict]:
    networks, vae, window = work.painter.hallo, work.painter.vae, work.settings.window
    device, dtype = networks.denoiser.device, networks.denoiser.dtype
    shown = [picture_latent(vae, work.picture)]
    for frame in _before(work, index).transpose(0, 1):
        masked = (frame * kept)[None].to(vae.device, vae.dtype)
        shown.append(vae.encode(masked).latent_dist.mode() * float(vae.config.scaling_factor))
    back = look(networks, watch(networks.reference), torch.cat(shown), work.tokens)
    look_back(networks.denoiser, back)
    heard = work.sound[index * window : (index + 1) * window][None].to(device, dtype)
    sound = networks.audio(heard)
    both = torch.cat([torch.zeros_like(sound), sound]) if work.settings.guided else sound
    networks.cues.sound = both.flatten(0, 1)
    halves = len(work.tokens)

    def predict_at(moment: Tensor) -> Predict:
        def ask(latents: Tensor, frames: Sequence[int]) -> Tensor:
            noisy = latents.to(device, dtype).expand(halves, -1, -1, -1, -1)
            everywhere = guide[:, :, None].expand(-1, -1, len(frames), -1, -1)
            return predict(networks.denoiser, noisy, moment.to(device), work.tokens, guide=everywhere)

        return ask

    return predict_at


def _before(work: _Work, index: int) -> Tensor:
    """(3, 2, H, W) in -1..1 the frames a segment begins after: of the picture, for the first."""
    if index:
        return work.run.read_tail(index - 1)[0]
    still = torch.from_numpy(work.picture).permute(2, 0, 1).float() / 127.5 - 1
    return still[:, None].expand(-1, BEFORE, -1, -1)
