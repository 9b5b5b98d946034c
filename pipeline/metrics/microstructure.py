"""Statistics of two-phase images: phase fraction, two-point correlation, chords, intercepts, grains. Pure functions.

A phase is a boolean array (n, H, W): n images cut at one gray value, True where bright. The images are windows of a
larger structure, never repeated: nothing is periodic, pairs and lines end at the image's edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage
from skimage.filters import threshold_otsu

Array = NDArray[np.float64]
Phase = NDArray[np.bool_]
SINGLE = 1 << 16  # pixels of an image up to which single precision tells neighbouring whole numbers of pairs apart
SMALLEST_GRAIN = 9  # pixels; a smaller region is noise as often as a grain


# ---------------------------------------------------------------- the cut


def otsu(counts: ArrayLike) -> float:
    """Gray value that parts dark from bright with the largest variance between them (Otsu 1979), by scikit-image.

    It lies halfway between two values that occur: between two narrow peaks every cut has the same variance, and one at
    the very edge of a peak would turn a phase over for one gray level more.

    Args:
        counts: (k,) pixels of each gray value 0..k-1; where only one value occurs, that is returned.
    """
    counts = np.asarray(counts, np.float64)
    values = np.flatnonzero(counts)
    if len(values) < 2:
        return float(values[0])
    found = threshold_otsu(hist=(counts[values], values.astype(np.float64)))
    return float(found + values[np.searchsorted(values, found, side="right")]) / 2


# ---------------------------------------------------------------- pairs of points


def two_point(phase: Phase) -> Array:
    """Two-point correlation S2 of each image: of the pairs of pixels r apart, the share with both in the phase.

    Torquato 2002, eq. 2.10, averaged over directions: all pairs whose distance rounds to r count alike. Pairs are
    counted by FFT with zero padding and divided by the number of pairs that fit into the image, so the edge is not
    periodic and adds no bias.

    Returns:
        (n, R + 1) for r = 0..R pixels, R half the shorter side. S2(0) is the phase fraction; far apart, S2 of a
        structure without order is its square.
    """
    _, height, width = phase.shape
    reach = min(height, width) // 2
    down, across = np.mgrid[-reach : reach + 1, 0 : reach + 1]
    distance = np.rint(np.hypot(down, across)).astype(int)
    used = (distance <= reach) & ((across > 0) | (down >= 0))  # each pair once: a shift and its opposite are the same
    fit = np.bincount(distance[used], ((height - np.abs(down)) * (width - across))[used])
    pairs = _pairs(phase, reach)
    return np.stack([np.bincount(distance[used], p[used]) for p in pairs]) / fit


def _pairs(phase: Phase, reach: int) -> NDArray:
    """(n, 2 reach + 1, reach + 1) pairs of pixels of the phase by shift: -reach..reach down, 0..reach across."""
    _, height, width = phase.shape
    down, across = (fft.next_fast_len(side + reach, real=True) for side in (height, width))
    precision = np.float32 if height * width <= SINGLE else np.float64
    spectrum = fft.fft(fft.rfft(phase.astype(precision), across), down, axis=1)
    shifted = fft.ifft(spectrum.real**2 + spectrum.imag**2, axis=1)[:, np.arange(-reach, reach + 1)]
    return np.rint(fft.irfft(shifted, across)[:, :, : reach + 1])


# ---------------------------------------------------------------- lines


def runs(phase: Phase) -> tuple[Array, Array]:
    """Unbroken runs of the phase along the rows of each image, counted by length.

    Returns:
        (n, W + 1) all runs, and (n, W + 1) chords: those that end inside the image on both sides. A run that touches
        the edge was cut there, and its length is not known.
    """
    n, height, width = phase.shape
    padded = np.zeros((n, height, width + 2), np.int8)
    padded[:, :, 1:-1] = phase
    steps = np.diff(padded, axis=2).ravel()  # +1 where a run begins, -1 after its end; both in reading order
    begin, end = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    key = begin // (height * (width + 1)) * (width + 1) + end - begin
    inside = (begin % (width + 1) > 0) & (end % (width + 1) < width)
    shape, size = (n, width + 1), n * (width + 1)
    return np.bincount(key, minlength=size).reshape(shape), np.bincount(key[inside], minlength=size).reshape(shape)


def lineal_path(along_rows: ArrayLike, along_columns: ArrayLike) -> Array:
    """Lineal path function L of each image: chance that a line of length r lies in the phase all along.

    Lu and Torquato 1992, along rows and columns: a line of length r reaches from the centre of a pixel to that of the
    r-th after it, so L(0) is the phase fraction and L never exceeds S2. Lines end at the image's edge.

    Args:
        along_rows: (n, W + 1) all runs along the rows, counted by length (`runs`).
        along_columns: (n, H + 1) the same along the columns.

    Returns:
        (n, R + 1) for r = 0..R pixels, R half the shorter side.
    """
    counts = np.asarray(along_rows), np.asarray(along_columns)
    width, height = (c.shape[1] - 1 for c in counts)
    reach = np.arange(min(height, width) // 2 + 1)
    fitting = sum(c @ np.maximum(np.arange(c.shape[1])[:, None] - reach, 0) for c in counts)
    return fitting / (height * (width - reach) + width * (height - reach))


def transitions(phase: Phase) -> NDArray[np.int64]:
    """(n,) changes between the phase and its complement along all rows and all columns."""
    return sum(np.count_nonzero(np.diff(phase, axis=axis), axis=(1, 2)) for axis in (1, 2))


def mean_intercept(length: ArrayLike, crossed: ArrayLike) -> Array:
    """Mean lineal intercept: length of the test lines over the number of intercepts on them (ASTM E112).

    A cut piece at the end of a line counts half, as in E112, so the edge adds no bias: an intercept has two ends.

    Args:
        length: of the test lines within the phase (a phase's intercept), or of the whole lines (a grain's, boundaries
            being thin).
        crossed: transitions along them, positive.
    """
    return 2 * np.asarray(length, np.float64) / np.asarray(crossed, np.float64)


def grain_size_number(millimetres: ArrayLike) -> Array:
    """ASTM grain size number G of a mean lineal intercept: G = -6.643856 log10(l) - 3.288 (ASTM E112, l in mm)."""
    return -6.643856 * np.log10(np.asarray(millimetres, np.float64)) - 3.288


# ---------------------------------------------------------------- regions


def grains(phase: Phase) -> tuple[Array, Array]:
    """Connected regions of the phase; pixels that touch only at a corner are not connected.

    Returns:
        (n, D + 1) whole regions of each image counted by their equivalent diameter, that of the circle of equal area,
        rounded to pixels; regions that touch the image's edge, or are smaller than SMALLEST_GRAIN, are not among them.
        And (n,) share of the largest region in the phase, 0 where there is no phase.
    """
    _, height, width = phase.shape
    size = int(np.rint(_diameter(height * width))) + 1
    counts, largest = [], []
    for image in phase:
        labels, _ = ndimage.label(image)
        area = np.bincount(labels.ravel())
        area[0] = 0  # the complement
        largest.append(area.max() / max(area.sum(), 1))
        area[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = 0
        diameter = np.rint(_diameter(area[area >= SMALLEST_GRAIN])).astype(int)
        counts.append(np.bincount(diameter, minlength=size))
    return np.stack(counts), np.array(largest)


def _diameter(area: ArrayLike) -> Array:
    """Of the circle of an area."""
    return np.sqrt(4 / np.pi * np.asarray(area, np.float64))


# ---------------------------------------------------------------- distances


def counts_distance(x: ArrayLike, y: ArrayLike) -> float:
    """1-Wasserstein distance of two sets' pooled distributions of a length: the area between their cumulative curves.

    Args:
        x: (n, k) numbers of each length 0..k-1, a row an image; at least one in all.
        y: (m, k).

    Returns:
        In the unit of the columns: by how much lengths must change on average to make one distribution of the other.
    """
    cumulative = [np.cumsum(c / c.sum()) for c in (np.asarray(s, np.float64).sum(axis=0) for s in (x, y))]
    return float(np.abs(cumulative[0] - cumulative[1]).sum())


def values_distance(x: ArrayLike, y: ArrayLike) -> float:
    """1-Wasserstein distance of the distributions of one value an image, (n,) and (m,)."""
    x, y = np.sort(x, axis=None), np.sort(y, axis=None)
    both = np.sort(np.concatenate([x, y]))
    below = [np.searchsorted(of, both[:-1], side="right") / len(of) for of in (x, y)]
    return float((np.abs(below[0] - below[1]) * np.diff(both)).sum())
