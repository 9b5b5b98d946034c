"""Spots of an image that are found again where it is shifted, turned, flipped or zoomed, and what is around each.

A spot is an extremum of the difference of Gaussians in place and scale (Lowe 2004, section 3). Its surroundings are
sampled on rings, and described by the harmonics of each ring: a turn changes their phases alone, which that of the
first harmonic takes out again, and a mirror image has the conjugate harmonics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.near_duplicates.correlate import BROAD, FLAT, smooth

COUNT = 100  # spots of an image, those of the strongest response in their neighbourhood
SIGMAS = 1.4 * 2.0 ** (np.arange(7) / 2)  # standard deviations, in pixels, of the levels of smoothing
CELL = 24  # pixels a side of a neighbourhood: spots are spread over the image, so that one edge does not have them all
RADII = np.array([0.6, 1.4, 2.2, 3.0, 3.8, 4.6])  # of the rings, in scales of the spot
ANGLES = 24  # samples of a ring
HARMONICS = 6
LENGTH = len(RADII) * (1 + 2 * HARMONICS)
"""Numbers of a description: of each ring the mean, and real and imaginary part of each harmonic."""
MARGIN = 2.5  # scales that a spot keeps from the edge
WHOLE = 110  # of a stored number that is 1


class Spots(NamedTuple):
    """Of an image, in pixels of its details."""

    places: NDArray[np.float32]
    """(n, 4) row, column, scale, angle; the angle from down the columns to along the rows, in radians."""
    around: NDArray[np.int8]
    """(n, LENGTH) descriptions of norm WHOLE, turned upright."""

    @classmethod
    def none(cls) -> Spots:
        return cls(np.zeros((0, 4), np.float32), np.zeros((0, LENGTH), np.int8))


def of(gray: NDArray[np.floating], bar: int = 0) -> Spots:
    """Spots of a gray image (H, W), of which the lowest `bar` rows have none."""
    even = _even(gray)
    levels = np.stack([smooth(even[None], sigma)[0] for sigma in SIGMAS])
    response = levels[:-1] - levels[1:]
    level, row, col = _extrema(response, gray.shape[0] - bar)
    if not len(level):
        return Spots.none()
    offset = _between(response, level, row, col)
    scale = SIGMAS[0] * 2.0 ** ((level + offset[0]) / 2)
    row, col = row + offset[1], col + offset[2]
    rings = _rings(levels, row, col, scale, np.maximum(level - 1, 0))
    harmonics = np.fft.rfft(rings, axis=2)[..., : HARMONICS + 1] / ANGLES
    first = (harmonics[:, 1:5, 1]).sum(axis=1)
    angle = -np.angle(first)
    harmonics = harmonics * np.exp(1j * angle[:, None, None] * np.arange(HARMONICS + 1))
    return Spots(np.stack([row, col, scale, angle], axis=1).astype(np.float32), _described(harmonics))


def mirrored(around: NDArray) -> NDArray:
    """(n, LENGTH) descriptions of the same spots in the image's mirror image."""
    sign = np.ones(LENGTH, around.dtype)
    sign[len(RADII) * (1 + HARMONICS) :] = -1
    return around * sign


def _even(gray: NDArray) -> NDArray[np.float32]:
    """Of mean 0 and even contrast; 0 where the image is flat."""
    gray = gray.astype(np.float64)  # of whatever type: signed ones would overflow in their span
    span = np.ptp(gray)
    image = ((gray - gray.mean()) / (span or 1)).astype(np.float32)[None]
    band = image - smooth(image, BROAD)
    power = smooth(band**2, 2 * BROAD)
    level = float(power.mean())
    if level < 1e-12:  # of the square of the range of values: rounding errors
        return np.zeros(gray.shape, np.float32)
    return (band / np.sqrt(power + FLAT * level))[0]


