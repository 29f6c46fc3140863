"""A run of consecutive frames and what several dimensions derive from it.

One decode hands out chunks; every dimension reads the same chunk. On a CPU, full-size frames are turned into
floats one at a time and brought to network size at once: a batch of full-size floats costs more in fresh
memory than in arithmetic (4 ms against 1.4 ms per frame of 720p), and memory stays at a few frames.

Legend: B frames, H and W pixels. "Planar" tensors are (B, 3, H, W) float32 RGB in 0..255.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError

if TYPE_CHECKING:
    import torch

__all__ = ["FrameChunk", "UInt8Array", "chunked", "planar"]

UInt8Array = npt.NDArray[np.uint8]


def planar(rgb: UInt8Array, device: str = "cpu") -> torch.Tensor:
    """Frames (B, H, W, 3) as floats (B, 3, H, W) in 0..255, channels last in memory."""
    import torch

    return torch.from_numpy(rgb).to(device).permute(0, 3, 1, 2).float()


class FrameChunk:
    """Consecutive frames of one video, as they were decoded. Nothing is copied: nobody changes a frame afterwards.

    Args:
        frames: B >= 1 uint8 RGB pictures (H, W, 3) of one size, as the video is shown (rotation applied).
        device: where the tensors derived from them live.
        times_s: when each is shown, from the first frame of the video; empty where nobody asks.

    Attributes:
        size: (height, width) px.
    """

    def __init__(
        self,
        frames: UInt8Array | Sequence[UInt8Array],
        device: str = "cpu",
        times_s: Sequence[float] = (),
    ) -> None:
        shapes = {frame.shape for frame in frames}
        size = next(iter(shapes), ())
        if len(shapes) != 1 or len(size) != 3 or size[-1] != 3 or any(f.dtype != np.uint8 for f in frames):
            dtype, shape = np.asarray(frames).dtype, (len(frames), *size)
            raise ValueError(f"frames must be uint8 of shape (B, H, W, 3), got {dtype} {shape}")
        self.frames: Sequence[UInt8Array] = list(frames)
        self.size: tuple[int, int] = size[0], size[1]
        self.device = device
        self.times_s = tuple(times_s)

    def __len__(self) -> int:
        return len(self.frames)

    def planar(self, start: int, stop: int) -> torch.Tensor:
        """Some of the frames as floats (B, 3, H, W) in 0..255."""
        chosen = self.frames[start:stop]
        return planar(chosen[0][None] if len(chosen) == 1 else np.stack(chosen), self.device)

    def transformed(self, transform: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """``transform`` of the planar frames, (B, ...) contiguous."""
        import torch

        step = 1 if self.device == "cpu" else len(self)
        parts = [transform(self.planar(start, start + step)) for start in range(0, len(self), step)]
        return torch.cat(parts).contiguous()

    @cached_property
    def clip_input(self) -> torch.Tensor:
        """(B, 3, 224, 224), shared by aesthetic quality and background consistency."""
        from evaluation.features.video.preprocess import clip_input

        return self.transformed(clip_input)


def chunked(frames: Iterable[UInt8Array], size: int, device: str = "cpu") -> Iterator[FrameChunk]:
    """Group single frames (H, W, 3) into chunks of ``size``; the last may be shorter.

    Raises:
        MediaError: a frame has another size than the first one.
    """
    waiting: list[UInt8Array] = []
    shape: tuple[int, ...] | None = None
    for index, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.shape != shape:
            raise MediaError(
                f"frame {index} is {frame.shape[1]}x{frame.shape[0]} px, the first is {shape[1]}x{shape[0]}: "
                "a video that changes its size is not scored",
                reason="size_changes",
            )
        waiting.append(frame)
        if len(waiting) == size:
            yield FrameChunk(waiting, device)
            waiting = []
    if waiting:
        yield FrameChunk(waiting, device)
