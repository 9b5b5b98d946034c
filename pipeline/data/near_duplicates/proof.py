"""Whether one image laid upon another shows the same, window by window.

A window agrees where the details of both correlate more at their place than when they are moved by a few pixels. Each
counts in standard deviations of these chance values, and no more than MOST: a bar, a speck or an edge that two images
share is a strong window or two, a scene is many. Along parallel scratches moving changes nothing, so they count little.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from pipeline.data.near_duplicates.correlate import STEPS
from pipeline.data.near_duplicates.placement import Placement

WINDOW = 16  # pixels a side; where the shared part is thinner, a window is longer instead
THINNEST = 6  # pixels of the shared part
REACH = 4  # pixels that a window is moved to either side
MOST = 4.0  # standard deviations that one window can count
CELL = 8  # pixels a side of a cell of `Windows.cells`
CLOSE = 1.5  # pixels by which a window may lie off where all together lie
ROUNDS = 3
BARE = 0.1  # of the deviation of all details: a window with less has none
SHARED = 0.9  # of a window that both images must show


class Windows(NamedTuple):
    """Windows of the first of two images that the second shows too."""

    rows: NDArray[np.int64]
    """(n,) first pixels."""
    cols: NDArray[np.int64]
    shape: tuple[int, int]
    """Pixels of each."""
    heights: NDArray[np.float64]
    """(n,) in standard deviations of chance, at most MOST."""
    placement: Placement
    """Refined."""

    def height(self, common: NDArray[np.float64] | float = 0) -> float:
        """Of all windows together, in standard deviations of chance, less what is common: (n,) or for all."""
        return float((self.heights - common).sum() / math.sqrt(max(1, len(self.heights))))

    def agreeing(self) -> float:
        """Share of the windows that agree by more than one standard deviation."""
        return float(np.mean(self.heights > 1)) if len(self.heights) else 0.0


def windows(first: NDArray[np.int8], second: NDArray[np.int8], placement: Placement) -> Windows:
    """Compare the details (h, w) of two images where `placement`, good to REACH pixels, lays the second."""
    zoom = abs(placement.a)
    if zoom < 0.8:  # details finer than the first's pixels
        second = ndimage.gaussian_filter(second.astype(np.float32), 0.5 / zoom)
    laid, there = placement.laid(second, first.shape)
    rows, cols, shape = _places(there)
    if len(rows):
        surfaces, there = _surfaces(first, laid, rows, cols, shape)
        rows, cols, surfaces = rows[there], cols[there], surfaces[there]
    if not len(rows):
        return Windows(rows, cols, shape, np.zeros(0), placement)
    lags = 2 * REACH + 1
    flat = surfaces.reshape(len(rows), -1)
    deviation = np.sqrt(np.mean(flat**2, axis=1))
    scaled = flat / np.maximum(deviation, 1e-6)[:, None]
    down, right = _field(scaled, rows, cols)
    r, c = (np.clip(np.rint(shift).astype(np.int64) + REACH, 0, lags - 1) for shift in (down, right))
    heights = np.minimum(scaled[np.arange(len(rows)), r * lags + c], MOST)
    centres = rows + shape[0] / 2 - 0.5 + 1j * (cols + shape[1] / 2 - 0.5)
    return Windows(rows, cols, shape, heights, _moved(placement, centres, down, right))


def _places(there: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, int]]:
    """First pixels, and shape, of the fewest windows that cover the shared part (H, W), but for its rim."""
    lines = [np.flatnonzero(there.any(axis=axis)) for axis in (1, 0)]
    spans = [line[-1] - line[0] + 1 if len(line) else 0 for line in lines]
    if min(spans) < THINNEST:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), (WINDOW, WINDOW)
    high, wide = (min(WINDOW, span) for span in spans)
    high, wide = min(spans[0], WINDOW**2 // wide), min(spans[1], WINDOW**2 // high)
    starts = []
    for line, span, side in zip(lines, spans, (high, wide), strict=True):
        room = span - side
        starts.append(line[0] + np.rint(np.linspace(0, room, -(-room // side) + 1)).astype(np.int64))
    rows, cols = (grid.ravel() for grid in np.meshgrid(*starts, indexing="ij"))
    total = np.pad(there.astype(np.int64), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    below, right = rows + high, cols + wide
    inside = total[below, right] - total[rows, right] - total[below, cols] + total[rows, cols]
    kept = inside >= SHARED * high * wide
    return rows[kept], cols[kept], (high, wide)


def _surfaces(
    first: NDArray, laid: NDArray, rows: NDArray, cols: NDArray, shape: tuple[int, int]
) -> tuple[NDArray, NDArray[np.bool_]]:
    """(n, lags, lags) correlations of each window with what lies REACH pixels around it in the other image, and (n,)
    whether both have details there."""
    around = (shape[0] + 2 * REACH, shape[1] + 2 * REACH)
    large = _cut(np.pad(laid, REACH), rows, cols, around)
    small = _cut(first, rows, cols, shape).astype(np.float32)
    there = np.minimum(np.mean(large**2, axis=(1, 2)), np.mean(small**2, axis=(1, 2))) > (BARE * STEPS) ** 2
    small -= small.mean(axis=(1, 2), keepdims=True)
    product = fft.rfft2(large, around) * fft.rfft2(small, around).conj()
    surface = fft.irfft2(product, around)[:, : 2 * REACH + 1, : 2 * REACH + 1]
    return surface[:, ::-1, ::-1], there  # as shifts of the second image


def _cut(image: NDArray, rows: NDArray, cols: NDArray, shape: tuple[int, int]) -> NDArray:
    """(n, h, w) parts of an image of this shape."""
    down, right = (np.arange(side) for side in shape)
    return image[(rows[:, None] + down)[:, :, None], (cols[:, None] + right)[:, None, :]]


def _field(scaled: NDArray, rows: NDArray, cols: NDArray) -> tuple[NDArray, NDArray]:
    """(n,) rows and (n,) columns by which each window of the second image has to move: a plane through what the windows
    say of their own, without those that lie far off it."""
    lags = 2 * REACH + 1
    total = scaled.sum(axis=0).reshape(lags, lags)
    r, c = np.unravel_index(np.argmax(ndimage.gaussian_filter(total, 0.7, mode="constant")), total.shape)
    down, right = np.full(len(rows), r - REACH, float), np.full(len(rows), c - REACH, float)
    own = scaled.argmax(axis=1)
    strong = scaled[np.arange(len(rows)), own] > 3
    own_down, own_right = own // lags - REACH, own % lags - REACH
    x = np.stack([np.ones(len(rows)), rows - rows.mean(), cols - cols.mean()], axis=1)
    for close in (3 * CLOSE, *[CLOSE] * (ROUNDS - 1)):
        near = strong & (np.hypot(own_down - down, own_right - right) <= close)
        if near.sum() < 6:
            break
        plane = np.linalg.lstsq(x[near], np.stack([own_down, own_right], axis=1)[near], rcond=None)[0]
        down, right = (x @ plane).T
    return down, right


def _moved(placement: Placement, at: NDArray, down: NDArray, right: NDArray) -> Placement:
    """The placement whose windows, with their middles `at` these places, lie where the shifts say: the nearest
    similarity."""
    second = placement.inverse()(at)
    if placement.mirrored:
        second = second.conj()
    target = at + down + 1j * right
    if len(at) < 6 or np.ptp(down) + np.ptp(right) < 0.5:
        return placement._replace(b=placement.b + complex(np.round(down.mean()), np.round(right.mean())))
    x, y = second - second.mean(), target - target.mean()
    a = complex(np.vdot(x, y) / np.vdot(x, x))
    return placement._replace(a=a, b=complex(target.mean() - a * second.mean()))
