"""Wan-Animate as published: the ``animation`` system; its network is that of :mod:`mace_dance.appearance`."""
