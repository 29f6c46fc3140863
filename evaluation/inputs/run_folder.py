"""The folder of a run of ``madance generate``, which holds its clips and says what made them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["clips_of_run"]


def clips_of_run(predictions: Path) -> tuple[Path, Path | None]:
    """The folder of the clips, and that of the run they belong to; ``None`` for a plain folder of clips.

    Example:
        >>> clips_of_run(Path("my_clips"))
        (PosixPath('my_clips'), None)
    """
    if (predictions / "run.json").is_file() and (predictions / "clips").is_dir():
        return predictions / "clips", predictions
    if predictions.name == "clips" and (predictions.parent / "run.json").is_file():
        return predictions, predictions.parent
    return predictions, None
