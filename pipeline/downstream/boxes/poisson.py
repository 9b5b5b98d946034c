"""Gradient-domain blending of a patch into an image (Pérez, Gangnet and Blake 2003, "Poisson image editing")."""

from __future__ import annotations

import numpy as np
from scipy import fft

Ends = tuple[bool, bool]
"""Of an axis: whether the values before its first and behind its last place are given."""


def blended(image: np.ndarray, patch: np.ndarray, row: int, col: int) -> np.ndarray:
    """An image in which a rectangle has the gradients of a patch, and the image's own values at its rim.

    The outermost pixels of the rectangle are the boundary, but for those at an edge of the image: there nothing is
    given, and the patch goes on freely (the truncated neighbourhoods of eq. 7; a derivative of zero across the edge for
    the correction). A rectangle that is the whole image has no boundary: the patch gets the image's mean. One that is
    thinner than three pixels where it has two rims holds nothing else, and changes nothing.

    Args:
        image: (H, W, C) float64.
        patch: (h, w, C) float64, of which the gradients are taken (eq. 9 to 11).
        row: of the image, where the first row of the patch comes to lie.
        col: the same of its columns.

    Returns:
        (H, W, C) float64; values may lie beyond those of image and patch.
    """
    height, width = patch.shape[:2]
    place = np.s_[row : row + height, col : col + width]
    held = ((row > 0, row + height < image.shape[0]), (col > 0, col + width < image.shape[1]))
    result = image.copy()
    result[place] = patch + _correction(image[place] - patch, held)
    return result


def _correction(difference: np.ndarray, held: tuple[Ends, Ends]) -> np.ndarray:
    """What is added to the patch (eq. 5: it solves Laplace's equation, since the guidance field is a gradient).

    Args:
        difference: (h, w, C), image less patch.
        held: of the rows and of the columns: whether the first and the last are boundary.

    Returns:
        (h, w, C), equal to the difference on the boundary.
    """
    if not np.any(held):
        return np.broadcast_to(difference.mean(axis=(0, 1)), difference.shape)
    (top, bottom), (left, right) = held
    rows, columns = (slice(first, length - last) for (first, last), length in zip(held, difference.shape, strict=False))
    correction = difference.copy()
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return correction
    given = np.zeros_like(difference[rows, columns])  # right-hand side of eq. 7: sums over neighbours on the boundary
    given[0] += top * difference[0, columns]
    given[-1] += bottom * difference[-1, columns]
    given[:, 0] += left * difference[rows, 0]
    given[:, -1] += right * difference[rows, -1]
    correction[rows, columns] = laplace(given, held)
    return correction


def laplace(given: np.ndarray, held: tuple[Ends, Ends]) -> np.ndarray:
    """The f of `n(p) f(p) - (sum of f over the neighbours of p in the rectangle) = given(p)` at every place p (eq. 7).

    n(p) counts the neighbours of p, with those beyond a held end, without those beyond a free end. Along an axis with
    two held ends sines diagonalise this (DST-I), with two free ends cosines (DCT-II); an axis with one free end is half
    of one with two held ends, whose other half is its mirror image.

    Args:
        given: (h, w, C) float64.
        held: of the rows and of the columns; one end at least is held.

    Returns:
        (h, w, C) float64.
    """
    height, width = given.shape[:2]
    whole = given
    for axis, (first, last) in enumerate(held):
        if first != last:
            mirrored = np.flip(whole, axis)
            whole = np.concatenate([whole, mirrored] if first else [mirrored, whole], axis)
    # An axis with any held end has two by now.
    ways = [(fft.dst, fft.idst, 1) if any(ends) else (fft.dct, fft.idct, 2) for ends in held]
    rows, columns = (_eigenvalues(length, any(ends)) for length, ends in zip(whole.shape, held, strict=False))
    for axis, (forth, _, kind) in enumerate(ways):
        whole = forth(whole, type=kind, axis=axis)
    whole = whole / (rows[:, None] + columns)[..., None]
    for axis, (_, back, kind) in enumerate(ways):
        whole = back(whole, type=kind, axis=axis)
    top, left = (length if ends == (False, True) else 0 for length, ends in zip((height, width), held, strict=True))
    return whole[top : top + height, left : left + width]


def _eigenvalues(length: int, held: bool) -> np.ndarray:
    """Of the negative second difference along an axis, both ends held or both free."""
    angles = np.arange(1, length + 1) / (length + 1) if held else np.arange(length) / length
    return 2 - 2 * np.cos(np.pi * angles)
