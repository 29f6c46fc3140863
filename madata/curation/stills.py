"""Thumbnails: three pictures of a span side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from madata.contact_sheet import contact_sheet
from madata.curation.observe import Sample
from madata.files import write_bytes
from madata.types import Span
from madata.video import Decoder, encode_jpeg

__all__ = ["thumbnail_of", "write_thumbnail"]

_LONG_SIDE_PX = 200


def write_thumbnail(out: Path, samples: Sequence[Sample], span: Span, name: str) -> str | None:
    """Write ``thumbnails/<name>.jpg`` into ``out``; ``None`` when no sample lies in the span."""
    inside = [sample for sample in samples if span.start <= sample.index < span.end]
    if not inside:
        return None
    chosen = [inside[round(share * (len(inside) - 1))].image for share in (0.0, 0.5, 1.0)]
    height, width = chosen[0].shape[:2]
    scale = _LONG_SIDE_PX / max(height, width)
    cell = (max(1, round(width * scale)), max(1, round(height * scale)))
    path = Path("thumbnails") / f"{name}.jpg"
    write_bytes(out / path, encode_jpeg(contact_sheet(chosen, columns=3, cell=cell), quality=80))
    return str(path)


def thumbnail_of(out: Path, clip: dict[str, Any]) -> str | None:
    """Write the thumbnail of a finished clip, given its row, from the clip itself."""
    samples = []
    with Decoder(out / clip["path"]) as decoder:
        for frame in decoder:
            if frame.index % 15 == 0:
                samples.append(Sample(frame.index, frame.time_s, frame.scaled(frame.shown_size)))
    span = Span(0, samples[-1].index + 1, 0.0, samples[-1].time_s) if samples else Span(0, 0, 0.0, 0.0)
    return write_thumbnail(out, samples, span, str(clip["clip_id"]))
