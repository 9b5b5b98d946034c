"""The training images nearest to an image in a space of features, as pure functions of arrays; rows are images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.metrics.distances import euclidean

Array = NDArray[np.float64]
ROUNDING = 1e-5  # of the spread of the reference: rows that are nearer are equal
CHUNK = 512  # rows at a time


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
        """Of some of the rows."""
        return Neighbours(self.position[mask], self.first[mask], self.second[mask], self.others[mask])

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
    """The two nearest rows of the reference y (m, d), m >= 2, to each row of x (n, d). Distances are Euclidean."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    equal = ROUNDING * np.sqrt(np.square(y - y.mean(axis=0)).sum(axis=1).mean())
    position, distance = _two(x, y, equal, own=False)
    _, among = _two(y, y, equal, own=True)
    return Neighbours(position, distance[:, 0], distance[:, 1], among[position, 0])


def _two(x: Array, y: Array, equal: float, own: bool) -> tuple[NDArray[np.int64], Array]:
    """(n,) position of the nearest and (n, 2) exact distances of the two nearest; `own`: x is y, and of each row the
    position and (n, 1) distance of the nearest other."""
    positions, found = [], []
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK]
        rough = euclidean(rows, y)
        if own:
            rough[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf
        wanted = 1 if own else 2
        near = np.argpartition(rough, wanted - 1, axis=1)[:, :wanted]
        exact = np.linalg.norm(rows[:, None] - y[near], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")
        positions.append(np.take_along_axis(near, order, axis=1)[:, 0])
        found.append(np.take_along_axis(exact, order, axis=1))
    distance = np.concatenate(found)
    return np.concatenate(positions), np.where(distance > equal, distance, 0.0)
