"""Reads COCO JSON: one file for many images; `bbox` is [x, y, width, height] in pixels, the first edge being 0.

cocodataset.org, "Data format": "box coordinates are measured from the top left image corner and are 0-indexed".
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from pipeline.data.annotations.marks import Marks
from pipeline.data.annotations.records import Fault, Reading, Region, Size, name_of, number, size_of
from pipeline.data.annotations.shapes import Shape, ends, listed, packed_counts, runs
from pipeline.data.annotations.text_files import json_content, other_format
from pipeline.data.reading.frame import Rejected

LONGEST = 80  # characters of an id in a message


def read(path: str, name: str) -> Reading:
    """The images of a file, with the annotations that point at them.

    Raises:
        Rejected: it is no such file.
    """
    images, marks, categories = _sections(path)
    images = list({json.dumps(image, sort_keys=True): image for image in images}.values())  # some list them twice
    names = {_id(c): c.get("name") for c in categories}
    known = Counter(_id(image) for image in images)
    marked = {own: Marks() for own in known}
    sizes = {_id(image): size_of(image.get("height"), image.get("width")) for image in images}
    dangling = []
    for mark in marks:
        own, which = _id(mark, "image_id"), f"annotation {_id(mark)[:LONGEST]}"
        if own not in known:
            dangling.append(Fault(which, f"belongs to no image: the file has none with id {own[:LONGEST]}"))
            continue
        with marked[own].reading(which):
            marked[own].add(*_marked(mark, names, sizes[own]))
    records = []
    for image in images:
        own = _id(image)
        lost = None
        if known[own] > 1:
            lost = f"its id {own[:LONGEST]} stands for {known[own]} images"
        elif not _file(image):
            lost = "its entry names no image (file_name)"
        elif dangling and not marked[own].regions and not marked[own].faults:
            lost = f"has no box, but {len(dangling)} annotation(s) of its file belong to no image"
        where = f"{name}, image {own[:LONGEST]}"
        records.append(marked[own].record(_file(image), False, where, sizes[own], unreadable=lost))
    return Reading(records, dangling)


def _sections(path: str) -> list[list[dict]]:
    content = json_content(path)
    sections = []
    for key in ("images", "annotations", "categories"):
        section = content.get(key) if isinstance(content, dict) else None
        if not isinstance(section, list) or not all(isinstance(entry, dict) for entry in section):
            raise Rejected(f"is no COCO annotation: it has no list of `{key}`{other_format(content)}")
        sections.append(section)
    return sections


def _id(entry: dict, key: str = "id") -> str:
    """As text, a list being no key; `"7"`, `"007"`, `7.0` and `7` are one id: some tools write text, some numbers."""
    value = entry.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value):
        return str(int(value))
    return json.dumps(value)


def _file(image: dict) -> str:
    value = image.get("file_name")
    return value if isinstance(value, str) else ""


def _marked(mark: dict, names: dict[str, Any], size: Size) -> tuple[Region, Shape | None]:
    """A box, and its outline where that is told."""
    category = _id(mark, "category_id")
    if category not in names:
        raise Rejected(f"is of an unknown class: the file has no category {category[:LONGEST]}")
    label = name_of(names[category])
    if mark.get("iscrowd"):
        raise Rejected("marks a crowd (iscrowd), not one thing")
    shape = _shape(label, mark.get("segmentation"), size)
    box = mark.get("bbox")
    if not box and shape is not None:
        return Region(label, *ends(shape)), shape
    if not isinstance(box, list) or len(box) != 4:
        raise Rejected("has no bbox of 4 numbers")
    x, y, width, height = (number(value, what) for value, what in zip(box, ("x", "y", "width", "height"), strict=True))
    return Region(label, x, y, x + width, y + height), shape


def _shape(label: str, outline: Any, size: Size) -> Shape | None:
    """Polygons, or runs down the columns as numbers or packed; None where the outline cannot be read."""
    try:
        if isinstance(outline, dict):
            own, counts = outline.get("size"), outline.get("counts")
            height, width = own if isinstance(own, list) and len(own) == 2 else (None, None)
            found = runs(packed_counts(counts) if isinstance(counts, str) else counts, height, width)
            return Shape(label, [], found) if size in (None, (height, width)) else None
        if isinstance(outline, list) and outline:
            return Shape(label, [listed(part) for part in outline])
    except Rejected:
        pass
    return None
