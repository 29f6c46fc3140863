"""Magic-Animate as an ``animation`` system.

Row "Magic-Animate" of Table 3. Settings are those of its release: 25 steps, guidance 7.5, windows of 16 frames that
overlap by 4, 512 x 512 px and nothing else. Options beside those of :mod:`baselines.sd15.system`:

- ``densepose``: what it follows: a DensePose video, or a folder of them named by clip, taken by time; by default our
  own body, where the request has a 3D motion (:mod:`baselines.magic_animate.densepose`).

The folder ``weights`` holds the three folders of the release, and ``stable-diffusion-v1-5`` and ``sd-vae-ft-mse`` where
they were put into it; without these two, those of ``madance weights`` are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from glob import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from baselines.sd15.system import Dtype, LoadedPainter, WindowedSystem
from evaluation.systems import Card, Request, fit_motion, system
from mace_dance.appearance.controls import check_by_time, read_by_time
from mace_dance.appearance.preflight import TrainedOn
from madata.errors import ConfigError, MadanceError
from madata.formats import is_a
from madata.video.stills import read_still

if TYPE_CHECKING:
    import torch

    from baselines.sd15.painter import Image

__all__ = ["MagicAnimate"]

_DENSEPOSE = ("DensePose video", "a shorter clip (--duration)")
_LOOKS, _LOOK_EVERY, _LOOK_PX = 8, 16, 128
_FOREIGN = 0.25  # ours: of two published DensePose videos at most 0.05, of videos of people 0.8 to 1
_NO_BODY = (
    "only keypoints are known of its pose, from which no DensePose can be made: give a 3D motion, or DensePose videos "
    "with --set densepose=FOLDER"
)


@system(
    "magic-animate",
    task="animation",
    card=Card(
        paper="MagicAnimate",
        url="https://github.com/magic-research/magic-animate",
        licence="BSD-3-Clause; file headers of the code ask for a licence of ByteDance",
        n_parameters=2_701_718_587,
    ),
    weights=("magic-animate-networks", "stable-diffusion-1-5", "sd-vae-ft-mse"),
    fps=30,
    size=(512, 512),
)
class MagicAnimate(WindowedSystem):
    """See the module."""

    name: ClassVar[str] = "magic-animate"
    networks: ClassVar[str] = "magic-animate-networks"
    upstream: ClassVar[dict[str, Any]] = {"steps": 25, "guidance": 7.5, "window": 16, "overlap": 4}
    trained: ClassVar[TrainedOn] = TrainedOn("the configurations of its release", sizes=((512, 512),))

    def __init__(
        self,
        weights: str | None = None,
        dtype: Dtype = "auto",
        densepose: str | None = None,
        **settings: Any,
    ) -> None:
        """See the module for the options.

        Raises:
            ConfigError: one is unknown or out of range, or there is no such DensePose video.
        """
        super().__init__(weights, dtype, **settings)
        self._densepose = None if densepose is None else Path(densepose).expanduser()
        if self._densepose is not None and not self._densepose.exists():
            raise ConfigError(f"densepose: {densepose}: no such file or folder")

    def files(self, folder: Path) -> tuple[Path, ...]:
        """See :class:`baselines.sd15.system.WindowedSystem`."""
        from baselines.magic_animate.network import PARTS

        base, vae = _beside(folder)
        return (*(folder / part for part in PARTS), base / "unet", base / "text_encoder", vae)

    def load(self, folder: Path, dtype: torch.dtype) -> LoadedPainter:
        """See :class:`baselines.sd15.system.WindowedSystem`."""
        from baselines.magic_animate.network import PUBLISHED, MagicAnimatePainter, load_magic_animate
        from baselines.sd15.load import label_of_folder, load_clip_text, load_vae
        from baselines.sd15.schedule import EPSILON

        base, vae = _beside(folder)
        unet, encoder, controlnet, sizes = load_magic_animate(folder, base / "unet", dtype)
        text = load_clip_text(base / "text_encoder", dtype)
        painter = MagicAnimatePainter(unet, load_vae(vae, dtype), EPSILON, encoder, controlnet, text)
        apart = tuple(part for part in (base, vae) if part.parent != folder)
        label = label_of_folder(folder, published=sizes == PUBLISHED)
        return LoadedPainter(painter, sizes.motion_frames, label, (folder, *apart))

    def check_request(self, request: Request) -> None:
        """The network was made for squares; a DensePose video is looked for and measured."""
        super().check_request(request)
        width, height = request.size
        if width != height:
            raise MadanceError(f"it makes squares, not {width}x{height}: --size 512x512")
        if self._densepose is not None:
            check_by_time(self._video_of(request), request.num_frames, request.fps, _DENSEPOSE)
        elif request.pose is not None and request.motion is None:
            raise MadanceError(f"{request.clip_id}: {_NO_BODY}")

    def preflight(self, request: Request) -> list[str]:
        """See :class:`baselines.sd15.system.WindowedSystem`; a given DensePose video is looked at as well."""
        return [*super().preflight(request), *self._foreign_colours(request)]

    def _foreign_colours(self, request: Request) -> Iterator[str]:
        """Whether a given video shows DensePose, in the colours that the network knows."""
        import numpy as np

        from baselines.magic_animate.densepose import foreign_share
        from madata.video import Decoder

        if self._densepose is None:
            return
        path = self._video_of(request)
        with Decoder(path) as decoder:
            frames = islice(decoder, 0, _LOOKS * _LOOK_EVERY, _LOOK_EVERY)
            looks = [frame.scaled((_LOOK_PX, _LOOK_PX)) for frame in frames]
        if looks and (share := foreign_share(np.stack(looks))) > _FOREIGN:
            yield (
                f"DensePose video: {share:.0%} of {path.name} has none of the 25 colours that its network knows "
                "(DensePose's parts in viridis): another colour map, or no DensePose"
            )

    def controls(self, request: Request) -> tuple[Image, Sequence[Image]]:
        """The picture, and DensePose frames: given, or of our own body."""
        from baselines.magic_animate.densepose import DensePoseFrames
        from mace_dance.appearance.reference import letterbox

        if request.image is None:
            raise MadanceError(f"{request.clip_id}: an animation needs a picture")
        width, height = request.size
        picture = letterbox(read_still(request.image), height, width)
        if self._densepose is not None:
            return picture, self._given_frames(request)
        if request.motion is None:
            raise MadanceError(f"{request.clip_id}: {_NO_BODY}")
        motion = fit_motion(request.motion, request.fps, request.num_frames)
        return picture, DensePoseFrames(motion, request.size)

    def _given_frames(self, request: Request) -> Sequence[Image]:
        """The DensePose video by time; one of another shape goes as the picture does, on DensePose's background."""
        import numpy as np

        from baselines.magic_animate.densepose import part_colours
        from madata.video import probe
        from madata.video.geometry import frame_clip

        path = self._video_of(request)
        framing = frame_clip(probe(path).size, size=request.size, fit=request.fit)
        beside = (framing.place(np.ones(framing.scaled[::-1], np.uint8)) == 0)[..., None]
        background = part_colours()[0]

        def placed(shown: Image) -> Image:
            return np.where(beside, background, framing.place(shown))

        wanted, fps = request.num_frames, request.fps
        return read_by_time(path, wanted, fps, placed, size=framing.scaled, words=_DENSEPOSE)

    def _video_of(self, request: Request) -> Path:
        """The DensePose video of a clip."""
        given = self._densepose
        if given is None or given.is_file():
            return given or Path()
        found = [path for path in sorted(given.glob(f"{escape(request.clip_id)}.*")) if is_a(path, "video")]
        if not found:
            raise MadanceError(f"{given}: holds no video {request.clip_id}.mp4 of DensePose")
        return found[0]


def _beside(folder: Path) -> tuple[Path, Path]:
    """Stable Diffusion 1.5, and the autoencoder."""
    from baselines.sd15.load import find_part

    return find_part(folder, "stable-diffusion-v1-5", "stable-diffusion-1-5"), find_part(
        folder, "sd-vae-ft-mse", "sd-vae-ft-mse"
    )
