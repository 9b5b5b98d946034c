"""Distances between sets of images and statistics within one, as pure functions of arrays, in float64.

`x` is the set that is judged and `y` the reference throughout; rows are images.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage
from scipy.special import log_softmax, logsumexp

Array = NDArray[np.float64]
WINDOW = 11  # pixels a side of SSIM's window
EDGE = WINDOW // 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM, fine to coarse: Wang et al. 2003, section 3.2


# ---------------------------------------------------------------- features


def block_scale(reference: ArrayLike, blocks: tuple[int, ...]) -> tuple[Array, Array]:
    """Centre and scale that let every block of columns (a layer of a network) count the same.

    A block's scale is the root mean variance of its columns over the reference, so columns keep their proportions and
    a constant column does no harm.

    Args:
        reference: (n, d), n >= 2.
        blocks: number of columns of each block, summing to d.

    Returns:
        (d,) centre and (d,) scale; use `(x - centre) / scale`.

    Raises:
        ValueError: the columns of a whole block are constant.
    """
    reference = np.asarray(reference, np.float64)
    variance = reference.var(axis=0, ddof=1)
    edges = np.cumsum((0, *blocks))
    scales = [np.sqrt(variance[a:b].mean()) for a, b in pairwise(edges)]
    if min(scales) <= 0:
        raise ValueError("all images have the same features")
    return reference.mean(axis=0), np.repeat(scales, blocks)


def frechet(x: ArrayLike, y: ArrayLike) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of features: |m1 - m2|² + Tr(S1 + S2 - 2 (S1 S2)^½).

    Exact for any number of images and never complex: with centred features X, Y and S = XᵀX / (n - 1), the square roots
    of the eigenvalues of S1 S2 are the singular values of X Yᵀ / sqrt((n - 1)(m - 1)), so the trace of the root is that
    matrix's nuclear norm. Where n > d, X is replaced by its d×d triangular factor, which has the same XᵀX.

    Args:
        x: (n, d), n >= 2.
        y: (m, d), m >= 2.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    factor_x, factor_y = _factor(x - mean_x), _factor(y - mean_y)
    root = np.linalg.svd(factor_x @ factor_y.T, compute_uv=False).sum()
    spread = np.square(factor_x).sum() + np.square(factor_y).sum() - 2 * root
    return float(np.square(mean_x - mean_y).sum() + spread)


def _factor(centred: Array) -> Array:
    """(k, d) F with FᵀF the covariance of the centred rows, k = min(n, d)."""
    n, d = centred.shape
    triangle = np.linalg.qr(centred, mode="r") if n > d else centred
    return triangle / np.sqrt(n - 1)


def inception_score(logits: ArrayLike) -> float:
    """exp of the mean Kullback-Leibler divergence of the classes of an image from those of all (Salimans et al. 2016,
    section 4).

    Args:
        logits: (n, c) of the classifier's softmax, n >= 1.

    Returns:
        1, where all images look alike to the classifier, to the smaller of n and c, where it is sure of each and finds
        all classes alike often. From few images it comes out too small.
    """
    log = log_softmax(np.asarray(logits, np.float64), axis=1)
    log_mean = logsumexp(log, axis=0) - np.log(len(log))
    return float(np.exp((np.exp(log) * (log - log_mean)).sum(axis=1).mean()))


def kid(x: ArrayLike, y: ArrayLike) -> float:
    """Kernel distance: the unbiased estimate of MMD² with the kernel (x·y / d + 1)³ (Binkowski et al. 2018, eq. 4).

    Args:
        x: (n, d), n >= 2.
        y: (m, d), m >= 2.

    Returns:
        A number that is 0 on average for two samples of one distribution; single values may be negative.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return _mean_off_diagonal(_cubic(x, x)) + _mean_off_diagonal(_cubic(y, y)) - 2 * float(_cubic(x, y).mean())


