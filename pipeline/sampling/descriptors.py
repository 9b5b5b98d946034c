"""What a style can change in an image, in numbers that a materials scientist has words for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.base.colour import luminance
from pipeline.metrics.microstructure import mean_intercept, otsu, transitions

Array = NDArray[np.float64]
LEVELS = 256
MEANING = {
    "brightness": "mean gray value",
    "contrast": "standard deviation of the gray values",
    "phase_fraction": "share of the pixels that are brighter than a threshold (Otsu's, over unmoved images)",
    "grain_size": "mean intercept of the two phases along rows and columns, pixels",
    "orientation": "energy of changes along rows less that of changes along columns, over both: 1 is all upright",
}


def gray(images: NDArray) -> Array:
    """(N, C, H, W) in [-1, 1] to (N, H, W) in [0, 1]."""
    return (luminance(np.moveaxis(np.asarray(images, np.float64), 1, -1)) + 1) / 2


def threshold_of(images: Array) -> float:
    """Of all pixels of (N, H, W) in [0, 1] together."""
    levels = np.rint(images.clip(0, 1) * (LEVELS - 1)).astype(int)
    return otsu(np.bincount(levels.ravel(), minlength=LEVELS)) / (LEVELS - 1)


def described(images: Array, threshold: float) -> dict[str, Array]:
    """(N,) of each descriptor in MEANING, of images (N, H, W) in [0, 1]."""
    phase = images > threshold
    pixels = images.shape[1] * images.shape[2]
    across, down = (np.square(np.diff(images, axis=axis)).sum(axis=(1, 2)) for axis in (2, 1))
    return {
        "brightness": images.mean(axis=(1, 2)),
        "contrast": images.std(axis=(1, 2)),
        "phase_fraction": phase.mean(axis=(1, 2)),
        "grain_size": mean_intercept(2 * pixels, np.maximum(transitions(phase), 1)),
        "orientation": (across - down) / np.maximum(across + down, 1e-12),
    }
