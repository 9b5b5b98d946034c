"""Finds images that show one scene: copies, altered, turned, flipped or zoomed ones, crops that overlap, exposures of
one part, in images of any size.

Candidates are pairs with spots in common (`spot_matches`) and, in sets of moderate size, pairs that correlate at some
shift (`upright`), and pairs of unlike sizes that correlate where one covers the other (`rescaled`). They are laid upon
one another and compared window by window (`proof`). What images share anyway (the shape of a part in its fixture, a
scale bar, dust on the lens) is no evidence: each image of a pair is laid upon a few others of the set too, and how much
its windows agree with these on average is taken off. For that, images with which nearly every window agrees are taken
last: what many windows of one picture share is no fixture.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base import colour
from pipeline.data.near_duplicates import correlate, keypoints, proof, rescaled, spot_matches, upright
from pipeline.data.near_duplicates.keypoints import Spots
from pipeline.data.near_duplicates.placement import Placement
from pipeline.data.near_duplicates.proof import CELL, Windows
from pipeline.data.near_duplicates.spot_matches import Candidate

CERTAIN = 10.0  # height, in standard deviations of chance, that proves one scene
LOOKS = 12  # candidates of one image that are looked at, the likeliest first
OTHERS = 8  # images of the set that an image of a pair is laid upon
SAME = 3.2  # mean height of windows, of MOST, that two of one picture reach; circuit boards of one layout reach 2.5
CORRELATED = 3_000_000  # pairs up to which a set is correlated at all shifts, about two minutes on one core


class Traits(NamedTuple):
    """What of an image is compared."""

    details: NDArray[np.int8]
    """(h, w) see `correlate.evened`."""
    spots: Spots
    scale: int
    """Pixels of the image in one of its details."""


def traits(pixels: NDArray, usual: int, bar: int = 0) -> Traits:
    """Of an image (H, W) or (H, W, 3).

    Args:
        usual: by how much the images of its set are reduced, see `correlate.reduction`.
        bar: rows of an information bar at the bottom, which is the same below unrelated images and is left out.
    """
    scale = correlate.reduction(pixels.shape, usual)
    gray = correlate.reduced(colour.to_gray(pixels)[..., 0], scale)
    details = correlate.evened(gray[None])[0]
    bare = len(details) - max(0, (len(pixels) - bar) // scale - int(correlate.BROAD)) if bar else 0
    details[len(details) - bare :] = 0
    return Traits(details, keypoints.of(gray, bare), scale)


class Pair(NamedTuple):
    """Two images of one scene."""

    first: int
    second: int
    placement: Placement
    """Of the second upon the first, in pixels of the images."""
    windows: int
    """That both show."""
    agreeing: float
    """Share of these that agree."""
    height: float
    """Of all of them without what is common, in standard deviations of chance."""


class Found(NamedTuple):
    pairs: list[Pair]
    """Ordered."""
    correlated: int
    """Pairs of images that were correlated at all shifts; all others were compared by their spots alone."""
    looked_at: int
    """Pairs of images that were laid upon one another."""


def find(images: list[Traits], workers: int = 1, advance: Callable[[int], object] = lambda pairs: None) -> Found:
    """All pairs of one scene.

    Args:
        workers: threads.
        advance: called with the number of pairs that were correlated since the last call, of `to_correlate`.
    """
    search = _Search(images)
    with ThreadPoolExecutor(workers) as pool:
        spotted = _few(spot_matches.find([image.spots for image in images]))
        likely = [view for view in pool.map(search.compared, spotted) if view]
        known = {(view.image, view.other) for view in likely}
        shifted = [c for todo in _comparisons(images) for c in upright.find(search.details, todo, LOOKS, pool, advance)]
        shifted = _few([c for c in shifted if (c.first, c.second) not in known])
        likely += [view for view in pool.map(search.compared, shifted) if view]
        known = {(view.image, view.other) for view in likely}
        sized = rescaled.find(search.details, [image.scale for image in images], LOOKS)
        sized = _few([c for c in sized if (c.first, c.second) not in known])
        likely += [view for view in pool.map(search.compared, sized) if view]
        partners = _partners(likely)
        proven = search.proven(likely, partners, pool)
        backs = search.proven(list(pool.map(search.back, (view for view, _ in proven))), partners, pool)
    heights = {(view.other, view.image, view.windows.placement.mirrored): height for view, height in backs}
    best: dict[tuple[int, int], Pair] = {}
    for view, height in sorted(proven, key=lambda one: one[1]):
        back = heights.get((view.image, view.other, view.windows.placement.mirrored))
        if back is not None:
            best[view.image, view.other] = search.pair(view, min(height, back))
    looked_at = len({(c.first, c.second) for c in (*spotted, *shifted, *sized)})
    return Found([best[key] for key in sorted(best)], to_correlate(images), looked_at)


def to_correlate(images: list[Traits]) -> int:
    """The number of pairs that `find` correlates at all shifts."""
    return sum(todo.pairs() for todo in _comparisons(images))


def _comparisons(images: list[Traits]) -> list[upright.Comparison]:
    """None in a set where there would be too many."""
    todo = upright.comparisons([image.details.shape for image in images], [image.scale for image in images])
    return todo if sum(one.pairs() for one in todo) <= CORRELATED else []


class _View(NamedTuple):
    """What an image shares with another one."""

    image: int
    other: int
    windows: Windows
    """Of the image."""


class _Search:
    def __init__(self, images: list[Traits]):
        self.images = images
        self.details = [image.details for image in images]

    def compared(self, candidate: Candidate) -> _View | None:
        """The pair seen from its first image, if it shares as much as one scene does."""
        first, second = candidate.first, candidate.second
        windows = proof.windows(self.details[first], self.details[second], candidate.placement)
        return _View(first, second, windows) if windows.height() >= CERTAIN else None

    def back(self, view: _View) -> _View:
        """The same pair seen from the other one."""
        placement = view.windows.placement.inverse()
        windows = proof.windows(self.details[view.other], self.details[view.image], placement)
        return _View(view.other, view.image, windows)

    def proven(
        self, views: list[_View], partners: dict[int, set[int]], pool: ThreadPoolExecutor
    ) -> list[tuple[_View, float]]:
        """Those of which enough is left without what is common in the set, and how much."""
        suspects = sorted({view.image for view in views})
        others = dict(zip(suspects, pool.map(lambda i: self.others(i, partners[i]), suspects), strict=True))
        found = []
        for view in views:
            height = _left(view.windows, [cells for j, cells in others[view.image].items() if j != view.other])
            if height >= CERTAIN:
                found.append((view, height))
        return found

    def others(self, i: int, partners: set[int]) -> dict[int, NDArray[np.float64]]:
        """OTHERS other images, and how high the windows of image i are with each, in cells of CELL pixels. Its partners
        only where there are too few beside them."""
        details, spots, _ = self.images[i]
        rest = len(self.images) - 1
        drawn = np.random.default_rng([i, rest + 1]).choice(rest, min(OTHERS + len(partners), rest), replace=False)
        found = {}
        for j in sorted((drawn + (drawn >= i)).tolist(), key=partners.__contains__)[:OTHERS]:
            placement = spot_matches.placed(spots, self.images[j].spots) or Placement(1, 0)
            found[j] = _in_cells(proof.windows(details, self.details[j], placement), details.shape)
        return found

    def pair(self, view: _View, height: float) -> Pair:
        windows = view.windows
        placement = windows.placement.scaled(self.images[view.image].scale, self.images[view.other].scale)
        return Pair(view.image, view.other, placement, len(windows.heights), windows.agreeing(), height)


def _partners(views: list[_View]) -> dict[int, set[int]]:
    """Of each image those with which nearly every window agrees."""
    found: dict[int, set[int]] = defaultdict(set)
    for view in views:
        if view.windows.heights.mean() >= SAME:
            found[view.image].add(view.other)
            found[view.other].add(view.image)
    return found


def _in_cells(windows: Windows, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(a, b) mean height of the windows in cells of CELL pixels, 0 where there is none."""
    total = np.zeros([-(-side // CELL) for side in shape])
    count = np.zeros_like(total)
    for row, col, height in zip(windows.rows, windows.cols, windows.heights, strict=True):
        there = _cells(row, col, windows.shape)
        total[there] += height
        count[there] += 1
    return total / np.maximum(count, 1)


def _cells(row: int, col: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Those that a window covers."""
    below, right = row + shape[0] - 1, col + shape[1] - 1
    return slice(row // CELL, below // CELL + 1), slice(col // CELL, right // CELL + 1)


def _left(windows: Windows, others: list[NDArray[np.float64]]) -> float:
    """Height without what is common: in a set of few images, little can be known to be."""
    if not others:
        return windows.height()
    common = np.maximum(np.sum(others, axis=0) / OTHERS, 0)
    shared = [
        common[_cells(row, col, windows.shape)].mean() for row, col in zip(windows.rows, windows.cols, strict=True)
    ]
    return windows.height(np.array(shared))


def _few(candidates: list[Candidate]) -> list[Candidate]:
    """The likeliest, until each image has been LOOKS times among them."""
    looks: Counter[int] = Counter()
    kept = []
    for candidate in sorted(candidates, key=lambda c: -c.votes):
        if min(looks[candidate.first], looks[candidate.second]) < LOOKS:
            kept.append(candidate)
            looks.update((candidate.first, candidate.second))
    return kept
