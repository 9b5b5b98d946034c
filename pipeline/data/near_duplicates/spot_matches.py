"""Pairs of images with spots in common that lie alike, found without comparing each image with each.

The descriptions of all spots are sorted into cells around centres, and each is compared with those of the nearest few
cells: with as many cells as a cell has members, the work grows as the number of images to the power of 1.5.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.rows import blocks, greatest
from pipeline.data.near_duplicates.keypoints import Spots, mirrored
from pipeline.data.near_duplicates.placement import Placement

PROBES = 3  # cells that are looked into for each
KEPT = 3  # most alike spots of other images that are kept of a spot
ALIKE = 0.8  # cosine of their descriptions that they have at least
TRAINED = 100  # spots a cell from which its centre is found
ROUNDS = 5
LEAST = 3  # spots in common
FEW = 40  # spots in common that are looked at, the most alike
NEAR = 3.0  # pixels by which they may lie apart
TURNED = 0.5  # radians by which the turn of a spot may differ from that of its image
ZOOMED = 1.5  # and its zoom, as a factor
BLOCK = 4096


class Candidate(NamedTuple):
    """Two images that may show one scene."""

    votes: float
    """How likely it is, on a scale of its own for each way to find candidates."""
    first: int
    second: int
    placement: Placement


def find(spots: list[Spots]) -> list[Candidate]:
    """All pairs with at least LEAST spots in common, each in the placement that has most of them."""
    image = np.repeat(np.arange(len(spots)), [len(one.around) for one in spots])
    if len(image) < 2 * LEAST:
        return []
    places = np.concatenate([one.places for one in spots])
    around = np.concatenate([one.around for one in spots])
    index, found = _Index(around, image), []
    for flip in (False, True):
        one, other, alike = index.matches(mirrored(around) if flip else around)
        for rows in _of_pairs(image[one], image[other]):
            best = rows[np.argsort(-alike[rows], kind="stable")[:FEW]]
            votes, placement = _placed(places[one[best]], places[other[best]], flip)
            if placement:
                found.append(Candidate(votes, int(image[one[rows[0]]]), int(image[other[rows[0]]]), placement))
    return found


def placed(one: Spots, other: Spots) -> Placement | None:
    """Where `other` lies upon `one` as most of their spots say; None where fewer than LEAST do."""
    if min(len(one.around), len(other.around)) < LEAST:
        return None
    found = []
    for flip in (False, True):
        alike = _unit(one.around) @ _unit(mirrored(other.around) if flip else other.around).T
        rows = np.argsort(-alike.max(axis=1), kind="stable")[:FEW]
        found.append(_placed(one.places[rows], other.places[alike[rows].argmax(axis=1)], flip))
    return max(found, key=lambda f: f[0])[1]


class _Index:
    """Descriptions (m, LENGTH) of the spots of all images, sorted into cells."""

    def __init__(self, known: NDArray[np.int8], image: NDArray[np.int64]):
        self.known, self.image = known, image
        self.centres = _centres(known, round((len(known) / 2) ** 0.5) if len(known) > 4 * BLOCK else 1)
        cell = np.concatenate([(_unit(part) @ self.centres.T).argmax(axis=1) for part in blocks(known, BLOCK)])
        self.order = np.argsort(cell, kind="stable")
        self.starts = np.searchsorted(cell[self.order], np.arange(len(self.centres) + 1))

    def matches(self, wanted: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """(k,) spots, (k,) spots of later images, (k,) cosines, at least ALIKE: of each spot, described as `wanted`
        (m, LENGTH), the KEPT most alike in each of PROBES cells. Each pair once."""
        probes = min(PROBES, len(self.centres))
        probed = np.concatenate(
            [greatest(_unit(part) @ self.centres.T, probes) for part in blocks(wanted, BLOCK)]
        ).ravel()
        by_cell = np.argsort(probed, kind="stable")
        begins = np.searchsorted(probed[by_cell], np.arange(len(self.centres) + 1))
        found = []
        for i in range(len(self.centres)):
            there = self.order[self.starts[i] : self.starts[i + 1]]
            queries = by_cell[begins[i] : begins[i + 1]] // probes
            if len(there):
                found += [self._best(wanted, some, there) for some in blocks(queries, BLOCK)]
        one, other, alike = (np.concatenate(parts) for parts in zip(*found, strict=True))
        swap = self.image[one] > self.image[other]
        one, other = np.where(swap, other, one), np.where(swap, one, other)
        _, kept = np.unique(one * len(self.image) + other, return_index=True)
        return one[kept], other[kept], alike[kept]

    def _best(self, wanted: NDArray, some: NDArray, there: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        alike = _unit(wanted[some]) @ _unit(self.known[there]).T
        alike[self.image[some][:, None] == self.image[there]] = -np.inf
        best = greatest(alike.copy(), min(KEPT, len(there)))
        values = np.take_along_axis(alike, best, axis=1)
        row, rank = np.nonzero(values >= ALIKE)
        return some[row], there[best[row, rank]], values[row, rank]


def _of_pairs(first: NDArray, second: NDArray) -> list[NDArray[np.int64]]:
    """Rows of each pair of images that has at least LEAST."""
    order = np.lexsort((second, first))
    key = first[order].astype(np.int64) << 32 | second[order]
    ends = np.flatnonzero(np.diff(key, append=-1)) + 1
    begins = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    return [order[a:b] for a, b in zip(begins, ends, strict=True) if b - a >= LEAST]


def _placed(ones: NDArray, others: NDArray, flip: bool) -> tuple[float, Placement | None]:
    """The placement on which most of the spots (k, 4) in common agree, and their number; None for fewer than LEAST."""
    target, source = (places[:, 0] + 1j * places[:, 1] for places in (ones, others))
    source = source.conj() if flip else source
    zoom = ones[:, 2] / others[:, 2]
    turn = ones[:, 3] + others[:, 3] if flip else ones[:, 3] - others[:, 3]
    own = zoom * np.exp(1j * turn)  # what each says alone; two together say it exactly
    i, j = _twos(len(ones))
    wide = np.minimum(np.abs(source[i] - source[j]), np.abs(target[i] - target[j])) > 2 * NEAR
    i, j = i[wide], j[wide]
    a = (target[i] - target[j]) / (source[i] - source[j])
    sound = _alike(a, own[i]) & _alike(a, own[j])
    i, a = i[sound], a[sound, None]
    if not len(a):
        return 0, None
    near = np.abs(a * (source - source[i, None]) + target[i, None] - target) < NEAR
    inside = max(near & _alike(a, own), key=np.count_nonzero)
    votes = min(len(np.unique(places[inside])) for places in (source, target))
    if votes < LEAST:
        return 0, None
    x, y = source[inside], target[inside]
    spread = x - x.mean()
    fitted = complex(np.vdot(spread, y - y.mean()) / np.vdot(spread, spread))
    return votes, Placement(fitted, complex(y.mean() - fitted * x.mean()), flip)


@lru_cache(maxsize=FEW + 1)  # asked for at each pair of images
def _twos(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each two of so many."""
    return np.triu_indices(count, 1)


def _alike(one: NDArray, other: NDArray) -> NDArray[np.bool_]:
    """Whether zoom and turn of two numbers, as in `Placement`, are within ZOOMED and TURNED."""
    ratio = one / other
    return (np.abs(np.log(np.abs(ratio))) < np.log(ZOOMED)) & (np.abs(np.angle(ratio)) < TURNED)


def _centres(vectors: NDArray[np.int8], count: int) -> NDArray[np.float32]:
    """(count, d) of norm 1: centres of cells of some of the vectors (m, d), by k-means on the sphere (Dhillon and Modha
    2001)."""
    rng = np.random.default_rng(0)
    some = _unit(vectors[rng.permutation(len(vectors))[: TRAINED * count]])
    centres = some[:count]
    for _ in range(ROUNDS if count > 1 else 0):
        nearest = np.concatenate([(part @ centres.T).argmax(axis=1) for part in blocks(some, BLOCK)])
        order = np.argsort(nearest, kind="stable")
        cells, begin = np.unique(nearest[order], return_index=True)
        centres = centres.copy()
        centres[cells] = np.add.reduceat(some[order], begin)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    return centres


def _unit(vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    vectors = vectors.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
