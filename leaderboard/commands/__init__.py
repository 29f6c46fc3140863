"""The verbs ``table``, ``site`` and ``submission``."""
