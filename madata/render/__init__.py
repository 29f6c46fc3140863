"""3D motion -> front-view video: the rendered branch of the data set, previews, made-up footage.

The branch is that of the paper's section 4.1. A :class:`Renderer` prepares a dancer for all frames and draws
any number of them in a :class:`Stage`, seen by a :class:`Camera` of known projection, so that exact 2D
keypoints come with every picture.
"""

from madata.render.backdrop import BACKDROPS, Stage, make_stage, stages_along
from madata.render.camera import Camera, facing_direction, front_camera
from madata.render.figure import OUTFITS, CapsuleFigure, Outfit, build_figure
from madata.render.renderer import CapsuleRenderer, Figure, Renderer, frames

__all__ = [
    "BACKDROPS",
    "OUTFITS",
    "Camera",
    "CapsuleFigure",
    "CapsuleRenderer",
    "Figure",
    "Outfit",
    "Renderer",
    "Stage",
    "build_figure",
    "facing_direction",
    "frames",
    "front_camera",
    "make_stage",
    "stages_along",
]
