"""A distribution that is known in full: stripes of four orientations, one a class, in random phase, with some noise.

An image is `AMPLITUDE · cos(2π k·x / SIZE + φ)` with k the wave vector of its class and φ uniform, and normal noise of
standard deviation NOISE. The discrete Fourier coefficient at k is then (AMPLITUDE / 2) e^{iφ}, and that at the other
classes' vectors is nearly 0: eight real numbers that say all but the noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import distances
from tests import image_sets

SIZE = 16
WAVES = {"across": (3, 0), "along": (0, 3), "rising": (2, 2), "falling": (2, -2)}  # cycles an image, (rows, columns)
AMPLITUDE, NOISE = 0.7, 0.05


def draw(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Images (n, SIZE, SIZE) about [-0.7, 0.7], and labels (n,) that take turns."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(WAVES)
    vectors = np.array(list(WAVES.values()))[labels]
    rows, columns = np.mgrid[:SIZE, :SIZE]
    turns = (vectors[:, 0, None, None] * rows + vectors[:, 1, None, None] * columns) / SIZE
    waves = np.cos(2 * np.pi * (turns + rng.uniform(size=(n, 1, 1))))
    return AMPLITUDE * waves + rng.normal(0, NOISE, (n, SIZE, SIZE)), labels


def image_set(path: Path, n: int) -> Path:
    """`n` training images and 80 held-out ones, uint8."""
    images, labels = draw(n + 80, 0)
    names = np.array(list(WAVES))[labels]
    ids = [f"stripes_{i:05d}" for i in range(len(images))]
    split = np.where(np.arange(len(images)) < n, "train", "val")
    pixels = np.rint((images[..., None] + 1) * 127.5).clip(0, 255).astype(np.uint8)
    return image_sets.write(path, pixels, names, split, ids, unit="px")


def coefficients(images: NDArray) -> NDArray[np.float64]:
    """(n, 8) real and imaginary parts of the Fourier coefficients of images (n, SIZE, SIZE) at the four vectors, in
    units of AMPLITUDE / 2."""
    spectrum = np.fft.fft2(images) / SIZE**2 / (AMPLITUDE / 2)
    found = [spectrum[:, k, m] for k, m in WAVES.values()]
    return np.concatenate([np.stack([c.real, c.imag], 1) for c in found], 1)


def distance(images: NDArray, labels: NDArray) -> float:
    """Mean over the classes of the Fréchet distance of the coefficients' moduli to those of as many true images.

    0 for the true distribution whatever the phases, 1 for flat gray images, 2 for stripes of a wrong orientation.
    """
    real, classes = draw(2000, 1)
    found = [distances.frechet(_moduli(images[labels == k]), _moduli(real[classes == k])) for k in range(len(WAVES))]
    return float(np.mean(found))


def _moduli(images: NDArray) -> NDArray[np.float64]:
    """(n, 4) moduli of the coefficients."""
    pairs = coefficients(images).reshape(len(images), len(WAVES), 2)
    return np.linalg.norm(pairs, axis=2)


def sameness(images: NDArray, labels: NDArray) -> float:
    """Mean over the classes of the length of the mean phase vector: 0 for phases of all kinds, 1 for one phase."""
    found = []
    for k in range(len(WAVES)):
        wave = coefficients(images[labels == k])[:, 2 * k : 2 * k + 2]
        found.append(np.linalg.norm((wave / np.linalg.norm(wave, axis=1, keepdims=True)).mean(0)))
    return float(np.mean(found))


def roughness(images: NDArray, labels: NDArray) -> float:
    """Standard deviation of what is left of the images without the wave of their class: NOISE for true images."""
    spectrum = np.fft.fft2(images)
    for image, label in zip(spectrum, labels, strict=True):
        k, m = list(WAVES.values())[label]
        image[k, m] = image[-k, -m] = 0
    return float(np.fft.ifft2(spectrum).real.std())
