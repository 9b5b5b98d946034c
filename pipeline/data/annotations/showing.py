"""Which of the defects of a picture the parts that are cut out of it show."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.annotations import mask_files
from pipeline.data.annotations.clip import Seen, judged, seen
from pipeline.data.annotations.painting import Annotated
from pipeline.data.annotations.records import Region
from pipeline.data.annotations.shapes import paint
from pipeline.data.preparing.tiling import Crop
from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.readers import explained
from pipeline.data.reading.sandbox import Failed, SandboxPool
from pipeline.settings import Dataset, UserError


class Showing(NamedTuple):
    region: Region
    """Of the picture."""
    seen: Seen


class TightenTask(NamedTuple):
    source: str
    of: Annotated
    pairs: list[tuple[Region, Crop]]
    """A region, and a box that shows a part of it."""
    settings: Dataset


class Part(NamedTuple):
    """Of a region, in a box."""

    around: Region | None
    """The rectangle around its pixels there, in pixels of the picture; None without any."""
    pixels: int
    of: int
    """Pixels of all of the region."""


Parts = dict[tuple[Region, Crop], Part]


def shown(
    pool: SandboxPool,
    settings: Dataset,
    boxes: dict[str, list[Crop]],
    known: dict[str, list[Region]],
    told: dict[str, Annotated],
) -> dict[str, list[list[Showing]]]:
    """Of each picture, for each of its boxes the regions that it shows, those with no pixel in it left out.

    Where the outline of a region is known, what a box shows of it is the box around its pixels there, for the rectangle
    around a slanting scratch reaches into images that show nothing of it. The share is then, where that is more, that
    of its pixels there; of a region larger than a box, among the most that any box shows: no box holds much of a net of
    cracks across a picture.

    Args:
        boxes: of each picture, by its name.
        known: the regions of those whose regions are known; the others have none here.
        told: what is known of those that have an annotation, some of which tell outlines.

    Raises:
        UserError: a mask cannot be read any more.
    """
    found = {source: [*_by_boxes(regions, boxes[source], settings)] for source, regions in known.items()}
    pairs = {
        source: [
            (one.region, box) for one_box, box in zip(found[source], boxes[source], strict=True) for one in one_box
            if one.seen.cut
        ]
        for source in found.keys() & told.keys()
        if told[source].record.outlined
    }  # fmt: skip
    tasks = [TightenTask(source, told[source], some, settings) for source, some in sorted(pairs.items()) if some]
    tight: dict[str, Parts] = {}
    for task, result in pool.map(tighten, tasks):
        if isinstance(result, Failed):
            raise UserError(f"{task.of.record.where}: could be read at first, but not again: {result.reason}")
        tight[task.source] = dict(zip(task.pairs, result, strict=True))
    for source, parts in tight.items():
        most: dict[Region, int] = {}
        for (region, box), part in parts.items():
            fits = region.x1 - region.x0 <= box.width and region.y1 - region.y0 <= box.height
            most[region] = max(most.get(region, 1), part.of if fits else part.pixels)
        found[source] = [
            [*_tightened(some, box, parts, most, settings)]
            for some, box in zip(found[source], boxes[source], strict=True)
        ]
    return found


def _by_boxes(regions: list[Region], boxes: list[Crop], settings: Dataset) -> Iterator[list[Showing]]:
    """For each box what it shows; of thousands of both, those that do not meet are found many at a time."""
    x0, y0, x1, y1 = np.array([region[1:] for region in regions], float).reshape(-1, 4).T
    for box in boxes:
        meet = (x0 < box.col + box.width) & (x1 > box.col) & (y0 < box.row + box.height) & (y1 > box.row)
        pairs = ((regions[i], seen(regions[i], box, settings.shape)) for i in np.flatnonzero(meet))
        yield [Showing(region, part) for region, part in pairs if part is not None]


def _tightened(
    some: list[Showing], box: Crop, parts: Parts, most: dict[Region, int], settings: Dataset
) -> Iterator[Showing]:
    for one in some:
        if (one.region, box) not in parts:
            yield one
            continue
        part, pixels, _ = parts[one.region, box]
        if part is not None:
            again = seen(one.region, box, settings.shape, part)
            assert again is not None  # its pixels are in the box
            yield Showing(one.region, again._replace(share=max(again.share, pixels / most[one.region])))


@explained
def tighten(task: TightenTask) -> list[Part]:
    """For each pair what the box shows of the region."""
    windows = _windows(task.of, {region for region, _ in task.pairs}, task.settings)
    return [_in_box(region, windows[region], box) for region, box in task.pairs]


class Window(NamedTuple):
    """The pixels of a region, in the rectangle around it."""

    row: int
    """Of the picture, where the rectangle begins."""
    col: int
    inside: NDArray[np.bool_]


def _windows(of: Annotated, wanted: set[Region], settings: Dataset) -> dict[Region, Window]:
    found: dict[Region, Window] = {}
    for region, inside in _outlines(of, wanted, settings):
        if region in found:  # two parts of one rectangle are one region
            found[region].inside[...] |= inside
        else:
            found[region] = Window(math.floor(region.y0), math.floor(region.x0), inside)
    return found


def _outlines(of: Annotated, wanted: set[Region], settings: Dataset) -> Iterator[tuple[Region, NDArray[np.bool_]]]:
    record, (height, width) = of
    for mask in record.masks:
        for region, parts, number in mask_files.components(*mask_files.classes(mask, settings)):
            if region in wanted:
                yield region, parts[_around(region)] == number
    if record.shapes is None:
        return
    for told, shape in zip(record.pixels(height, width), record.shapes, strict=True):
        try:
            region = judged(told, height, width).region
        except Rejected:
            continue
        if region in wanted:
            canvas = np.zeros((height, width), np.uint8)
            paint(canvas, 1, shape, record.fractions)
            yield region, canvas[_around(region)] > 0


def _around(region: Region) -> tuple[slice, slice]:
    rows = slice(math.floor(region.y0), math.ceil(region.y1))
    return rows, slice(math.floor(region.x0), math.ceil(region.x1))


def _in_box(region: Region, window: Window, box: Crop) -> Part:
    top, left = max(0, box.row - window.row), max(0, box.col - window.col)
    part = window.inside[
        top : max(0, box.row + box.height - window.row), left : max(0, box.col + box.width - window.col)
    ]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return Part(None, 0, 0)
    row, col = window.row + top, window.col + left
    x0, y0, x1, y1 = col + columns[0], row + rows[0], col + columns[-1] + 1, row + rows[-1] + 1
    around = Region(region.label, float(x0), float(y0), float(x1), float(y1))
    return Part(around, int(np.count_nonzero(part)), int(np.count_nonzero(window.inside)))
