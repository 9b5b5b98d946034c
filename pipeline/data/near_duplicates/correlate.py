"""The details of images, and their correlation at all shifts.

Of each image the *details* are kept: its contrast is evened out locally and its spectrum is made white, so that
shading, gain, a bright scratch or a periodic texture count no more than the rest. Two such images correlate where one
scene lies upon itself, and nowhere else; the peak is counted in standard deviations of what chance gives for these two
textures.

Phase correlation: Kuglin and Hines 1975; the variance of a chance correlation: Bartlett 1935.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

DETAIL = 200  # largest side in pixels (geometric mean of both) at which images are compared; larger ones are reduced
COARSE = 50  # and in the search at all shifts; decides its time
FINE, BROAD = 1.0, 8.0  # standard deviations, in pixels, of the band of details that is compared
LONGEST = 1000  # pixels of a side that is smoothed by a matrix, which grows with its square
FLAT = 0.1  # of the mean variance, added to the local one: a flat part stays flat and does not become all noise
WHITE = 0.01  # of the mean power, added to the smoothed spectrum: what an image has not is not amplified
SMOOTH = 13.0  # standard deviation, in pixels, of the window on the autocorrelation that smooths the spectrum
STEPS = 32  # levels of a stored detail in one standard deviation
REACH = 1.6  # period of the FFT in sides: shifts up to 0.8 of a side are told apart
OVERLAP = 0.15  # smallest part of an image that two may share
BLOCK = 32  # images correlated with one at a time: few enough for a processor's cache


def factor(shape: tuple[int, ...], side: int) -> int:
    """The whole number by which an image (H, W, ...) is reduced to at most `side` pixels a side (geometric mean)."""
    return min(math.ceil(math.sqrt(shape[0] * shape[1]) / side), *shape[:2])


def usual_factor(shapes: list[tuple[int, ...]]) -> int:
    """`factor` of the image of median area; 1 for no images."""
    ordered = sorted(shapes, key=lambda shape: shape[0] * shape[1])
    return factor(ordered[len(ordered) // 2], DETAIL) if ordered else 1


def reduction(shape: tuple[int, ...], usual: int) -> int:
    """The whole number by which an image (H, W, ...) of a set is reduced before it is compared: `usual`, the same for
    all of them, but where that leaves more than twice DETAIL or less than half of it."""
    side = math.sqrt(shape[0] * shape[1])
    return usual if DETAIL / 2 <= side / usual <= 2 * DETAIL and usual <= min(shape[:2]) else factor(shape, DETAIL)


def evened(gray: NDArray) -> NDArray[np.int8]:
    """(n, H, W) gray images -> the same, band-passed, of even contrast, white.

    Whole numbers of mean 0 and standard deviation STEPS, cut at 127; all 0 for an image without details.
    """
    gray = gray.astype(np.float64)  # of whatever type: signed ones would overflow in their span
    span = np.ptp(gray, axis=(1, 2), keepdims=True)
    gray = gray - gray.mean(axis=(1, 2), keepdims=True)
    gray = (gray / np.where(span > 0, span, 1)).astype(np.float32)
    band = smooth(gray, FINE) - smooth(gray, BROAD)
    power = smooth(band**2, BROAD)
    level = power.mean(axis=(1, 2), keepdims=True)
    bare = level < 1e-12  # of the square of the range of values: rounding errors
    white = _whitened(band / np.sqrt(power + np.where(bare, 1, FLAT * level)))
    deviation = white.std(axis=(1, 2), keepdims=True)
    return np.clip(np.rint(STEPS * white / np.where(bare, np.inf, deviation)), -127, 127).astype(np.int8)


def smooth(images: NDArray[np.floating], deviation: float, mode: str = "reflect") -> NDArray[np.floating]:
    """As `ndimage.gaussian_filter` along rows and columns; as products of matrices, several times faster."""
    height, width = images.shape[1:]
    if max(height, width) > LONGEST:
        return ndimage.gaussian_filter(images, deviation, axes=(1, 2), mode=mode)
    return _smoothing(height, deviation, mode) @ images @ _smoothing(width, deviation, mode).T


@lru_cache(maxsize=32)  # of two sides and the ten deviations that an image is looked at with
def _smoothing(side: int, deviation: float, mode: str) -> NDArray[np.float32]:
    """(side, side): the matrix whose product with a column of pixels smooths it."""
    return ndimage.gaussian_filter1d(np.eye(side, dtype=np.float32), deviation, axis=0, mode=mode)


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
            columns: pixel (r, c) of the other shows what pixel (r + rows, c + columns) of `one` does.
        """
        surface = fft.irfft2(several.values.conj() * one.values, self.period, overwrite_x=True)
        surface *= self.weight
        surface = surface.reshape(len(surface), -1)
        top = surface.argmax(axis=1)
        heights = surface[np.arange(len(top)), top] / np.maximum(self.chance(one, several), 1e-6)
        lags = np.divmod(top, self.period[1])
        rows, cols = (self.k * np.where(s > n // 2, s - n, s) for s, n in zip(lags, self.period, strict=True))
        return heights, rows, cols

    def peaks(self, one: Spectra, several: Spectra, least: float) -> Iterator[tuple[int, float, int, int]]:
        """Position, height and shift (rows, columns) of those of `several` whose peak with `one` is at least `least`
        high."""
        heights, rows, cols = self.tops(one, several)
        for i in np.flatnonzero(heights >= least):
            yield int(i), float(heights[i]), int(rows[i]), int(cols[i])


class Agreement(NamedTuple):
    """Of the details of two images where one is laid upon the other."""

    correlation: float
    """Of the part they share."""
    shared: float
    """That part, as a share of an image."""
    height: float
    """The correlation in standard deviations of chance."""


def agreement(first: NDArray, second: NDArray, rows: int, cols: int, chance: float) -> Agreement:
    """How well two images (h, w) of details agree at a shift (see `Correlator.tops`); `chance` as of `Correlator`."""
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
