"""The eight orientations of TIFF and EXIF (tag 274)."""

from __future__ import annotations

import numpy as np


def swaps_axes(orientation: int) -> bool:
    """Whether height and width change places."""
    return orientation >= 5


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels (H, W, ...) so that their first row is the top and their first column the left side.

    TIFF 6.0, tag Orientation: `orientation` in 1..8 says where the stored row 0 and column 0 belong.
    """
    if swaps_axes(orientation):  # stored rows are columns of the picture
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
