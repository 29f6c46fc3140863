"""An animation system: the pose as dots on the reference picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evaluation.systems import Card, Request, system

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Silhouette"]


@system("silhouette", task="animation", card=Card(notes="an example, not a method"))
class Silhouette:
    """Frames are yielded one by one, so that no clip has to fit into memory."""

    def generate(self, request: Request) -> Iterator[npt.NDArray[np.uint8]]:
        """Paint every joint that is seen."""
        import cv2

        picture = cv2.cvtColor(cv2.imread(str(request.image)), cv2.COLOR_BGR2RGB)
        for points, score in zip(request.pose.xy, request.pose.score, strict=True):
            frame = picture.copy()
            for (x, y), seen in zip(points, score, strict=True):
                if seen > 0:
                    cv2.circle(frame, (round(float(x)), round(float(y))), 3, (255, 80, 40), -1)
            yield frame
