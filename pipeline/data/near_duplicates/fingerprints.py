"""Fingerprints of images: how strong lines of the power spectrum are beside their surroundings.

They do not change where an image is shifted, differ between any two photographs of one texture, and a flip or a turn
only moves them about; one turned by 180° has the same. A shift that leaves less than about half of the image changes
much of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.data.near_duplicates import correlate

BAND = 3 / 8  # highest frequency of a fingerprint, in cycles a pixel; above is noise
TAPER = 0.5  # share of a side over which the window of a fingerprint falls to 0 (Tukey)
AROUND = 2.5  # standard deviation, in lines of the spectrum, of the surroundings a line is compared with


def of(images: NDArray[np.int8]) -> NDArray[np.float32]:
    """(n, h, w) details -> (n, 2 a + 1, 2 b + 1), the lines of the spectrum from -a to a down and -b to b across:
    amplitude over the mean of its surroundings, less 1."""
    _, height, width = images.shape
    window = np.outer(_window(height), _window(width))
    a, b = int(BAND * height), int(BAND * width)
    amplitude = np.abs(fft.rfft2(images * window.astype(np.float32)))[:, np.arange(-a, a + 1), : b + 1]
    plane = np.concatenate([amplitude[:, ::-1, :0:-1], amplitude], axis=2)  # a line and its opposite are the same
    around = correlate.smooth(plane, AROUND, "mirror")
    return plane / np.maximum(around, 1e-6) - 1


def _window(side: int) -> NDArray[np.float64]:
    """(side,) root of Tukey's window, without the zeros at its ends."""
    place = np.arange(1, side + 1)
    inwards = 2 * np.minimum(place, place[::-1]) / TAPER / (side + 1)
    return (0.5 * (1 + np.cos(np.pi * (np.minimum(inwards, 1) - 1)))) ** 0.5


def vectors(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 2 a + 1, 2 b + 1) -> (n, d) of mean 0 and norm 1: their right halves, the others being the same."""
    flat = planes[:, :, planes.shape[2] // 2 :].reshape(len(planes), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
