"""Reads Pascal VOC XML: one file an image; `<bndbox>` holds the first and the last pixel of a box, counted from 1.

So pixels 1 to 200 of a picture of width 200 are columns 0 to 200, half-open (The PASCAL Visual Object Classes Challenge
2012, Development Kit, section "Annotations": "the top-left pixel in the image has coordinates (1, 1)").
"""

from __future__ import annotations

import os
from xml.etree.ElementTree import Element

from pipeline.data.annotations.marks import Marks
from pipeline.data.annotations.records import Reading, Region, name_of, number, size_of
from pipeline.data.annotations.text_files import xml_root
from pipeline.data.reading.frame import Rejected


def read(path: str, name: str) -> Reading:
    """The one image of a file, which has the file's own name: what `<filename>` says is often left from a copy.

    Raises:
        Rejected: it is no such file, or a hostile one.
    """
    root = xml_root(path)
    if root.tag != "annotation":
        raise Rejected(f"is no Pascal VOC annotation: it begins with <{root.tag[:40]}>")
    marks = Marks()
    for i, marked in enumerate(root.findall("object"), 1):
        with marks.reading(f"object {i}"):
            marks.add(_region(marked))
    size = size_of(root.findtext("size/height"), root.findtext("size/width"))
    return Reading([marks.record(os.path.splitext(name)[0], True, name, size)], [])


def _region(marked: Element) -> Region:
    label = name_of(marked.findtext("name"))
    boxes = marked.findall("bndbox")
    if len(boxes) != 1:
        raise Rejected(f"has {len(boxes)} <bndbox>")
    first_x, first_y, last_x, last_y = (number(boxes[0].findtext(k), k) for k in ("xmin", "ymin", "xmax", "ymax"))
    return Region(label, first_x - 1, first_y - 1, last_x, last_y)
