"""diffusers and transformers without their progress bars and notices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["quiet_libraries"]


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hold back what the libraries say about loading and saving; their errors come through."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, (verbosity, has_progress_bar) in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
            if has_progress_bar:
                library.enable_progress_bar()
