"""The Motion Expert and its ablations as ``motion`` systems.

Where the weights are looked for, in this order:

1. the option ``weights``: a model folder (:mod:`mace_dance.motion.pretrained`) or an official ``.pt``;
2. a model folder of the system's name below a weights folder (``madance weights list``);
3. for ``motion-expert``: the small model this package brings along. It was trained on made-up dances, does not stand
   for the paper's model, and everything made with it is labelled so (:data:`TINY_LABEL`).

Options: ``beta``, ``steps`` (a number, or the falling list of times), ``eta``, ``genre`` (name or label) and
``which`` (``model`` or ``ema``, of an official file). A model that knows genres and is given none draws one for each
clip from the clip's seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from evaluation.systems import Card, Loaded, Request, fit_motion, system
from mace_dance.motion.config import ABLATIONS, OFFICIAL, MotionExpertConfig
from madata.devices import on_device
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError, did_you_mean
from madata.files import write_npz

if TYPE_CHECKING:
    from torch import nn

    from mace_dance.motion.model import MotionExpert
    from mace_dance.motion.pretrained import ModelInfo, Pretrained
    from mace_dance.motion.sample import Song
    from madata.music import Layout
    from madata.types import FloatArray, Motion3D

__all__ = [
    "EMBEDDED",
    "TINY_LABEL",
    "BiMambaToMamba",
    "BiMambaToTransformer",
    "GftToCfg",
    "MotionExpertSystem",
    "genre_label",
    "loaded_from",
    "music_for",
]

EMBEDDED = Path(__file__).with_name("tiny")
"""Folder of the model that comes with the package."""

TINY_LABEL = "tiny-synthetic"

CARD = Card(
    paper="MACE-Dance",
    url="https://github.com/AMAP-ML/MACE-Dance",
    n_parameters=66_680_983,
    training_data=("finedance:train",),
)

_ABLATED = replace(CARD, n_parameters=None)
_HELD_FRAMES = 2


@system(
    "motion-expert",
    task="motion",
    fps=30,
    card=CARD,
    weights=("motion-expert",),
    stand_in="the small model that comes along, trained on made-up dances",
)
class MotionExpertSystem:
    """Dances to a whole clip at once; see the module."""

    name: ClassVar[str] = "motion-expert"
    config: ClassVar[MotionExpertConfig] = OFFICIAL

    def __init__(
        self,
        weights: str | None = None,
        beta: float = 0.75,
        steps: int | Sequence[int] = 50,
        eta: float = 1.0,
        genre: str | int | None = None,
        which: Literal["model", "ema"] = "model",
    ) -> None:
        """See the module for the options.

        Raises:
            ConfigError: one is out of range.
        """
        from mace_dance.motion.sample import Sampling

        if which not in ("model", "ema"):
            raise ConfigError(f"which is 'model' or 'ema', not {which!r}")
        self._given = weights
        self._sampling = Sampling(beta, steps if isinstance(steps, int) else tuple(steps), eta)
        self._genre = genre
        self._which = which
        self._device = "cpu"
        self._model: Pretrained[MotionExpert, MotionExpertConfig] | None = None
        self.loaded: Loaded | None = None

    def setup(self, device: str) -> None:
        """Load the weights.

        Raises:
            WeightsError: there are none, or they are those of another network; the message holds the commands.
            ConfigError: the model knows no such genre, or the device cannot be used.
        """
        from mace_dance.motion.pretrained import load_model
        from madata.motion import layout

        path = self._find()
        model = load_model(path, self.config, self._which)
        self._require_same_method(path, model.config)
        width = layout(model.info.layout).width
        if width != model.config.features:
            raise WeightsError(
                f"{path}: {model.info.layout} has {width} columns, its network {model.config.features}"
            )
        _genre_label(self._genre, model.info.genres, model.config, seed=0)
        on_device(model.network, device)
        self._device, self._model = device, model
        embedded = TINY_LABEL if path == EMBEDDED else None
        self.loaded = loaded_from([path], CARD, model.network, model.info, embedded)

    def plan(self, request: Request, device: str) -> list[str]:
        """Which weights, how many frames in how many passes.

        Raises:
            WeightsError: there are no weights, or they are a model folder of another method.
        """
        from mace_dance.motion.pretrained import MOTION_EXPERT, check_kind
        from mace_dance.motion.sample import song_windows

        path = self._find()
        if not path.exists():
            raise WeightsError(f"{path}: no such model folder or checkpoint")
        check_kind(path, MOTION_EXPERT.name)
        sampling, frames = self._sampling, request.num_frames
        starts, _ = song_windows(frames, sampling.window_frames, sampling.overlap_frames)
        windows = "" if len(starts) == 1 else f" in {len(starts)} windows"
        label = f" [{TINY_LABEL}]" if path == EMBEDDED else ""
        return [f"weights {path}{label}", f"{len(sampling.times)} steps over {frames} frames{windows}"]

    def generate(self, request: Request) -> Motion3D:
        """The dance.

        Raises:
            MediaError: the music cannot be read, or is shorter than the clip.
        """
        from mace_dance.motion.sample import dance

        if self._model is None:
            raise MadanceError(f"{self.name}: setup(device) comes before generate(request)")
        self._model.network.to(self._device)
        song = self._song(self._model, request)
        motion = dance(
            self._model,
            [song],
            self._sampling,
            self._device,
            on_step=lambda share: request.report("dancing", share),
        )[0]
        return fit_motion(motion, request.fps, request.num_frames)

    def release(self) -> None:
        """Leave the accelerator until the next clip."""
        if self._model is not None:
            self._model.network.to("cpu")

    def _song(self, model: Pretrained[MotionExpert, MotionExpertConfig], request: Request) -> Song:
        from mace_dance.motion.sample import Song

        genre = _genre_label(self._genre, model.info.genres, model.config, request.seed)
        music = music_for(request, model.info.fps)
        return Song(music, request.seed, genre, request.music.name if request.music else request.clip_id)

    def _find(self) -> Path:
        if self._given is not None:
            return Path(self._given).expanduser()
        from madata.weights import folders

        order = [*(folder / self.name for folder in folders()), *self._embedded()]
        for path in order:
            if path.exists():
                return path
        searched = ", ".join(str(path) for path in order)
        raise WeightsError(
            f"there is no model of {self.name} (looked for {searched}); its authors publish none: "
            "train one (madance train motion) or name one (--set weights=FOLDER or an official .pt; in a cascade, "
            "motion.weights)"
        )

    def _embedded(self) -> tuple[Path, ...]:
        return (EMBEDDED,) if self.config == OFFICIAL else ()

    def _require_same_method(self, path: Path, found: MotionExpertConfig) -> None:
        """Refuse an ablation under the name of another."""
        for field in ("mixer", "guidance"):
            wanted, has = getattr(self.config, field), getattr(found, field)
            if wanted != has:
                raise WeightsError(
                    f"{path}: a model with {field} {has!r}, while {self.name} has {wanted!r}: {_names_of(found)}"
                )


def _names_of(config: MotionExpertConfig) -> str:
    """Which system a model belongs to, in words."""
    for short, other in {"": OFFICIAL, **ABLATIONS}.items():
        if (config.mixer, config.guidance) == (other.mixer, other.guidance):
            return f"it belongs to the system motion-expert{'-' if short else ''}{short}"
    return "no system has both its mixer and its guidance"


@system(
    "motion-expert-gft-to-cfg",
    task="motion",
    fps=30,
    card=_ABLATED,
    weights=("motion-expert-gft-to-cfg",),
)
class GftToCfg(MotionExpertSystem):
    """Table 2: classifier-free guidance, two passes a step; ``beta`` changes nothing."""

    name = "motion-expert-gft-to-cfg"
    config = ABLATIONS["gft-to-cfg"]


@system(
    "motion-expert-bimamba-to-mamba",
    task="motion",
    fps=30,
    card=_ABLATED,
    weights=("motion-expert-bimamba-to-mamba",),
)
class BiMambaToMamba(MotionExpertSystem):
    """Table 2: every Mamba in the forward direction alone."""

    name = "motion-expert-bimamba-to-mamba"
    config = ABLATIONS["bimamba-to-mamba"]


@system(
    "motion-expert-bimamba-to-transformer",
    task="motion",
    fps=30,
    card=_ABLATED,
    weights=("motion-expert-bimamba-to-transformer",),
)
class BiMambaToTransformer(MotionExpertSystem):
    """Table 2: self-attention in the place of BiMamba."""

    name = "motion-expert-bimamba-to-transformer"
    config = ABLATIONS["bimamba-to-transformer"]


def loaded_from(
    files: Sequence[Path], card: Card, network: nn.Module, info: ModelInfo, label: str | None = None
) -> Loaded:
    """What a system says of the model it has loaded.

    Args:
        files: a model folder, which says what it was trained on, or the authors' files, for which the card stands.
        card: of the method.
        label: where ``info`` has none.
    """
    label = info.label or label
    own = replace(
        card,
        n_parameters=sum(parameter.numel() for parameter in network.parameters()),
        training_data=info.training_data if files[0].is_dir() else card.training_data,
        notes=None if label is None else f"{label}: not the paper's model",
    )
    return Loaded(label, own, tuple(files))


def _genre_label(
    wanted: str | int | None, names: Sequence[str], config: MotionExpertConfig, seed: int
) -> int | None:
    """The label a Motion Expert takes.

    Raises:
        ConfigError: it knows no such genre, or none at all.
    """
    if config.choices.genre == "off":
        if wanted is not None:
            raise ConfigError(f"this model knows no genres; leave genre={wanted!r} out")
        return None
    return genre_label(wanted, names, config.genres, seed)


def genre_label(wanted: str | int | None, names: Sequence[str], count: int, seed: int) -> int:
    """The label of a genre; one drawn from the seed where none is wanted.

    Args:
        wanted: name or label.
        names: of the labels, in their order; empty where they have none.
        count: how many labels there are, where they have no names.
        seed: of the clip.

    Raises:
        ConfigError: there is no such genre.
    """
    import numpy as np

    count = len(names) or count
    if wanted is None:
        return int(np.random.default_rng(seed).integers(count))
    if isinstance(wanted, bool) or not isinstance(wanted, int | str):
        raise ConfigError(f"a genre is a name or a label, not {wanted!r}")
    if isinstance(wanted, int):
        if not 0 <= wanted < count:
            raise ConfigError(f"genre labels of this model are 0 .. {count - 1}, not {wanted}")
        return wanted
    lower = [name.lower() for name in names]
    if wanted.lower() in lower:
        return lower.index(wanted.lower())
    raise ConfigError(f"this model knows no genre {wanted!r}{did_you_mean(wanted, names)}")


def music_for(request: Request, fps: float, layout: Layout = "edge") -> FloatArray:
    """(T, K) features of the music under a clip, at ``fps``; kept as ``music_features.npz``, beats beside them.

    Raises:
        MadanceError: the request has no music.
        MediaError: it cannot be read, or is shorter than the clip by more than two frames.
    """
    import numpy as np

    from madata.music import music_features

    if request.music is None:
        raise MadanceError(f"{request.clip_id}: a dance needs music")
    features = music_features(request.music, layout, fps)
    values = features.values
    if request.keep is not None:
        write_npz(
            request.keep / "music_features.npz",
            values=values, fps=np.float64(features.fps), beats_s=features.beats_s,
        )  # fmt: skip
    frames = max(1, round(request.duration_s * fps))
    if len(values) + _HELD_FRAMES < frames:
        raise MediaError(
            f"{request.music}: lasts {len(values) / fps:.2f} s, {request.duration_s:.2f} s are asked for",
            reason="too_short",
        )
    return np.ascontiguousarray(values[np.minimum(np.arange(frames), len(values) - 1)])
