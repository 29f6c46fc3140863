"""The folder of one video in the making: everything needed to go on after a crash, and nothing half written.

| file | holds | written |
|---|---|---|
| ``run.json`` | settings, seed, prompt, digests of inputs and weights | before the first segment |
| ``embeddings/*.safetensors`` | text and picture embeddings, by content | once |
| ``segments/000.latents.safetensors`` | latents of a segment that is not decoded yet | after its last step |
| ``segments/000.mkv`` | its new frames, lossless (FFV1, RGB) | after decoding |
| ``segments/000.tail.safetensors`` | decoded frames the next segment starts from, if any, unrounded | with the frames |
| ``segments/000.json`` | digest of the frames, times, colours; a segment is finished when this is there | last |
| ``report.json`` | figures of the whole video | at the end |

A finished segment is made of the same bits whether or not the run was interrupted. A run that differs from
``run.json`` in anything that changes bits is refused, with the differences named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mace_dance.appearance.tensors import saving
from madata.config import settle
from madata.errors import MadanceError, MediaError, WeightsError
from madata.files import atomic_path, read_json, remove_leftovers, sha256_bytes, sha256_file, write_json
from madata.tensors import all_tensors
from madata.video.container import media_url, open_media

__all__ = [
    "RunFolder",
    "SegmentFrames",
    "frames_digest",
    "network_fingerprint",
    "read_lossless",
    "read_tensor",
    "write_lossless",
    "write_tensor",
]

Image = npt.NDArray[np.uint8]

_SAMPLED = 16


class RunFolder:
    """Access to the files of one run.

    Args:
        path: the folder; made when absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.segments = path / "segments"
        self.embeddings = path / "embeddings"
        self.report = path / "report.json"

    def open(self, record: Mapping[str, Any]) -> None:
        """Start a run, or go on with one that has the same record.

        Raises:
            ConfigError: the folder holds a run with another record; every difference is named.
        """
        settle(self.path / "run.json", record)
        remove_leftovers(self.path)

    def finished(self, index: int) -> bool:
        """Whether segment ``index`` is complete and its frames are those that were written."""
        if not self._file(index, "json").exists():
            return False
        facts, frames = self.facts(index), self._file(index, "mkv")
        has_tail = self._file(index, "tail.safetensors").exists()
        if not frames.exists() or (facts.get("tail", True) and not has_tail):
            return False
        return bool(sha256_file(frames) == facts["frames_sha256"])

    def facts(self, index: int) -> dict[str, Any]:
        """What was noted about a finished segment."""
        facts: dict[str, Any] = read_json(self._file(index, "json"))
        return facts

    def read_latents(self, index: int) -> Tensor | None:
        """Latents of a segment whose decoding did not come to its end, else ``None``."""
        path = self._file(index, "latents.safetensors")
        return read_tensor(path) if path.exists() else None

    def write_latents(self, index: int, latents: Tensor) -> None:
        """Keep latents until the segment is finished."""
        write_tensor(self._file(index, "latents.safetensors"), latents)

    def read_tail(self, index: int) -> Tensor:
        """(1, 3, R, H, W) frames the segment after ``index`` starts from."""
        return read_tensor(self._file(index, "tail.safetensors"))

    def finish(
        self,
        index: int,
        frames: Sequence[Image],
        tail: Tensor | None,
        fps: float,
        facts: Mapping[str, Any],
    ) -> None:
        """Write the frames (H, W, 3) and tail of a segment, then its facts, then drop its latents.

        Args:
            tail: what the next segment starts from; ``None`` where it needs nothing.
        """
        video = self._file(index, "mkv")
        write_lossless(video, frames, fps)
        if tail is not None:
            write_tensor(self._file(index, "tail.safetensors"), tail)
        told = {"frames": len(frames), "frames_sha256": sha256_file(video), "tail": tail is not None}
        write_json(self._file(index, "json"), {**facts, **told})
        self._file(index, "latents.safetensors").unlink(missing_ok=True)

    def frames(self, count: int) -> SegmentFrames:
        """The frames of the first ``count`` segments, read as they are asked for."""
        paths = [self._file(index, "mkv") for index in range(count)]
        return SegmentFrames(paths, [self.facts(index)["frames"] for index in range(count)])

    def _file(self, index: int, suffix: str) -> Path:
        return self.segments / f"{index:03d}.{suffix}"


