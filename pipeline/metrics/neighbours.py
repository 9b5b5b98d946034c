"""The training images nearest to an image in a space of features, as pure functions of arrays; rows are images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
ROUNDING = 1e-5  # of the spread of the reference: rows that are nearer are equal
CHUNK = 512  # rows at a time
SPARE = 8  # rows beyond the nearest ones that are looked at in double precision


class Neighbours(NamedTuple):
    """Of each of n rows: the nearest row of a reference, and how near."""

    position: NDArray[np.int64]
    """(n,) the nearest row."""
    first: Array
    """(n,) distance to it; 0 for one that differs by rounding alone."""
    second: Array
    """(n,) distance to the second nearest."""
    others: Array
    """(n,) distance of that nearest row to the nearest other row of the reference."""

    def where(self, mask: NDArray[np.bool_]) -> Neighbours:
        """Of the rows under a mask (n,)."""
        return Neighbours._make(values[mask] for values in self)

    @property
    def ratio(self) -> Array:
        """(n,) first over second: near 0 for a copy of one row, near 1 for a row among many; 0 for a copy of two."""
        return np.divide(self.first, self.second, out=np.zeros(len(self.first)), where=self.second > 0)

    @property
    def authentic(self) -> NDArray[np.bool_]:
        """(n,) whether a row is farther from its nearest than that one is from the others: not drawn from it with a
        little noise (Alaa et al. 2022, section 3.3)."""
        return self.first > self.others


def neighbours(x: ArrayLike, y: ArrayLike) -> Neighbours:
    """The two nearest rows of the reference to each judged row, by Euclidean distance.

    Args:
        x: (n, d), n >= 1.
        y: (m, d) the reference, m >= 2.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    equal = ROUNDING * np.sqrt(np.square(y - y.mean(axis=0)).sum(axis=1).mean())
    position, distance = _nearest(x, y, equal, 2)
    hit, place = np.unique(position, return_inverse=True)
    among = _nearest(y[hit], y, equal, 1, hit)[1][:, 0]
    return Neighbours(position, distance[:, 0], distance[:, 1], among[place])


def _nearest(
    x: Array, y: Array, equal: float, wanted: int, own: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], Array]:
    """(n,) position of the nearest and (n, wanted) exact distances of the nearest rows of y; `own`: (n,) position of
    each row in y itself, which does not count.

    A few more are found in single precision, and their order in double.
    """
    middle = y.mean(axis=0)
    short = (y - middle).astype(np.float32)
    norms, few = np.square(short).sum(axis=1), min(len(y) - (own is not None), wanted + SPARE)
    positions, found = [], []
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK]
        rough = norms - 2 * ((rows - middle).astype(np.float32) @ short.T)
        if own is not None:
            rough[np.arange(len(rows)), own[start : start + CHUNK]] = np.inf
        near = np.sort(np.argpartition(rough, few - 1, axis=1)[:, :few], axis=1)
        exact = np.linalg.norm(rows[:, None] - y[near], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")[:, :wanted]
        positions.append(np.take_along_axis(near, order, axis=1)[:, 0])
        found.append(np.take_along_axis(exact, order, axis=1))
    distance = np.concatenate(found)
    return np.concatenate(positions), np.where(distance > equal, distance, 0.0)
