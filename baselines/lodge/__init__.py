"""Lodge: both networks, coarse-to-fine sampling, both as one model, the ``motion`` system."""
