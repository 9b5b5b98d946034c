"""What becomes of a marked region: judged against its image, then cut and scaled with a square of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.data.annotations.records import Region
from pipeline.data.preparing.tiling import Crop
from pipeline.data.reading.frame import Rejected

SMALLEST = 0.1  # pixels of a side: less is a slip of the hand, which a detector cannot learn and may stumble over
FRACTION = 1.5  # pixels from the image's corner: boxes in fractions lie within, also by centres, or counted from 1
NEARLY_ALL = 0.9  # of a file's boxes
SLACK = 0.5  # pixels that a box may leave its image by without a word: fractions are written with few digits


def look_like_fractions(regions: list[Region]) -> bool:
    """Whether nearly all of a file's boxes, which should be in pixels, lie in the first pixels of their images, and not
    at whole ones: no defect does, but all do that are fractions of width and height."""
    ends = np.array([region[1:] for region in regions]).reshape(-1, 4)
    near = (np.abs(ends) <= FRACTION).all(1)
    return bool(near.sum() >= NEARLY_ALL * len(ends) > 0 and (ends[near] % 1 > 0).any())


class Judged(NamedTuple):
    """A usable region."""

    region: Region
    """Inside its image."""
    cut: bool
    """Whether it reached out of the image by more than SLACK."""


def judged(region: Region, height: int, width: int) -> Judged:
    """A region cut to its image of (height, width) pixels. Raises Rejected where nothing is left of it."""
    label, x0, y0, x1, y1 = region
    if not all(math.isfinite(value) for value in (x0, y0, x1, y1)):
        raise Rejected("has a coordinate that is not finite (NaN or infinity)")
    if x1 - x0 < SMALLEST or y1 - y0 < SMALLEST:
        raise Rejected("is empty or inverted")
    inside = Region(label, max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1))
    if inside.x1 - inside.x0 < SMALLEST or inside.y1 - inside.y0 < SMALLEST:
        raise Rejected("lies outside the image")
    return Judged(inside, max(-x0, -y0, x1 - width, y1 - height) > SLACK)


class Seen(NamedTuple):
    """What a prepared image shows of a region."""

    region: Region
    """In pixels of the prepared image."""
    share: float
    """Of the largest part of the region that an image of this size can show: 1 where it is inside, or fills the image
    from one edge to the other."""
    cut: bool


def seen(region: Region, box: Crop, shape: tuple[int, int], there: Region | None = None) -> Seen | None:
    """A region in pixels of a source, in the prepared image (height, width) of a box of it; None where it is not.

    The share is that of the area. Its whole is not the region's own area but that of what the box could show of it: a
    scratch longer than a tile is a whole defect in every tile that it crosses.

    Args:
        there: the part of the region that has pixels in the box; None is all that their rectangles have in common.
    """
    label, x0, y0, x1, y1 = region
    left, top, right, bottom = box.col, box.row, box.col + box.width, box.row + box.height
    part = there or Region(label, max(x0, left), max(y0, top), min(x1, right), min(y1, bottom))
    if part.x1 <= part.x0 or part.y1 <= part.y0:
        return None
    largest = min(x1 - x0, box.width) * min(y1 - y0, box.height)
    x, y = shape[1] / box.width, shape[0] / box.height
    scaled = ((part.x0 - left) * x, (part.y0 - top) * y, (part.x1 - left) * x, (part.y1 - top) * y)
    return Seen(Region(label, *scaled), part.area / largest, part != region)
