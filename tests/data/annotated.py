"""Annotation files of known boxes, written by hand in the words of each format."""

import json

from pipeline.data.annotations import tables
from pipeline.data.annotations.files import Annotation
from pipeline.data.annotations.match_names import Names
from pipeline.data.annotations.parse import ReadTask, outcome, read_file

ELEMENTS = "<name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def voc(*marks, size=None):
    """Pascal VOC; `marks` are (label, first column, first row, last column, last row) counted from 1."""
    extent = "<size><width>{1}</width><height>{0}</height><depth>1</depth></size>".format(*size) if size else ""
    objects = "".join(f"<object>{ELEMENTS.format(*mark)}</object>" for mark in marks)
    return f"<annotation><filename>elsewhere.png</filename>{extent}{objects}</annotation>"


def coco(images, marks, categories=("b", "a")):
    """COCO; `images` are (file, height, width), `marks` (place of the image, label, x, y, width, height)."""
    names = [{"id": 10 + i, "name": name} for i, name in enumerate(categories)]
    listed = [{"id": 70 + i, "file_name": f, "height": h, "width": w} for i, (f, h, w) in enumerate(images)]
    boxes = [
        {"id": i, "image_id": 70 + place, "category_id": 10 + categories.index(label), "bbox": box}
        for i, (place, label, *box) in enumerate(marks)
    ]
    return json.dumps({"images": listed, "annotations": boxes, "categories": names})


def yolo(*marks):
    """YOLO; `marks` are (class number, centre x, centre y, width, height) as fractions."""
    return "\n".join(" ".join(str(value) for value in mark) for mark in marks)


def reading(path, settings, names=(), headers=()):
    """What a file of annotations holds."""
    task = ReadTask(Annotation(str(path), path.name), settings, list(names))
    found = outcome(task, read_file(task))
    if not found.sizeless:
        return found
    by_name = {header.source: header for header in headers}
    task = task._replace(sizes=tables.asked_sizes(found, path.name, Names(list(headers)), by_name))
    return outcome(task, read_file(task))
