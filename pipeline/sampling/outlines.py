"""A mask as one polygon, for layouts that hold nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int]


def outline(mask: NDArray[np.bool_]) -> list[Point]:
    """Corners (x, y) of one closed polygon along the edges of pixels, which encloses exactly the pixels of a mask (H,
    W).

    Parts and holes hang together by lines without width, there and back: the even-odd rule and the nonzero rule both
    fill the mask and nothing else. Empty for an empty mask.
    """
    first, *others = [*_loops(mask)] or [[]]
    for loop in others:
        first += [first[0], *loop, loop[0]]
    return first


def _loops(mask: NDArray[np.bool_]) -> Iterator[list[Point]]:
    """Closed ways along the edges of the mask, its pixels at the right hand."""
    wide = np.pad(mask, 1)
    # Where an edge begins, from the upper left corner of its pixel; where it leads; and whether it is one.
    sides = (
        (0, 0, 1, 0, wide[:-2, 1:-1]),
        (1, 0, 0, 1, wide[1:-1, 2:]),
        (1, 1, -1, 0, wide[2:, 1:-1]),
        (0, 1, 0, -1, wide[1:-1, :-2]),
    )
    onward: dict[Point, list[Point]] = defaultdict(list)
    for x0, y0, dx, dy, beyond in sides:
        for y, x in np.argwhere(mask & ~beyond).tolist():
            onward[x + x0, y + y0].append((x + x0 + dx, y + y0 + dy))
    while onward:
        start = next(iter(onward))
        way = [start]
        while len(way) == 1 or way[-1] != start:
            ends = onward[way[-1]]
            end = ends.pop()
            if not ends:
                del onward[way[-1]]
            way.append(end)
        yield _corners(way[:-1])


def _corners(way: list[Point]) -> list[Point]:
    """Without the points on straight lines."""
    around = zip([way[-1], *way[:-1]], way, [*way[1:], way[0]], strict=True)
    return [b for a, b, c in around if (b[0] - a[0], b[1] - a[1]) != (c[0] - b[0], c[1] - b[1])]
