"""Reads Label Studio's exports JSON and JSON-MIN: one file for many images; coordinates in hundredths of the image."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import unquote

import numpy as np

from pipeline.data.annotations.marks import Marks
from pipeline.data.annotations.records import Reading, Record, name_of, number
from pipeline.data.annotations.shapes import MOST_PIXELS, Runs, Shape, drawn, ellipse, polygon, rectangle, turned
from pipeline.data.annotations.text_files import json_content, other_format
from pipeline.data.reading.frame import Rejected

IMAGE = re.compile(r"\.(tiff?|png|jpe?g|jfif|bmp|webp|gif|h5|hdf5)$", re.IGNORECASE)
PLACED = ("x", "points", "rle")  # keys of what is marked in a part of the image
ALPHA = 3  # of the four bytes of a painted pixel


def read(path: str, name: str) -> Reading:
    """The images of a file with what is marked in them; one that several people marked comes once for each.

    Raises:
        Rejected: it is no such file.
    """
    tasks = json_content(path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and _image(task) for task in tasks):
        raise Rejected(f"is no export of Label Studio: it is no list of tasks that name an image{other_format(tasks)}")
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
    else:  # JSON-MIN has the marks of one person beside the image, a list for each tool
        lists = [value for value in task.values() if isinstance(value, list)]
        results = [[mark for marks in lists for mark in marks]] if lists else []
    return [[mark for mark in result if isinstance(mark, dict)] for result in results if isinstance(result, list)]


def _record(task: dict, entries: list[dict], name: str) -> Record:
    marks, sizes = Marks(), set()
    named = {str(mark.get("id")) for mark in entries if _key(_value(mark)) is not None}
    for i, mark in enumerate(entries, 1):
        value = _value(mark)
        if not any(key in value for key in PLACED):  # a class of the whole image, a note
            continue
        if _key(value) is None and "id" in mark and str(mark["id"]) in named:  # more about a region that has a class
            continue
        with marks.reading(f"region {i}"):
            own = _size(mark)
            labels = _labels(value)
            shape, outlined = _shape(value, own, labels[0])
            for label in labels:
                marks.add_shape(shape._replace(label=label), outlined)
            sizes.add(own)
    image = _image(task) or ""
    size = sizes.pop() if len(sizes) == 1 else None
    return marks.record(image, False, f"{name}, image {image[:80]}", size)


def _value(mark: dict) -> dict[str, Any]:
    value = mark.get("value", mark)
    return value if isinstance(value, dict) else {}


def _key(value: dict[str, Any]) -> str | None:
    """Where the class is: `rectanglelabels`, or `labels` where the tool and the classes are two."""
    return next((key for key in value if key.endswith("labels")), None)


def _size(mark: dict) -> tuple[float, float]:
    height, width = (number(mark.get(key), key) for key in ("original_height", "original_width"))
    if not (0 < height < math.inf and 0 < width < math.inf):
        raise Rejected("has no size of its image")
    return height, width


def _labels(value: dict[str, Any]) -> list[str]:
    """The classes of a mark, each once: one that has several is a defect of each. Raises Rejected where it has none."""
    key = _key(value)
    labels = value[key] if key else None
    return list(dict.fromkeys(name_of(label) for label in (labels if isinstance(labels, list) and labels else [None])))


def _shape(value: dict[str, Any], size: tuple[float, float], label: str) -> tuple[Shape, bool]:
    """A shape in pixels, and whether it is an outline rather than an extent."""
    height, width = size
    if "rle" in value:
        return Shape(label, [], _painted(value["rle"], size)), True

    def pixels(*keys: str) -> list[float]:
        """Values of the mark that run along x and y by turns."""
        return [number(value.get(key), key) * (width, height)[i % 2] / 100 for i, key in enumerate(keys)]

    degrees = number(value.get("rotation") or 0, "rotation")
    if "points" in value:
        ring = [(x * width / 100, y * height / 100) for x, y in polygon(value["points"])]
    elif "radiusX" in value:
        x, y, across, down = pixels("x", "y", "radiusX", "radiusY")
        ring = turned(ellipse(x, y, across, down), degrees, x, y)
    elif "height" in value:
        x, y, across, down = pixels("x", "y", "width", "height")
        ring = turned(rectangle(x, y, x + across, y + down), degrees, x, y)
    else:
        raise Rejected("is a point, which has no extent")
    return Shape(label, [polygon(ring)]), "points" in value or "radiusX" in value


def _painted(packed: Any, size: tuple[float, float]) -> Runs:
    """What a brush painted, of bytes that hold one number after the other, of so many bits each.

    First 32 bits: how many values follow; 5: bits of a value, less 1; four times 4: bits of four kinds of lengths, less
    1. Then one by one: a bit whether one value is repeated, 2: the kind of the length, the length less 1, and the one
    value or all (thi.ng/rle-pack, README, "Encoding format"). The values are red, green, blue and alpha by turns.
    """
    height, width = (int(side) for side in size)
    if not 0 < height * width <= MOST_PIXELS:
        raise Rejected(f"is painted on {height} x {width} pixels, which is no size")
    try:
        if not isinstance(packed, list):
            raise TypeError
        bits, at = "".join(f"{byte:08b}" for byte in bytes(packed)), 0

        def following(count: int) -> int:
            nonlocal at
            at += count
            if at > len(bits):
                raise ValueError
            return int(bits[at - count : at], 2)

        count, depth = following(32), following(5) + 1
        lengths = [following(4) + 1 for _ in range(4)]
        if count != 4 * height * width:
            raise Rejected(f"is painted on {count / 4:g} pixels, where the image has {height} x {width}")
        values, place = np.zeros(count, bool), 0
        while place < count:
            repeated = following(1)
            length = following(lengths[following(2)]) + 1
            if repeated:
                values[place : place + length] = following(depth) > 0
            else:
                some = [following(depth) > 0 for _ in range(min(length, count - place))]
                values[place : place + len(some)] = some
            place += length
    except (TypeError, ValueError):
        raise Rejected("is a brush stroke whose packed pixels are damaged") from None
    return drawn(values[ALPHA::4].reshape(height, width))
