"""Noise baselines: images that are plainly wrong, to show how bad a number can get."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.base.rows import blocks
from pipeline.evaluation.sample import Sample
from pipeline.metrics.image_similarity import frequency_plane

CHUNK = 64  # images at a time


def noise(real: Sample, labels: NDArray[np.str_], rng: np.random.Generator) -> NDArray:
    """An image (H, W, C) for each label; each pixel is Gaussian with its own mean and spread over the real images."""
    mean, deviation = _moments(real)
    images = np.empty((len(labels), *mean.shape), real.images.dtype)
    for some in blocks(images, CHUNK):
        some[:] = _stored(mean + deviation * rng.standard_normal(some.shape), images.dtype)
    return images


def blurred_noise(real: Sample, labels: NDArray[np.str_], rng: np.random.Generator) -> NDArray:
    """An image (H, W, C) for each label: noise with the radial power spectrum of a random real image of the class.

    It has that image's contrast, smoothness and mean colour, and no structure beyond these.
    """
    models = np.array([real.one_of_class(label, rng) for label in labels])
    top = np.iinfo(real.images.dtype).max
    power = 10 ** (real.vectors("psd")[models].astype(np.float64) / 10) - 1 / top**2 / 12
    _, height, width, _ = real.images.shape
    plane = frequency_plane(height, width)
    frequency = np.arange(1, power.shape[1] + 1) / min(height, width)
    images = np.empty((len(labels), *real.images.shape[1:]), real.images.dtype)
    for i, spectrum in enumerate(np.maximum(power, 0)):  # below the quantisation is rounding
        amplitude = np.sqrt(np.interp(plane, frequency, spectrum)) * (plane > 0)
        field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((height, width))) * amplitude).real
        images[i] = _stored(real.pixels(models[[i]]).mean(axis=(0, 1, 2)) + field[..., None], images.dtype)
    return images


def _moments(real: Sample) -> tuple[NDArray, NDArray]:
    """(H, W, C) mean and standard deviation over images, in [0, 1]."""
    total, squares = np.zeros(real.images.shape[1:]), np.zeros(real.images.shape[1:])
    for some in blocks(np.arange(len(real)), CHUNK):
        pixels = real.pixels(some)
        total = total + pixels.sum(axis=0)
        squares = squares + np.square(pixels).sum(axis=0)
    mean = total / len(real)
    return mean, np.sqrt(np.maximum(squares / len(real) - mean**2, 0))  # a negative variance is rounding


def _stored(images: NDArray, dtype: np.dtype) -> NDArray:
    """Values as an image set stores them; what leaves [0, 1] saturates, as in a detector."""
    top = np.iinfo(dtype).max
    return np.rint(np.clip(images, 0, 1) * top).astype(dtype)
