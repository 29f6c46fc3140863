"""EDGE: the network and its sampling, the ``motion`` system, its family for the trainer, Jukebox features."""
