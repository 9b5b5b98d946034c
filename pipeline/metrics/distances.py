"""Distances between two sets of feature vectors, as pure functions of arrays, in float64.

`x` is the set that is judged and `y` the reference throughout; rows are images.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, logsumexp

Array = NDArray[np.float64]
Parts = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
BLOCK = 256  # rows that are compared with all others at a time
NEAREST = 48  # neighbours of a row that are sorted: six of them are in nearly every half of the rows


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

    For any number of images and never complex: with centred features X, Y and S = XᵀX / (n - 1), the square roots of
    the eigenvalues of S1 S2 are the singular values of X Yᵀ / sqrt((n - 1)(m - 1)), so the trace of the root is that
    matrix's nuclear norm. Where n > d, X is replaced by a d×d factor with the same XᵀX.

    Args:
        x: (n, d), n >= 2.
        y: (m, d), m >= 2.
    """
    return frechet_of(gaussian(np.asarray(x, np.float64)), gaussian(np.asarray(y, np.float64)))


class Gaussian(NamedTuple):
    """A normal distribution in d dimensions."""

    mean: Array
    """(d,)"""
    factor: NDArray[np.floating]
    """(k, d) F with FᵀF the covariance, k = d, or as many as there are rows where these are fewer."""


def gaussian(x: Array) -> Gaussian:
    """The Gaussian fitted to rows (n, d), n >= 2."""
    mean = x.mean(axis=0)
    centred = x - mean
    if len(x) <= x.shape[1]:
        return Gaussian(mean, centred / np.sqrt(len(x) - 1))
    return gaussian_of(mean, centred.T @ centred / (len(x) - 1))


def gaussian_of(mean: Array, covariance: Array) -> Gaussian:
    """The Gaussian of a mean (d,) and a covariance (d, d), which may be singular."""
    try:
        factor = np.linalg.cholesky(covariance, upper=True)  # a quarter of the time of a QR decomposition of the rows
    except np.linalg.LinAlgError:  # singular: of constant features, for example
        values, vectors = np.linalg.eigh(covariance)
        factor = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    return Gaussian(mean, factor)


def frechet_of(x: Gaussian, y: Gaussian) -> float:
    """`frechet` of the sets that these were fitted to."""
    root = _nuclear_norm(x.factor @ y.factor.T)
    spread = np.square(x.factor).sum() + np.square(y.factor).sum() - 2 * root
    return float(np.square(x.mean - y.mean).sum() + spread)


def _nuclear_norm(matrix: NDArray[np.floating]) -> float:
    """Sum of the singular values; of each that is 0 at most some 1e-8 of the largest. Half the time of an SVD."""
    square = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(square), 0)).sum())


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

    So their norm is its standard error. Two distances may share images, or be of pairs in the same order: then the norm
    of the difference of their pulls is the standard error of the difference of the distances.

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
    everything = [(np.arange(len(labels[0])), np.arange(len(labels[1])))]
    unbiased, biased = kid_of_parts(x, y, labels, groups, everything)[0]
    return float(unbiased), float(biased)


