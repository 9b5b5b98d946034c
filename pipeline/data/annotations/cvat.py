"""Reads CVAT XML ("CVAT for images"): one file for many images; coordinates in pixels, the first edge being 0."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from pipeline.data.annotations.marks import Marks
from pipeline.data.annotations.records import Reading, Record, name_of, number, size_of
from pipeline.data.annotations.shapes import Runs, Shape, around, ellipse, ends, polygon, rectangle, runs, turned
from pipeline.data.annotations.text_files import xml_root
from pipeline.data.reading.frame import Rejected

KINDS = ("box", "polygon", "ellipse", "mask", "polyline")


def read(path: str, name: str) -> Reading:
    """The images of a file with what is marked in them. Raises Rejected where it is no such file."""
    root = xml_root(path)
    images = root.findall("image")
    if root.tag != "annotations" or not images:
        film = " (tracks of a film are not read: export the task as images)" if root.find("track") is not None else ""
        raise Rejected(f"is no CVAT annotation of images: it has no <image>{film}")
    return Reading([_record(image, name) for image in images], [])


def _record(image: Element, name: str) -> Record:
    marks = Marks()
    for i, mark in enumerate(image, 1):
        with marks.reading(f"{mark.tag[:20]} {i}"):
            if mark.tag != "tag":  # of the whole image
                marks.add_shape(*_shape(mark))
    called, size = image.get("name", ""), size_of(image.get("height"), image.get("width"))
    return marks.record(called, False, f"{name}, image {called[:80]}", size)


def _shape(mark: Element) -> tuple[Shape, bool]:
    """A shape, and whether it is an outline rather than an extent."""
    if mark.tag not in KINDS:
        raise Rejected("has no extent that is read")
    label = name_of(mark.get("label"))
    match mark.tag:
        case "mask":
            return Shape(label, [], _mask(mark)), True
        case "box":
            ring = rectangle(*(number(mark.get(key), key) for key in ("xtl", "ytl", "xbr", "ybr")))
        case "ellipse":
            ring = ellipse(*(number(mark.get(key), key) for key in ("cx", "cy", "rx", "ry")))
        case _:
            points: list = [point.split(",") for point in mark.get("points", "").split(";")]
            ring = polygon(points) if mark.tag == "polygon" else around(points)
    if degrees := number(mark.get("rotation", 0), "rotation"):
        x0, y0, x1, y1 = ends(Shape(label, [ring]))
        ring = turned(ring, degrees, (x0 + x1) / 2, (y0 + y1) / 2)
    return Shape(label, [ring]), mark.tag in ("polygon", "ellipse")


def _mask(mark: Element) -> Runs:
    try:
        counts = [int(word) for word in mark.get("rle", "").split(",")]
        left, top, width, height = (int(mark.get(key, "")) for key in ("left", "top", "width", "height"))
    except ValueError:
        raise Rejected("has a mask whose numbers are none") from None
    if min(left, top) < 0:
        raise Rejected("has a mask that begins outside its image")
    return runs(counts, height, width, row=top, col=left, by_column=False)
