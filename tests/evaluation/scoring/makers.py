"""Small made videos, and networks small enough for tests."""

import numpy as np

from madata.video import EncodeSettings, write_video


def frames(seed=0, count=12, size=(64, 48), step=3):
    """(T, H, W, 3): a textured square wanders over a still picture."""
    rng = np.random.default_rng(seed)
    width, height = size
    still = rng.integers(40, 200, (height // 8, width // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    patch = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    clip = np.repeat(still[None], count, axis=0)
    for number in range(count):
        left = (step * number + seed) % (width - 16)
        clip[number, 8:24, left : left + 16] = patch
    return clip


def write(path, clip, fps=24):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, clip, fps, settings=EncodeSettings(crf=12))
    return path


def write_folder(folder, seeds, **changes):
    for seed in seeds:
        write(folder / f"v{seed}.mp4", frames(seed, **changes))
    return folder


def blur(clip):
    """The mean of each frame and itself one pixel to the right."""
    return ((clip.astype(np.uint16) + np.roll(clip, 1, axis=2)) // 2).astype(np.uint8)


def toy_i3d(path, epsilon, device="cpu"):
    """Six numbers of a clip in place of I3D's 400."""

    def network(clips):
        import torch

        return torch.cat([clips.mean(dim=(2, 3, 4)), clips.std(dim=(2, 3, 4))], dim=1) * 10

    return network
