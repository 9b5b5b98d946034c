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


def cut(image: np.ndarray, window: Window, height: int, width: int) -> np.ndarray:
    """What a window shows of an image, on a grid of its own: bicubic, the kernel widened on reduction (anti-aliased).

    Args:
        image: (H, W, C) float32; beyond its edge lies its mirror image.
        window: in pixels of the image; its sides are above 0.
        height: of the result, pixels.
        width: of the result, pixels; the window's aspect does not matter.

    Returns:
        (height, width, C) float32; the kernel may overshoot the range of the image.
    """
    rows, columns = image.shape[:2]
    pad = max(0, math.ceil(max(-window.x0, -window.y0, window.x1 - columns, window.y1 - rows)))
    wide = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    box = tuple(end + pad for end in window)
    planes = [
        Image.fromarray(np.ascontiguousarray(wide[..., c])).resize((width, height), Image.Resampling.BICUBIC, box)
        for c in range(image.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
