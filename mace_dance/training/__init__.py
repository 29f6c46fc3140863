"""Training of the two experts: ``shared`` is the loop, ``motion`` and ``appearance`` say what is trained on what."""