def kid_of_groups(
    x: ArrayLike, y: ArrayLike, labels: tuple[NDArray, NDArray], groups: tuple[NDArray, NDArray]
) -> tuple[float, float]:
    """`kid` of images that come in classes of given shares and in groups of images that are alike.

    Within a set only two images of different groups are compared, for only these are independent. In a set of fixed
    shares, two of its images are less often of one class than one of its images and one of another set: each pair of
    classes is therefore averaged for itself and weighted by its shares. A class of one group has no such pair with
    itself, and is compared with the other classes alone.

    Args:
        x: (n, d).
        y: (m, d).
        labels: (n,) and (m,) classes.
        groups: (n,) and (m,) names.

    Returns:
        The distance, 0 on average for two samples of one distribution where classes have their shares, NaN where a set
        has no two images to compare; and, never
        negative, the distance with each image's likeness to itself and its group (the square of the distance between
        the mean embeddings: the biased estimate of Gretton et al. 2012, eq. 5).
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    classes = np.unique(np.concatenate(labels))
    ours, theirs = (np.equal.outer(names, classes).astype(np.float64) for names in labels)
    different = [np.not_equal.outer(names, names).astype(np.float64) for names in groups]
    sums, counts, plain = [], [], []
    for a, b, one, other, kept in (
        (x, x, ours, ours, different[0]),
        (y, y, theirs, theirs, different[1]),
        (x, y, ours, theirs, None),
    ):
        kernel = _cubic(a, b)
        plain.append(kernel.mean())
        sums.append(one.T @ (kernel if kept is None else kernel * kept) @ other)
        pairs = np.outer(one.sum(axis=0), other.sum(axis=0))
        counts.append(pairs if kept is None else one.T @ kept @ other)
    shares = ours.mean(axis=0), theirs.mean(axis=0)
    alone = np.eye(len(classes), dtype=bool) & ~((counts[0] > 0) & (counts[1] > 0))
    within_x, within_y, between = (
        _weighted(total / np.maximum(count, 1), np.where(alone | (count == 0), 0, np.outer(shares[p], shares[q])))
        for total, count, (p, q) in zip(sums, counts, ((0, 0), (1, 1), (0, 1)), strict=True)
    )
    return float(within_x + within_y - 2 * between), float(plain[0] + plain[1] - 2 * plain[2])


def _weighted(values: Array, weights: Array) -> float:
    return float((values * weights).sum() / weights.sum()) if weights.any() else np.nan


def _cubic(x: Array, y: Array) -> Array:
    base = x @ y.T / x.shape[1] + 1
    return base * base * base  # a power of 3 takes fifteen times as long


def _mean_off_diagonal(square: Array) -> float:
    n = len(square)
    return float((square.sum() - np.trace(square)) / (n * (n - 1)))


def prdc(x: ArrayLike, y: ArrayLike, k: int = 5) -> dict[str, float]:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    Args:
        x: (n, d), the judged set, n > k.
        y: (m, d), the reference, m > k.
        k: neighbour whose distance is the radius of an image's ball, not counting the image itself.

    Returns:
        `precision`: fraction of x inside a ball of y; `recall`: of y inside a ball of x; `density`: mean number of
        balls of y around an x, over k (1 is expected for one distribution); `coverage`: fraction of y's balls that
        hold an x.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    between = distances(x, y)
    inside_y = between < _radii(y, k)[None, :]
    inside_x = between < _radii(x, k)[:, None]
    return {
        "precision": float(inside_y.any(axis=1).mean()),
        "recall": float(inside_x.any(axis=0).mean()),
        "density": float(inside_y.sum(axis=1).mean() / k),
        "coverage": float(inside_y.any(axis=0).mean()),
    }


def _radii(x: Array, k: int) -> Array:
    """(n,) distance of each row to its k-th neighbour; position 0 of the sorted row is the row itself."""
    return np.partition(distances(x, x), k, axis=1)[:, k]


def distances(x: Array, y: Array) -> Array:
    """(n, m) Euclidean distances of rows; rounding leaves about 1e-8 of the rows' norm between equal rows."""
    squared = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)[None, :] - 2 * (x @ y.T)
    return np.sqrt(np.maximum(squared, 0))  # a negative square is rounding


def nearest(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.int64], Array]:
    """(n,) position in y and (n,) exact Euclidean distance of the row of y nearest to each row of x."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    position = np.concatenate([distances(x[i : i + 512], y).argmin(axis=1) for i in range(0, len(x), 512)])
    return position, np.linalg.norm(x - y[position], axis=1)


def gram_distance(x: ArrayLike, y: ArrayLike, blocks: tuple[int, ...]) -> float:
    """How far the mean Gram matrices of two sets are apart: |mean Gx - mean Gy| / |mean Gy|, averaged over layers.

    Gram matrices as texture statistics: Gatys et al. 2015; the norm is Frobenius'.

    Args:
        x: (n, g) flattened matrices, one row an image (`features.upper_triangle` keeps the norm).
        y: (m, g).
        blocks: length of each layer's matrix within a row.
    """
    mean_x, mean_y = np.asarray(x, np.float64).mean(axis=0), np.asarray(y, np.float64).mean(axis=0)
    edges = np.cumsum(blocks)[:-1]
    layers = zip(np.split(mean_x - mean_y, edges), np.split(mean_y, edges), strict=True)
    return float(np.mean([np.linalg.norm(difference) / np.linalg.norm(reference) for difference, reference in layers]))


# ---------------------------------------------------------------- pixels


def ssim(a: ArrayLike, b: ArrayLike, data_range: float = 1.0) -> Array:
    """Structural similarity of pairs of images (Wang et al. 2004): Gaussian window, sigma 1.5, 11×11, K = 0.01, 0.03.

    Args:
        a: (n, H, W) or (n, H, W, C), H and W at least 11.
        b: same shape; image i is compared with image i of a.
        data_range: difference of the largest and the smallest possible value.

    Returns:
        (n,) mean over pixels at least 5 from the edge, and over channels; 1 for equal images.
    """
    similarity, _ = _similarity(np.asarray(a, np.float64), np.asarray(b, np.float64), data_range)
    return similarity


def ms_ssim(a: ArrayLike, b: ArrayLike, data_range: float = 1.0) -> Array:
    """Multi-scale structural similarity of pairs of images (Wang, Simoncelli, Bovik 2003, eq. 7), windows as in `ssim`.

    Each scale halves the images by means of 2×2 pixels. The paper's five scales, with its weights, need 176 pixels for
    the window to fit into the last; smaller images have fewer (`scales`), with the weights of these made to sum to 1.
    A scale whose contrast and structure agree less than not at all, on average, makes the whole 0.

    Args:
        a: (n, H, W) or (n, H, W, C), H and W at least 11.
        b: same shape; image i is compared with image i of a.
        data_range: difference of the largest and the smallest possible value.

    Returns:
        (n,); 1 for equal images.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    count = scales(min(a.shape[1:3]))
    weights = np.array(SCALE_WEIGHTS[:count]) / sum(SCALE_WEIGHTS[:count])
    product = np.ones(len(a))
    for weight in weights[:-1]:
        _, structure = _similarity(a, b, data_range)
        product *= np.maximum(structure, 0) ** weight
        a, b = _halved(a), _halved(b)
    similarity, _ = _similarity(a, b, data_range)  # luminance is compared in the last scale alone
    return product * np.maximum(similarity, 0) ** weights[-1]


