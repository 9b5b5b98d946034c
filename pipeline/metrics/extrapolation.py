"""The Fréchet distance as it would be with any number of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.metrics.distances import Array, Gaussian, frechet, frechet_of, gaussian, gaussian_of

GROUPS = (2, 3, 4)  # one group left out leaves 1/2, 2/3, 3/4 of the images: even enough in 1 / n, and not too few


def frechet_infinite(
    x: ArrayLike, y: ArrayLike, labels_x: NDArray, labels_y: NDArray, rng: np.random.Generator
) -> tuple[float, float]:
    """Fréchet distance, and the same extrapolated to infinitely many images (FD∞; Chong and Forsyth 2020).

    From n images it comes out too large by a term that falls as 1 / n, whose factor depends on the set: a line through
    the distances of sets of several n, in 1 / n, is therefore read at 0. Both sets shrink together. In the paper the
    reference is kept whole; here it is as small a sample as the other, and its part of the bias would stay.

    The smaller sets leave out each of g groups in turn, so all images count alike at each n, and what the choice of
    subsets adds is small. Classes are dealt evenly to the groups: drawn at random, their shares would vary more in
    smaller sets, a second term in 1 / n which whole sets of fixed shares do not have.

    Args:
        x: (n, d), n >= 8.
        y: (m, d), m >= 8.
        labels_x: (n,) class of each row.
        labels_y: (m,).

    Returns:
        The distance of all rows; and about 0 for two samples of one distribution, single values may be negative. With
        fewer images than the features have directions the line bends, and part of the bias stays.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    inverse, values = [1 / len(x)], [frechet(x, y)]
    for groups in GROUPS:
        kept = zip(_without_each(x, labels_x, groups, rng), _without_each(y, labels_y, groups, rng), strict=True)
        inverse.append(1 / (len(x) * (1 - 1 / groups)))
        values.append(float(np.mean([frechet_of(*pair) for pair in kept])))
    return values[0], float(np.polyfit(inverse, values, 1)[1])


def _without_each(x: Array, labels: NDArray, groups: int, rng: np.random.Generator) -> list[Gaussian]:
    """Of the rows without those of a group, for each group; each class is dealt evenly.

    Where there are more rows than columns by what the sums over all rows and over the group differ.
    """
    order = np.lexsort((rng.random(len(labels)), labels))
    group = np.empty(len(labels), np.int64)
    group[order] = np.arange(len(labels)) % groups
    if len(x) * (1 - 1 / groups) <= x.shape[1] + 1:
        return [gaussian(x[group != one]) for one in range(groups)]
    middle = x.mean(axis=0)
    parts = [x[group == one] - middle for one in range(groups)]
    products = [part.T @ part for part in parts]
    whole, found = sum(products[1:], products[0]), []
    for part, product in zip(parts, products, strict=True):
        count, mean = len(x) - len(part), -part.sum(axis=0) / (len(x) - len(part))  # all rows of all parts sum to 0
        square = whole - product
        square -= count * np.outer(mean, mean)
        square /= count - 1
        found.append(gaussian_of(middle + mean, square))
    return found
