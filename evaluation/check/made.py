"""Three made clips to check a system on, and three more of another split.

Two seconds of made-up music each, a made-up dancer on its beats, and the dance rendered.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from madata.files import write_npz

__all__ = ["make_clips"]

_DURATION_S = 2.0
_FPS = 30.0
_SIZE = (128, 192)
_TEMPOS = (100.0, 118.0, 132.0)
_STYLES = ("groove", "pop", "latin")


def make_clips(folder: Path, *, videos: bool) -> None:
    """Make three clips in ``folder``/test and three others in ``folder``/train, as ``read_clips`` reads them.

    Args:
        videos: render them as well; motions and music are always made.
    """
    for number, split in enumerate(("test", "train")):
        for index, (tempo, style) in enumerate(zip(_TEMPOS, _STYLES, strict=True)):
            _make_clip(folder / split, f"{split}-{'abc'[index]}", tempo, style, 10 * number + index, videos)


def _make_clip(folder: Path, clip_id: str, tempo: float, style: str, seed: int, videos: bool) -> None:
    from evaluation.systems import project_motion
    from madata.motion import write_motion
    from madata.music import write_wav
    from madata.synthetic.dance import make_dance
    from madata.synthetic.music import make_music

    music = make_music(_DURATION_S, tempo_bpm=tempo, seed=seed, rate_hz=22050).music
    motion = make_dance(_DURATION_S, tempo_bpm=tempo, fps=_FPS, style=style, seed=seed).motion
    write_wav(folder / "music" / f"{clip_id}.wav", music)
    write_motion(folder / "motions" / f"{clip_id}.npz", motion)
    if not videos:
        return
    from madata.render import CapsuleRenderer, frames, front_camera, make_stage
    from madata.video import write_video

    renderer = CapsuleRenderer()
    figure = renderer.figure(motion, seed)
    camera = front_camera([figure.joints], _SIZE)
    stage = make_stage("studio", camera, [figure.joints], figure.lowest(), seed=seed)
    pictures = frames(renderer, [figure], stage, 0, len(motion.rotation))
    write_video(folder / "clips" / f"{clip_id}.mp4", pictures, _FPS, audio=music)
    seen = project_motion(motion, _SIZE)
    write_npz(
        folder / "keypoints" / f"{clip_id}.npz",
        xy=seen.xy, score=seen.score, skeleton=seen.skeleton, fps=seen.fps, size=np.array(seen.size),
    )  # fmt: skip
