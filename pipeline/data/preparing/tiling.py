"""From a source image to images of one size: which part of it each shows, and its anti-aliased resampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipeline.data.annotations.records import Region
from pipeline.data.reading.frame import Rejected
from pipeline.settings import Dataset


class Crop(NamedTuple):
    """A rectangle of a source image, in source pixels; under `fit: pad` it reaches out of the image."""

    row: int
    col: int
    height: int
    width: int


class Inside(NamedTuple):
    """The part of a box that lies in its image, in source pixels from the corner of the box; half-open."""

    top: int
    left: int
    bottom: int
    right: int


def cropped_height(settings: Dataset, height: int) -> int:
    """Rows left above what `crop_bottom` cuts off. Raises Rejected where none are."""
    cut = settings.crop_bottom
    rows = round(cut * height) if isinstance(cut, float) else cut
    if rows >= height:
        raise Rejected(f"has {height} rows, of which crop_bottom ({cut}) leaves none")
    return height - rows


def boxes(
    settings: Dataset, height: int, width: int, marks: Sequence[Region] = (), reach: tuple[int, int] | None = None
) -> list[Crop]:
    """What becomes training images, of an image already cropped.

    Args:
        marks: what the box of `fit: resize` is to show most of, by area; without any it is centred.
        reach: height and width of the boxes; None is what `fit` makes them.

    Raises:
        Rejected: the image is smaller than a tile.
    """
    high, wide = reach or extent(settings, height, width)
    if settings.fit == "resize" and marks:
        row = _showing(height, high, [(m.y0, m.y1, m.x1 - m.x0) for m in marks])
        return [Crop(row, _showing(width, wide, [(m.x0, m.x1, m.y1 - m.y0) for m in marks]), high, wide)]
    if settings.fit != "tile":
        return [Crop((height - high) // 2, (width - wide) // 2, high, wide)]
    if height < high or width < wide:
        fits = int(min(settings.shape) * min(height / settings.shape[0], width / settings.shape[1]))
        way = f"`tile_source: {fits}` would fit, or `fit: pad`"
        if reach:
            way = "as long as one of the coarsest picture, by `same_scale`; a smaller `tile_source` would fit"
        raise Rejected(f"{height} x {width} pixels are smaller than a tile of {high} x {wide} ({way})")
    rows, cols = positions(height, high, settings.tile_overlap), positions(width, wide, settings.tile_overlap)
    return [Crop(row, col, high, wide) for row in rows for col in cols]


def _showing(length: int, side: int, spans: list[tuple[float, float, float]]) -> int:
    """Where in `length` a stretch of `side` begins that shows most of some spans (start, end, weight of each pixel);
    of several the one nearest to the centre."""
    middle = (length - side) // 2
    ends = {middle, *(round(at) for start, end, _ in spans for at in (start, end - side, (start + end - side) / 2))}
    starts = {min(max(0, start), length - side) for start in ends}

    def area(start: int) -> float:
        return sum(w * max(0.0, min(end, start + side) - max(begin, start)) for begin, end, w in spans)

    return max(starts, key=lambda start: (round(area(start), 6), -abs(start - middle), -start))


def extent(settings: Dataset, height: int, width: int) -> tuple[int, int]:
    """Height and width in source pixels of the boxes of an image already cropped, all alike."""
    high, wide = settings.shape
    match settings.fit:
        case "stretch":
            return height, width
        case "pad":
            scale = max(height / high, width / wide)
            return max(height, round(scale * high)), max(width, round(scale * wide))
        case "resize":
            scale = min(height / high, width / wide)
            return min(height, max(1, round(scale * high))), min(width, max(1, round(scale * wide)))
    return tile_extent(settings)


def inside(box: Crop, height: int, width: int) -> Inside:
    """What of a box lies in an image (height, width)."""
    top, left = max(0, -box.row), max(0, -box.col)
    return Inside(top, left, min(box.height, height - box.row), min(box.width, width - box.col))


def patch(pixels: np.ndarray, box: Crop) -> np.ndarray:
    """The pixels (H, W) or (H, W, C) of a box that lie in the image."""
    return pixels[max(0, box.row) : box.row + box.height, max(0, box.col) : box.col + box.width]


def padded(patch: np.ndarray, box: Crop, part: Inside, padding: str) -> np.ndarray:
    """A patch (h, w, C), which is `part` of a box, with the rest of the box around it; `constant` is 0."""
    around = ((part.top, box.height - part.bottom), (part.left, box.width - part.right), (0, 0))
    if not any(sum(side) for side in around):
        return patch
    modes: dict[str, Any] = {"reflect": "symmetric", "edge": "edge", "constant": "constant"}
    return np.pad(patch, around, modes[padding])


def tile_extent(settings: Dataset) -> tuple[int, int]:
    """Height and width of a tile in source pixels."""
    short = min(settings.shape)
    high, wide = (max(1, round((settings.tile_source or short) * side / short)) for side in settings.shape)
    return high, wide


def positions(length: int, side: int, overlap: float) -> list[int]:
    """Starts of the fewest tiles that cover `length` with at least `overlap` (a fraction of `side`) between neighbours.

    Evenly spread; the first begins at 0 and the last ends at `length`.
    """
    step = max(1, int(side * (1 - overlap)))
    count = -(-(length - side) // step) + 1
    return [round(i * (length - side) / max(1, count - 1)) for i in range(count)]


def resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W, C) float32 in [0, 1] -> (*shape, C), bicubic, with the kernel widened on reduction (anti-aliased).

    The overshoot of the kernel is cut off at 0 and 1.
    """
    if image.shape[:2] == shape:
        return image
    height, width = shape
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., c])).resize((width, height), Image.Resampling.BICUBIC)
        for c in range(image.shape[2])
    ]
    return np.clip(np.stack([np.asarray(plane) for plane in planes], axis=-1), 0, 1)
