"""Reads CSV tables of boxes or of runs of pixels: one file for many images.

Boxes stand as in TensorFlow's tutorials, or without a line of names as in keras-retinanet ("CSV datasets"), where a
path alone is an image without an object: corners in pixels, the first edge being 0. Runs stand as in Kaggle's
competitions: "start length start length ...", no pixel twice, "one-indexed and numbered from top to bottom, then left
to right" (Airbus Ship Detection, "Evaluation"); an empty cell is an image without an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

import numpy as np

from pipeline.data.annotations.marks import Marks
from pipeline.data.annotations.mask_files import components
from pipeline.data.annotations.match_names import Names
from pipeline.data.annotations.records import Fault, Reading, Record, Region, Size, name_of, number, size_of
from pipeline.data.annotations.shapes import Shape, drawn, runs
from pipeline.data.preparing import user_table
from pipeline.data.reading.frame import Header, Rejected

CORNERS = ("xmin", "ymin", "xmax", "ymax")
JOINED = ("ImageId_ClassId", "EncodedPixels")  # `a.jpg_1`
LAYOUTS = (("filename", "class", *CORNERS), ("ImageId", "ClassId", "EncodedPixels"), JOINED)
WITHOUT_NAMES = ["filename", *CORNERS, "class"]
SIZE = ("height", "width")
PAIR = r"\d{1,18}\s+\d{1,18}"  # more digits than any image needs
PAIRS = re.compile(rf"{PAIR}(?:\s+{PAIR})*", re.ASCII)


class Row(NamedTuple):
    line: int
    label: str
    marks: list[str]
    """Four corners, or the runs in one text."""
    size: Size
    cut: bool
    """Whether it has fewer cells than the first line."""


Sizes = dict[str, tuple[int, int]]  # (H, W) of images, as a table calls them


def read(path: str, name: str, sizes: Sizes | None = None) -> Reading:
    """The images that a table names, each once; of runs the connected parts of each row are its regions.

    Args:
        sizes: of those of its images that are known, for runs tell no size; None says that they are to be asked for.

    Raises:
        Rejected: it is no such file.
    """
    lines = user_table.lines(path, {column for layout in LAYOUTS for column in layout})
    line, first = next(lines, (1, []))
    if _is_a_box(first):
        first, lines = WITHOUT_NAMES, chain([(line, first)], lines)
    layout = next((names for names in LAYOUTS if all(user_table.place(first, one) is not None for one in names)), None)
    if "region_shape_attributes" in first:
        raise Rejected("is a table of the VGG Image Annotator, whose menu exports COCO too: `format: coco`")
    if layout is None:
        known = "; or ".join(", ".join(names) for names in LAYOUTS)
        raise Rejected(f"is no table of boxes: its first line does not name the columns {known}")
    places = [user_table.place(first, column) for column in (*layout, *SIZE)]
    images: dict[str, list[Row]] = {}
    lost = []
    for line, cells in lines:
        values = [cells[at] if at is not None and at < len(cells) else "" for at in places]
        if layout is JOINED:
            values[:1] = values[0].rpartition("_")[::2]
        image, label, *marks, height, width = values
        if not image or any(cells[len(first) :]) or "\n" in "".join(values):
            lost.append(Fault(f"line {line}", "names no image, or has more cells than the first line"))
            continue
        row = Row(line, label, marks, size_of(height, width), len(cells) < len(first))
        images.setdefault(image, []).append(row)
    records = [_unmarked(image, rows, name) for image, rows in images.items()]
    if "EncodedPixels" in layout:
        if sizes is None:
            return Reading(records, [], sizeless=True)
        records = [_painted(record, images[record.image], name, sizes) for record in records]
    else:
        records = [_boxed(record, images[record.image]) for record in records]
    if not lost:
        return Reading(records, [])
    why = f"has no box, but {len(lost)} line(s) of its file belong to no image"
    records = [one if one.regions or one.faults or one.unreadable else one._replace(unreadable=why) for one in records]
    return Reading(records, lost, f"has {len(lost)} line(s) that belong to no image")


def _is_a_box(cells: list[str]) -> bool:
    """Whether a line is one of a table without names of columns."""
    corners = [cell.lstrip("-").replace(".", "", 1) for cell in cells[1:5]]
    return len(cells) == len(WITHOUT_NAMES) and (not any(cells[1:]) or all(corner.isdigit() for corner in corners))


def _unmarked(image: str, rows: list[Row], name: str) -> Record:
    sizes = {row.size for row in rows} - {None}
    lost = f"has {len(sizes)} sizes by the lines of its table" if len(sizes) > 1 else None
    size = sizes.pop() if sizes else None
    return Record(image, False, f"{name}, image {image[:80]}", size, [], [], unreadable=lost)


def _boxed(record: Record, rows: list[Row]) -> Record:
    marks = Marks()
    for row in rows:
        with marks.reading(f"line {row.line}"):
            _check_whole(row)
            if row.label or any(row.marks):
                corners = (number(value, what) for value, what in zip(row.marks, CORNERS, strict=True))
                marks.add(Region(name_of(row.label), *corners))
    return marks.record(record.image, record.stem, record.where, record.size, unreadable=record.unreadable)


def asked_sizes(reading: Reading, name: str, names: Names, headers: Mapping[str, Header]) -> Sizes:
    """Those that a table of this `name` asks for, among the images of the source (by their names)."""
    found: Sizes = {}
    for record in reading.records:
        with suppress(Rejected):  # no image, or none alone, is called so: nobody will ask for its parts
            found[record.image] = headers[names.find(record, name)].shape[:2]
    return found


def _painted(record: Record, rows: list[Row], name: str, sizes: Sizes) -> Record:
    """As of a mask, nothing is known of an image where a row is wrong."""
    if record.image not in sizes:
        return record
    pairs: list[tuple[Region, Shape]] = []
    for row in rows:
        try:
            pairs += _parts(row, *sizes[record.image])
        except Rejected as reason:
            return record._replace(unreadable=f"line {row.line} of {name} {reason}")
    return record._replace(regions=[region for region, _ in pairs], shapes=[shape for _, shape in pairs])


def _check_whole(row: Row) -> None:
    if row.cut:
        raise Rejected("has fewer cells than the first line")


def _parts(row: Row, height: int, width: int) -> Iterator[tuple[Region, Shape]]:
    """The connected parts of a row's runs, of an image of (height, width). Raises Rejected where they are none."""
    _check_whole(row)
    words = row.marks[0].split()
    if not words:
        return
    label = name_of(row.label)
    if not PAIRS.fullmatch(row.marks[0]):
        raise Rejected("has runs that are no pairs of whole numbers, a start and a length")
    pairs = sorted(zip(map(int, words[::2]), map(int, words[1::2]), strict=True))
    left = (pairs[0][0] - 1) // height
    counts, end = [], left * height  # from the first column with a run on
    for start, length in pairs:
        if start < 1 or length < 1 or start + length - 1 > height * width:
            raise Rejected(f"has the run {start} {length}, where its image has pixels 1 to {height * width}")
        if start <= end:
            raise Rejected(f"has runs that overlap, at pixel {start}")
        counts += [start - 1 - end, length]
        end = start - 1 + length
    columns = -(-end // height) - left
    marked = runs([*counts, (left + columns) * height - end], height, columns).pixels()
    for region, parts, place in components(marked.astype(np.uint8), [label]):
        x0, y0, x1, y1 = (int(side) for side in region[1:])
        shape = Shape(label, [], drawn(parts[y0:y1, x0:x1] == place, y0, left + x0))
        yield Region(label, left + region.x0, region.y0, left + region.x1, region.y1), shape
