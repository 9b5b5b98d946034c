"""Distances between two sets of feature vectors, as pure functions of arrays, in float64.

`x` is the set that is judged and `y` the reference throughout; rows are images.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, logsumexp

Array = NDArray[np.float64]


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


def kid_pulls(x: ArrayLike, y: ArrayLike) -> Array:
    """How far each image pulls `kid` from its mean: to first order (the Hájek projection of a U-statistic, van der
    Vaart 1998, chapter 12) the estimate less its mean is the sum of these.

    So their norm is its standard error; and that of the difference of two distances of sets that have images in common,
    or pairs that belong together in the same places, is the norm of the difference of their pulls.

    Args:
        x: (n, d), n >= 2.
        y: (m, d), m >= 2.

    Returns:
        (n + m,) of the rows of x, then of y.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    between = _cubic(x, y)
    pulls = []
    for own, other in ((_cubic(x, x), between), (_cubic(y, y), between.T)):
        n = len(own)
        height = (own.sum(axis=1) - np.diag(own)) / (n - 1) - other.mean(axis=1)
        pulls.append(2 * (height - height.mean()) / np.sqrt(n * (n - 1)))
    return np.concatenate(pulls)


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
        has no two images to compare; and, never negative, the distance with each image's likeness to itself and its
        group (the square of the distance between the mean embeddings: the biased estimate of Gretton et al. 2012,
        eq. 5).
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
    between = euclidean(x, y)
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
    return np.partition(euclidean(x, x), k, axis=1)[:, k]


def euclidean(x: Array, y: Array) -> Array:
    """(n, m) Euclidean distances of rows; rounding leaves about 1e-8 of the rows' norm between equal rows."""
    squared = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)[None, :] - 2 * (x @ y.T)
    return np.sqrt(np.maximum(squared, 0))  # a negative square is rounding


def nearest(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.int64], Array]:
    """(n,) position in y and (n,) exact Euclidean distance of the row of y nearest to each row of x."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    position = np.concatenate([euclidean(x[i : i + 512], y).argmin(axis=1) for i in range(0, len(x), 512)])
    return position, np.linalg.norm(x - y[position], axis=1)


def gram_distance(x: ArrayLike, y: ArrayLike, blocks: tuple[int, ...]) -> float:
    """How far the mean Gram matrices of two sets are apart: |mean Gx - mean Gy| / |mean Gy|, averaged over layers.

    Gram matrices as texture statistics: Gatys et al. 2015; the norm is Frobenius'.

    Args:
        x: (n, g) flattened matrices, one row an image (`random_networks.upper_triangle` keeps the norm).
        y: (m, g).
        blocks: length of each layer's matrix within a row.
    """
    mean_x, mean_y = np.asarray(x, np.float64).mean(axis=0), np.asarray(y, np.float64).mean(axis=0)
    edges = np.cumsum(blocks)[:-1]
    layers = zip(np.split(mean_x - mean_y, edges), np.split(mean_y, edges), strict=True)
    return float(np.mean([np.linalg.norm(difference) / np.linalg.norm(reference) for difference, reference in layers]))


def curve_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Root mean square of the difference of two sets' mean curves.

    Args:
        x: (n, k) a curve an image, such as a spectrum in decibel.
        y: (m, k).
    """
    difference = np.asarray(x, np.float64).mean(axis=0) - np.asarray(y, np.float64).mean(axis=0)
    return float(np.sqrt(np.square(difference).mean()))
