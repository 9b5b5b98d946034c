"""Outlines of defects: polygons and runs of pixels, and what they cover of an image."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.annotations.records import number
from pipeline.data.reading.frame import Rejected

Ring = list[tuple[float, float]]  # (x, y), the first pixel reaching from 0 to 1
FARTHEST = 1e7  # pixels, of a corner
CORNERS = 64  # of the polygon that stands for an ellipse
MOST_PIXELS = 2**29  # of a mask in runs, which a few bytes can claim


class Runs(NamedTuple):
    """Pixels of a window, in runs that are outside and inside by turns, the first outside."""

    counts: list[int]
    height: int
    width: int
    row: int = 0
    """Of the image, where the window begins."""
    col: int = 0
    by_column: bool = True
    """Whether the runs go down the columns, as in COCO, or along the rows."""

    def pixels(self) -> NDArray[np.bool_]:
        """(height, width)."""
        inside = np.arange(len(self.counts)) % 2 == 1
        flat = np.repeat(inside, self.counts)
        return flat.reshape(self.width, self.height).T if self.by_column else flat.reshape(self.height, self.width)


class Shape(NamedTuple):
    label: str
    rings: list[Ring]
    """What any of them encloses belongs to it; in fractions of the image where its record is in fractions."""
    runs: Runs | None = None


Ends = tuple[float, float, float, float]


def polygon(points: Any) -> Ring:
    """From corners (x, y). Raises Rejected where they enclose nothing, or are no numbers."""
    if not isinstance(points, list) or not all(isinstance(point, list | tuple) and len(point) == 2 for point in points):
        raise Rejected("has no points (x, y)")
    if len(points) < 3:
        raise Rejected(f"has {len(points)} corner(s), where a polygon has three or more")
    corners = [(number(x, "x"), number(y, "y")) for x, y in points]
    if not all(abs(end) <= FARTHEST for corner in corners for end in corner):  # also of NaN
        raise Rejected("has a corner where no image has pixels")
    return corners


def listed(numbers: Any) -> Ring:
    """As `polygon`, of x, y, x, y, ...; some programs write [x, y], [x, y], ..."""
    if isinstance(numbers, list) and numbers and isinstance(numbers[0], list):
        return polygon(numbers)
    if not isinstance(numbers, list) or len(numbers) % 2:
        raise Rejected("has a polygon that is no list of corners x, y, x, y, ...")
    return polygon(list(zip(numbers[::2], numbers[1::2], strict=True)))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Ring:
    return polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def around(points: Any) -> Ring:
    """The rectangle around two or more points (x, y). Raises Rejected as `polygon`."""
    corners = polygon([*points, *points] if isinstance(points, list) and len(points) == 2 else points)
    x, y = zip(*corners, strict=True)
    return rectangle(min(x), min(y), max(x), max(y))


def ellipse(x: float, y: float, across: float, down: float) -> Ring:
    """Around (x, y), with these half axes."""
    turns = [2 * math.pi * i / CORNERS for i in range(CORNERS)]
    return polygon([(x + across * math.cos(turn), y + down * math.sin(turn)) for turn in turns])


def turned(ring: Ring, degrees: float, x: float, y: float) -> Ring:
    """Clockwise about (x, y), as a person sees it."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return polygon([(x + (u - x) * cos - (v - y) * sin, y + (u - x) * sin + (v - y) * cos) for u, v in ring])


def runs(counts: Any, height: Any, width: Any, **window: Any) -> Runs:
    """Raises Rejected where the runs do not fill their window."""
    sides = (height, width)
    if not all(type(side) is int and side > 0 for side in sides) or height * width > MOST_PIXELS:
        raise Rejected(f"has a mask of {height!r:.20} x {width!r:.20} pixels, which is no size")
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise Rejected("has a mask whose runs are no lengths")
    if sum(counts) != height * width:
        raise Rejected(f"has a mask of {sum(counts)} pixels in {height} x {width}")
    return Runs(counts, height, width, **window)


def drawn(inside: NDArray[np.bool_], row: int = 0, col: int = 0) -> Runs:
    """Of a window (H, W) whose upper left pixel is at (row, col) of the image."""
    flat = inside.ravel()
    ends = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff(ends, prepend=0, append=len(flat)).tolist()
    return runs(counts, *inside.shape, row=row, col=col, by_column=False)


def packed_counts(text: str) -> list[int]:
    """The lengths in COCO's packed text: 5 bits a letter from `0` on, the lowest first, the 6th for one more letter.

    From the third on they are differences to the last but one; the highest of the 5 bits of a number's last letter is
    its sign. Raises Rejected where the text ends inside a number.
    """
    counts: list[int] = []
    value = bits = 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64:
            raise Rejected("has a mask in letters that are none of packed runs")
        value |= (code & 31) << bits
        bits += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << bits
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = bits = 0
    if bits:
        raise Rejected("has a mask that ends inside a number")
    return counts


def ends(shape: Shape) -> Ends:
    """(x0, y0, x1, y1) of what a shape covers. Raises Rejected where that is nothing."""
    corners = [corner for one in shape.rings for corner in one]
    if shape.runs is not None:
        rows, columns = (np.flatnonzero(shape.runs.pixels().any(axis)) for axis in (1, 0))
        if not len(rows):
            raise Rejected("has an empty mask")
        top, left = shape.runs.row, shape.runs.col
        corners += [(left + float(columns[0]), top + float(rows[0]))]
        corners += [(left + float(columns[-1]) + 1, top + float(rows[-1]) + 1)]
    x, y = [corner[0] for corner in corners], [corner[1] for corner in corners]
    return min(x), min(y), max(x), max(y)


def paint(canvas: NDArray[np.uint8], value: int, shape: Shape, fractions: bool) -> None:
    """Give the pixels of a canvas (H, W) that a shape covers a value; those whose centre is inside count.

    Args:
        fractions: whether the shape is in fractions of the canvas.
    """
    height, width = canvas.shape
    scale = (width, height) if fractions else (1, 1)
    for one in shape.rings:
        _fill(canvas, value, np.array(one) * scale)
    if shape.runs is not None:
        window = shape.runs
        inside = window.pixels()[: max(0, height - window.row), : max(0, width - window.col)]
        part = canvas[window.row : window.row + inside.shape[0], window.col : window.col + inside.shape[1]]
        part[inside] = value


def _fill(canvas: NDArray[np.uint8], value: int, corners: NDArray[np.float64]) -> None:
    """Rows are filled between the crossings of their centre lines with the edges, by turns."""
    height, width = canvas.shape
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    for row in range(max(0, math.floor(y0.min())), min(height, math.ceil(y0.max()))):
        middle = row + 0.5
        crossed = (y0 <= middle) != (y1 <= middle)
        a, b, c, d = x0[crossed], y0[crossed], x1[crossed], y1[crossed]
        crossings = np.sort(a + (middle - b) * (c - a) / (d - b))
        columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(int)
        for start, stop in zip(columns[::2], columns[1::2], strict=True):
            canvas[row, start:stop] = value
