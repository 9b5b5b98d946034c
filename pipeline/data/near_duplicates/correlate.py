"""Finds images that show one scene: copies, slight alterations, and crops that overlap, also flipped or turned.

Of each image the *details* are kept: its contrast is evened out locally and its spectrum is made white, so that
shading, gain, a bright scratch or a periodic texture count no more than the rest. Two such images correlate where one
scene lies upon itself, and nowhere else; the peak is counted in standard deviations of what chance gives for these two
textures. All pairs are correlated at all shifts by FFT: first much reduced, for likely matches, then these with all
details, for proof. Flipped and turned, only pairs of like fingerprints are correlated (`turned`), for all would take
eight times as long: of those that overlap by less than half, some are missed.

Phase correlation: Kuglin and Hines 1975; the variance of a chance correlation: Bartlett 1935.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from pipeline.base import colour, symmetry
from pipeline.data.near_duplicates import rotated_candidates

DETAIL = 200  # largest side in pixels (geometric mean of both) at which images are compared; larger ones are reduced
MIDDLE = 100  # the same for fingerprints
COARSE = 50  # and in the search for likely matches; decides the time
FINE, BROAD = 1.0, 8.0  # standard deviations, in pixels, of the band of details that is compared
LONGEST = 1000  # pixels of a side that is smoothed by a matrix, which grows with its square
FLAT = 0.1  # of the mean variance, added to the local one: a flat part stays flat and does not become all noise
WHITE = 0.01  # of the mean power, added to the smoothed spectrum: what an image has not is not amplified
SMOOTH = 13.0  # standard deviation, in pixels, of the window on the autocorrelation that smooths the spectrum
STEPS = 32  # levels of a stored detail in one standard deviation
REACH = 1.6  # period of the FFT in sides: shifts up to 0.8 of a side are told apart
OVERLAP = 0.15  # smallest part of an image that two may share
LIKELY = 6.0  # height of a peak, in standard deviations of chance, that is worth a closer look
CERTAIN = 14.0  # and that proves one scene; the highest of two scenes, both of parallel scratches, had 13
LOOKS = 30  # likely matches of one image that are looked at, the highest peaks first
END = slice(1, -1)  # whitening makes lines of a smooth image's ends, which lie on those of another that is turned
THIN = 2  # pixels of a side of which the cut of both ends leaves nothing: such images are compared as they are
BLOCK = 32  # images correlated with one at a time: few enough for a processor's cache


class Pair(NamedTuple):
    """Two images of one scene: pixel (r, c) of `second`, seen in `view`, shows what pixel (r + rows, c + cols) of
    `first` shows."""

    first: int
    second: int
    rows: int
    cols: int
    correlation: float
    """Of the details of the part they share; 1 for a copy."""
    view: int
    """Position in `views.VIEWS`."""


def factor(shape: tuple[int, ...], side: int) -> int:
    """The whole number by which an image (H, W, ...) is reduced to at most `side` pixels a side (geometric mean)."""
    return min(math.ceil(math.sqrt(shape[0] * shape[1]) / side), *shape[:2])


def details(pixels: NDArray) -> NDArray[np.int8]:
    """(H, W) or (H, W, 3) -> (H // k, W // k), k = `factor`: luminance, with all but its details taken out."""
    gray = reduced(colour.to_gray(pixels)[..., 0], factor(pixels.shape, DETAIL))
    return evened(gray[None])[0]


def evened(gray: NDArray) -> NDArray[np.int8]:
    """(n, H, W) gray images -> the same, band-passed, of even contrast, white.

    Whole numbers of mean 0 and standard deviation STEPS, cut at 127; all 0 for an image without details.
    """
    gray = gray.astype(np.float64)  # of whatever type: signed ones would overflow in their span
    span = np.ptp(gray, axis=(1, 2), keepdims=True)
    gray = gray - gray.mean(axis=(1, 2), keepdims=True)
    gray = (gray / np.where(span > 0, span, 1)).astype(np.float32)
    band = _smooth(gray, FINE) - _smooth(gray, BROAD)
    power = _smooth(band**2, BROAD)
    level = power.mean(axis=(1, 2), keepdims=True)
    bare = level < 1e-12  # of the square of the range of values: rounding errors
    white = _whitened(band / np.sqrt(power + np.where(bare, 1, FLAT * level)))
    deviation = white.std(axis=(1, 2), keepdims=True)
    return np.clip(np.rint(STEPS * white / np.where(bare, np.inf, deviation)), -127, 127).astype(np.int8)


def _smooth(images: NDArray[np.floating], deviation: float) -> NDArray[np.floating]:
    """As `ndimage.gaussian_filter` along rows and columns; as products of matrices, several times faster."""
    height, width = images.shape[1:]
    if max(height, width) > LONGEST:
        return ndimage.gaussian_filter(images, deviation, axes=(1, 2))
    return _smoothing(height, deviation) @ images @ _smoothing(width, deviation).T


@lru_cache(maxsize=8)
def _smoothing(side: int, deviation: float) -> NDArray[np.float32]:
    """(side, side): the matrix whose product with a column of pixels smooths it."""
    return ndimage.gaussian_filter1d(np.eye(side, dtype=np.float32), deviation, axis=0)


def reduced(images: NDArray, k: int) -> NDArray:
    """(..., H, W) -> (..., H // k, W // k), means of k x k pixels."""
    if k == 1:
        return images
    height, width = (side // k for side in images.shape[-2:])
    strips = images[..., : height * k, : width * k].reshape(*images.shape[:-2], height, k, width * k).mean(axis=-2)
    return sum(strips[..., i::k] for i in range(k)) / k


def _whitened(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """(n, H, W), each with its smoothed power spectrum made even; mean 0."""
    _, height, width = images.shape
    period = tuple(fft.next_fast_len(side + int(4 * SMOOTH), real=True) for side in (height, width))
    spectrum = fft.rfft2(images - images.mean(axis=(1, 2), keepdims=True), period)
    window = np.outer(*(np.exp(-0.5 * (fft.fftfreq(n, 1 / n) / SMOOTH) ** 2) for n in period))
    power = fft.rfft2(fft.irfft2(np.abs(spectrum) ** 2, period) * window.astype(np.float32)).real
    noise = np.maximum(WHITE * power.mean(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    white = fft.irfft2(spectrum / np.sqrt(np.maximum(power, 0) + noise), period)[:, :height, :width]
    return white - white.mean(axis=(1, 2), keepdims=True)


class Spectra(NamedTuple):
    """Of n images, for the period (p, q) of a correlator."""

    values: NDArray[np.complex64]
    """(n, p, q // 2 + 1)"""
    powers: NDArray[np.float32]
    """(n, p * (q // 2 + 1)): their squares."""

    def rows(self, rows: slice | NDArray[np.int64]) -> Spectra:
        return Spectra(self.values[rows], self.powers[rows])


class Correlator:
    """Correlates the details of images of one shape, reduced by `k`, at all shifts that leave OVERLAP in common."""

    def __init__(self, shape: tuple[int, ...], k: int):
        self.k = k
        sides = [side // k for side in shape]
        self.period = tuple(fft.next_fast_len(math.ceil(REACH * side), real=True) for side in sides)
        lags = [np.abs(fft.fftfreq(n, 1 / n)) for n in self.period]
        shared = np.outer(*(np.maximum(side - lag, 0) for side, lag in zip(sides, lags, strict=True)))
        enough = shared >= OVERLAP * sides[0] * sides[1]
        # A chance sum of products has a variance in proportion to the pixels shared.
        self.weight = np.where(enough, np.sqrt(shared.sum() / np.maximum(shared, 1)), 0).astype(np.float32)
        twice = np.full(self.period[1] // 2 + 1, 2.0)  # a column of rfft2 stands for its conjugate too, but for the
        twice[0] = twice[self.period[1] // 2 if self.period[1] % 2 == 0 else 0] = 1  # first and, if even, the last
        self.twice = np.tile(twice, self.period[0]).astype(np.float32) / math.prod(self.period)

    def spectra(self, details: NDArray[np.int8] | NDArray[np.float32]) -> Spectra:
        """Of images (n, h, w) as `details` makes them."""
        blocks = (details[start : start + BLOCK] for start in range(0, len(details), BLOCK))
        values = np.concatenate([fft.rfft2(reduced(block.astype(np.float32), self.k), self.period) for block in blocks])
        return Spectra(values, (values.real**2 + values.imag**2).reshape(len(values), -1))

    def chance(self, one: Spectra, several: Spectra) -> NDArray[np.float32]:
        """(n,) root of the sum of squares of the correlation over all shifts, by Parseval: what one is worth that shows
        nothing but chance. `one` holds one image, or as many as `several`, each to compare with its own."""
        return np.sqrt(np.vecdot(several.powers, one.powers * self.twice))

    def tops(self, one: Spectra, several: Spectra) -> tuple[NDArray, NDArray[np.int64], NDArray[np.int64]]:
        """The highest peak of each of `several` with `one` (as in `chance`).

        Returns:
            (n,) height in standard deviations of chance, and the shift in pixels of `details`, (n,) rows and (n,)
            columns (see `Pair`).
        """
        surface = fft.irfft2(several.values.conj() * one.values, self.period, overwrite_x=True)
        surface *= self.weight
        surface = surface.reshape(len(surface), -1)
        top = surface.argmax(axis=1)
        heights = surface[np.arange(len(top)), top] / np.maximum(self.chance(one, several), 1e-6)
        lags = np.divmod(top, self.period[1])
        rows, cols = (self.k * np.where(s > n // 2, s - n, s) for s, n in zip(lags, self.period, strict=True))
        return heights, rows, cols

    def peaks(self, one: Spectra, several: Spectra) -> Iterator[tuple[int, float, int, int]]:
        """Position, height and shift of those of `several` whose peak with `one` has a height of LIKELY."""
        heights, rows, cols = self.tops(one, several)
        for i in np.flatnonzero(heights >= LIKELY):
            yield int(i), float(heights[i]), int(rows[i]), int(cols[i])


class Proof:
    """Compares two of `images` (n, h, w) with all their details."""

    def __init__(self, images: NDArray[np.int8]):
        self.images = images

    def __call__(self, candidate: tuple[int, int, int]) -> list[Pair]:
        """The pair, if the two are of one scene: first, second, and the view of the second."""
        first, second, view = candidate
        both = np.stack([self.images[first], symmetry.seen(self.images[second], view)]).astype(np.float32)
        if view:
            both = both[:, END, END]
        correlator = _correlator(both.shape[1:], 1)
        spectra = correlator.spectra(both)
        one, other = spectra.rows(slice(0, 1)), spectra.rows(slice(1, 2))
        for *_, rows, cols in correlator.peaks(one, other):
            found = agreement(both[0], both[1], rows, cols, float(correlator.chance(one, other)[0]))
            if found.height >= CERTAIN:
                return [Pair(first, second, rows, cols, found.correlation, view)]
        return []


_correlator = lru_cache(maxsize=4)(Correlator)


class Agreement(NamedTuple):
    """Of the details of two images where one is laid upon the other."""

    correlation: float
    """Of the part they share."""
    shared: float
    """That part, as a share of an image."""
    height: float
    """The correlation in standard deviations of chance."""


def agreement(first: NDArray, second: NDArray, rows: int, cols: int, chance: float) -> Agreement:
    """How well two images (h, w) of details agree at a shift (see `Pair`); `chance` is that of a `Correlator`."""
    parts = [_shared(first, rows, cols), _shared(second, -rows, -cols)]
    parts = [part - part.mean() for part in parts]
    correlation = float(np.vdot(*parts)) / max(math.prod(float(np.linalg.norm(part)) for part in parts), 1e-6)
    # Bartlett 1935: the variance of a chance correlation is the sum of the product of both autocorrelations over all
    # shifts, divided by the number of pixels.
    norms = math.prod(float(np.linalg.norm(image)) for image in (first, second))
    height = correlation * math.sqrt(parts[0].size) * norms / max(chance, 1e-6)
    return Agreement(correlation, parts[0].size / first.size, height)


def _shared(image: NDArray, rows: int, cols: int) -> NDArray:
    """The part of (h, w) that an image shifted by `rows` and `cols` covers."""
    height, width = image.shape
    return image[max(0, rows) : height + min(0, rows), max(0, cols) : width + min(0, cols)]


def find(
    images: NDArray[np.int8], workers: int = 1, advance: Callable[[int], object] = lambda pairs: None
) -> list[Pair]:
    """All pairs of one scene among `images` (n, h, w), as `details` makes them, ordered; shifts in their pixels.

    Two images make one pair, in the view in which they agree best. Time grows with n²: some 40 µs a pair and thread.
    Memory: about 100 kB an image beside `images`.

    Args:
        workers: threads.
        advance: told how many more pairs have been compared.
    """
    coarse = Correlator(images.shape[1:], factor(images.shape[1:], COARSE))
    spectra = coarse.spectra(images)

    def search(several: Spectra, view: int, pairs: tuple[int, range | NDArray[np.int64]]) -> list[Likely]:
        first, seconds = pairs
        one, found = spectra.rows(slice(first, first + 1)), []
        for start in range(0, len(seconds), BLOCK):
            block = np.asarray(seconds[start : start + BLOCK])
            found += [
                Likely(height, first, int(block[i]), view) for i, height, *_ in coarse.peaks(one, several.rows(block))
            ]
        return found

    every = [(first, range(first + 1, len(images))) for first in range(len(images))]
    upright: list[Likely] = []
    turned_ones: list[Likely] = []
    with ThreadPoolExecutor(workers) as pool:
        for first, found in enumerate(pool.map(partial(search, spectra, 0), every)):
            upright += found
            advance(len(images) - 1 - first)
        looked_at = rotated_candidates.candidates(_middling(images)) if min(images.shape[1:]) > THIN else {}
        for view, pairs in looked_at.items():
            several = coarse.spectra(symmetry.seen(images, view))
            turned_ones += chain.from_iterable(pool.map(partial(search, several, view), pairs))
        likely = _few(upright) + _few(turned_ones)
        return _one_view([pair for found in pool.map(Proof(images), likely) for pair in found])


def _middling(images: NDArray[np.int8]) -> NDArray[np.int8]:
    """Details (n, h, w) reduced to at most MIDDLE pixels a side."""
    k = factor(images.shape[1:], MIDDLE)
    blocks = (images[start : start + BLOCK] for start in range(0, len(images), BLOCK))
    return np.concatenate([np.rint(reduced(block.astype(np.float32), k)).astype(np.int8) for block in blocks])


class Likely(NamedTuple):
    """Two images that are worth a closer look."""

    height: float
    """Of the peak, in standard deviations of chance."""
    first: int
    second: int
    view: int
    """Of the second image."""


def _few(likely: list[Likely]) -> list[tuple[int, int, int]]:
    """First, second and view of the highest peaks, until each image has been LOOKS times among them."""
    looks: Counter[int] = Counter()
    kept = []
    for _, first, second, view in sorted(likely, reverse=True):
        if min(looks[first], looks[second]) < LOOKS:
            kept.append((first, second, view))
            looks.update((first, second))
    return kept


def _one_view(pairs: list[Pair]) -> list[Pair]:
    """Each pair in the view of its highest correlation, ordered."""
    best = {(pair.first, pair.second): pair for pair in sorted(pairs, key=lambda pair: pair.correlation)}
    return sorted(best.values())
