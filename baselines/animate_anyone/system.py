"""Animate-Anyone as an ``animation`` system, with the weights of Moore Threads' open reproduction.

Row "Animate-Anyone" of Table 3. Settings are those of its command line: 30 steps, guidance 3.5, windows of 24 frames
that overlap by 4, 512 x 784 px. Options beside those of :mod:`baselines.sd15.system`:

- ``style``: how the skeleton is drawn; ``mace`` (OpenPose's, nearest to what it was trained on) or ``wan``.
- ``align``, ``people``, ``pose_backend``: see :mod:`mace_dance.appearance.controls`.

The folder ``weights`` holds the four files of the release, and ``sd-vae-ft-mse`` and ``image_encoder`` where upstream
puts them; without these two folders, those of ``madance weights`` are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from baselines.sd15.system import Dtype, LoadedPainter, WindowedSystem
from evaluation.systems import Card, Request, system
from mace_dance.appearance.controls import ControlOptions, find_person, make_controls
from mace_dance.appearance.preflight import TrainedOn
from mace_dance.appearance.system import show_poses, workplace
from madata.video.stills import read_still

if TYPE_CHECKING:
    import torch

    from baselines.sd15.painter import Image

__all__ = ["AnimateAnyone"]


@system(
    "animate-anyone",
    task="animation",
    card=Card(
        paper="Animate Anyone",
        url="https://github.com/MooreThreads/Moore-AnimateAnyone",
        licence="Apache-2.0 (code; weights CreativeML OpenRAIL-M)",
        n_parameters=2_560_945_807,
        notes="an open reproduction: the authors published no weights",
    ),
    weights=("animate-anyone-networks", "sd-vae-ft-mse", "sd-image-encoder"),
    fps=30,
    size=(512, 784),
)
class AnimateAnyone(WindowedSystem):
    """See the module."""

    name: ClassVar[str] = "animate-anyone"
    networks: ClassVar[str] = "animate-anyone-networks"
    upstream: ClassVar[dict[str, Any]] = {"steps": 30, "guidance": 3.5, "window": 24, "overlap": 4}
    trained: ClassVar[TrainedOn] = TrainedOn(
        "the command line and pose drawing of Moore-AnimateAnyone",
        sizes=((512, 784),),
        style="mace",
        stick=4 / 512,
    )

    def __init__(
        self,
        weights: str | None = None,
        dtype: Dtype = "auto",
        style: Literal["wan", "mace"] = "mace",
        align: bool | None = None,
        people: Literal["one", "largest"] = "one",
        pose_backend: str = "wholebody",
        **settings: Any,
    ) -> None:
        """See the module for the options.

        Raises:
            ConfigError: one is unknown or out of range.
        """
        super().__init__(weights, dtype, **settings)
        self._controls = ControlOptions(style, align, "none", people, pose_backend)

    def files(self, folder: Path) -> tuple[Path, ...]:
        """See :class:`baselines.sd15.system.WindowedSystem`."""
        from baselines.animate_anyone.network import FILES

        return (*(folder / name for name in FILES), *_beside(folder))

    def load(self, folder: Path, dtype: torch.dtype) -> LoadedPainter:
        """See :class:`baselines.sd15.system.WindowedSystem`."""
        from baselines.animate_anyone.network import PUBLISHED, AnimateAnyonePainter, load_animate_anyone
        from baselines.sd15.load import label_of_folder, load_clip_vision, load_vae
        from baselines.sd15.schedule import ZERO_SNR

        unet, reference, guider, sizes = load_animate_anyone(folder, dtype)
        vae, clip = _beside(folder)
        painter = AnimateAnyonePainter(
            unet, load_vae(vae, dtype), ZERO_SNR, reference, guider, load_clip_vision(clip, dtype)
        )
        label = label_of_folder(folder, published=sizes == PUBLISHED)
        apart = tuple(part for part in (vae, clip) if part.parent != folder)
        return LoadedPainter(painter, sizes.motion_frames, label, (folder, *apart))

    @property
    def drawing(self) -> ControlOptions:
        """See :class:`baselines.sd15.system.WindowedSystem`."""
        return self._controls

    def check_request(self, request: Request) -> None:
        """The person is looked for in the picture, where the pose is put on them."""
        super().check_request(request)
        is_motion = request.pose is None or request.motion is not None
        if request.image is not None and self._controls.needs_person(is_motion=is_motion):
            find_person(read_still(request.image), self._controls)

    def controls(self, request: Request) -> tuple[Image, Sequence[Image]]:
        """The picture, and the skeletons drawn."""
        from mace_dance.appearance.reference import letterbox

        request.report("drawing the poses", 0.0)
        made = make_controls(request, self._controls)
        show_poses(workplace(request), made.poses, request.fps)
        width, height = request.size
        return letterbox(made.picture, height, width), made.poses


def _beside(folder: Path) -> tuple[Path, Path]:
    """The autoencoder, and CLIP."""
    from baselines.sd15.load import find_part

    return find_part(folder, "sd-vae-ft-mse", "sd-vae-ft-mse"), find_part(
        folder, "image_encoder", "sd-image-encoder"
    )