class SegmentFrames:
    """Frames (H, W, 3) uint8 of a video in segments; may be walked through any number of times."""

    def __init__(self, paths: Sequence[Path], counts: Sequence[int]) -> None:
        self.paths, self.counts = paths, counts

    def __len__(self) -> int:
        return sum(self.counts)

    def __iter__(self) -> Iterator[Image]:
        for path, count in zip(self.paths, self.counts, strict=True):
            read = 0
            for frame in read_lossless(path):
                read += 1
                yield frame
            if read != count:
                raise MediaError(
                    f"{path}: holds {read} frames and not {count}; delete it and run the same command again",
                    reason="damaged_segment",
                )


def frames_digest(frames: Sequence[Image] | npt.NDArray[np.uint8]) -> str:
    """Hex SHA-256 over the sizes and pixels of uint8 frames (H, W, 3)."""
    import hashlib

    digest = hashlib.sha256()
    for index in range(len(frames)):
        frame = np.ascontiguousarray(frames[index])
        digest.update(repr(frame.shape).encode())
        digest.update(frame.data)
    return digest.hexdigest()


def network_fingerprint(network: Any) -> str:
    """Hex SHA-256 over names, shapes, types and the first and last values of all weights, and LoRA strengths.

    Reading 32 values per tensor finds another checkpoint, a LoRA more or less, another precision; not a change of
    single weights in the middle of a tensor.
    """
    import torch

    parts: list[bytes] = []
    for name, weight in sorted(network.named_parameters()):
        flat = weight.detach().reshape(-1)
        ends = torch.cat([flat[:_SAMPLED], flat[-_SAMPLED:]]).cpu().contiguous()
        parts.append(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        parts.append(ends.view(torch.uint8).numpy().tobytes())
    for name, module in network.named_modules():
        scaling = getattr(module, "scaling", None)
        if isinstance(scaling, dict) and scaling:
            parts.append(f"{name} {json.dumps(scaling, sort_keys=True)}".encode())
    return sha256_bytes(b"\n".join(parts))


def write_tensor(path: Path, tensor: Tensor, metadata: Mapping[str, str] | None = None) -> None:
    """Write one tensor, bit for bit, atomically.

    Raises:
        MadanceError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save_file

    with saving(path), atomic_path(path) as temporary:
        save_file({"value": tensor.detach().cpu().contiguous()}, temporary, dict(metadata or {}))


def read_tensor(path: Path) -> Tensor:
    """Read what :func:`write_tensor` wrote.

    Raises:
        MadanceError: the file is damaged or holds something else.
    """
    try:
        # Cloned into memory as torch lays it out: where a tensor lies decides which kernels read it, and a run that
        # goes on from this file has to end in the bits of one that was never stopped.
        tensor: Tensor = all_tensors(path)["value"].clone()
    except (KeyError, WeightsError) as error:
        raise MadanceError(
            f"{path}: not readable ({error}); delete it and run the same command again"
        ) from error
    return tensor


def write_lossless(path: Path, frames: Sequence[Image], fps: float) -> None:
    """Write RGB frames (H, W, 3) as FFV1 in Matroska: every pixel comes back as it was.

    Real footage takes 4 to 25 % of the bytes of its pixels.

    Raises:
        MadanceError: the disk is full or the folder cannot be written.
    """
    import av

    height, width = frames[0].shape[:2]
    rate = Fraction(fps).limit_denominator(1001)
    with (
        atomic_path(path) as temporary,
        av.open(media_url(temporary), "w", format="matroska", options={"fflags": "+bitexact"}) as container,
    ):
        stream = container.add_stream("ffv1", rate=rate, options={"level": "3", "slicecrc": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        stream.codec_context.thread_count = 1
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
            container.mux(stream.encode(picture.reformat(format="bgr0")))
        container.mux(stream.encode())


def read_lossless(path: Path) -> Iterator[Image]:
    """Frames (H, W, 3) of a file of :func:`write_lossless`.

    Raises:
        MediaError: the file is absent or damaged.
    """
    import av

    try:
        with open_media(path) as container:
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (MediaError, av.FFmpegError, IndexError) as error:
        raise MediaError(
            f"{path}: a segment cannot be read ({error}); delete it and run the same command again",
            reason="damaged_segment",
        ) from error
