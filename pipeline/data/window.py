"""A rectangle of an image, resampled: between pixels, and mirrored where it reaches out of the image."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image


class Window(NamedTuple):
    """Columns x0 to x1 and rows y0 to y1 of an image, in its pixels, half-open: the first pixel reaches from 0 to 1."""

    x0: float
    y0: float
    x1: float
    y1: float

    def widened(self, margin: float) -> Window:
        """With `margin` of its width more at the left and the right, and of its height at the top and the bottom."""
        x, y = margin * (self.x1 - self.x0), margin * (self.y1 - self.y0)
        return Window(self.x0 - x, self.y0 - y, self.x1 + x, self.y1 + y)


def cut(image: np.ndarray, window: Window, height: int, width: int, top: float = 1) -> np.ndarray:
    """What a window shows of an image, on a grid of its own: bicubic, the kernel widened on reduction (anti-aliased).

    No more of the image is read than the window and the reach of the kernel around it.

    Args:
        image: (H, W, C) float32 or stored integers; beyond its edge lies its mirror image.
        window: in pixels of the image; its sides are above 0.
        height: of the result, pixels.
        width: of the result, pixels; the window's aspect does not matter.
        top: the level of the image that becomes 1.

    Returns:
        (height, width, C) float32; the kernel may overshoot the range of the image.
    """
    rows, columns = image.shape[:2]
    pad = max(0, math.ceil(max(-window.x0, -window.y0, window.x1 - columns, window.y1 - rows)))
    x0, y0, x1, y1 = (float(np.float32(end + pad)) for end in window)  # as Pillow rounds them in the padded image
    across, down = _reached(x0, x1, width, columns + 2 * pad), _reached(y0, y1, height, rows + 2 * pad)
    part = image[np.ix_(_mirrored(down - pad, rows), _mirrored(across - pad, columns))] / np.float32(top)
    box = (x0 - across[0], y0 - down[0], x1 - across[0], y1 - down[0])
    planes = [
        Image.fromarray(np.ascontiguousarray(part[..., c])).resize((width, height), Image.Resampling.BICUBIC, box)
        for c in range(image.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _reached(start: float, end: float, pixels: int, length: int) -> np.ndarray:
    """The pixels of an axis of `length` that count where `pixels` new ones show it from `start` to `end`."""
    reach = math.ceil(2 * max(1, (end - start) / pixels)) + 1
    return np.arange(max(0, math.floor(start) - reach), min(length, math.ceil(end) + reach))


def _mirrored(positions: np.ndarray, length: int) -> np.ndarray:
    """Positions within an axis of this length that mirror these, which may lie beyond its ends."""
    around = positions % (2 * length)
    return np.minimum(around, 2 * length - 1 - around)
