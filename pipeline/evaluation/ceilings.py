"""Images that are plainly wrong, to show how bad a number can get."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.metrics import frequency_plane
from pipeline.evaluation.sample import Sample

CHUNK = 64  # images at a time


def noise(real: Sample, n: int, rng: np.random.Generator) -> NDArray:
    """n images (n, H, W, C), every pixel drawn for itself: Gaussian, with its mean and spread over the real images."""
    mean, deviation = _moments(real)
    return _stored(mean + deviation * rng.standard_normal((n, *mean.shape)), real.images.dtype)


def blurred_noise(real: Sample, n: int, rng: np.random.Generator) -> NDArray:
    """n images (n, H, W, C) of Gaussian noise, filtered to the real images' mean radial power spectrum.

    They have the real images' brightness, contrast, smoothness and mean colour, and no structure beyond these.
    """
    mean, _ = _moments(real)
    height, width, _ = mean.shape
    power = (10 ** (real.vectors("psd").astype(np.float64) / 10)).mean(axis=0)
    frequency = np.arange(1, len(power) + 1) / min(height, width)
    plane = frequency_plane(height, width)
    amplitude = np.sqrt(np.interp(plane, frequency, power)) * (plane > 0)
    white = rng.standard_normal((n, height, width))
    field = np.fft.ifft2(np.fft.fft2(white) * amplitude).real
    levels = _brightness(real)
    level = rng.choice(levels, n)[:, None, None, None]
    return _stored(mean.mean(axis=(0, 1)) + (level - levels.mean()) + field[..., None], real.images.dtype)


def _moments(real: Sample) -> tuple[NDArray, NDArray]:
    """(H, W, C) mean and standard deviation over images, in [0, 1]."""
    total, squares = 0.0, 0.0
    for pixels in _chunks(real):
        total = total + pixels.sum(axis=0)
        squares = squares + np.square(pixels).sum(axis=0)
    mean = total / len(real)
    return mean, np.sqrt(np.maximum(squares / len(real) - mean**2, 0))  # a negative variance is rounding


def _brightness(real: Sample) -> NDArray:
    return np.concatenate([pixels.mean(axis=(1, 2, 3)) for pixels in _chunks(real)])


def _chunks(real: Sample):
    for start in range(0, len(real), CHUNK):
        yield real.pixels(np.arange(start, min(start + CHUNK, len(real))))


def _stored(images: NDArray, dtype: np.dtype) -> NDArray:
    """Values as an image set stores them; what leaves [0, 1] saturates, as in a detector."""
    top = np.iinfo(dtype).max
    return np.rint(np.clip(images, 0, 1) * top).astype(dtype)
