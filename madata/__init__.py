"""Data for music-driven dance video: formats, media, pose, music, motion, and the MA-Data curation pipeline."""

__version__ = "0.1.0"
