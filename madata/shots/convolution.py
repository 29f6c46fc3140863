"""3x3 convolutions of small pictures, channels last, as matrix products.

TransNet V2 spends four fifths of its arithmetic in 3x3 convolutions of 27x48 pictures and smaller.
:class:`TileConvolution` does them with a fifth of the multiplications (Winograd; Lavin & Gray 2016). Written as a
Toom-Cook product, m outputs of a 3-tap filter need m + 2 multiplications instead of 3m,

    y = A^T [(G g) * (B^T d)]        d: m + 2 inputs, g: 3 taps, y: m outputs

and in two dimensions an (m_h, m_w) tile needs (m_h + 2)(m_w + 2) instead of 9 m_h m_w. The transforms are matrix
products too, one direction after the other, so that everything runs in the BLAS. Of the tiles tried, those of 6x6 and
7x6 cost least; in float32 the result differs from the direct convolution by 4e-6 (6x6) and 1e-5 (7x6) of its standard
deviation.

Legend: n pictures, H x W pixels, C input and K output channels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = ["TileConvolution", "gather_patches", "toom_cook"]

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, -0.75)
_SCRATCH_FLOATS = 800_000
"""Pictures are taken a few at a time so that the transformed tiles (3 MB) stay near the core."""
_ROWS_AT_LEAST = 96
"""Tiles that are multiplied with a weight matrix at a time, so that fetching it does not count."""


def toom_cook(outputs: int, taps: int = 3) -> tuple[npt.NDArray[np.float64], ...]:
    """The matrices A^T (m, n), G (n, taps), B^T (n, n) of a correlation of n = m + taps - 1 inputs.

    A polynomial product is a product of values at n points (infinity is the last one); a correlation is its
    transpose. Rows of B^T are scaled to about unit length by powers of two, which costs no digit.
    """
    n = outputs + taps - 1

    def values(degree: int) -> npt.NDArray[np.float64]:
        at_infinity = np.eye(1, degree, degree - 1)
        return np.concatenate([np.vander(_POINTS[: n - 1], degree, increasing=True), at_infinity])

    inverse = np.linalg.inv(values(n)).T
    scale = np.exp2(np.round(np.log2(np.linalg.norm(inverse, axis=1, keepdims=True))))
    return values(outputs).T, values(taps) * scale, inverse / scale


def gather_patches(x: FloatArray, out: FloatArray) -> None:
    """The 3x3 neighbourhoods ``out[0, n, i, j, (u, v, c)] = x[0, n, i + u - 1, j + v - 1, c]``, zeros outside.

    Args:
        x: (1, n, H, W, C).
        out: (1, n, H, W, 9 C), is filled.
    """
    padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1), (0, 0)))
    s_n, s_h, s_w, s_c = padded.strides
    _, n, height, width, channels = x.shape
    rows = np.lib.stride_tricks.as_strided(
        padded, (n, height, width, 3, 3 * channels), (s_n, s_h, s_w, s_h, s_c)
    )
    out[0].reshape(rows.shape)[...] = rows


class TileConvolution:
    """``y[n, i, j, k] = sum over u, v, c of x[n, i+u-1, j+v-1, c] weight[k, c, u, v]`` with zeros outside.

    Args:
        weight: (K, C, 3, 3).
        size: (H, W) of the pictures.
        tile: (m_h, m_w) outputs of a tile.
    """

    def __init__(self, weight: FloatArray, size: tuple[int, int], tile: tuple[int, int]) -> None:
        self.size = size
        self.tile = tile
        self.filters, self.channels = weight.shape[:2]
        self.tiles = (-(-size[0] // tile[0]), -(-size[1] // tile[1]))
        (a_h, g_h, b_h), (a_w, g_w, b_w) = (toom_cook(m) for m in tile)
        # points as the transformed tiles have them: along the width first
        kernel = np.kron(g_w, g_h) @ weight.astype(np.float64).transpose(3, 2, 1, 0).reshape(9, -1)
        self._kernel = kernel.astype(np.float32).reshape(-1, self.channels, self.filters)
        self._forth = [b.astype(np.float32) for b in (b_h, b_w)]
        self._back = [a.astype(np.float32) for a in (a_h, a_w)]
        per_picture = self.tiles[0] * self.tiles[1] * len(self._kernel) * (self.channels + self.filters)
        fewest = -(-_ROWS_AT_LEAST // (self.tiles[0] * self.tiles[1]))
        self.pictures_at_once = max(fewest, _SCRATCH_FLOATS // per_picture)

    def __call__(self, x: FloatArray, out: FloatArray) -> None:
        """Convolve ``x`` (P, n, H, W, C/P) into ``out`` (Q, n, H, W, K/Q): channels may be cut into parts."""
        for first in range(0, x.shape[1], self.pictures_at_once):
            part = slice(first, first + self.pictures_at_once)
            self._put(self._products(self._tiles(x[:, part])), out[:, part])

    def _tiles(self, x: FloatArray) -> FloatArray:
        """The transformed tiles (points, n * rows * columns, C)."""
        (height, width), (rows, columns), (m_h, m_w) = self.size, self.tiles, self.tile
        n = x.shape[1]
        padded = np.zeros((n, rows * m_h + 2, columns * m_w + 2, len(x), x.shape[4]), np.float32)
        padded[:, 1 : height + 1, 1 : width + 1] = x.transpose(1, 2, 3, 0, 4)
        s_n, s_h, s_w, _, s_c = padded.strides
        strips = np.lib.stride_tricks.as_strided(
            padded, (n, rows, m_h + 2, s_h // s_c), (s_n, m_h * s_h, s_h, s_c)
        )
        values = np.matmul(self._forth[0], strips)
        s_n, s_r, s_v, s_c = values.strides
        tiles = np.lib.stride_tricks.as_strided(
            values,
            (m_w + 2, m_h + 2, n, rows, columns, self.channels),
            (s_w, s_v, s_n, s_r, m_w * s_w, s_c),
        )
        values = np.matmul(self._forth[1], tiles.reshape(m_w + 2, -1))
        points: FloatArray = values.reshape(len(self._kernel), -1, self.channels)
        return points

    def _products(self, tiles: FloatArray) -> FloatArray:
        """The outputs (m_w, m_h, n * rows * columns * K)."""
        m_h, m_w = self.tile
        products = np.matmul(tiles, self._kernel)
        products = np.matmul(self._back[1], products.reshape(m_w + 2, -1))
        outputs: FloatArray = np.matmul(self._back[0], products.reshape(m_w, m_h + 2, -1))
        return outputs

    def _put(self, y: FloatArray, out: FloatArray) -> None:
        (height, width), (rows, columns), (m_h, m_w) = self.size, self.tiles, self.tile
        y = y.reshape(m_w, m_h, out.shape[1], rows, columns, len(out), -1).transpose(0, 1, 5, 2, 3, 4, 6)
        for j in range(min(m_w, width)):
            for i in range(min(m_h, height)):
                to = out[:, :, i::m_h, j::m_w]
                to[...] = y[j, i, :, :, : to.shape[2], : to.shape[3]]