def _greatest_around(values: NDArray) -> NDArray:
    """Of each place and those next to it; a fifth of the time of `ndimage.maximum_filter(values, 3)`."""
    for axis in range(values.ndim):
        before = np.moveaxis(values, axis, 0)
        values = values.copy()
        greatest = np.moveaxis(values, axis, 0)
        np.maximum(greatest[1:], before[:-1], out=greatest[1:])
        np.maximum(greatest[:-1], before[1:], out=greatest[:-1])
    return values


def _extrema(response: NDArray, height: int) -> tuple[NDArray[np.int64], ...]:
    """Level, row and column of the COUNT extrema that are strongest in their neighbourhood."""
    size = np.abs(response)
    peak = (size == _greatest_around(size)) & (size > 0)
    peak[0], peak[-1] = False, False
    level, row, col = np.nonzero(peak)
    margin = MARGIN * SIGMAS[level]
    inside = (np.minimum(row, col) >= margin) & (row < height - margin) & (col < response.shape[2] - margin)
    level, row, col = level[inside], row[inside], col[inside]
    strength = size[level, row, col]
    order = np.argsort(-strength, kind="stable")
    cell = (row // CELL * (response.shape[2] // CELL + 1) + col // CELL)[order]
    by_cell = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[by_cell], cell[by_cell])
    rank = np.empty(len(order), np.int64)
    rank[by_cell] = np.arange(len(order)) - starts
    kept = order[np.argsort(rank, kind="stable")[:COUNT]]
    return level[kept], row[kept], col[kept]


def _between(response: NDArray, level: NDArray, row: NDArray, col: NDArray) -> NDArray[np.float64]:
    """(3, n) where between levels, rows and columns the extremum lies, by a parabola along each; within half a step."""
    found = []
    for axis in range(3):
        step = np.eye(3, dtype=np.int64)[axis]
        near = []
        for sign in (-1, 0, 1):
            at = [
                np.clip(p + sign * s, 0, n - 1) for p, s, n in zip((level, row, col), step, response.shape, strict=True)
            ]
            near.append(response[tuple(at)].astype(np.float64))
        before, here, after = near
        bend = before - 2 * here + after
        found.append(np.clip((before - after) / np.where(bend == 0, np.inf, 2 * bend), -0.5, 0.5))
    return np.stack(found)


def _rings(levels: NDArray, row: NDArray, col: NDArray, scale: NDArray, level: NDArray) -> NDArray[np.float32]:
    """(n, rings, ANGLES) samples around each spot; beyond the edge those of the edge."""
    turn = 2 * np.pi * np.arange(ANGLES) / ANGLES
    reach = scale[:, None, None] * RADII[:, None]
    rows = np.clip(row[:, None, None] + reach * np.cos(turn), 0, levels.shape[1] - 1.001)
    cols = np.clip(col[:, None, None] + reach * np.sin(turn), 0, levels.shape[2] - 1.001)
    r, c = rows.astype(np.int64), cols.astype(np.int64)
    down, right = (rows - r).astype(np.float32), (cols - c).astype(np.float32)
    flat = levels.reshape(-1)
    at = (level[:, None, None] * levels.shape[1] + r) * levels.shape[2] + c
    below = at + levels.shape[2]
    upper = flat[at] + right * (flat[at + 1] - flat[at])
    lower = flat[below] + right * (flat[below + 1] - flat[below])
    return upper + down * (lower - upper)


def _described(harmonics: NDArray[np.complexfloating]) -> NDArray[np.int8]:
    """(n, rings, 1 + HARMONICS) -> (n, LENGTH)."""
    weight = np.sqrt(RADII)[:, None]  # a ring's pixels grow with its radius; damped, as far ones agree less
    mean = harmonics[..., :1].real - harmonics[..., :1].real.mean(axis=1, keepdims=True)
    waves = np.sqrt(2) * harmonics[..., 1:]
    parts = [weight * part for part in (mean, waves.real, waves.imag)]
    flat = np.concatenate([part.reshape(len(harmonics), -1) for part in parts], axis=1)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.rint(WHOLE * flat / np.maximum(norm, 1e-9)).astype(np.int8)
