"""Reads Label Studio's exports JSON and JSON-MIN: one file for many images; coordinates in hundredths of the image."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import unquote

from pipeline.data.annotations.records import Fault, Reading, Record, Region, name_of, number
from pipeline.data.annotations.shapes import Shape, ellipse, ends, polygon, rectangle, turned
from pipeline.data.annotations.text_files import json_content
from pipeline.data.reading.frame import Rejected

IMAGE = re.compile(r"\.(tiff?|png|jpe?g|jfif|bmp|webp|gif|h5|hdf5)$", re.IGNORECASE)
KINDS = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels")


def read(path: str, name: str) -> Reading:
    """The images of a file with what is marked in them; one that several people marked comes once for each.

    Raises:
        Rejected: it is no such file.
    """
    tasks = json_content(path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and _image(task) for task in tasks):
        raise Rejected("is no export of Label Studio: it is no list of tasks that name an image")
    return Reading([_record(task, marks, name) for task in tasks for marks in _markings(task)], [])


def _image(task: dict) -> str | None:
    data = task.get("data", task)
    texts = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    paths = [unquote(text.rpartition("?d=")[2].partition("?")[0]) for text in texts]
    return next((path for path in paths if IMAGE.search(path)), None)


def _markings(task: dict) -> list[list[dict]]:
    """What each person marked; nothing of a task that nobody has done."""
    done = task.get("annotations", task.get("completions"))
    if isinstance(done, list):
        results = [one.get("result") for one in done if isinstance(one, dict) and not one.get("was_cancelled")]
    else:  # JSON-MIN has the marks beside the image
        results = [value for value in task.values() if isinstance(value, list)]
    return [[mark for mark in result if isinstance(mark, dict)] for result in results if isinstance(result, list)]


def _record(task: dict, marks: list[dict], name: str) -> Record:
    regions, faults, shapes, sizes = [], [], [], set()
    for i, mark in enumerate(marks, 1):
        value = mark.get("value", mark)
        if not isinstance(value, dict) or not any(
            kind in value for kind in KINDS
        ):  # a class of the whole image, a note
            continue
        try:
            own = _size(mark)
            shape, outlined = _shape(value, own)
            regions.append(Region(shape.label, *ends(shape)))
        except Rejected as reason:
            faults.append(Fault(f"region {i}", str(reason)))
            continue
        sizes.add(own)
        shapes += [shape] if outlined else []
    known = shapes if len(shapes) == len(regions) else None
    image = _image(task) or ""
    size = sizes.pop() if len(sizes) == 1 else None
    return Record(image, False, f"{name}, image {image[:80]}", size, regions, faults, shapes=known)


def _size(mark: dict) -> tuple[float, float]:
    height, width = (number(mark.get(key), key) for key in ("original_height", "original_width"))
    if not (0 < height < math.inf and 0 < width < math.inf):
        raise Rejected("has no size of its image")
    return height, width


def _shape(value: dict[str, Any], size: tuple[float, float]) -> tuple[Shape, bool]:
    """A shape in pixels, and whether it is an outline rather than an extent."""
    kind = next(kind for kind in KINDS if kind in value)
    labels = value[kind]
    label = name_of(labels[0] if isinstance(labels, list) and labels else None)
    if kind == "brushlabels":
        raise Rejected("is a brush stroke; export these as PNG, which `format: mask` reads")
    height, width = size

    def pixels(*keys: str) -> list[float]:
        """Values of the mark that run along x and y by turns."""
        return [number(value.get(key), key) * (width, height)[i % 2] / 100 for i, key in enumerate(keys)]

    degrees = number(value.get("rotation") or 0, "rotation")
    if kind == "polygonlabels":
        ring = [(x * width / 100, y * height / 100) for x, y in polygon(value.get("points"))]
    elif kind == "rectanglelabels":
        x, y, across, down = pixels("x", "y", "width", "height")
        ring = turned(rectangle(x, y, x + across, y + down), degrees, x, y)
    else:
        x, y, across, down = pixels("x", "y", "radiusX", "radiusY")
        ring = turned(ellipse(x, y, across, down), degrees, x, y)
    return Shape(label, [polygon(ring)]), kind != "rectanglelabels"
