"""Data for music-driven dance video: formats, media, pose, music, motion, and the MA-Data curation pipeline.

``curate`` is imported when it is asked for.
"""

from typing import TYPE_CHECKING

from madata.lazy import lazily

if TYPE_CHECKING:
    from madata.curation import curate
else:
    __getattr__ = lazily(__name__, curate="madata.curation")

__all__ = ["curate"]
