"""A whole video, segment by segment: :func:`animate`.

The result equals the call of ``diffusers.WanAnimatePipeline`` with the same noise. Around it: each segment is on disk
before the next one starts, so a killed run goes on where it was with the same bits; memory is given back between
segments; progress comes with the time left; colour drift is measured, and corrected when asked.

Noise is drawn on the CPU in float32, for one segment after the other from one generator, so that a seed means the same
on every device.
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mace_dance.appearance.denoise import (
    SegmentConditions,
    decode_latents,
    encode_conditions,
    encode_picture,
    encode_prompt,
    encode_reference,
    sample_latents,
)
from mace_dance.appearance.drift import ColourStatistics, colour_statistics, drift, match_colour
from mace_dance.appearance.embeddings import EmbeddingCache
from mace_dance.appearance.faces import fit_face
from mace_dance.appearance.latents import to_pixels, to_unit, to_video
from mace_dance.appearance.memory import check_disk, disk_bytes
from mace_dance.appearance.placement import Placement
from mace_dance.appearance.reference import content_box, letterbox
from mace_dance.appearance.run_folder import RunFolder, SegmentFrames, frames_digest, network_fingerprint
from mace_dance.appearance.schedules import make_sampler
from mace_dance.appearance.segments import Segment, SegmentPlan
from mace_dance.appearance.settings import DEFAULT_PROMPT, InferenceSettings, check_inputs
from madata.files import read_json, write_json
from madata.types import FloatArray

__all__ = ["Animation", "SegmentProgress", "animate"]

Image = npt.NDArray[np.uint8]
Frames = Sequence[Image] | npt.NDArray[np.uint8]
"""Frames (H, W, 3) uint8 RGB with a length, one array or anything indexed; read a segment at a time."""


@dataclass(frozen=True)
class SegmentProgress:
    """Where a run is.

    Attributes:
        stage: what has just been done.
        segment, segments: which segment (0 for the first) of how many.
        step, steps: denoising steps done in this segment, of how many.
        elapsed_s: since :func:`animate` was called.
        remaining_s: estimate from the steps of this run; ``None`` before the first one.
    """

    stage: Literal["encoded", "step", "segment"]
    segment: int
    segments: int
    step: int
    steps: int
    elapsed_s: float
    remaining_s: float | None


@dataclass(frozen=True)
class Animation:
    """A finished video.

    Attributes:
        frames: (H, W, 3) uint8 RGB, as many as poses, read from the folder each time they are walked through.
        report: what ``report.json`` holds.
        folder: where all of it lies.
    """

    frames: SegmentFrames
    report: dict[str, Any]
    folder: Path


@dataclass(frozen=True, eq=False)
class _Clip:
    """The inputs of a clip, checked."""

    settings: InferenceSettings
    plan: SegmentPlan
    picture: Image
    framed: Image
    poses: Frames
    faces: Frames


class _Pace:
    """Seconds taken so far, and left."""

    def __init__(
        self, segments: int, steps_per_segment: int, notify: Callable[[SegmentProgress], None] | None
    ) -> None:
        self.started = time.monotonic()
        self.segments = segments
        self.steps_per_segment = steps_per_segment
        self.step_s: list[float] = []
        self.around_s: list[float] = []
        self._notify = notify

    def tell(self, stage: Literal["encoded", "step", "segment"], segment: int, step: int, left: int) -> None:
        """Report; ``left`` segments after this one are still to be made."""
        if self._notify is None:
            return
        remaining = None
        if self.step_s:
            steps_left = (left + 1) * self.steps_per_segment - step
            around_s = sum(self.around_s) / len(self.around_s) if self.around_s else 0.0
            joins_left = left + (stage != "segment")
            remaining = steps_left * sum(self.step_s) / len(self.step_s) + joins_left * around_s
        elapsed = time.monotonic() - self.started
        steps = self.steps_per_segment
        self._notify(SegmentProgress(stage, segment, self.segments, step, steps, elapsed, remaining))


@torch.no_grad()
def animate(
    pipeline: Any,
    settings: InferenceSettings,
    reference: Image,
    pose_frames: Frames,
    face_frames: Frames,
    prompt: str = DEFAULT_PROMPT,
    seed: int = 0,
    *,
    folder: Path,
    progress: Callable[[SegmentProgress], None] | None = None,
    placement: Placement | None = None,
    embeddings: Path | None = None,
) -> Animation:
    """Make the person of a picture follow a pose video; go on with what ``folder`` holds of the same run.

    Args:
        pipeline: a ``diffusers.WanAnimatePipeline`` in eval mode, adapter and LoRA loaded; its own scheduler is not
            used. Encoders may be ``None`` when their embeddings are kept already.
        settings: see :mod:`mace_dance.appearance.settings`.
        reference: (H, W, 3) picture of the person, any size.
        pose_frames: drawn poses of the video's size, one per frame of the result.
        face_frames: one per pose, any size, see :mod:`mace_dance.appearance.faces`.
        prompt: what the video shows.
        seed: of the noise.
        folder: see :mod:`mace_dance.appearance.run_folder`.
        progress: called after encoding, each step, each segment.
        placement: which part is where; all parts stay where they are when not given.
        embeddings: folder of embeddings shared with other clips; that of the run when not given.

    Returns:
        Exactly as many frames as poses.

    Raises:
        ConfigError: inputs and settings do not fit, or the folder holds another run; nothing has been computed.
        MadanceError: the disk has or gets no room; finished segments stay.
    """
    plan = check_inputs(settings, reference, pose_frames, face_frames)
    placement = placement or Placement.where_it_is(pipeline)
    framed = letterbox(reference, settings.height, settings.width)
    clip = _Clip(settings, plan, reference, framed, pose_frames, face_frames)
    run = RunFolder(folder)
    cache = EmbeddingCache(embeddings or run.embeddings, pipeline)
    run.open(_record(pipeline, clip, prompt, seed, cache, placement))
    missing = [part for part in plan.segments if not run.finished(part.index)]
    check_disk(folder, disk_bytes(settings, [plan.kept(part) for part in missing]))
    pace = _Pace(len(plan.segments), settings.steps, progress)
    if missing:
        conditions = _encode(pipeline, clip, prompt, cache, placement)
        pace.tell("encoded", missing[0].index, 0, len(missing) - 1)
        noises = _noises(pipeline, settings, seed, plan)
        for part, noise in zip(plan.segments, noises, strict=False):
            if part in missing:
                left = sum(later.index > part.index for later in missing)
                _make_segment(pipeline, clip, conditions, part, noise, run, placement, pace, left)
                _give_back(placement.device)
    if missing or not run.report.exists():
        reused = len(plan.segments) - len(missing)
        write_json(run.report, _report(clip, run, seed, prompt, reused, pace, placement))
    return Animation(run.frames(len(plan.segments)), read_json(run.report), folder)


def _record(
    pipeline: Any, clip: _Clip, prompt: str, seed: int, cache: EmbeddingCache, placement: Placement
) -> dict[str, Any]:
    """Everything that decides the bits of the result."""
    settings = clip.settings
    prompts = [prompt, settings.negative_prompt] if settings.guided else [prompt]
    return {
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "prompt": prompt,
        "frames": clip.plan.num_frames,
        "inputs": {
            "reference": frames_digest([clip.picture]),
            "pose_frames": frames_digest(clip.poses),
            "face_frames": frames_digest(clip.faces),
        },
        "weights": {
            "transformer": network_fingerprint(pipeline.transformer),
            "vae": network_fingerprint(pipeline.vae),
            "text_encoder": sorted({cache.encoder("text", text.encode()) for text in prompts}),
            "image_encoder": cache.encoder("picture", clip.framed.tobytes()),
        },
        "numerics": {
            "device": placement.device.type,
            "compute": str(pipeline.transformer.dtype),
            "vae_tiling": bool(pipeline.vae.use_tiling),
            "torch": torch.__version__,
        },
    }


def _encode(
    pipeline: Any, clip: _Clip, prompt: str, cache: EmbeddingCache, placement: Placement
) -> SegmentConditions:
    device = placement.device

    def text(words: str) -> Tensor:
        with placement.use("text_encoder"):
            return encode_prompt(pipeline, words, device)

    def picture() -> Tensor:
        with placement.use("image_encoder"):
            return encode_picture(pipeline, clip.framed, device)

    settings = clip.settings
    embedded = cache.get("text", prompt.encode(), lambda: text(prompt))
    negative = None
    if settings.guided:
        words = settings.negative_prompt
        negative = cache.get("text", words.encode(), lambda: text(words))
    seen = cache.get("picture", clip.framed.tobytes(), picture)
    with placement.use("vae"):
        latent = encode_reference(pipeline, clip.framed, device)
    return SegmentConditions(embedded, negative, seen, latent)


def _noises(pipeline: Any, settings: InferenceSettings, seed: int, plan: SegmentPlan) -> Iterator[Tensor]:
    """(1, 16, N, h, w) of each segment in turn."""
    generator = torch.Generator("cpu").manual_seed(seed)
    for _ in plan.segments:
        yield pipeline.prepare_latents(
            1,
            pipeline.vae.config.z_dim,
            settings.height,
            settings.width,
            settings.segment_frames,
            torch.float32,
            torch.device("cpu"),
            generator,
        )


def _make_segment(
    pipeline: Any,
    clip: _Clip,
    conditions: SegmentConditions,
    part: Segment,
    noise: Tensor,
    run: RunFolder,
    placement: Placement,
    pace: _Pace,
    left: int,
) -> None:
    """Denoise, decode, correct, measure and store one segment."""
    started, seconds = time.monotonic(), {}
    tail = run.read_tail(part.index - 1) if part.index else None
    latents = run.read_latents(part.index)
    if latents is None:
        latents = _denoise(pipeline, clip, conditions, part, noise, tail, placement, pace, left)
        run.write_latents(part.index, latents)
        _give_back(placement.device)
    seconds["denoise"] = time.monotonic() - started
    with placement.use("vae"):
        decoded = decode_latents(pipeline, latents, placement.device).cpu()
    del latents
    decoded = _corrected(clip, part, decoded, tail)
    new = to_pixels(decoded[:, :, part.known :][:, :, : clip.plan.kept(part)])
    colours = colour_statistics(_from_pixels(frame) for frame in new)
    first = _statistics(run.facts(0)) if part.index else colours
    seconds["all"] = time.monotonic() - started
    facts = {
        "segment": part.index,
        "start": part.start + part.known,
        "seconds": seconds,
        "colours": asdict(colours),
        "drift": asdict(drift(colours, first)),
    }
    end = decoded[:, :, -clip.settings.overlap :]
    run.finish(part.index, new, end, clip.settings.fps, facts)
    pace.around_s.append(time.monotonic() - started - seconds["denoise"])
    pace.tell("segment", part.index, clip.settings.steps, left)


def _denoise(
    pipeline: Any,
    clip: _Clip,
    conditions: SegmentConditions,
    part: Segment,
    noise: Tensor,
    tail: Tensor | None,
    placement: Placement,
    pace: _Pace,
    left: int,
) -> Tensor:
    settings = clip.settings
    frames = clip.plan.control_frames(part).tolist()
    side = pipeline.transformer.config.motion_encoder_size
    with placement.use("vae"):
        pose = to_video([clip.poses[index] for index in frames])
        face = to_video([fit_face(clip.faces[index], side) for index in frames])
        inputs = encode_conditions(pipeline, settings, part, pose, face, tail, placement.device)
    last = time.monotonic()

    def on_step(step: int) -> None:
        nonlocal last
        now = time.monotonic()
        pace.step_s.append(now - last)
        last = now
        pace.tell("step", part.index, step, left)

    sampler = make_sampler(settings.sampler, settings.shift)
    with placement.use("transformer"):
        latents = sample_latents(
            pipeline, sampler, settings, conditions, inputs, noise.to(placement.device), on_step
        )
    return latents.cpu()


def _corrected(clip: _Clip, part: Segment, decoded: Tensor, tail: Tensor | None) -> Tensor:
    """Decoded frames (1, 3, T, H, W) with their colours matched as the settings say."""
    method = clip.settings.match_colour
    if method == "none" or (method == "previous" and tail is None):
        return decoded
    frames = to_unit(decoded)
    if method == "reference":
        top, left, rows, columns = content_box(clip.picture.shape[:2], *clip.framed.shape[:2])
        content = clip.framed[top : top + rows, left : left + columns]
        target = colour_statistics([_from_pixels(content)])
        own = colour_statistics(frames)
    else:
        target = colour_statistics(to_unit(tail)) if tail is not None else colour_statistics(frames)
        own = colour_statistics(frames[: part.known])
    matched = np.stack([match_colour(frame, own, target) for frame in frames])
    return (torch.from_numpy(matched) * 2 - 1).permute(3, 0, 1, 2)[None].to(decoded.dtype)


def _from_pixels(frame: Image) -> FloatArray:
    return frame.astype(np.float32) / np.float32(255)


def _statistics(facts: dict[str, Any]) -> ColourStatistics:
    return ColourStatistics(tuple(facts["colours"]["mean"]), tuple(facts["colours"]["spread"]))


def _give_back(device: torch.device) -> None:
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def _report(
    clip: _Clip, run: RunFolder, seed: int, prompt: str, reused: int, pace: _Pace, placement: Placement
) -> dict[str, Any]:
    settings, count = clip.settings, clip.plan.num_frames
    parts = [run.facts(part.index) for part in clip.plan.segments]
    return {
        "frames": count,
        "fps": settings.fps,
        "duration_s": count / settings.fps,
        "size": [settings.width, settings.height],
        "settings": settings.model_dump(mode="json"),
        "prompt": prompt,
        "seed": seed,
        "segments": parts,
        "segments_reused": reused,
        "drift": {
            "largest_delta_e": max(part["drift"]["delta_e"] for part in parts),
            "least_contrast": min(part["drift"]["contrast"] for part in parts),
            "match_colour": settings.match_colour,
        },
        "seconds": time.monotonic() - pace.started,
        "seconds_per_step": sum(pace.step_s) / len(pace.step_s) if pace.step_s else None,
        "memory_plan": placement.name,
        "made_with": {"torch": torch.__version__, "python": platform.python_version()},
    }
