"""How much moves in a shot: optical flow, the camera's share of it, and what is left for the dancer.

The paper removes near-static clips "using an optical-flow magnitude threshold" and gives neither method nor
number. Ours is independent of resolution and frame rate: DIS flow (OpenCV, preset FAST, one thread) between
grey pictures of long side 256, about 1/8 s apart, in **% of the picture's diagonal per second**, with the
real time between the two.

Of each pair

whole
    Mean |v|, what a plain threshold would look at.
camera
    Mean |c|, where c = t + s z is the similarity (pan, zoom, roll; positions and flows as complex numbers)
    that most of the picture follows. It starts from the best of 96 two-cell hypotheses and of "the camera
    stands still", which wins within 10 %; cells count by their texture, and at the border of the picture
    four times as much, so that a dancer who fills the picture is not taken for the camera.
residual
    Mean of |v - c| where it can be seen: a cell in which the second picture, moved back by c, equals the
    first (mean difference below 1 grey level; in full from 3) counts as unmoved. Flow in a surface without
    texture is a guess, and this takes the guess out.
grid
    The residual in cells of 8 px, of which :func:`box_motion` takes the part of a person.

The decision value is the larger one of two medians over the pairs of a shot (the mean is ruled by single
jerks): the residual of the picture, and that in the performer's box in % of the *box's* diagonal per
second. Both say how far things move in a second in proportion to what is looked at. Measured medians:

    shot                                          whole        picture      box
    slides, end card, rendered still              0.00-0.02    0.00         -
    frozen dancer with sensor noise               0.01         0.00         0.00
    photo of people, pan 3-8 % or zoom 4 % per s  0.85-9.5     0.02-0.15    0.04-0.29
    someone small stands and drinks (2 versions)  0.12; 0.45   0.00; 0.06   0.07; 0.13
    dancer pasted 20-72 px high into 256x144      0.14-0.19    0.00-0.04    2.5-3.2
    two small people hugging                      0.24         0.06         1.06
    seated talker                                 0.91         0.61         1.84
    two people, hand-held (and in crawl_a)        0.99 (1.17)  0.70 (0.74)  1.94
    dancer before a drawn set (and in crawl_a)    1.58 (1.56)  0.65 (0.68)  1.25
    dancer in a room (and in crawl_a)             3.38 (3.90)  2.64 (2.98)  7.56
    basketball, hand-held (and in crawl_a)        5.21 (4.00)  2.05 (2.40)  5.45
    rendered: one dancer; two                     5.56; 7.92   1.62; 2.19   5.00; -
    DensePose maps: one dancer; two               9.34; 14.95  2.2; 7.26    -
    three faces close up; arm wrestling           1.8-4.2; 15  1.3-3.6; 2.5 -
    street; flight over land; football            6.4; 2.4; 43 2.5; 2.3; 39 -
    film (Sintel): dark shots; others             0.5; 4-68    0.00-0.17; 1.2-49  -
    slide, pan or zoom; dark film still, pan      1.7-10; 3    0.16-0.93; 0.00-0.45  0.3-2.4

Whole-frame flow takes a panned photo for a dance and drops every small dancer; the residual of the picture
alone still drops those. With people in view nothing was measured between 0.15 and 0.61 (picture) or 0.29
and 1.06 (box); their geometric means are 0.30 and 0.55, and the default threshold, 0.35, keeps clear of
both ends for both. Not recognised as static: pans over
slides or dark pictures, where the camera cannot be told; the rule for people drops the former.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = [
    "STATIC_BELOW",
    "Box",
    "FlowMeter",
    "FlowSample",
    "MotionJudgement",
    "MotionStatistics",
    "MotionSummary",
    "box_motion",
    "is_static",
    "summarize",
    "working_size",
]

STATIC_BELOW = 0.35
"""Default threshold, % of the diagonal per second."""

Box = tuple[float, float, float, float]
"""(left, top, right, bottom) as fractions of the picture."""

_ComplexArray = npt.NDArray[np.complex128]

_CELL_PX = 8
_DIGITS = 6
_SMALLEST_SIDE_PX = 32
"""DIS needs three scales of 8 px patches; below this it reads beyond the picture and crashes."""
_EARLY = 0.9
"""A picture this share of the interval after the last one is due: frame times rarely hit the interval."""

_HYPOTHESES = 96
_INLIER_PX = 0.5
_STILL_BONUS = 0.9
_REFINEMENTS = 4
_CENTRE_WEIGHT = 0.25
_BORDER_SHARE = 0.12
_FULL_TEXTURE = 6.0
_UNSEEN, _SEEN = 1.0, 3.0


@dataclass(frozen=True)
class FlowSample:
    """Motion between two pictures; all values in % of the picture's diagonal per second.

    Attributes:
        grid: (H / 8, W / 8) residual of each cell, float16.
    """

    start_s: float
    end_s: float
    whole: float
    camera: float
    residual: float
    grid: npt.NDArray[np.float16]


@dataclass(frozen=True)
class MotionStatistics:
    """A value over the pairs of a shot."""

    median: float
    mean: float
    p90: float


@dataclass(frozen=True)
class MotionSummary:
    """Motion of a shot, % of a diagonal per second; ``None`` where there was no pair or no box.

    Attributes:
        pairs: number of pairs of pictures.
        residual: of the picture without its camera motion.
        person: of the performer's box, in % of its own diagonal.
    """

    pairs: int
    whole: MotionStatistics | None
    camera: MotionStatistics | None
    residual: MotionStatistics | None
    person: MotionStatistics | None

    @property
    def value(self) -> float | None:
        """The decision value: the larger median of residual and person."""
        medians = [part.median for part in (self.residual, self.person) if part is not None]
        return max(medians, default=None)


@dataclass(frozen=True)
class MotionJudgement:
    """Whether a shot is near-static, and why."""

    static: bool
    value: float | None
    threshold: float
    reason: str


def working_size(size: tuple[int, int], long_side: int = 256) -> tuple[int, int]:
    """The (width, height) px at which motion is measured for a picture of ``size``."""
    scale = long_side / max(size)
    width, height = (max(_SMALLEST_SIDE_PX, round(side * scale)) for side in size)
    return width, height


class FlowMeter:
    """Measures motion along a source, pair by pair.

    Pairs that straddle a cut come out too, with their times; :func:`summarize` takes those inside a shot.

    Args:
        pairs_per_s: pictures come at most this often; others are passed over.
    """

    def __init__(self, *, pairs_per_s: float = 8.0) -> None:
        self._interval_s = _EARLY / pairs_per_s
        self._last: tuple[npt.NDArray[np.uint8], float] | None = None

    def reset(self) -> None:
        """Forget the last picture, as at the start of a shot."""
        self._last = None

    def is_due(self, time_s: float) -> bool:
        """Whether a picture of this time would be used: spares the scaling of all others."""
        return self._last is None or time_s - self._last[1] >= self._interval_s

    def push(self, gray: npt.NDArray[np.uint8], time_s: float) -> FlowSample | None:
        """Take the next picture.

        Args:
            gray: (H, W) of :func:`working_size`.
            time_s: its presentation time, later than the last.

        Returns: The motion since the last picture used; ``None`` for the first one and for pictures that
            are not due.

        Raises:
            ValueError: the picture has another shape than the last, is too small or is not grey.
        """
        if gray.ndim != 2 or gray.dtype != np.uint8 or min(gray.shape) < _SMALLEST_SIDE_PX:
            raise ValueError(
                f"expected a grey uint8 picture of working_size(), got {gray.shape} {gray.dtype}"
            )
        if not self.is_due(time_s):
            return None
        last, self._last = self._last, (gray, time_s)
        if last is None:
            return None
        if last[0].shape != gray.shape:
            raise ValueError(f"expected a picture of shape {last[0].shape} as before, got {gray.shape}")
        return _measure(last[0], gray, last[1], time_s)


def box_motion(grid: npt.NDArray[np.floating], box: Box) -> float:
    """Mean residual inside a box in % of the box's diagonal per second.

    Args:
        grid: (rows, columns) of :class:`FlowSample`.
        box: fractions of the picture; the part outside is ignored.

    Raises:
        ValueError: the box is empty or outside the picture.
    """
    rows, columns = grid.shape
    left, right = np.clip((box[0], box[2]), 0.0, 1.0) * columns
    top, bottom = np.clip((box[1], box[3]), 0.0, 1.0) * rows
    if not (left < right and top < bottom):
        raise ValueError(f"box {box} covers nothing of the picture")
    across = np.clip(np.minimum(np.arange(columns) + 1, right) - np.maximum(np.arange(columns), left), 0, 1)
    down = np.clip(np.minimum(np.arange(rows) + 1, bottom) - np.maximum(np.arange(rows), top), 0, 1)
    mean = down @ grid.astype(np.float64) @ across / (down.sum() * across.sum())
    share = math.hypot(right - left, bottom - top) / math.hypot(columns, rows)
    return float(mean / share)


def summarize(
    samples: Sequence[FlowSample],
    start_s: float,
    end_s: float,
    *,
    boxes: Sequence[tuple[float, Box]] = (),
) -> MotionSummary:
    """Motion of the shot [start_s, end_s).

    Args:
        samples: of the source; only pairs with both pictures in the shot count.
        boxes: (time_s, box) of the performer; each pair takes the one nearest in time.
    """
    inside = [sample for sample in samples if sample.start_s >= start_s and sample.end_s < end_s]
    person = []
    if boxes:
        times = np.array([time_s for time_s, _ in boxes])
        for sample in inside:
            nearest = int(np.argmin(np.abs(times - (sample.start_s + sample.end_s) / 2)))
            person.append(box_motion(sample.grid, boxes[nearest][1]))
    return MotionSummary(
        pairs=len(inside),
        whole=_statistics([sample.whole for sample in inside]),
        camera=_statistics([sample.camera for sample in inside]),
        residual=_statistics([sample.residual for sample in inside]),
        person=_statistics(person),
    )


def is_static(summary: MotionSummary, threshold: float = STATIC_BELOW) -> MotionJudgement:
    """Judge a shot: static when its decision value is below the threshold, or nothing could be compared."""
    value = summary.value
    if value is None:
        return MotionJudgement(True, None, threshold, "fewer than two pictures")
    if value < threshold:
        return MotionJudgement(True, value, threshold, f"{value:.2f} % of the diagonal per s < {threshold:g}")
    return MotionJudgement(False, value, threshold, f"{value:.2f} % of the diagonal per s >= {threshold:g}")


def _statistics(values: Sequence[float]) -> MotionStatistics | None:
    if not values:
        return None
    return MotionStatistics(
        median=float(np.median(values)), mean=float(np.mean(values)), p90=float(np.percentile(values, 90))
    )


def _measure(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], start_s: float, end_s: float
) -> FlowSample:
    import cv2

    height, width = first.shape
    with _one_thread():
        # a fresh instance: nothing of an earlier pair can reach this one
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(first, second, None)
        before, after = first.astype(np.float32), second.astype(np.float32)
        gradient = cv2.magnitude(
            cv2.Sobel(before, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(before, cv2.CV_32F, 0, 1, scale=0.125)
        )
        u, v, texture, change = _cells(flow[..., 0], flow[..., 1], gradient, cv2.absdiff(before, after))
        frame = _Frame.of(height, width)
        weights = frame.weights * np.minimum(1.0, texture / _FULL_TEXTURE)
        shift, spin = _camera(frame.cells, (u + 1j * v) * _seen(change), weights)

        camera_x = (frame.x * spin.real - frame.y * spin.imag + shift.real).astype(np.float32)
        camera_y = (frame.x * spin.imag + frame.y * spin.real + shift.imag).astype(np.float32)
        source_x, source_y = frame.column + camera_x, frame.row + camera_y
        moved_back = cv2.remap(after, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        unexplained = cv2.absdiff(before, moved_back)
        unexplained[(source_x < 0) | (source_x > width - 1) | (source_y < 0) | (source_y > height - 1)] = 0.0
        speed = cv2.magnitude(flow[..., 0], flow[..., 1])
        rest = cv2.magnitude(flow[..., 0] - camera_x, flow[..., 1] - camera_y)
        rest, unexplained = _cells(rest, unexplained)
    unit = 100.0 / math.hypot(width, height) / (end_s - start_s)
    grid = rest * _seen(unexplained) * unit
    # OpenCV's last bit depends on where in memory a picture lies, which no table must show
    return FlowSample(
        start_s=start_s,
        end_s=end_s,
        whole=round(float(speed.mean()) * unit, _DIGITS),
        camera=round(float(cv2.magnitude(camera_x, camera_y).mean()) * unit, _DIGITS),
        residual=round(float(grid.mean()), _DIGITS),
        grid=grid.astype(np.float16),
    )


@dataclass(frozen=True)
class _Frame:
    """Complex centres and weights of the cells, and positions of the pixels; unit half a diagonal."""

    cells: _ComplexArray
    weights: npt.NDArray[np.float64]
    x: FloatArray
    y: FloatArray
    column: FloatArray
    row: FloatArray

    @staticmethod
    @functools.lru_cache(maxsize=8)
    def of(height: int, width: int) -> _Frame:
        row, column = np.mgrid[:height, :width].astype(np.float32)
        half = math.hypot(width, height) / 2
        x, y = (column + 0.5 - width / 2) / half, (row + 0.5 - height / 2) / half
        rows, columns = _grid_shape(height, width)
        edge = np.minimum.outer(*(np.minimum(np.arange(n), n - 1 - np.arange(n)) for n in (rows, columns)))
        border = max(1, round(_BORDER_SHARE * min(rows, columns)))
        cell_x, cell_y = _cells(x, y)
        weights = np.where(edge < border, 1.0, _CENTRE_WEIGHT)
        return _Frame(cell_x + 1j * cell_y, weights, x, y, column, row)


def _camera(
    position: _ComplexArray, flow: _ComplexArray, weights: npt.NDArray[np.float64]
) -> tuple[complex, complex]:
    """The (t, s) of v = t + s z that most of the weight follows to half a pixel.

    Args:
        position, flow: (rows, columns) complex z and v of the cells.
        weights: (rows, columns); all zero means a camera that stands still.
    """
    z, v, w = position.ravel(), flow.ravel(), weights.ravel()
    total = np.cumsum(w)
    if total[-1] < 1e-6:
        return 0j, 0j
    draws = np.random.default_rng(0).random((2, _HYPOTHESES)) * total[-1]
    a, b = np.minimum(np.searchsorted(total, draws), len(z) - 1)
    apart = np.abs(z[a] - z[b]) > 0.2
    a, b = a[apart], b[apart]
    spin = np.append((v[a] - v[b]) / (z[a] - z[b]), 0j)
    shift = np.append(v[a] - spin[:-1] * z[a], 0j)
    distance = np.abs(v - shift[:, None] - spin[:, None] * z) / _INLIER_PX
    cost = (1 - 1 / (1 + distance**2)) @ w
    cost[-1] *= _STILL_BONUS
    best = int(np.argmin(cost))
    t, s = complex(shift[best]), complex(spin[best])
    for _ in range(_REFINEMENTS):
        now = w / (1 + np.abs(v - t - s * z) ** 2 / _INLIER_PX**2) ** 2
        now /= now.sum()
        mean_z, mean_v = now @ z, now @ v
        around = now * np.conj(z - mean_z)
        s = complex(around @ (v - mean_v) / (np.real(around @ (z - mean_z)) + 1e-9))
        t = complex(mean_v - s * mean_z)
    return t, s


def _seen(difference: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """0 for a mean difference (grey levels) that is noise, 1 for one that is not."""
    share: npt.NDArray[np.floating] = np.clip((difference - _UNSEEN) / (_SEEN - _UNSEEN), 0.0, 1.0)
    return share


def _grid_shape(height: int, width: int) -> tuple[int, int]:
    return round(height / _CELL_PX), round(width / _CELL_PX)


def _cells(*layers: FloatArray) -> npt.NDArray[np.float64]:
    """Mean of each layer (H, W) over the cells: (layers, H / 8, W / 8)."""
    import cv2

    rows, columns = _grid_shape(*layers[0].shape)
    means = [cv2.resize(layer, (columns, rows), interpolation=cv2.INTER_AREA) for layer in layers]
    return np.stack(means).astype(np.float64)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """DIS splits its search among threads, and its result depends on the split."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
