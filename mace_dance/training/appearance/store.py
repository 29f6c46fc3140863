"""Latents, picture and text embeddings on disk, so that training needs no encoder.

A sample is kept under a digest of everything that decides it: the bytes of its files, its place in them, the
settings, the encoders. So the store may be shared by runs and stages, is never stale, and a preparation that was
interrupted goes on. Below its folder:

    latents/<key>.safetensors     a sample
    latents/<key>.json            why a sample cannot be used
    latents/empty-<key>.safetensors
    prompts/<key>.safetensors     a text embedding
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mace_dance.appearance.denoise import encode_picture, encode_prompt
from mace_dance.appearance.latents import encode_video
from mace_dance.appearance.memory import check_disk
from mace_dance.appearance.run_folder import read_tensor, write_tensor
from mace_dance.appearance.tensors import read_safetensors, saving
from mace_dance.training.appearance.backbone import Backbone
from mace_dance.training.appearance.clips import DroppedSample, TrainingWindow
from mace_dance.training.appearance.footage import Footage, read_footage
from mace_dance.training.appearance.layout import clip_latents, empty_latents
from mace_dance.training.appearance.settings import AppearanceTraining
from madata.cache import remembered_sha256
from madata.errors import MadanceError, MediaError, WeightsError
from madata.files import atomic_path, read_json, remove_leftovers, sha256_bytes, write_json

__all__ = ["LatentStore", "OnSample"]

_FORMAT = 1
_EMBEDDING_BYTES = 1 << 20

OnSample = Callable[[int, int, str], None]
"""Called with samples done, samples to do and the name of the one under way."""


class LatentStore:
    """The store of one folder, for one pipeline and the settings of one run.

    Args:
        folder: where it lies; made when something is written.
        backbone: whose encoders make what it holds.
        settings: of the run.
    """

    def __init__(self, folder: Path, backbone: Backbone, settings: AppearanceTraining) -> None:
        self.folder, self._backbone, self._settings = folder, backbone, settings
        self.dtype = torch.bfloat16 if settings.loop.precision == "bf16" else torch.float32
        self.face_px = int(backbone.config["motion_encoder_size"])
        decisive = {
            "format": _FORMAT,
            "vae": backbone.identity("vae"),
            "image_encoder": backbone.identity("image_encoder"),
            "dtype": str(self.dtype),
            "layout": settings.layout,
            "face_px": self.face_px,
            "data": settings.data.model_dump(mode="json", exclude={"split", "windows", "prompt"}),
        }
        self._decisive = _digest(decisive)
        self._text_encoder = _digest([_FORMAT, backbone.identity("text_encoder"), str(self.dtype)])
        self._texts: dict[str, Tensor] = {}
        self._of_windows: dict[TrainingWindow, str] = {}

    def key(self, window: TrainingWindow) -> str:
        """Digest of everything that decides a sample."""
        if window not in self._of_windows:
            clip = window.clip
            hashes = [clip.sha256 or remembered_sha256(clip.video)]
            for path in (clip.keypoints, clip.pose_video, clip.face_video):
                hashes.append("" if path is None else remembered_sha256(path))
            self._of_windows[window] = _digest([self._decisive, hashes, window.start])[:40]
        return self._of_windows[window]

    def has(self, key: str) -> bool:
        """Whether the sample is kept."""
        return self._file(key).is_file()

    def drop(self, key: str, name: str) -> DroppedSample | None:
        """Why the sample cannot be used, as found out before."""
        path = self._file(key).with_suffix(".json")
        if not path.is_file():
            return None
        told = read_json(path)
        return DroppedSample(name, str(told["reason"]), str(told["message"]))

    def read(self, key: str) -> dict[str, Tensor]:
        """``target``, ``pose``, ``picture``, ``face`` (uint8) and, in the layout ``diffsynth``, ``known``.

        Raises:
            MadanceError: the file is damaged; the message says what to do.
        """
        try:
            return dict(read_safetensors(self._file(key)))
        except WeightsError as error:
            raise MadanceError(
                f"{self._file(key)}: damaged; delete it and run the same command again"
            ) from error

    def empty(self) -> Tensor | None:
        """Latents of empty frames, which the layout ``wan`` needs."""
        return None if self._settings.layout == "diffsynth" else read_tensor(self._empty_file())

    def text(self, prompt: str) -> Tensor:
        """(512, D) embedding of a prompt."""
        if prompt not in self._texts:
            self._texts[prompt] = read_tensor(self._text_file(prompt))
        return self._texts[prompt]

    def bytes_of_sample(self) -> int:
        """About what a sample takes on the disk."""
        data = self._settings.data
        latents = 16 * (data.height // 8) * (data.width // 8) * self.dtype.itemsize
        frames = (data.frames - 1) // 4 + 1
        parts = 2 * frames + 1 + (frames + 1 if self._settings.layout == "diffsynth" else 0)
        faces = data.frames if data.face == "video" else 1
        return latents * parts + faces * self.face_px**2 * 3 + _EMBEDDING_BYTES

    def prepare(
        self,
        windows: Sequence[TrainingWindow],
        device: str,
        on_progress: OnSample = lambda done, of, name: None,
    ) -> None:
        """Encode what is not kept yet; what cannot be used is noted and passed over.

        Args:
            windows: the samples.
            device: where the encoders work.
            on_progress: told of every sample.

        Raises:
            MadanceError: the disk is full, or would be.
        """
        missing = self.missing(windows)
        prompts = sorted({window.clip.prompt for window in windows})
        unread = [prompt for prompt in prompts if not self._text_file(prompt).is_file()]
        has_empty = self._settings.layout == "diffsynth" or self._empty_file().is_file()
        if has_empty and not missing and not unread:
            return
        check_disk(self.folder, len(missing) * self.bytes_of_sample())
        remove_leftovers(self.folder)
        with _Encoders(self._backbone, self.dtype, device, text=bool(unread)) as encoders:
            for prompt in unread:
                write_tensor(self._text_file(prompt), encoders.prompt(prompt)[0].to(self.dtype))
            if not has_empty:
                data = self._settings.data
                latents = empty_latents(data.frames, data.height, data.width, encoders.video)
                write_tensor(self._empty_file(), latents.to(self.dtype))
            for number, (key, window) in enumerate(missing.items()):
                on_progress(number, len(missing), window.name)
                self._encode(key, window, encoders)

    def missing(self, windows: Sequence[TrainingWindow]) -> dict[str, TrainingWindow]:
        """Samples that are neither kept nor known to be of no use, by key."""
        keys = {self.key(window): window for window in windows}
        return {
            key: window
            for key, window in keys.items()
            if not self.has(key) and self.drop(key, window.name) is None
        }

    def _encode(self, key: str, window: TrainingWindow, encoders: _Encoders) -> None:
        try:
            footage = read_footage(window, self._settings, self.face_px)
        except MediaError as error:
            write_json(self._file(key).with_suffix(".json"), {"reason": error.reason, "message": str(error)})
            return
        latents = clip_latents(self._settings.layout, footage, encoders.video)
        kept = {name: value.to(self.dtype) for name, value in latents.items()}
        kept["picture"] = encoders.picture(footage)[0].to(self.dtype).cpu()
        kept["face"] = torch.from_numpy(footage.faces)
        _write(self._file(key), kept)

    def _file(self, key: str) -> Path:
        return self.folder / "latents" / f"{key}.safetensors"

    def _text_file(self, prompt: str) -> Path:
        return self.folder / "prompts" / f"{_digest([self._text_encoder, prompt])[:40]}.safetensors"

    def _empty_file(self) -> Path:
        return self._file(f"empty-{self._decisive[:32]}")


class _Encoders:
    """The encoders on their device, until the block ends."""

    def __init__(self, backbone: Backbone, dtype: torch.dtype, device: str, *, text: bool) -> None:
        self.pipeline = backbone.encoders(dtype, text=text)
        self.device = torch.device(device)
        self.pipeline.vae.to(self.device)
        self.pipeline.image_encoder.to(self.device)

    def __enter__(self) -> _Encoders:
        return self

    def __exit__(self, *error: object) -> None:
        del self.pipeline
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.no_grad()
    def video(self, video: Tensor) -> Tensor:
        """(16, n, h, w) float32 latents of a video (1, 3, T, H, W) in -1..1."""
        return encode_video(self.pipeline.vae, video)[0].float().cpu()

    @torch.no_grad()
    def picture(self, footage: Footage) -> Tensor:
        """(1, P, E) embedding of the reference picture."""
        return encode_picture(self.pipeline, footage.frames[0], self.device)

    @torch.no_grad()
    def prompt(self, prompt: str) -> Tensor:
        """(1, 512, D) embedding; the largest encoder is on the device no longer than for this."""
        encoder = self.pipeline.text_encoder.to(self.device)
        try:
            return encode_prompt(self.pipeline, prompt, self.device)
        finally:
            encoder.to("cpu")


def _digest(value: Any) -> str:
    return sha256_bytes(json.dumps(value, sort_keys=True).encode())


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    with saving(path), atomic_path(path) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary)