def kid_of_parts(
    x: ArrayLike, y: ArrayLike, labels: tuple[NDArray, NDArray], groups: tuple[NDArray, NDArray], parts: Parts
) -> Array:
    """`kid_of_groups` of p subsets of the rows of x and y, at the cost of one: (p, 2).

    Args:
        parts: p pairs of positions among the rows of x, and of y.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    classes = np.unique(np.concatenate(labels))
    ours, theirs = (
        np.stack([_among(rows[side], names)[:, None] * np.equal.outer(names, classes) for rows in parts], axis=1)
        for side, names in enumerate(labels)
    )
    sums = [
        _kernel_sums(x, x, ours, ours, groups[0]),
        _kernel_sums(y, y, theirs, theirs, groups[1]),
        _kernel_sums(x, y, ours, theirs),
    ]
    return np.array([_kid_of_sums(ours[:, p], theirs[:, p], [part.of(p) for part in sums]) for p in range(len(parts))])


class _Sums(NamedTuple):
    """Of the kernel over pairs of rows, of p parts and of c classes of the one and of the other row."""

    by_class: Array
    """(p, c, c) without pairs of rows of one group."""
    pairs: Array
    """(p, c, c) number of these."""
    plain: Array
    """(p,) mean over all pairs."""

    def of(self, part: int) -> _Sums:
        return _Sums(*(values[part] for values in self))


def _kernel_sums(a: Array, b: Array, one: Array, other: Array, groups: NDArray | None = None) -> _Sums:
    """Args: a (n, d), b (m, d); one (n, p, c), other (m, p, c), 1 where a row is in a part and of a class;
    groups: (n,) of the rows where a is b, whose pairs within a group are left out."""
    flat, sizes = other.reshape(len(b), -1), [rows.sum(axis=2) for rows in (one, other)]
    by_class, plain = np.zeros((*one.shape[1:], one.shape[2])), np.zeros(one.shape[1])
    pairs = one.sum(axis=0)[:, :, None] * other.sum(axis=0)[:, None, :]
    member = None if groups is None else np.unique(groups, return_inverse=True)[1]
    if member is not None:
        of_group = np.zeros((member.max() + 1, *one.shape[1:]))
        np.add.at(of_group, member, one)
        pairs = pairs - of_group.transpose(1, 2, 0) @ of_group.transpose(1, 0, 2)
    for start in range(0, len(a), BLOCK):
        here, rest = slice(start, start + BLOCK), slice(0 if member is None else start, None)
        kernel = _cubic(a[here], b[rest])
        if member is not None:
            kernel[:, BLOCK:] *= 2  # a pair below the diagonal is one above it
        plain += (sizes[0][here] * (kernel @ sizes[1][rest])).sum(axis=0)
        if member is not None:
            kernel[member[here, None] == member[rest]] = 0
        right = (kernel @ flat[rest]).reshape(-1, *other.shape[1:])
        by_class += one[here].transpose(1, 2, 0) @ right.transpose(1, 0, 2)
    if member is not None:
        by_class = (by_class + by_class.transpose(0, 2, 1)) / 2
    return _Sums(by_class, pairs, plain / np.prod([rows.sum(axis=0) for rows in sizes], axis=0))


def _kid_of_sums(ours: Array, theirs: Array, sums: list[_Sums]) -> tuple[float, float]:
    """`kid_of_groups`, from the sums within x, within y and between; ours (n, c) and theirs (m, c) as `one` there."""
    shares = [rows.sum(axis=0) / rows.sum() for rows in (ours, theirs)]
    within = [part.pairs > 0 for part in sums[:2]]
    alone = np.eye(ours.shape[1], dtype=bool) & ~(within[0] & within[1])
    within_x, within_y, between = (
        _weighted(
            part.by_class / np.maximum(part.pairs, 1),
            np.where(alone | (part.pairs == 0), 0, np.outer(shares[p], shares[q])),
        )
        for part, (p, q) in zip(sums, ((0, 0), (1, 1), (0, 1)), strict=True)
    )
    return within_x + within_y - 2 * between, float(sums[0].plain + sums[1].plain - 2 * sums[2].plain)


def _among(rows: NDArray[np.int64], values: NDArray) -> Array:
    """(n,) 1 at some rows of n values."""
    found = np.zeros(len(values))
    found[rows] = 1
    return found


def _weighted(values: Array, weights: Array) -> float:
    return float((values * weights).sum() / weights.sum()) if weights.any() else np.nan


def _cubic(x: Array, y: Array) -> Array:
    """(n, m) kernel (x·y / d + 1)³ of rows (n, d) and (m, d)."""
    base = x @ y.T
    base /= x.shape[1]
    base += 1
    cubic = base * base  # a power of 3 takes fifteen times as long
    cubic *= base
    return cubic


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
    x, y = np.asarray(x), np.asarray(y)
    values = prdc_of_parts(x, y, [(np.arange(len(x)), np.arange(len(y)))], k)[0]
    return dict(zip(("precision", "recall", "density", "coverage"), values.tolist(), strict=True))


def prdc_of_parts(x: ArrayLike, y: ArrayLike, parts: Parts, k: int = 5) -> Array:
    """`prdc` of p subsets of the rows of x and y, at about the cost of one: (p, 4), in its order.

    Args:
        parts: p pairs of positions among the rows of x, and of y; more than k of each.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    ours, theirs = (np.stack([_among(rows[side], values) > 0 for rows in parts]) for side, values in enumerate((x, y)))
    radius_x, radius_y = _radii(x, ours, k), _radii(y, theirs, k)
    widest_x, widest_y = radius_x.max(axis=0), radius_y.max(axis=0)
    precise, recalled, covered = (np.zeros(members.shape, bool) for members in (ours, theirs, theirs))
    dense, norms = np.zeros(len(parts)), _squared_norms(y)
    for start in range(0, len(x), BLOCK):
        between = _squared(x[start : start + BLOCK], y, norms)
        near = np.nonzero(between < np.maximum(widest_x[start : start + BLOCK, None], widest_y))  # few of all pairs
        i, j, distance = start + near[0], near[1], between[near]
        for p in range(len(parts)):
            inside = ours[p, i] & (distance < radius_y[p, j])
            precise[p, i[inside]], covered[p, j[inside]] = True, True
            dense[p] += inside.sum()
            recalled[p, j[distance < radius_x[p, i]]] = True
    n, m = ours.sum(axis=1), theirs.sum(axis=1)
    hit = (recalled & theirs).sum(axis=1)
    return np.stack([precise.sum(axis=1) / n, hit / m, dense / n / k, covered.sum(axis=1) / m], axis=1)


