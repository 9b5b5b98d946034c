"""Reads one annotation file of whatever format. Runs in the pool's processes, for a file may be made to do harm."""

from __future__ import annotations

import os
from typing import NamedTuple

from pipeline.data import coco, voc, yolo
from pipeline.data.annotations import Annotation
from pipeline.data.frame import Rejected
from pipeline.data.readers import explain
from pipeline.data.records import Reading, Record

LARGEST = {"voc": 4 * 2**20, "coco": 256 * 2**20, "yolo": 4 * 2**20}  # bytes: thousands of boxes an image


class ReadTask(NamedTuple):
    annotation: Annotation
    format: str
    names: list[str]
    """Of the classes, for YOLO."""


def read_file(task: ReadTask) -> Reading:
    """What a file holds, or why nothing is known of it."""
    path, name = task.annotation
    try:
        size = os.path.getsize(path)
        if size > LARGEST[task.format]:
            raise Rejected(f"has {size} bytes, more than the {LARGEST[task.format]} that a {task.format} file may")
        match task.format:
            case "voc":
                return voc.read(path, name)
            case "coco":
                return coco.read(path, name)
        return yolo.read(path, name, task.names)
    except MemoryError:
        return unreadable(task, "needs more memory than an annotation may")
    except Exception as error:
        return unreadable(task, explain(error))


def unreadable(task: ReadTask, reason: str) -> Reading:
    """A file of which nothing is known but, where it stands for one image, that image's name."""
    name = task.annotation.name
    if task.format == "coco":
        return Reading([], [], reason)
    return Reading([Record(os.path.splitext(name)[0], True, name, None, [], [], unreadable=reason)], [])