def scales(side: int) -> int:
    """Number of scales of `ms_ssim` for images whose shorter side has that many pixels, at least 11: 1 below 22 pixels,
    2 from there, 3 from 44, 4 from 88, 5 from 176."""
    return min(len(SCALE_WEIGHTS), (side // WINDOW).bit_length())


def _halved(images: Array) -> Array:
    n, height, width = (images.shape[0], *(side // 2 for side in images.shape[1:3]))
    blocks = images[:, : 2 * height, : 2 * width].reshape(n, height, 2, width, 2, *images.shape[3:])
    return blocks.mean(axis=(2, 4))


def _similarity(a: Array, b: Array, data_range: float) -> tuple[Array, Array]:
    """(n,) mean similarity and (n,) the mean of its part in contrast and structure."""

    def smooth(image: Array) -> Array:
        return ndimage.gaussian_filter(image, 1.5, radius=EDGE, axes=(1, 2))[:, EDGE:-EDGE, EDGE:-EDGE]

    mean_a, mean_b = smooth(a), smooth(b)
    variance_a = smooth(a * a) - mean_a**2
    variance_b = smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    whole, part = ((maps).reshape(len(a), -1).mean(axis=1) for maps in (structure * luminance, structure))
    return whole, part


def radial_psd(images: ArrayLike) -> tuple[Array, Array]:
    """Radially averaged power spectral density: mean removed, Hann window, |FFT|² over the window's energy.

    Args:
        images: (n, H, W).

    Returns:
        (b,) frequencies, bin centres from 1 / min(H, W) to 0.5 cycles per pixel, one bin a line of the spectrum; and
        (n, b) density in value² · pixel². Over the whole plane of frequencies it integrates to the image's variance
        under the window.
    """
    images = np.asarray(images, np.float64)
    _, height, width = images.shape
    window = np.outer(
        np.hanning(height + 1)[:-1], np.hanning(width + 1)[:-1]
    )  # periodic: a line leaks to its neighbours
    mean = (images * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    half = fft.rfft2((images - mean) * window)  # the other half of the plane mirrors it
    twice = np.where((np.arange(half.shape[2]) > 0) & (2 * np.arange(half.shape[2]) < width), 2.0, 1.0)
    power = (half.real**2 + half.imag**2) * (twice / np.square(window).sum())
    side = min(height, width)
    line = np.rint(frequency_plane(height, width)[:, : half.shape[2]] * side).astype(int)
    bins = np.arange(1, side // 2 + 1)
    used = line <= bins[-1]
    count = np.bincount(line[used], np.broadcast_to(twice, line.shape)[used])[1:]
    sums = np.stack([np.bincount(line[used], p[used])[1:] for p in power])
    return bins / side, sums / count


def frequency_plane(height: int, width: int) -> Array:
    """(H, W) distance of each point of a 2-D FFT from frequency 0, in cycles per pixel."""
    return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])


def decibel(power: ArrayLike, quantum: float = 0.0) -> Array:
    """10 log10 of a density (value² · pixel²) on top of the noise of a quantisation in steps of `quantum`, which is
    quantum² / 12 at every frequency: an image stored in such steps shows nothing below it."""
    return 10 * np.log10(np.asarray(power, np.float64) + quantum**2 / 12)


def psd_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Root mean square over frequency of the difference of two sets' mean spectra, in decibel.

    Args:
        x: (n, b) spectra in decibel.
        y: (m, b).
    """
    difference = np.asarray(x, np.float64).mean(axis=0) - np.asarray(y, np.float64).mean(axis=0)
    return float(np.sqrt(np.square(difference).mean()))
