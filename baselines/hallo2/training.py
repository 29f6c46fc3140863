"""Training Hallo2 on dances: its second stage, with the body in place of the face, as the paper's row needs.

The defaults are those of the release (``configs/train/stage2_long.yaml``): 512 px, 14 frames after the two before,
batches of four clips, AdamW at 1e-5 with decay 0.01, gradients cut to 1, 30,000 steps, motion modules alone. The
network predicts velocity under 1000 scaled levels that end in pure noise; errors are weighed by Min-SNR with 5. In one
step of twenty each, the picture, the sound, or the frames before are left out; these are noised a little (levels below
50), and a quarter of their pixels outside the person is dropped, as generation does it.

Other than the release: one clip in a pass, where its batches of four mix the reference pictures of their clips frame by
frame, and each clip weighed by its own level; AdamW in 32 bits; no voice is separated; no face is known (zeros).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from baselines.hallo2.driver import Hallo2Painter
from baselines.hallo2.masks import level_masks
from baselines.hallo2.network import Hallo2Networks, look
from baselines.hallo2.settings import BEFORE
from baselines.hallo2.training_data import EncodedClips
from baselines.sd15.network import authors_tensors, predict
from baselines.sd15.reference import ReferenceFeatures, look_back, watch
from baselines.sd15.schedule import ZERO_SNR
from mace_dance.appearance.run_folder import network_fingerprint
from mace_dance.appearance.tensors import saving
from mace_dance.appearance.tiny import MARKER
from mace_dance.training.shared.draws import shuffled_batches
from mace_dance.training.shared.ending import Trained
from mace_dance.training.shared.loop import TrainingProgress, run_training
from mace_dance.training.shared.settings import LoopSettings
from madata.config import ClosedModel, merged, parse_override, to_toml, validated
from madata.errors import ConfigError
from madata.files import atomic_path, copy_file, read_toml

__all__ = ["Hallo2Task", "Hallo2Training", "hallo2_settings", "train_hallo2", "trained_schedule"]

Part = Literal["motion_modules", "audio_modules"]

_BESIDE = ("sd-vae-ft-mse", "wav2vec2-base-960h")
_ABSENT_FRAMES = 4  # zeros that motion modules see upstream where there is no reference
_RECIPE: dict[str, Any] = {
    "steps": 30_000,
    "batch_size": 4,
    "accumulate": 4,
    "precision": "bf16",
    "optimizer": "adamw",
    "learning_rate": 1e-5,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "average_decay": 0.0,
    "checkpoint_every": 500,
    "sample_every": 0,
}


class Hallo2Training(ClosedModel):
    """Settings of a run; see the module for the defaults.

    Attributes:
        loop: length, rates, checkpoints.
        split: of the data.
        size: side of the pictures, px, a multiple of 64.
        frames: of a sample.
        parts: what is trained; the release leaves ``audio_modules`` as they are in this stage.
        mask_rate: share of the pixels outside the person that are dropped from the frames before.
        drop_picture, drop_sound, drop_before: how often each is left out.
        noise_offset: of one number for a whole channel, in the noise.
        before_levels: the frames before are noised with a level below it.
        snr_gamma: of Min-SNR, 0 weighs all alike.
        checkpointing: compute blocks again in the backward pass instead of keeping what they made.
    """

    loop: LoopSettings
    split: Literal["train", "val", "test"] = "train"
    size: int = Field(default=512, ge=64, le=2048, multiple_of=64)
    frames: int = Field(default=14, ge=1, le=30)
    parts: tuple[Part, ...] = ("motion_modules",)
    mask_rate: float = Field(default=0.25, ge=0, le=1)
    drop_picture: float = Field(default=0.05, ge=0, le=1)
    drop_sound: float = Field(default=0.05, ge=0, le=1)
    drop_before: float = Field(default=0.05, ge=0, le=1)
    noise_offset: float = Field(default=0.05, ge=0)
    before_levels: int = Field(default=50, ge=1, le=1000)
    snr_gamma: float = Field(default=5.0, ge=0)
    checkpointing: bool = True

    @model_validator(mode="after")
    def _agree(self) -> Hallo2Training:
        if not self.parts:
            raise ValueError("parts: name motion_modules, audio_modules, or both")
        if self.loop.batch_size % self.loop.accumulate:
            raise ValueError("loop.batch_size must be a multiple of loop.accumulate")
        if self.loop.sample_every:
            raise ValueError("loop.sample_every: this task makes no samples; say 0")
        return self


def hallo2_settings(
    config: Path | None = None, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None
) -> Hallo2Training:
    """Settings of a run from their layers: the recipe, a TOML file, ``section.key=value``, flags.

    Raises:
        ConfigError: one is unknown, malformed or out of range.
    """
    layers = [read_toml(config) if config else {}, *map(parse_override, overrides), flags or {}]
    return validated(Hallo2Training, merged([{"loop": _RECIPE}, *layers]))


def trained_schedule() -> Any:
    """The noise levels of training: scaled linear, where those of sampling are linear (upstream's difference)."""
    from diffusers.schedulers import DDIMScheduler

    return DDIMScheduler(**{**ZERO_SNR, "beta_schedule": "scaled_linear"})


class Hallo2Task:
    """See :class:`mace_dance.training.shared.task.TrainingTask`.

    Attributes:
        name: ``hallo2``.
        network: the five networks together; the trained modules of the denoiser alone have gradients.
    """

    name = "hallo2"

    def __init__(
        self, painter: Hallo2Painter, data: EncodedClips, settings: Hallo2Training, base: Path
    ) -> None:
        """Choose what is trained.

        Args:
            painter: networks on the CPU, float32.
            base: the folder they were read from.

        Raises:
            ConfigError: the windows are longer than the network's positions.
        """
        self._hallo, self._vae, self._data, self.settings, self._base = (
            painter.hallo, painter.vae, data, settings, base,
        )  # fmt: skip
        longest = self._hallo.sizes.motion_frames - BEFORE
        if settings.frames > longest:
            raise ConfigError(f"frames: {settings.frames}, its network was made for {longest} at most")
        self._facts = {
            "data": data.data.facts(),
            "base": {part: network_fingerprint(each) for part, each in self._hallo.parts().items()},
            "settings": settings.model_dump(mode="json", exclude={"loop", "checkpointing"}),
        }
        self.network = nn.ModuleDict(self._hallo.parts())
        for module in trained_modules(self._hallo, settings.parts):
            module.requires_grad_(True)
        if settings.checkpointing:
            self._hallo.denoiser.enable_gradient_checkpointing()
        self._levels = trained_schedule()

    def turns(self) -> Mapping[str, nn.Module]:
        """All at once."""
        return {"network": self.network}

    def epoch_batches(self, epoch: int, batch_size: int, seed: int) -> Sequence[Sequence[int]]:
        """A new order in each epoch."""
        return shuffled_batches(len(self._data.data.clips), batch_size, epoch, seed)

    def sample_name(self, index: int) -> str:
        """Its clip."""
        return self._data.data.clips[index].clip_id

    def facts(self) -> dict[str, Any]:
        """Data, base and settings."""
        return self._facts

    def prepare(self, device: torch.device) -> None:
        """The autoencoder goes along."""
        self._vae.to(device)

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> dict[str, Tensor]:
        """See :meth:`EncodedClips.batch`."""
        return self._data.batch(indices, rng)

    def loss(
        self, batch: Mapping[str, Tensor], generator: torch.Generator, turn: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The error of the velocity, weighed by the noise level; ``error`` is without weights.

        Raises:
            ConfigError: several clips are in one pass and blocks are to be computed again.
        """
        clips = len(batch["pictures"])
        if self.settings.checkpointing and clips > 1:
            raise ConfigError(
                "checkpointing keeps what one clip sees: say loop.accumulate as large as the share of "
                "loop.batch_size of a process, or checkpointing=false"
            )
        found = [
            self._error({name: value[clip] for name, value in batch.items()}, generator)
            for clip in range(clips)
        ]
        errors, weights = torch.stack([error for error, _ in found]), [weight for _, weight in found]
        weighed = errors * torch.tensor(weights, device=errors.device)
        return weighed.mean(), {"error": errors.mean()}

    def _error(self, clip: Mapping[str, Tensor], generator: torch.Generator) -> tuple[Tensor, float]:
        """The mean squared error of one clip, and its weight."""
        denoiser, settings = self._hallo.denoiser, self.settings
        shown = clip["pictures"].float() / 127.5 - 1
        level = torch.randint(1000, (1,), generator=generator)
        leaves_out = torch.rand(3, generator=generator) < torch.tensor(
            [settings.drop_picture, settings.drop_sound, settings.drop_before]
        )
        no_picture, no_sound, no_before = leaves_out.tolist()
        with torch.no_grad():
            latents = self._latents(shown[1 + BEFORE :], generator).transpose(0, 1)[None]
            noise = self._noise(latents.shape, (1, 4, 1, 1, 1), generator).to(latents.device)
            before = shown[1 : 1 + BEFORE] * (0.0 if no_before else 1.0)
            before = self._worn(before, clip["region"], generator)
            pictures = self._latents(torch.cat([shown[:1], before]), generator)
            tokens = self._hallo.image(
                torch.zeros(1, self._hallo.image.proj.in_features, device=shown.device)
            )
            seen = look(self._hallo, watch(self._hallo.reference), pictures, tokens)
            if no_picture:
                seen = self._unseen()
            sound = self._hallo.audio(clip["sound"][None]).flatten(0, 1) * (0.0 if no_sound else 1.0)
            region = (clip["region"].float() / 255).expand(1, 3, -1, -1)
            guide = self._hallo.locator(region)[:, :, None].expand(-1, -1, settings.frames, -1, -1)
        look_back(denoiser, seen)
        self._hallo.cues.sound, self._hallo.cues.scale = sound, (1.0, 1.0, 0.0)
        self._hallo.cues.masks = {
            places: tuple(mask.to(shown.device).expand(settings.frames, -1) for mask in masks)
            for places, masks in level_masks(
                clip["region"].cpu().numpy(), len(self._hallo.sizes.channels)
            ).items()
        }
        noisy = self._levels.add_noise(latents, noise, level)
        predicted = predict(denoiser, noisy, level.to(shown.device), tokens, guide=guide)
        target = self._levels.get_velocity(latents, noise, level)
        error = nn.functional.mse_loss(predicted.float(), target.float())
        return error, self._weight(int(level))

    def _weight(self, level: int) -> float:
        """Min-SNR of a level, for velocity."""
        if not self.settings.snr_gamma:
            return 1.0
        kept = float(self._levels.alphas_cumprod[level])
        ratio = kept / (1 - kept) + 1
        return min(ratio, self.settings.snr_gamma) / ratio

    def _latents(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 4, h, w) drawn from what the autoencoder makes of (N, 3, H, W) in -1..1."""
        drawn: Tensor = self._vae.encode(pictures).latent_dist.sample(generator)
        scaled: Tensor = drawn.float() * float(self._vae.config.scaling_factor)
        return scaled

    def _noise(self, shape: Sequence[int], offset: Sequence[int], generator: torch.Generator) -> Tensor:
        whole = torch.randn(tuple(offset), generator=generator)
        return torch.randn(tuple(shape), generator=generator) + self.settings.noise_offset * whole

    def _worn(self, before: Tensor, region: Tensor, generator: torch.Generator) -> Tensor:
        """The frames before (2, 3, H, W), noised, with pixels outside the person dropped."""
        level = torch.randint(self.settings.before_levels, (1,), generator=generator)
        noise = self._noise(before.shape, (len(before), 1, 1, 1), generator).to(before.device)
        noised = self._levels.add_noise(before, noise, level)
        drawn = torch.rand(region.shape, generator=generator).to(before.device)
        worn: Tensor = noised * ((drawn > self.settings.mask_rate) | (region > 0))
        return worn

    def _unseen(self) -> ReferenceFeatures:
        """No reference; motion modules then see zeros in front, as upstream's do."""
        cues = self._hallo.cues
        cues.motion = {
            block: value.new_zeros(1, _ABSENT_FRAMES, *value.shape[2:])
            for block, value in cues.motion.items()
        }
        return ReferenceFeatures({}, guided=False)

    def sample(self, step: int, out: Path) -> dict[str, float | None]:
        """None are made."""
        return {}

    def export(self, folder: Path, step: int) -> None:
        """Write ``net.pth`` in the layout of the release, and what lies beside the one it began with."""
        tensors = {
            f"{part}.{name}": value.detach().cpu()
            for part, network in self._hallo.parts().items()
            for name, value in authors_tensors(network).items()
        }
        with saving(folder):
            folder.mkdir(parents=True, exist_ok=True)
            beside = [path for part in _BESIDE for path in (self._base / part).rglob("*")]
            for path in (*beside, self._base / MARKER):
                if path.is_file():
                    copy_file(path, folder / path.relative_to(self._base))
            # through a stream: an archive of torch bears the name of its file, another for each file in the making
            with atomic_path(folder / "net.pth") as path, path.open("wb") as stream:
                torch.save(tensors, stream)


def trained_modules(hallo: Hallo2Networks, parts: Sequence[Part]) -> Iterator[nn.Module]:
    """The modules of the denoiser that are trained; motion modules that are passed over see no gradient upstream."""
    for name, module in hallo.denoiser.named_modules():
        kind = re.fullmatch(r"(.*)\.(motion_modules|audio_modules)", name)
        if kind and kind[2] in parts and hasattr(hallo.denoiser.get_submodule(kind[1]), "audio_modules"):
            yield module


def train_hallo2(
    task: Hallo2Task,
    out: Path,
    device: str = "auto",
    on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
) -> Trained:
    """Train, from the newest checkpoint in ``out``; see :func:`mace_dance.training.shared.loop.run_training`."""
    return run_training(task, task.settings.loop, out, device, on_progress, to_toml(task.settings))
