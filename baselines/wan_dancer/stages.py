"""A whole dance: keyframes of the song, then its segments, each on disk before the next begins.

| folder | holds |
|---|---|
| ``song.wav`` | the music of the video, mono, 16 bits |
| ``heard.wav`` | what features were last made of |
| ``global`` | the keyframes, lossless, in a run folder of :mod:`mace_dance.appearance.run_folder` |
| ``local`` | the segments, in another |

A killed run goes on at the stage and segment where it was, from latents where they were made, and ends with the same
bits. Noise, music and keyframes of a segment depend on nothing that was made before it, except with ``stages=local``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.wan_dancer.conditions import (
    condition_latents,
    global_prompt,
    letterbox_grey,
    local_prompt,
    shown_video,
)
from baselines.wan_dancer.load import DancerPipeline, Stage
from baselines.wan_dancer.plan import (
    BLACK,
    DancePart,
    chained_parts,
    global_pace,
    music_span,
    plan_parts,
)
from baselines.wan_dancer.sampling import StageInputs, sample_stage, start_noise
from baselines.wan_dancer.settings import DancerSettings
from baselines.wan_dancer.tiles import decode_tiles, encode_tiles
from mace_dance.appearance.denoise import encode_picture, encode_prompt
from mace_dance.appearance.embeddings import EmbeddingCache
from mace_dance.appearance.latents import decode_video, encode_video, to_pixels
from mace_dance.appearance.placement import Placement
from mace_dance.appearance.run_folder import RunFolder, SegmentFrames, frames_digest, network_fingerprint
from madata.cache import remembered_sha256
from madata.errors import MediaError
from madata.files import sha256_file
from madata.music import load_audio, music_features, write_wav
from madata.types import FloatArray, Music

__all__ = ["FPS", "dance_parts", "make_dance_video", "write_song"]

Image = npt.NDArray[np.uint8]

FPS = 30
_KEYFRAME_FPS = 8
_HELD_FRAMES = 2
_SEED_STEP = 10


def dance_parts(settings: DancerSettings) -> list[DancePart]:
    """The segments of the local stage."""
    if settings.stages == "local":
        return chained_parts(settings.frames, settings.slots)
    return plan_parts(settings.frames, settings.slots, settings.keyframe_plan)


def write_song(music: Path, frames: int, target: Path) -> Music:
    """The music of a video of so many frames, written and read as 16 bits.

    Raises:
        MediaError: it cannot be read, or is shorter than the video by more than two frames.
    """
    whole = load_audio(music)
    wanted = frames * whole.rate_hz // FPS
    if len(whole.waveform) + _HELD_FRAMES * whole.rate_hz // FPS < wanted:
        raise MediaError(
            f"{music}: lasts {len(whole.waveform) / whole.rate_hz:.2f} s, {frames / FPS:.2f} s are asked for",
            reason="too_short",
        )
    write_wav(target, Music(whole.waveform[:wanted], whole.rate_hz))
    return load_audio(target)


@dataclass(eq=False)
class _Work:
    """One video in the making."""

    dancer: DancerPipeline
    settings: DancerSettings
    picture: Image
    song: Music
    seed: int
    folder: Path
    place: Callable[[Stage], Placement]
    report: Callable[[str, float], None]
    cache: EmbeddingCache
    steps_done: int = 0

    @property
    def steps(self) -> int:
        """Denoising steps of the whole video."""
        settings = self.settings
        ahead = settings.global_steps if settings.stages == "both" else 0
        return ahead + len(dance_parts(settings)) * settings.local_steps

    def features(self, waveform: FloatArray) -> Tensor:
        """(1, rows, 35) features of some samples of the song."""
        path = self.folder / "heard.wav"
        write_wav(path, Music(waveform, self.song.rate_hz))
        return torch.from_numpy(music_features(path, "wan-dancer").values)[None]

    def words(self, prompt: str, placement: Placement) -> Tensor:
        """(1, 512, D) embedding of a prompt, found again where it was made before."""

        def encode() -> Tensor:
            with placement.use("text_encoder"):
                return encode_prompt(self.dancer.pipeline, prompt, placement.device)

        return self.cache.get("text", prompt.encode(), encode)

    def seen(self, picture: Image, placement: Placement) -> Tensor:
        """(1, 257, E) CLIP embedding of a picture."""

        def encode() -> Tensor:
            with placement.use("image_encoder"):
                return encode_picture(self.dancer.pipeline, picture, placement.device)

        return self.cache.get("picture", picture.tobytes(), encode)


@torch.no_grad()
def make_dance_video(
    dancer: DancerPipeline,
    settings: DancerSettings,
    picture: Image,
    music: Path,
    seed: int,
    *,
    folder: Path,
    place: Callable[[Stage], Placement],
    report: Callable[[str, float], None],
) -> SegmentFrames:
    """Make the person of a picture dance to music; go on with what ``folder`` holds of the same run.

    Args:
        place: puts a stage's network (loading it) and the other parts where they compute.
        report: hears what is done and the share of all steps that is done.

    Returns:
        ``settings.frames`` frames (H, W, 3), read from the segments each time they are walked through.

    Raises:
        MediaError: the music cannot be read, or is shorter than the video.
        ConfigError: the song is too short or too long for keyframes, or the folder holds another run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    song = write_song(music, settings.frames, folder / "song.wav")
    framed, _ = letterbox_grey(picture, settings.width, settings.height)
    cache = EmbeddingCache(folder / "embeddings", dancer.pipeline)
    work = _Work(dancer, settings, framed, song, seed, folder, place, report, cache)
    keyframes = _global_stage(work) if settings.stages == "both" else [framed]
    return _local_stage(work, keyframes)


