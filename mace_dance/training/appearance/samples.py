"""Clips generated while a stage trains: a training clip's poses, danced again from its first frame.

The segment driver of inference is used as it is, with the network as it stands; the VAE is loaded for the time being,
and the embeddings come from the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from mace_dance.appearance.driver import animate
from mace_dance.appearance.embeddings import EmbeddingCache
from mace_dance.appearance.faces import RepeatedFrame
from mace_dance.appearance.quiet import quiet_libraries
from mace_dance.appearance.settings import inference_settings
from mace_dance.training.appearance.clips import TrainingWindow
from mace_dance.training.appearance.footage import Footage, read_footage
from mace_dance.training.appearance.settings import AppearanceTraining
from mace_dance.training.appearance.store import LatentStore
from madata.files import scratch_folder
from madata.video import write_video

__all__ = ["generate_samples", "video_psnr_db"]


def generate_samples(
    network: Any,
    vae: Any,
    windows: Sequence[TrainingWindow],
    store: LatentStore,
    settings: AppearanceTraining,
    out: Path,
) -> float:
    """Write ``<name>.mp4`` for every sample: left what was filmed, in the middle the poses, right what is generated.

    Args:
        network: the transformer, on its device and in ``eval`` mode.
        vae: on any device; it is moved to the network's and back.
        windows: samples of ``store``.
        store: holds their embeddings.
        settings: of the run.
        out: folder of the videos.

    Returns:
        Mean PSNR against what was filmed, dB.
    """
    out.mkdir(parents=True, exist_ok=True)
    with quiet_libraries():
        from diffusers import WanAnimatePipeline

        pipeline = WanAnimatePipeline(None, None, vae, None, None, None, network)
    vae.to(network.device)
    judged: list[float] = []
    try:
        for window in windows:
            footage = read_footage(window, settings, store.face_px)
            made = _generate(pipeline, window, footage, store, settings, out)
            shown = [
                np.concatenate(three, axis=1)
                for three in zip(footage.frames, footage.poses, made, strict=False)
            ]
            write_video(out / f"{Path(window.name).name}.mp4", shown, settings.data.fps)
            judged.append(video_psnr_db(footage.frames[: len(made)], np.stack(made)))
    finally:
        vae.to("cpu")
    return float(np.mean(judged))


def _generate(
    pipeline: Any,
    window: TrainingWindow,
    footage: Footage,
    store: LatentStore,
    settings: AppearanceTraining,
    out: Path,
) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    data, samples = settings.data, settings.samples
    chosen = inference_settings(
        "release",
        {
            "width": data.width,
            "height": data.height,
            "fps": data.fps,
            "segment_frames": data.frames,
            "steps": samples.steps,
            "shift": settings.flow.shift,
        },
    )
    held = len(footage.faces) == 1
    faces = RepeatedFrame(footage.faces[0], data.frames) if held else footage.faces
    device = pipeline.transformer.device
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=settings.loop.precision == "bf16")
    with scratch_folder(out) as scratch, mixed:
        embeddings = scratch / "embeddings"
        _put_embeddings(embeddings, window, footage, store)
        result = animate(
            pipeline,
            chosen,
            footage.frames[0],
            footage.poses,
            faces,
            window.clip.prompt,
            samples.seed,
            folder=scratch / "run",
            embeddings=embeddings,
        )
        return list(result.frames)


def _put_embeddings(folder: Path, window: TrainingWindow, footage: Footage, store: LatentStore) -> None:
    """What the driver would have the encoders make, from the store."""
    # A module without weights stands for each encoder: the driver believes what it finds.
    encoders = SimpleNamespace(text_encoder=nn.Identity(), image_encoder=nn.Identity())
    cache = EmbeddingCache(folder, encoders)
    prompt = window.clip.prompt
    cache.get("text", prompt.encode(), lambda: store.text(prompt)[None])
    picture = store.read(store.key(window))["picture"]
    cache.get("picture", footage.frames[0].tobytes(), lambda: picture[None])


def video_psnr_db(filmed: np.ndarray[Any, Any], made: np.ndarray[Any, Any]) -> float:
    """Peak signal-to-noise ratio of two videos (T, H, W, 3) uint8."""
    error = float(np.mean((filmed.astype(np.float32) - made.astype(np.float32)) ** 2))
    return 10 * float(np.log10(255.0**2 / max(error, 1e-10)))
