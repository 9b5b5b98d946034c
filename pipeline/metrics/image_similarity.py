"""Similarity of pairs of images, and power spectra of images, as pure functions of arrays, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

Array = NDArray[np.float64]
WINDOW = 11  # pixels a side of SSIM's window
EDGE = WINDOW // 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM, fine to coarse: Wang et al. 2003, section 3.2


# ---------------------------------------------------------------- pairs of images


def ssim(a: ArrayLike, b: ArrayLike) -> Array:
    """Structural similarity of pairs of images (Wang et al. 2004): Gaussian window, sigma 1.5, 11×11, K = 0.01, 0.03.

    Args:
        a: (n, H, W) or (n, H, W, C) in [0, 1], H and W at least 11.
        b: same shape; image i is compared with image i of a.

    Returns:
        (n,) mean over pixels at least 5 from the edge, and over channels; 1 for equal images.
    """
    return _similarity(np.asarray(a, np.float64), np.asarray(b, np.float64))[0]


def ssim_and_ms_ssim(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    """`ssim`, and multi-scale structural similarity of the same pairs (Wang, Simoncelli, Bovik 2003, eq. 7).

    Each scale halves the images by means of 2×2 pixels. The paper's five scales, with its weights, need 176 pixels for
    the window to fit into the last; smaller images have fewer (`scales`), with the weights of these made to sum to 1.
    A scale whose contrast and structure agree less than not at all, on average, makes the whole 0.

    Args:
        a: (n, H, W) or (n, H, W, C) in [0, 1], H and W at least 11.
        b: same shape; image i is compared with image i of a.

    Returns:
        (n,) of one scale, (n,) of all; 1 for equal images.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    count = scales(min(a.shape[1:3]))
    weights = np.array(SCALE_WEIGHTS[:count]) / sum(SCALE_WEIGHTS[:count])
    product = np.ones(len(a))
    similarity, structure = _similarity(a, b)
    fine = similarity
    for weight in weights[:-1]:
        product *= np.maximum(structure, 0) ** weight
        a, b = _halved(a), _halved(b)
        similarity, structure = _similarity(a, b)
    return fine, product * np.maximum(similarity, 0) ** weights[-1]  # luminance is compared in the last scale alone


def scales(side: int) -> int:
    """Number of scales of `ssim_and_ms_ssim` for images whose shorter side has that many pixels, at least 11: 1 below
    22 pixels, 2 from there, 3 from 44, 4 from 88, 5 from 176."""
    return min(len(SCALE_WEIGHTS), (side // WINDOW).bit_length())


def _halved(images: Array) -> Array:
    n, height, width = (images.shape[0], *(side // 2 for side in images.shape[1:3]))
    blocks = images[:, : 2 * height, : 2 * width].reshape(n, height, 2, width, 2, *images.shape[3:])
    return blocks.mean(axis=(2, 4))


def _similarity(a: Array, b: Array) -> tuple[Array, Array]:
    """(n,) mean similarity and (n,) the mean of its part in contrast and structure (Wang et al. 2004, eq. 13)."""

    def smooth(image: Array) -> Array:
        return ndimage.gaussian_filter(image, 1.5, radius=EDGE, axes=(1, 2))[:, EDGE:-EDGE, EDGE:-EDGE]

    mean_a, mean_b = smooth(a), smooth(b)
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    covariance, variances = smooth(a * b) - product, smooth(a * a + b * b) - squares
    c1, c2 = 0.01**2, 0.03**2
    structure = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * product + c1) / (squares + c1)
    whole, part = (maps.reshape(len(a), -1).mean(axis=1) for maps in (structure * luminance, structure))
    return whole, part


# ---------------------------------------------------------------- power spectra


def radial_psd(images: ArrayLike) -> tuple[Array, Array]:
    """Radially averaged power spectral density: mean removed, Hann window, |FFT|² over the window's energy.

    Args:
        images: (n, H, W).

    Returns:
        (b,) frequencies, bin centres from 1 / min(H, W) to 0.5 cycles per pixel, one bin a line of the spectrum; and
        (n, b) density in value² · pixel². Over the whole plane of frequencies it integrates to the image's variance
        under the window.
    """
    images = np.asarray(images, np.float64)
    _, height, width = images.shape
    # periodic: a line leaks to its neighbours
    window = np.outer(np.hanning(height + 1)[:-1], np.hanning(width + 1)[:-1])
    mean = (images * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    half = fft.rfft2((images - mean) * window)  # the other half of the plane mirrors it
    twice = np.where((np.arange(half.shape[2]) > 0) & (2 * np.arange(half.shape[2]) < width), 2.0, 1.0)
    power = (half.real**2 + half.imag**2) * (twice / np.square(window).sum())
    side = min(height, width)
    line = np.rint(frequency_plane(height, width)[:, : half.shape[2]] * side).astype(int)
    bins = np.arange(1, side // 2 + 1)
    used = line <= bins[-1]
    count = np.bincount(line[used], np.broadcast_to(twice, line.shape)[used])[1:]
    sums = np.stack([np.bincount(line[used], p[used])[1:] for p in power])
    return bins / side, sums / count


def frequency_plane(height: int, width: int) -> Array:
    """(H, W) distance of each point of a 2-D FFT from frequency 0, in cycles per pixel."""
    return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])


def decibel(power: ArrayLike, quantum: float = 0.0) -> Array:
    """A density of power in decibel, on top of the noise of quantisation: an image shows nothing below that.

    Args:
        power: (...) density in value² · pixel², not negative.
        quantum: step between stored values, whose rounding has the density quantum² / 12 at every frequency.

    Returns:
        (...) 10 log10 of the sum; -inf for a power of 0 with a quantum of 0.
    """
    return 10 * np.log10(np.asarray(power, np.float64) + quantum**2 / 12)
