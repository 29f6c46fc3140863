"""Wan-Dancer (2026): music and a reference picture to a dance video, in two stages on Wan 2.1."""
