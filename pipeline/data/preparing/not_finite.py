"""Pixels without a value: the rim that drift correction, registration or a detector's edge leaves as NaN."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pipeline.data.reading.frame import Rejected

MOST = 0.5  # share of a picture that may be filled


def filled(pixels: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, C) with each pixel that holds NaN or infinity given the values of the nearest one without.

    Raises:
        Rejected: more than half of the pixels hold such.
    """
    if pixels.dtype.kind != "f":
        return pixels
    finite = np.isfinite(pixels).reshape(*pixels.shape[:2], -1).all(axis=2)
    if finite.all():
        return pixels
    if (share := 1 - finite.mean()) > MOST:
        raise Rejected(f"{share:.0%} of its pixels are not finite (NaN or infinity), more than can be filled")
    rows, columns = ndimage.distance_transform_edt(~finite, return_distances=False, return_indices=True)
    return pixels[rows, columns]
