"""Hallo2 with masks of the body, or of the face, as a ``video`` system: music moves a person, without a pose.

Row "Hallo2" of Table 1. The paper trained it on MA-Data with the body in place of the face; no such weights are
published, so that ``weights`` is a checkpoint of your own, or the release, which knows faces. Settings are the
release's: 40 steps, guidance 3.5, segments of 16 frames, 25 frames per second, 512 x 512 px. The voice is not separated
from the music. Options beside those of :mod:`baselines.sd15.system` (``window`` is a segment; windows do not overlap):

- ``region``: what the sound moves: the ``body`` (the paper's row) or, as the release, the ``face`` and in it the lips.
- ``mask``: a picture or video that is white where that region is, or a folder of them named by clip; by default it is
  found in the picture, the body by :mod:`madata.pose.segmentation`, the face by the pose backend ``wholebody``.
- ``lips_mask``: the same of the lips; by default they are found with the face, and none where the body is the region.
- ``background``, ``body``, ``lips``: how much the sound moves each; ``mask_rate``: see :mod:`baselines.hallo2.driver`.
- ``face``: a ``.npz`` with one array, the 512 numbers of ArcFace; by default zeros, as upstream has them where it finds
  no face.

The folder ``weights`` holds ``net.pth``, and ``sd-vae-ft-mse`` and ``wav2vec2-base-960h`` where they were put into it;
without these two, those of ``madance weights`` are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from baselines.hallo2.settings import BEFORE, Hallo2Settings
from baselines.sd15.system import Dtype, LoadedPainter, WindowedSystem
from evaluation.systems import Card, Request, system
from mace_dance.appearance.preflight import TrainedOn, deviations
from madata.errors import ConfigError, MadanceError, MediaError
from madata.files import read_npz
from madata.video.stills import read_still

if TYPE_CHECKING:
    import torch

    from baselines.hallo2.driver import Hallo2Painter
    from baselines.sd15.painter import Image
    from mace_dance.appearance.driver import Animation

__all__ = ["Hallo2Body"]

Region = Literal["body", "face"]

_FPS = 25
_HELD_FRAMES = 2
_KNOWS_FACES = (
    "region: body, the released weights were trained on faces (--set region=face, or --set weights=FOLDER of "
    "madance train hallo2)"
)


@system(
    "hallo2",
    task="video",
    card=Card(
        paper="Hallo2",
        url="https://github.com/fudan-generative-vision/hallo2",
        licence="MIT",
        n_parameters=2_601_620_219,
        notes="with masks of the body; the paper trained it on MA-Data, and those weights are not published",
    ),
    weights=("hallo2-networks", "sd-vae-ft-mse", "wav2vec2-base-960h", "selfie-segmentation"),
    fps=25,
    size=(512, 512),
)
class Hallo2Body(WindowedSystem):
    """See the module."""

    name: ClassVar[str] = "hallo2"
    networks: ClassVar[str] = "hallo2-networks"
    upstream: ClassVar[dict[str, Any]] = {"steps": 40, "guidance": 3.5, "window": 16}
    trained: ClassVar[TrainedOn] = TrainedOn(
        "Hallo's README, of the released weights",
        fps=25,
        sizes=((512, 512),),
        face_share=(0.5, 0.7),
        whole_body=False,
    )
    options = Hallo2Settings

    def __init__(
        self,
        weights: str | None = None,
        dtype: Dtype = "auto",
        region: Region = "body",
        mask: str | None = None,
        lips_mask: str | None = None,
        face: str | None = None,
        **settings: Any,
    ) -> None:
        """See the module for the options.

        Raises:
            ConfigError: one is unknown or out of range, or a file is not there.
        """
        super().__init__(weights, dtype, **settings)
        if region not in get_args(Region):
            raise ConfigError(f"region: expected 'body' or 'face', got {region!r}")
        self._region = region
        self._mask = _existing("mask", mask)
        self._lips_mask = _existing("lips_mask", lips_mask)
        self._face = None if face is None else Path(face).expanduser()

    def files(self, folder: Path) -> tuple[Path, ...]:
        """See :class:`baselines.sd15.system.WindowedSystem`."""
        from baselines.sd15.load import find_part

        inside = folder / "hallo2" / "net.pth"  # as the release's repository has it
        return (
            inside if inside.is_file() else folder / "net.pth",
            find_part(folder, "sd-vae-ft-mse", "sd-vae-ft-mse"),
            find_part(folder, "wav2vec2-base-960h", "wav2vec2-base-960h"),
        )

    def load(self, folder: Path, dtype: torch.dtype) -> LoadedPainter:
        """See :class:`baselines.sd15.system.WindowedSystem`."""
        from baselines.hallo2.driver import Hallo2Painter
        from baselines.hallo2.network import PUBLISHED, hallo2_networks, split_parts
        from baselines.hallo2.sound import load_wav2vec
        from baselines.sd15.load import label_of_folder, load_vae
        from mace_dance.appearance.tensors import read_pth

        net, vae, wav2vec = self.files(folder)
        hallo = hallo2_networks(split_parts(read_pth(net), net), net, dtype)
        painter = Hallo2Painter(hallo, load_vae(vae, dtype), load_wav2vec(wav2vec))
        label = label_of_folder(folder, published=hallo.sizes == PUBLISHED)
        apart = tuple(part for part in (vae, wav2vec) if part.parent != folder)
        return LoadedPainter(painter, hallo.sizes.motion_frames - BEFORE, label, (folder, *apart))

    def check_request(self, request: Request) -> None:
        """Squares of multiples of 64, 25 frames a second, and the mask is there."""
        from baselines.hallo2.masks import find_mask

        super().check_request(request)
        width, height = request.size
        if width != height or width % 64:
            raise MadanceError(f"it makes squares of multiples of 64, not {width}x{height}: --size 512x512")
        if request.fps != _FPS:
            raise MadanceError(f"it makes {_FPS} frames a second, not {request.fps:g}: --fps {_FPS}")
        for mask in (self._mask, self._lips_mask):
            if mask is not None:
                find_mask(mask, request.clip_id)

    def preflight(self, request: Request) -> list[str]:
        """See :class:`baselines.sd15.system.WindowedSystem`; weights trained on bodies saw whole people."""
        if self._region == "face":
            return super().preflight(request)
        found = deviations(replace(self.trained, face_share=None, whole_body=True), request, self.drawing)
        return found if self._given is not None else [_KNOWS_FACES, *found]

    def controls(self, request: Request) -> tuple[Image, Sequence[Image]]:
        """The picture; it follows no frames."""
        from mace_dance.appearance.reference import letterbox

        if request.image is None or request.music is None:
            raise MadanceError(f"{request.clip_id}: a video needs music and a picture")
        width, height = request.size
        return letterbox(read_still(request.image), height, width), ()

    def paint(self, painter: Hallo2Painter, request: Request, folder: Path) -> Animation:
        """Find what the music moves, hear it, and make the clip."""
        import torch

        from baselines.hallo2.driver import animate_sound

        picture, _ = self.controls(request)
        region, lips = self._regions(request, picture)
        request.report("hearing the music", 0.0)
        numbers = self._face_numbers(painter.hallo.image.proj.in_features)
        return animate_sound(
            painter,
            self.settings,
            picture,
            region,
            lips,
            self._sound(painter, request),
            torch.tensor(numbers),
            request.num_frames,
            fps=request.fps,
            seed=request.seed,
            folder=folder,
            report=request.report,
        )

    def _regions(self, request: Request, picture: Image) -> tuple[Image, Image | None]:
        """(H, W) 0 or 255 each: what the sound moves, and the lips where they are told from it."""
        from baselines.hallo2.masks import find_face, find_mask, read_mask, region_of
        from madata.pose.segmentation import person_mask

        region, lips = (
            None
            if given is None
            else region_of(read_mask(find_mask(given, request.clip_id), request.size, request.fit))
            for given in (self._mask, self._lips_mask)
        )
        if self._region == "face" and (region is None or lips is None) and request.image is not None:
            face, mouth = find_face(read_still(request.image), request.size)
            return (face if region is None else region), (mouth if lips is None else lips)
        return (region_of(person_mask(picture)) if region is None else region), lips

    def _sound(self, painter: Hallo2Painter, request: Request) -> torch.Tensor:
        """(T, layers, features) of whole segments.

        Raises:
            MediaError: the music cannot be read, or is shorter than the clip.
        """
        import torch

        from baselines.hallo2.sound import RATE_HZ, heard_at
        from madata.music import load_on_clock

        if request.music is None:
            raise MadanceError(f"{request.clip_id}: a video needs music")
        waveform = load_on_clock(request.music, RATE_HZ).waveform
        lasts_s = len(waveform) / RATE_HZ
        if lasts_s * _FPS + _HELD_FRAMES < request.num_frames:
            raise MediaError(
                f"{request.music}: lasts {lasts_s:.2f} s, the clip {request.duration_s:.2f} s",
                reason="too_short",
            )
        window, frames = self.settings.window, request.num_frames
        sound = torch.from_numpy(waveform[: frames * RATE_HZ // _FPS])
        return heard_at(painter.wav2vec, sound, -(-frames // window) * window, _FPS)

    def _face_numbers(self, count: int) -> list[float]:
        if self._face is None:
            return [0.0] * count
        arrays = read_npz(self._face)
        values = next(iter(arrays.values())).ravel() if len(arrays) == 1 else ()
        if len(values) != count:
            raise ConfigError(f"face: {self._face} must hold one array of {count} numbers")
        return [float(value) for value in values]


def _existing(option: str, given: str | None) -> Path | None:
    path = None if given is None else Path(given).expanduser()
    if path is not None and not path.exists():
        raise ConfigError(f"{option}: {given}: no such file or folder")
    return path
