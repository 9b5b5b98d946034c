"""Nearest training image of an image under shift, flip and rotation: the search for copies.

Both are compared by the details that find near-duplicates among real images (`data.near_duplicates.correlate`), so
brightness, contrast and shading do not count. To correlate each image with each training image in every view at every
shift would take hours; two steps do it in seconds:

1. Fingerprints (`data.near_duplicates.fingerprints`), which shifts do not change and turns only move about.
   The LOOKS most alike are candidates.
2. These are correlated at all shifts by FFT, and the highest peak is kept.

A shift that leaves less than about half of the image in common may be missed in the first step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.base import symmetry
from pipeline.base.colour import luminance
from pipeline.base.rows import blocks, gathered
from pipeline.data.near_duplicates import correlate, fingerprints
from pipeline.data.near_duplicates.correlate import Correlator

SIDE = 64  # largest side in pixels (geometric mean of both) at which images are compared; larger ones are reduced
END = slice(1, -1)  # whitening makes a line of an image's end, which would lie on that of any other
LOOKS = 3  # candidates of an image
CERTAIN = 14.0  # height, in standard deviations of chance, that proves a copy; two scenes of parallel scratches had 13
PROVEN = 2 / 3  # of the height that an image reaches upon itself: proves a copy of a small one
LEAST = 9.0  # but not less than this,
REACHED = 12.0  # and only where an image reaches so much
CHUNK = 32  # images at a time


class Matches(NamedTuple):
    """Nearest training image of each of n images: `view` of it, shifted, lies upon the image."""

    real: NDArray[np.int64]
    """(n,) position among the training images."""
    view: NDArray[np.int64]
    """(n,) position in `symmetry.VIEWS`."""
    down: NDArray[np.int64]
    """(n,) shift in pixels of the images."""
    right: NDArray[np.int64]
    distance: NDArray[np.float64]
    """(n,) sqrt(1 - r sqrt(f)), r the correlation of the details in the share f of an image that both show: 0 for a
    copy, near 1 for strangers. A chance correlation is the larger the smaller f is, by 1 / sqrt(f) (Bartlett 1935)."""
    height: NDArray[np.float64]
    """(n,) that correlation in standard deviations of chance."""

    def where(self, mask: NDArray[np.bool_]) -> Matches:
        """Of the images under a mask (n,)."""
        return Matches._make(values[mask] for values in self)


def laid(image: NDArray, name: str, down: int, right: int) -> NDArray:
    """(H, W, 3) -> (H, W, 4): an image in a view, given by its name, and moved; transparent where it left nothing."""
    view = list(symmetry.VIEWS).index(name)
    opaque = np.concatenate([image, np.ones((*image.shape[:2], 1))], axis=2)
    turned = np.moveaxis(symmetry.apply(np.moveaxis(opaque, 2, 0), view), 0, 2)
    return ndimage.shift(turned, (down, right, 0), order=0)


def details(images: NDArray, rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """(n, h, w) details of the images at some rows of (N, H, W, C), reduced to at most SIDE pixels."""
    k = correlate.factor(images.shape[1:3], SIDE)
    chunks = (luminance(images[some]) for some in blocks(rows, CHUNK))
    return gathered((correlate.evened(correlate.reduced(chunk, k)) for chunk in chunks), len(rows))


def box_sums(values: NDArray, side: int) -> NDArray[np.float64]:
    """(n, h, w) -> sums over squares of a side at all places, (n, h - side + 1, w - side + 1)."""
    total = np.pad(values.astype(np.float64), ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    down = total[:, side:] - total[:, :-side]
    return down[..., side:] - down[..., :-side]


def coherence(down: NDArray, right: NDArray, both: NDArray) -> NDArray:
    """Squared coherence, in [0, 1], of structure tensors: 1 where all edges run one way (Förstner and Gülch 1987).

    Args:
        down, right, both: (...) sums of the gradient's squares down and to the right, and of their products.
    """
    return ((down - right) ** 2 + 4 * both**2) / np.maximum((down + right) ** 2, 1e-12)


def proof_threshold(real: NDArray[np.int8]) -> float | None:
    """Height of a match that proves a copy of one of some images (n, h, w) of details.

    That is CERTAIN. Small images hardly reach it: theirs is PROVEN of what an image reaches upon itself, at least
    LEAST. None where images are so small, or so even, that they have too little to tell them by. Photographs of steel
    reach 6 with the likest of 1 200 of other defects, and polycrystals of 32 pixels, all unlike, 8.4.
    """
    most = _clearest(real)
    return min(CERTAIN, max(LEAST, PROVEN * most)) if most >= REACHED else None


def _clearest(real: NDArray[np.int8]) -> float:
    """Median height, in standard deviations of chance, of images upon themselves."""
    real = real[:, END, END]
    exact = Correlator(real.shape[1:], 1)
    spectra = exact.spectra(real)
    energy = np.square(real.astype(np.float64)).sum(axis=(1, 2))
    heights = math.sqrt(real[0].size) * energy / np.maximum(exact.chance(spectra, spectra), 1e-6)
    return float(np.median(heights))


class Search:
    """Finds the nearest of the training images.

    Some 1.5 ms an image for 1 440 training images of 64 × 64 pixels.

    Args:
        real: (m, h, w) of `details`.
        scale: pixels of the images in a pixel of the details, the unit of the shifts.
    """

    def __init__(self, real: NDArray[np.int8], scale: int):
        self.scale = scale
        found = (fingerprints.vectors(fingerprints.of(chunk)) for chunk in blocks(real, CHUNK))
        self.fingerprints = gathered(found, len(real)).T
        self.real = real[:, END, END]
        shape = self.real.shape[1:]
        self.views, self.correlator = symmetry.possible(*shape), Correlator(shape, 1)

    def matches(self, made: NDArray[np.int8]) -> Matches:
        """Of each of (n, h, w) details."""
        parts = zip(*map(self._matches, blocks(made, CHUNK)), strict=True)
        found = Matches(*map(np.concatenate, parts))
        return found._replace(down=self.scale * found.down, right=self.scale * found.right)

    def _matches(self, made: NDArray[np.int8]) -> Matches:
        """Of few enough for a processor's cache; shifts in pixels of the details."""
        view, real = self._likely(made)
        turned = np.concatenate([symmetry.undo(made[:, END, END], v) for v in self.views])
        images, first = _each_once(turned, view * len(made) + np.arange(len(made))[:, None])
        likely, second = _each_once(self.real, real)
        one, several = (self.correlator.spectra(some).rows(at) for some, at in ((images, first), (likely, second)))
        _, down, right = self.correlator.tops(one, several)
        chance = self.correlator.chance(one, several)
        pairs = zip(images[first].astype(float), likely[second].astype(float), down, right, chance, strict=True)
        found = [correlate.agreement(*pair) for pair in pairs]
        likeness = np.array([f.correlation * math.sqrt(f.shared) for f in found]).reshape(real.shape)
        best = np.arange(len(made)), likeness.argmax(axis=1)
        down, right, height = (a.reshape(real.shape)[best] for a in (down, right, np.array([f.height for f in found])))
        distance = np.sqrt(np.clip(1 - likeness[best], 0, 1))
        return Matches(real[best], view[best], *_shift(view[best], down, right), distance, height)

    def _likely(self, made: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(n, k) views and (n, k) training images worth a look. A fingerprint is the same for an image turned by 180°:
        each stands for two views."""
        half = [view for view in self.views if not list(symmetry.VIEWS.values())[view][1]]
        planes = fingerprints.of(made)
        turned = np.stack([fingerprints.vectors(symmetry.undo(planes, view)) for view in half], axis=1)
        alike = (turned.reshape(-1, turned.shape[2]) @ self.fingerprints).reshape(len(made), -1)
        looks = min(LOOKS, alike.shape[1])
        kept = np.argpartition(alike, -looks, axis=1)[:, -looks:]
        view, real = np.divmod(kept, len(self.real))
        view = np.array(half)[view]
        return np.concatenate([view, view ^ 3], axis=1), np.concatenate([real, real], axis=1)


def _each_once(images: NDArray, rows: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
    """Images of some rows, each once, and the positions among these of all (k,) rows."""
    rows, place = np.unique(rows.ravel(), return_inverse=True)
    return images[rows], place


def _shift(view: NDArray, down: NDArray, right: NDArray) -> tuple[NDArray, NDArray]:
    """Shifts of images turned back from their views -> the same of the images themselves."""
    transposed, rows, cols = np.array(list(symmetry.VIEWS.values()))[view].T
    down, right = np.where(transposed, right, down), np.where(transposed, down, right)
    return np.where(rows, -down, down), np.where(cols, -right, right)
