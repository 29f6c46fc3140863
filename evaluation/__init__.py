"""What a number means: systems, protocols, metrics, statistics and results.

``score`` and ``compare`` are imported when they are asked for.
"""

from typing import TYPE_CHECKING

from madata.lazy import lazily

if TYPE_CHECKING:
    from evaluation.comparison import compare
    from evaluation.scoring import score
else:
    __getattr__ = lazily(__name__, compare="evaluation.comparison", score="evaluation.scoring")

__all__ = ["compare", "score"]
