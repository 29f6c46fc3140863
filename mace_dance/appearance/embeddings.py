"""Text and picture embeddings, computed once and kept by content.

The two encoders hold 12.6 of the 47.4 GB of a full-size pipeline and are needed for a second at the start. An
embedding is found again by what was encoded and by the fingerprint of the encoder; with the embeddings in the cache a
pipeline may have no encoders at all (``None``), and then whatever encoder made them is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from mace_dance.appearance.run_folder import network_fingerprint, read_tensor, write_tensor
from madata.errors import MadanceError, WeightsError
from madata.files import sha256_bytes
from madata.tensors import open_safetensors

__all__ = ["EmbeddingCache"]

Kind = Literal["text", "picture"]
_MEMBER = {"text": "text_encoder", "picture": "image_encoder"}


class EmbeddingCache:
    """Embeddings in one folder; several clips may share it.

    Args:
        folder: where they are kept.
        pipeline: whose encoders make them.
    """

    def __init__(self, folder: Path, pipeline: Any) -> None:
        self.folder = folder
        self._made_by = {kind: self._fingerprint(getattr(pipeline, _MEMBER[kind])) for kind in _MEMBER}

    @staticmethod
    def _fingerprint(encoder: Any) -> str | None:
        return None if encoder is None else network_fingerprint(encoder)

    def encoder(self, kind: Kind, content: bytes) -> str:
        """Fingerprint of the encoder whose embedding of ``content`` will be used.

        Raises:
            MadanceError: there is neither an encoder nor an embedding.
        """
        made_by = self._made_by[kind]
        if made_by is not None:
            return made_by
        path = self._path(kind, content)
        if not path.exists():
            raise MadanceError(
                f"the pipeline has no {_MEMBER[kind]} and {path} is absent: load the pipeline with its encoders"
            )
        return _metadata(path)["encoder"]

    def get(self, kind: Kind, content: bytes, encode: Callable[[], Tensor]) -> Tensor:
        """The embedding of ``content``; ``encode`` is called when it is not kept yet."""
        path, made_by = self._path(kind, content), self.encoder(kind, content)
        if not path.exists() or _metadata(path)["encoder"] != made_by:
            write_tensor(path, encode(), {"encoder": made_by})
        return read_tensor(path)

    def _path(self, kind: Kind, content: bytes) -> Path:
        return self.folder / f"{kind}-{sha256_bytes(content)[:32]}.safetensors"


def _metadata(path: Path) -> dict[str, str]:
    try:
        with open_safetensors(path) as archive:
            return {"encoder": "unknown", **(archive.metadata() or {})}
    except WeightsError as error:
        raise MadanceError(
            f"{path}: not readable ({error}); delete it and run the same command again"
        ) from error
