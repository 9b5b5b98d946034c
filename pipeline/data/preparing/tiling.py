"""From a source image to squares of one size: which squares, and their anti-aliased resampling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.data.reading.frame import Rejected
from pipeline.settings import Dataset


class Box(NamedTuple):
    """A square of a source image, in source pixels."""

    row: int
    col: int
    side: int


def cropped_height(settings: Dataset, height: int) -> int:
    """Rows left above what `crop_bottom` cuts off. Raises Rejected where none are."""
    cut = settings.crop_bottom
    rows = round(cut * height) if isinstance(cut, float) else cut
    if rows >= height:
        raise Rejected(f"has {height} rows, of which crop_bottom ({cut}) leaves none")
    return height - rows


def boxes(settings: Dataset, height: int, width: int) -> list[Box]:
    """The squares that become training images, of an image already cropped.

    Raises:
        Rejected: the image is smaller than a tile.
    """
    side = square_side(settings, height, width)
    if settings.fit == "resize":
        return [Box((height - side) // 2, (width - side) // 2, side)]
    if min(height, width) < side:
        raise Rejected(f"{height} x {width} pixels are smaller than a tile of {side} x {side}")
    rows, cols = (positions(length, side, settings.tile_overlap) for length in (height, width))
    return [Box(row, col, side) for row in rows for col in cols]


def square_side(settings: Dataset, height: int, width: int) -> int:
    """Side in source pixels of the squares of an image already cropped, all alike."""
    return tile_side(settings) if settings.fit == "tile" else min(height, width)


def tile_side(settings: Dataset) -> int:
    """Side of a tile in source pixels."""
    return max(1, round(settings.tile_source or settings.size))


def positions(length: int, side: int, overlap: float) -> list[int]:
    """Starts of the fewest tiles that cover `length` with at least `overlap` (a fraction of `side`) between neighbours.

    Evenly spread; the first begins at 0 and the last ends at `length`.
    """
    step = max(1, int(side * (1 - overlap)))
    count = -(-(length - side) // step) + 1
    return [round(i * (length - side) / max(1, count - 1)) for i in range(count)]


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """(H, W, C) float32 in [0, 1] -> (size, size, C), bicubic, with the kernel widened on reduction (anti-aliased).

    The overshoot of the kernel is cut off at 0 and 1.
    """
    if image.shape[:2] == (size, size):
        return image
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., c])).resize((size, size), Image.Resampling.BICUBIC)
        for c in range(image.shape[2])
    ]
    return np.clip(np.stack([np.asarray(plane) for plane in planes], axis=-1), 0, 1)
