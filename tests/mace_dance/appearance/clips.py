"""Small clips for the tests of inference, and the stock pipeline's answer to them."""

from dataclasses import replace

import cv2
import numpy as np
import torch

from evaluation.systems import Request, project_motion
from mace_dance.appearance.driver import animate
from mace_dance.appearance.reference import clip_pixels, letterbox
from mace_dance.appearance.schedules import make_sampler
from mace_dance.appearance.settings import inference_settings
from madata.synthetic.dance import make_dance

WIDTH, HEIGHT, FACE = 32, 48, 16


def settings(**overrides):
    return inference_settings(
        "release", {"width": WIDTH, "height": HEIGHT, "segment_frames": 9, "steps": 2, **overrides}
    )


def clip(frames, seed=0):
    """Reference picture, pose frames and face frames."""
    rng = np.random.default_rng(seed)

    def pictures(*shape):
        return rng.integers(0, 256, shape, dtype=np.uint8)

    return pictures(50, 40, 3), pictures(frames, HEIGHT, WIDTH, 3), pictures(frames, FACE, FACE, 3)


def make(pipeline, folder, frames=13, seed=0, prompt="舞", **options):
    chosen = {key: options.pop(key) for key in list(options) if key not in _ARGUMENTS}
    return animate(pipeline, settings(**chosen), *clip(frames), prompt, seed, folder=folder, **options)


_ARGUMENTS = {"progress", "placement", "embeddings"}


def stock(pipeline, frames, seed=0, prompt="舞", **overrides):
    """(T, H, W, 3) in 0..1 from the pipeline's own call, given the same letterboxed picture and sampler."""
    from PIL import Image

    chosen = settings(**overrides)
    reference, pose, face = clip(frames)
    framed = letterbox(reference, HEIGHT, WIDTH)
    kept = pipeline.scheduler, pipeline.image_processor
    size = pipeline.image_encoder.config.image_size
    pipeline.scheduler = make_sampler(chosen.sampler, chosen.shift)
    pipeline.image_processor = lambda **_: _Pixels(
        pixel_values=torch.from_numpy(clip_pixels(framed, size))[None]
    )
    pipeline.set_progress_bar_config(disable=True)
    try:
        return pipeline(
            image=Image.fromarray(framed),
            pose_video=[Image.fromarray(frame) for frame in pose],
            face_video=[Image.fromarray(frame) for frame in face],
            prompt=prompt,
            negative_prompt=chosen.negative_prompt if chosen.guided else None,
            height=HEIGHT,
            width=WIDTH,
            segment_frame_length=chosen.segment_frames,
            prev_segment_conditioning_frames=chosen.overlap,
            num_inference_steps=chosen.steps,
            guidance_scale=chosen.guidance,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        ).frames[0]
    finally:
        pipeline.scheduler, pipeline.image_processor = kept


class _Pixels(dict):
    def to(self, device):
        return self


def request_of(tmp_path, frames=13, size=(32, 48), **changes):
    """An animation request: noise for a picture, a made dance for a pose."""
    image = tmp_path / "person.png"
    cv2.imwrite(str(image), np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8))
    (tmp_path / "scratch").mkdir(exist_ok=True)
    motion = make_dance(frames / 15, fps=15.0).motion
    pose = project_motion(motion, size)
    base = Request(
        "clip", "animation", None, image, pose, motion, frames / 15, 15.0, size, 7, tmp_path / "scratch"
    )
    return replace(base, **changes)