def _radii(x: Array, parts: NDArray[np.bool_], k: int) -> Array:
    """(p, n) squared distance of each row to its k-th neighbour among the members of each of p parts; -1 of others."""
    found = np.full(parts.shape, -1.0)
    listed, norms = min(len(x), NEAREST + k), _squared_norms(x)
    for start in range(0, len(x), BLOCK):
        distance = _squared(x[start : start + BLOCK], x, norms)
        some = np.argpartition(distance, listed - 1, axis=1)[:, :listed]
        order = np.argsort(np.take_along_axis(distance, some, axis=1), axis=1)
        near = np.take_along_axis(some, order, axis=1)
        values = np.take_along_axis(distance, near, axis=1)
        for p, part in enumerate(parts):
            rows = np.flatnonzero(part[start : start + BLOCK])
            before = part[near[rows]].cumsum(axis=1)  # the first is the row itself
            found[p, start + rows] = values[rows, (before > k).argmax(axis=1)]
            for row in rows[before[:, -1] <= k]:  # its nearest are nearly all of other parts
                found[p, start + row] = np.partition(distance[row, part], k)[k]
    return found


def _squared_norms(x: Array) -> Array:
    return np.square(x).sum(axis=1)


def _squared(x: Array, y: Array, norms: Array) -> Array:
    """(n, m) squared distances of rows; `norms`: the squared ones of y."""
    squared = x @ y.T
    squared *= -2
    squared += _squared_norms(x)[:, None] + norms
    return np.maximum(squared, 0, out=squared)  # a negative square is rounding


def gram_distance(x: ArrayLike, y: ArrayLike, blocks: tuple[int, ...]) -> float:
    """How far the mean Gram matrices of two sets are apart: |mean Gx - mean Gy| / |mean Gy|, averaged over layers.

    Gram matrices as texture statistics: Gatys et al. 2015; the norm is Frobenius'.

    Args:
        x: (n, g) flattened matrices, one row an image (`random_networks.upper_triangle` keeps the norm).
        y: (m, g).
        blocks: length of each layer's matrix within a row.
    """
    mean_x, mean_y = (np.asarray(grams).mean(axis=0, dtype=np.float64) for grams in (x, y))
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
