"""Pieces of training images that are repeated to the gray value: what a quilt is made of.

Equality proves more than any likeness: without noise a straight boundary lies on any other of its direction, but hardly
any two patches that show a corner have the same gray values. So pieces are seen that are too small for
`local_copies`, which in turn sees those that were bent or blurred. Patches of training images on a grid are looked up
by a number made of their pixels, the same in every view: a million patches among a million meet a wrong one in one of
four million such searches.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.base import symmetry
from pipeline.base.colour import luminance
from pipeline.data.near_duplicates import correlate
from pipeline.evaluation.copy_search import CHUNK, SIDE, box_sums, coherence

PATCH = 11  # pixels of a side, of images reduced to SIDE; they are not reduced, their patches are larger
EVERY = 3  # the same, from patch to patch of a training image
TELLING = 10.0  # pixels of a patch that an equal one must have in common; see `telling`
ODD = np.uint64(0x9E3779B97F4A7C15)  # multiplier that spreads bits (2^64 over the golden ratio)


class IdenticalPieces:
    """Finds pieces of training images whose gray values nobody changed.

    Some 5 ms an image, and 1 s of one core for 1 300 training images of 64 x 64 pixels.

    Args:
        images: (N, H, W, C) unsigned integers.
        rows: those of the training images.
        groups: (n,) of the training images. What images of several groups share, a frame or a label, proves nothing.
        known: the numbers of an earlier search with the other arguments.
    """

    known: NDArray[np.uint64]
    """Of the patches of the training images, in order."""

    def __init__(
        self, images: NDArray, rows: NDArray[np.int64], groups: NDArray, known: NDArray[np.uint64] | None = None
    ):
        scale = correlate.factor(images.shape[1:3], SIDE)
        self.side, step = PATCH * scale, EVERY * scale
        self.views = symmetry.possible(*images.shape[1:3])
        self.known = self._found(images, rows, groups, step) if known is None else known

    def _found(self, images: NDArray, rows: NDArray[np.int64], groups: NDArray, step: int) -> NDArray[np.uint64]:
        names = groups if len(np.unique(groups)) > 1 else np.arange(len(rows))
        number = np.unique(names, return_inverse=True)[1].astype(np.int32)

        def patches() -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int32]]]:
            for start, pixels in _chunks(images, rows):
                here = telling(pixels, self.side)[:, ::step, ::step] >= TELLING
                yield self._keys(_joined(pixels), step)[here], number[start + np.nonzero(here)[0]]

        return _of_one_group(*map(np.concatenate, zip(*patches(), strict=True)))

    def areas(self, images: NDArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) share in [0, 1] of the area of images at some rows of (N, H, W, C) that is pieces of training images."""
        found = [self._covered(pixels).mean(axis=(1, 2)) for _, pixels in _chunks(images, rows)]
        return np.concatenate(found).astype(np.float64)

    def _covered(self, pixels: NDArray) -> NDArray[np.bool_]:
        """(n, h, w) pixels of patches that are known."""
        if not len(self.known):
            return np.zeros(pixels.shape[:3], bool)
        keys = self._keys(_joined(pixels), 1)
        hit = self.known[np.searchsorted(self.known, keys).clip(max=len(self.known) - 1)] == keys
        around, middle = self.side - 1, self.side // 2
        wide = ndimage.maximum_filter(np.pad(hit, [(0, 0), (around, around), (around, around)]), (1, *2 * (self.side,)))
        return wide[:, middle : middle + pixels.shape[1], middle : middle + pixels.shape[2]]

    def _keys(self, pixels: NDArray[np.uint64], step: int) -> NDArray[np.uint64]:
        """A number of each patch at every `step`-th place of images (n, h, w): the least of its fingerprints in all
        views, and so the same in each of them."""
        height, width = (side - (side - self.side) % step for side in pixels.shape[1:])
        whole = pixels[:, :height, :width]  # whose patches in any view are at the same places
        views = (fingerprints(symmetry.apply(whole, view), self.side, step) for view in self.views)
        seen = (symmetry.undo(numbers, view) for numbers, view in zip(views, self.views, strict=True))
        return np.minimum.reduce(list(seen))


def telling(pixels: NDArray, side: int) -> NDArray[np.float64]:
    """How many pixels of each patch of images (n, h, w, C) would not be the same by chance: those that differ from a
    neighbour, less where all edges run one way (by the squared coherence of the structure tensor, Foerstner and Gülch
    1987). (n, h - side + 1, w - side + 1)."""
    gray = luminance(pixels).astype(np.float64)
    down, right = np.diff(gray, axis=1)[:, :, :-1], np.diff(gray, axis=2)[:, :-1]
    straight = coherence(*(box_sums(product, side - 1) for product in (down**2, right**2, down * right)))
    return box_sums((down != 0) | (right != 0), side - 1) * (1 - straight)


def fingerprints(pixels: NDArray[np.uint64], side: int, step: int = 1) -> NDArray[np.uint64]:
    """A number of each patch at every `step`-th place of images (n, h, w); equal for equal patches, and for others by
    one chance in 2^64."""
    rng = np.random.default_rng(0)
    height, width = (length - side + 1 for length in pixels.shape[1:])
    rows = sum(pixels[:, :, i : width + i : step] * weight for i, weight in enumerate(_odd(rng, side)))
    mixed = (rows ^ (rows >> np.uint64(29))) * ODD
    total = sum(mixed[:, i : height + i : step] * weight for i, weight in enumerate(_odd(rng, side)))
    return total ^ (total >> np.uint64(32))


def _odd(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    return rng.integers(2**63, size=count, dtype=np.uint64) | np.uint64(1)


def _chunks(images: NDArray, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray]]:
    """Images of some rows, some at a time, and the place of the first of them among the rows."""
    for start in range(0, len(rows), CHUNK):
        yield start, images[rows[start : start + CHUNK]]


def _joined(pixels: NDArray) -> NDArray[np.uint64]:
    """(n, h, w, C) unsigned integers of at most 16 bits -> (n, h, w), a number of each pixel, none of them 0."""
    found = np.ones(pixels.shape[:3], np.uint64)
    for channel in np.moveaxis(pixels, -1, 0):
        found = found * np.uint64(1 << 16) + channel
    return found


def _of_one_group(keys: NDArray[np.uint64], groups: NDArray[np.int32]) -> NDArray[np.uint64]:
    """The keys that occur in one group alone, each once, in order."""
    order = np.argsort(keys, kind="stable")
    keys, groups = keys[order], groups[order]
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    if not len(first):
        return keys
    alone = np.minimum.reduceat(groups, first) == np.maximum.reduceat(groups, first)
    return keys[first[alone]]
