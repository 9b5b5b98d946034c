"""Reads LabelMe JSON: one file an image; `shapes` with `label`, `shape_type` and `points` (x, y) in pixels."""

from __future__ import annotations

import base64
import io
import math
import os
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.annotations.marks import Marks
from pipeline.data.annotations.records import Reading, name_of, size_of
from pipeline.data.annotations.shapes import Runs, Shape, around, drawn, ellipse, polygon
from pipeline.data.annotations.text_files import json_content, other_format
from pipeline.data.reading.frame import Rejected

BOUNDED = ("rectangle", "rotation", "oriented_rectangle", "linestrip", "line")  # only their extent is read


def read(path: str, name: str) -> Reading:
    """The one image of a file, which has the file's own name. Raises Rejected where it is no such file."""
    content = json_content(path)
    entries = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Rejected(f"is no LabelMe annotation: it has no list of `shapes`{other_format(content)}")
    marks = Marks()
    for i, entry in enumerate(entries, 1):
        with marks.reading(f"shape {i}"):
            marks.add_shape(*_shape(entry))
    size = size_of(content.get("imageHeight"), content.get("imageWidth"))
    return Reading([marks.record(os.path.splitext(name)[0], True, name, size)], [])


def _shape(mark: dict) -> tuple[Shape, bool]:
    """A shape, and whether its ring is its outline rather than its extent."""
    label, kind, points = name_of(mark.get("label")), mark.get("shape_type", "polygon"), mark.get("points")
    if kind == "polygon":
        return Shape(label, [polygon(points)]), True
    if kind == "mask":
        return Shape(label, [], _mask(mark.get("mask"), points)), True
    if kind not in ("circle", *BOUNDED):
        raise Rejected(f"is a {str(kind)[:20]}, which has no extent")
    if kind != "circle":
        return Shape(label, [around(points)]), False
    (x, y), (u, v), *_ = polygon([*points, *points] if isinstance(points, list) else points)
    radius = math.hypot(u - x, v - y)
    return Shape(label, [ellipse(x, y, radius, radius)]), True


def _mask(picture: Any, points: Any) -> Runs:
    """A picture in base64 whose upper left pixel is that of the first point."""
    (x, y), *_ = polygon([*points, *points] if isinstance(points, list) else points)
    try:
        with Image.open(io.BytesIO(base64.b64decode(picture, validate=True)), formats=["PNG"]) as opened:
            inside = np.asarray(opened.convert("L")) > 0
    except (TypeError, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        raise Rejected("has a mask that is no picture in base64") from None
    row, column = round(y), round(x)
    return drawn(inside[max(0, -row) :, max(0, -column) :], max(0, row), max(0, column))
