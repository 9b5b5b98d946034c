"""Pairs of images worth a closer look because one may be the other flipped or turned, whatever it is shifted by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.base import symmetry
from pipeline.data.near_duplicates import fingerprints

LOOKS = 30  # images most like an image in a view that are kept
CHUNK = 256  # images at a time


def candidates(images: NDArray[np.int8]) -> dict[int, list[tuple[int, NDArray[np.int64]]]]:
    """For each view of the second image but `as it is` the pairs, as (first, (n,) seconds), first below all seconds.

    Time grows with n², but so slowly that the comparison of all pairs as they are takes ten times as long.

    Args:
        images: (n, h, w) of details, much reduced: fingerprints hold no fine ones.
    """
    planes = np.concatenate([fingerprints.of(chunk) for chunk in _chunks(images)])
    upright = fingerprints.vectors(planes).T
    found: dict[int, list[tuple[int, NDArray[np.int64]]]] = {}
    # A fingerprint is the same for an image turned by 180°: each of these views stands for that one too. Turned left
    # and turned right are such two, so that a view and its reverse are always looked at together.
    for view in (v for v in symmetry.possible(*images.shape[1:]) if not list(symmetry.VIEWS.values())[v][1]):
        pairs = _alike(upright, symmetry.seen(planes, view))
        found |= {view: pairs, view ^ 3: pairs}
    return {view: pairs for view, pairs in found.items() if view}


def _alike(upright: NDArray[np.float32], planes: NDArray[np.float32]) -> list[tuple[int, NDArray[np.int64]]]:
    """Pairs of which one is among the LOOKS likest of the other; `upright` (d, n), `planes` (n, 2 a + 1, 2 b + 1)."""
    n = len(planes)
    kept = np.zeros((n, n), bool)
    for start, chunk in zip(range(0, n, CHUNK), _chunks(planes), strict=True):
        rows = np.arange(start, start + len(chunk))
        alike = fingerprints.vectors(chunk) @ upright
        alike[rows - start, rows] = -np.inf  # an image is not its own double
        looks = min(LOOKS, n - 1)
        best = np.argpartition(alike, -looks, axis=1)[:, n - looks :]
        kept[np.repeat(rows, looks), best.ravel()] = True
    kept = np.triu(kept | kept.T)
    return [(first, np.flatnonzero(row)) for first, row in enumerate(kept) if row.any()]


def _chunks(array: NDArray) -> list[NDArray]:
    return [array[start : start + CHUNK] for start in range(0, len(array), CHUNK)]
