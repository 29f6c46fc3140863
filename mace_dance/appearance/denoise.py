"""One segment: conditions in, latents out, frames out of latents.

The network sees three things stacked over channels: 16 of noise, a mask of 4 and 16 of what is known (the reference
picture in the first latent frame, the end of the segment before in the next ones). The pose latents are added to all
latent frames but the first, the faces enter by attention. With guidance w above 1 the velocity is
``v_no + w (v - v_no)``, where v_no comes from the negative prompt and a face of -1.

All of it is put together by the helpers of ``diffusers.WanAnimatePipeline``, so a clip equals what the pipeline's own
call gives; the loop over segments is that of :mod:`mace_dance.appearance.driver`, to be left and taken up again.

Legend: B = 1 batch, T video frames of a segment, N latent frames with the reference, H W px, h w latent px.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mace_dance.appearance.latents import decode_video, to_video
from mace_dance.appearance.reference import clip_pixels
from mace_dance.appearance.segments import Segment
from mace_dance.appearance.settings import InferenceSettings

__all__ = [
    "SegmentConditions",
    "SegmentInputs",
    "decode_latents",
    "encode_conditions",
    "encode_picture",
    "encode_prompt",
    "encode_reference",
    "sample_latents",
]

Pipeline = Any
"""A ``diffusers.WanAnimatePipeline``."""

PROMPT_TOKENS = 512


@dataclass(frozen=True, eq=False)
class SegmentConditions:
    """What stays the same for all segments of a clip.

    Attributes:
        prompt: (1, 512, D) text embedding.
        negative: the same for the unconditional pass, ``None`` without guidance.
        picture: (1, P, E) CLIP embedding of the reference picture.
        reference: (1, 20, 1, h, w) mask and latent of the reference picture.
    """

    prompt: Tensor
    negative: Tensor | None
    picture: Tensor
    reference: Tensor


@dataclass(frozen=True, eq=False)
class SegmentInputs:
    """What one segment is made from.

    Attributes:
        pose: (1, 16, N - 1, h, w) pose latents.
        face: (1, 3, T, S, S) faces in -1..1.
        known: (1, 20, N - 1, h, w) mask and latents of what the segment before ended with.
    """

    pose: Tensor
    face: Tensor
    known: Tensor


def encode_prompt(pipeline: Pipeline, prompt: str, device: torch.device) -> Tensor:
    """(1, 512, D) embedding of a prompt, zero beyond its tokens."""
    embedding: Tensor = pipeline.encode_prompt(
        prompt, do_classifier_free_guidance=False, max_sequence_length=PROMPT_TOKENS, device=device
    )[0]
    return embedding


def encode_picture(pipeline: Pipeline, framed: npt.NDArray[np.uint8], device: torch.device) -> Tensor:
    """(1, P, E) CLIP embedding (last layer but one) of a letterboxed picture (H, W, 3)."""
    encoder = pipeline.image_encoder
    pixels = torch.from_numpy(clip_pixels(framed, encoder.config.image_size))[None]
    states = encoder(pixels.to(device, encoder.dtype), output_hidden_states=True).hidden_states
    embedding: Tensor = states[-2]
    return embedding


def encode_reference(pipeline: Pipeline, framed: npt.NDArray[np.uint8], device: torch.device) -> Tensor:
    """(1, 20, 1, h, w) mask and latent of a letterboxed picture (H, W, 3)."""
    picture = to_video([framed])[:, :, 0].to(device)
    latents: Tensor = pipeline.prepare_reference_image_latents(picture, device=device)
    return latents


def encode_conditions(
    pipeline: Pipeline,
    settings: InferenceSettings,
    segment: Segment,
    pose: Tensor,
    face: Tensor,
    tail: Tensor | None,
    device: torch.device,
) -> SegmentInputs:
    """Latents of what drives a segment.

    Args:
        pose: (1, 3, T, H, W) pose frames in -1..1.
        face: (1, 3, T, S, S) faces in -1..1.
        tail: (1, 3, R, H, W) last decoded frames of the segment before, ``None`` for the first segment.
    """
    dtype = pipeline.transformer.dtype
    pose_latents = pipeline.prepare_pose_latents(pose, device=device).to(dtype)
    known = pipeline.prepare_prev_segment_cond_latents(
        None if tail is None else tail.to(device),
        segment_frame_length=settings.segment_frames,
        start_frame=segment.start,
        height=settings.height,
        width=settings.width,
        prev_segment_cond_frames=settings.overlap,
        device=device,
    )
    return SegmentInputs(pose_latents, face.to(device, dtype), known)


def sample_latents(
    pipeline: Pipeline,
    sampler: Any,
    settings: InferenceSettings,
    conditions: SegmentConditions,
    inputs: SegmentInputs,
    noise: Tensor,
    on_step: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """Denoise a segment; the network's velocity is integrated in float32 whatever its own precision.

    Args:
        sampler: from :func:`mace_dance.appearance.schedules.make_sampler`.
        noise: (1, 16, N, h, w) float32.
        on_step: called after each step with the number of steps done.

    Returns:
        (1, 16, N, h, w) float32 latents, the reference in front.
    """
    network = pipeline.transformer
    dtype, device = network.dtype, noise.device
    known = torch.cat([conditions.reference, inputs.known], dim=2).to(device)
    no_face = torch.full_like(inputs.face, -1.0)
    sampler.set_timesteps(settings.steps, device=device)

    def velocity(name: str, stacked: Tensor, time: Tensor, prompt: Tensor, face: Tensor) -> Tensor:
        with network.cache_context(name):
            predicted: Tensor = network(
                hidden_states=stacked,
                timestep=time.expand(1),
                encoder_hidden_states=prompt.to(device, dtype),
                encoder_hidden_states_image=conditions.picture.to(device, dtype),
                pose_hidden_states=inputs.pose,
                face_pixel_values=face,
                return_dict=False,
            )[0]
        return predicted.float()

    latents = noise
    for step, time in enumerate(sampler.timesteps):
        stacked = torch.cat([latents, known.to(latents.dtype)], dim=1).to(dtype)
        predicted = velocity("cond", stacked, time, conditions.prompt, inputs.face)
        if conditions.negative is not None:
            free = velocity("uncond", stacked, time, conditions.negative, no_face)
            predicted = free + settings.guidance * (predicted - free)
        latents = sampler.step(predicted, time, latents, return_dict=False)[0]
        on_step(step + 1)
    return latents


def decode_latents(pipeline: Pipeline, latents: Tensor, device: torch.device) -> Tensor:
    """(1, 3, T, H, W) frames, about -1..1, of (1, 16, N, h, w) latents; the reference in front is left out."""
    return decode_video(pipeline.vae, latents[:, :, 1:].to(device))
