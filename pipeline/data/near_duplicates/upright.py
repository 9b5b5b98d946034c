"""Pairs of images that may show one scene, as they lie: each is correlated with each at all shifts, much reduced.

It sees what noise hides from spots, in exposures much darker than others for instance, but not what is turned or
zoomed; and its time grows with the square of the number of images.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.near_duplicates.correlate import BLOCK, COARSE, Correlator, Spectra, factor
from pipeline.data.near_duplicates.placement import Placement
from pipeline.data.near_duplicates.spot_matches import Candidate

LIKELY = 6.0  # height of a peak, in standard deviations of chance, that is worth a closer look
STEP = 1.5  # factor between the sides of size classes; images of one class or of neighbouring ones are compared


class Comparison(NamedTuple):
    """Images to compare, each of `ones` with each of `others`, or, where they are the same, each two of them."""

    canvas: tuple[int, int]
    """Pixels that hold any of them."""
    ones: list[int]
    others: list[int]

    def pairs(self) -> int:
        n, m = len(self.ones), len(self.others)
        return n * (n - 1) // 2 if self.ones == self.others else n * m


def comparisons(shapes: list[tuple[int, ...]], scales: list[int]) -> list[Comparison]:
    """What is to be compared: images of one scale whose height and width differ by less than STEP², each pair once."""
    classes: dict[tuple[int, int, int], list[int]] = {}
    for i, (shape, scale) in enumerate(zip(shapes, scales, strict=True)):
        high, wide = (round(math.log(side, STEP)) for side in shape[:2])
        classes.setdefault((scale, high, wide), []).append(i)
    found = []
    for one in sorted(classes):
        for other in sorted(classes):
            if one <= other and one[0] == other[0] and max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 1:
                rows = classes[one] + classes[other]
                canvas = max(shapes[i][0] for i in rows), max(shapes[i][1] for i in rows)
                found.append(Comparison(canvas, classes[one], classes[other]))
    return found


def find(
    details: list[NDArray[np.int8]],
    comparison: Comparison,
    most: int,
    pool: ThreadPoolExecutor,
    advance: Callable[[int], object] = lambda pairs: None,
) -> list[Candidate]:
    """Pairs whose correlation has a peak; `votes` is its height.

    Args:
        details: of all images, see `correlate.evened`.
        most: pairs kept of each image with later ones, the highest peaks first.
        advance: called with the number of pairs done.
    """
    correlator = Correlator(comparison.canvas, factor(comparison.canvas, COARSE))
    same = comparison.ones == comparison.others
    several = _spectra(correlator, details, comparison, comparison.others)
    firsts = several if same else _spectra(correlator, details, comparison, comparison.ones)

    def search(row: int) -> list[Candidate]:
        one, found = firsts.rows(slice(row, row + 1)), []
        for start in range(row + 1 if same else 0, len(comparison.others), BLOCK):
            for i, height, down, right in correlator.peaks(one, several.rows(slice(start, start + BLOCK)), LIKELY):
                first, second = comparison.ones[row], comparison.others[start + i]
                placement = Placement(1, complex(down, right))
                if first > second:
                    first, second, placement = second, first, placement.inverse()
                found.append(Candidate(height, first, second, placement))
        advance(len(comparison.others) - (row + 1 if same else 0))
        return heapq.nlargest(most, found, key=lambda candidate: candidate.votes)

    return list(chain.from_iterable(pool.map(search, range(len(comparison.ones)))))


def _spectra(
    correlator: Correlator, details: list[NDArray[np.int8]], comparison: Comparison, rows: list[int]
) -> Spectra:
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    parts = [correlator.spectra(np.stack([_on(comparison.canvas, details[i]) for i in block])) for block in blocks]
    return Spectra(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _on(canvas: tuple[int, int], details: NDArray[np.int8]) -> NDArray[np.int8]:
    return np.pad(details, [(0, side - own) for side, own in zip(canvas, details.shape, strict=True)])
