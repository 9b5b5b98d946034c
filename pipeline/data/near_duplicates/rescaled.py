"""Pairs of images that may be one picture in two sizes: each is brought to one small frame, and compared with those of
other sizes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.base.rows import greatest
from pipeline.data.near_duplicates.placement import Placement
from pipeline.data.near_duplicates.spot_matches import Candidate

SIDE = 24  # pixels of the frame
LIKELY = 0.7  # correlation in it that is worth a closer look: copies reach 0.9, parts in one fixture 0.5 to 0.8
SHAPE = 0.05  # logarithm of a factor by which the ratios of height to width may differ
BLOCK = 128


def find(details: list[NDArray[np.int8]], scales: list[int], most: int) -> list[Candidate]:
    """Pairs of unlike size that correlate where one covers the other; `votes` is the correlation.

    Args:
        details: of all images, see `correlate.evened`.
        scales: pixels of each image in one of its details.
        most: pairs of an image with later ones that are kept.
    """
    sizes = np.array([(*one.shape, scale) for one, scale in zip(details, scales, strict=True)]).reshape(-1, 3)
    kinds, kind = np.unique(sizes, axis=0, return_inverse=True)
    if len(kinds) < 2:
        return []
    order = np.argsort(kind, kind="stable")
    small = np.stack([_small(details[i]) for i in order])
    shape = np.log(sizes[order, 0] / sizes[order, 1])
    kind, found = kind[order], []
    for start in range(0, int(np.searchsorted(kind, kind[-1])), BLOCK):  # but for those of the last size
        later = int(np.searchsorted(kind, kind[start], side="right"))  # the first of another size
        rows = slice(start, start + BLOCK)
        alike = small[rows] @ small[later:].T
        alike[(kind[rows, None] >= kind[later:]) | (np.abs(shape[rows, None] - shape[later:]) >= SHAPE)] = -1
        best = greatest(alike.copy(), min(most, alike.shape[1]))
        for i, j in ((i, j) for i, some in enumerate(best.tolist()) for j in some if alike[i, j] >= LIKELY):
            first, second = sorted((int(order[start + i]), int(order[later + j])))
            placement = _covering(details[first].shape, details[second].shape)
            found.append(Candidate(float(alike[i, j]), first, second, placement))
    return found


def _covering(first: tuple[int, ...], second: tuple[int, ...]) -> Placement:
    """The second image upon all of the first."""
    zoom = float(np.sqrt(first[0] * first[1] / (second[0] * second[1])))
    middles = [complex(shape[0] - 1, shape[1] - 1) / 2 for shape in (first, second)]
    return Placement(zoom, middles[0] - zoom * middles[1])


def _small(details: NDArray[np.int8]) -> NDArray[np.float32]:
    """(SIDE²,) means of equal parts of an image (h, w), of mean 0 and norm 1."""
    flat = (_parts(details.shape[0]) @ details @ _parts(details.shape[1]).T).reshape(-1)
    flat -= flat.mean()
    return (flat / max(float(np.linalg.norm(flat)), 1e-6)).astype(np.float32)


@lru_cache(maxsize=64)
def _parts(side: int) -> NDArray[np.float32]:
    """(SIDE, side): the matrix that takes a column of pixels to the means of SIDE equal parts of it."""
    ends = np.linspace(0, side, SIDE + 1)[:, None]
    covered = np.clip(ends - np.arange(side), 0, 1)  # of each pixel before each end
    return (np.diff(covered, axis=0) * SIDE / side).astype(np.float32)
