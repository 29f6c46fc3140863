"""A motion to look at: a capsule dancer from the front, with the music's sound."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_preview"]

_SIZE = (480, 640)


def write_preview(path: Path, motion_file: Path, music: Path | None) -> None:
    """Write a video of a motion file, at the motion's own frame rate.

    Raises:
        MediaError: the motion or the music cannot be read.
    """
    from madata.motion import read_motion
    from madata.render import CapsuleRenderer, frames, front_camera, make_stage
    from madata.video import read_audio, write_video

    motion = read_motion(motion_file)
    count = len(motion.rotation)
    renderer = CapsuleRenderer()
    figure = renderer.figure(motion)
    camera = front_camera([figure.joints], _SIZE)
    stage = make_stage("studio", camera, [figure.joints], figure.lowest())
    sound = read_audio(music, start_s=0.0, end_s=count / motion.fps, mono=False) if music else None
    write_video(path, frames(renderer, [figure], stage, 0, count), motion.fps, audio=sound)