def _record(work: _Work, stage: Stage, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that decides the bits of a stage."""
    pipeline = work.dancer.pipeline
    return {
        "settings": work.settings.model_dump(mode="json"),
        "seed": work.seed,
        "inputs": {"picture": frames_digest([work.picture]), "song": sha256_file(work.folder / "song.wav")},
        "weights": {
            stage: remembered_sha256(work.dancer.file(stage)),
            "vae": network_fingerprint(pipeline.vae),
            "text_encoder": network_fingerprint(pipeline.text_encoder),
            "image_encoder": network_fingerprint(pipeline.image_encoder),
        },
        "numerics": {"dtype": str(work.dancer.dtype), "torch": torch.__version__},
        **extra,
    }


def _global_stage(work: _Work) -> list[Image]:
    """The pictures of the whole song."""
    settings, run = work.settings, RunFolder(work.folder / "global")
    heard = work.features(work.song.waveform)
    pace = global_pace(heard.shape[1], settings.slots, work.dancer.positions)
    run.open(_record(work, "global", {"fps": pace.fps}))
    if not run.finished(0):
        prompt = global_prompt(settings.genre, pace.fps)
        latents = run.read_latents(0)
        if latents is None:
            latents = _denoise(
                work, "global", "keyframes", prompt, {0: work.picture}, {0}, heard, pace.fps, work.seed,
                settings.global_steps,
            )  # fmt: skip
            run.write_latents(0, latents)
        placement = work.place("global")
        # One latent is one picture: the release encodes and decodes them singly.
        single = [_decode(work, placement, latent) for latent in torch.split(latents, 1, dim=2)]
        pictures = torch.cat(single, dim=2)
        run.finish(
            0, to_pixels(pictures), pictures[:, :, -1:], _KEYFRAME_FPS, {"fps": pace.fps, "step": pace.step}
        )
    work.steps_done = settings.global_steps
    return list(run.frames(1))


def _local_stage(work: _Work, pictures: list[Image]) -> SegmentFrames:
    settings, run = work.settings, RunFolder(work.folder / "local")
    parts = dance_parts(settings)
    run.open(_record(work, "local", {"keyframes": frames_digest(pictures)}))
    for part in parts:
        if not run.finished(part.index):
            _make_part(work, run, part, pictures, len(parts))
        work.steps_done += settings.local_steps
    return run.frames(len(parts))


def _make_part(work: _Work, run: RunFolder, part: DancePart, pictures: list[Image], count: int) -> None:
    settings = work.settings
    latents = run.read_latents(part.index)
    if latents is None:
        shown = {slot: pictures[source] for slot, source in part.keyframes.items() if source != BLACK}
        if settings.stages == "local" and part.index:
            shown = {0: to_pixels(run.read_tail(part.index - 1))[0]}
        begin, end = music_span(part.start, settings.slots, len(work.song.waveform), work.song.rate_hz)
        # a span that begins between two samples may hold one more
        heard = np.zeros(-(-settings.slots * work.song.rate_hz // FPS), np.float32)
        heard[: end - begin] = work.song.waveform[begin:end]
        latents = _denoise(
            work,
            "local",
            f"segment {part.index + 1} of {count}",
            local_prompt(settings.genre),
            shown,
            set(part.keyframes),
            work.features(heard),
            float(FPS),
            (work.seed + _SEED_STEP * part.index) % 2**32,
            settings.local_steps,
        )
        run.write_latents(part.index, latents)
    frames = _decode(work, work.place("local"), latents)
    made = frames[:, :, part.first : part.first + part.keep]
    facts = {"start": part.start + part.first, "keyframes": {str(k): v for k, v in part.keyframes.items()}}
    run.finish(part.index, to_pixels(made), made[:, :, -1:], FPS, facts)


def _denoise(
    work: _Work,
    stage: Stage,
    doing: str,
    prompt: str,
    shown: dict[int, Image],
    keyframes: set[int],
    music: Tensor,
    fps: float,
    seed: int,
    steps: int,
) -> Tensor:
    """Latents of a stage, on the CPU. ``keyframes`` are the slots said to be known; those not ``shown`` are black."""
    settings, placement = work.settings, work.place(stage)
    size = (settings.width, settings.height)
    first = shown.get(0, np.zeros((size[1], size[0], 3), np.uint8))
    embedded = [work.words(words, placement) for words in (prompt, settings.negative_prompt)]
    seen = [work.seen(picture, placement) for picture in (first, work.picture)]
    with placement.use("vae"):
        video = shown_video(shown, settings.slots, *size)
        latents = encode_tiles(lambda tile: encode_video(work.dancer.pipeline.vae, tile), video)
    known = condition_latents(keyframes, settings.slots, latents)
    inputs = StageInputs(embedded[0], embedded[1], seen[0], seen[1], known, music, fps)
    before = work.steps_done

    def on_step(step: int) -> None:
        work.report(f"dancing: {doing}, step {step} of {steps}", (before + step) / work.steps)

    with placement.use("transformer"):
        made = sample_stage(
            work.dancer.pipeline.transformer,
            inputs,
            start_noise(settings.latent_shape, seed).to(placement.device),
            steps=steps,
            shift=settings.shift,
            guidance=settings.guidance,
            windows=settings.music_windows,
            on_step=on_step,
        )
    return made.cpu()


def _decode(work: _Work, placement: Placement, latents: Tensor) -> Tensor:
    with placement.use("vae"):
        return decode_tiles(lambda tile: decode_video(work.dancer.pipeline.vae, tile), latents)
