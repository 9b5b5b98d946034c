"""Reads one annotation file of whatever format. Runs in the pool's processes, for a file may be made to do harm."""

from __future__ import annotations

import os
from typing import NamedTuple

from pipeline.data.annotations import coco, cvat, label_studio, labelme, mask_files, tables, voc, yolo
from pipeline.data.annotations.clip import look_like_fractions
from pipeline.data.annotations.files import OF_MANY, Annotation
from pipeline.data.annotations.records import Fault, Reading, Record
from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.mask_names import image_name
from pipeline.data.reading.readers import explained
from pipeline.data.reading.regular_file import check_regular
from pipeline.data.reading.sandbox import Failed
from pipeline.settings import Dataset

# Bytes: thousands of boxes an image. LabelMe keeps the image beside them. No mask has a limit.
LARGEST = {"voc": 4 * 2**20, "yolo": 4 * 2**20, "labelme": 64 * 2**20} | dict.fromkeys(OF_MANY, 256 * 2**20)

MOST_BOXES = 10_000  # of an image: detectors make room in every image for as many as the fullest has
MOST_FAULTS = 100  # said of an image or a file: a file of nonsense has one in each of its millions of lines


class ReadTask(NamedTuple):
    annotation: Annotation
    settings: Dataset
    """Of the images that are annotated; with boxes."""
    names: list[str]
    """Of the classes, for YOLO."""
    sizes: tables.Sizes | None = None
    """Of the images that it tells of, for CSV, once they are asked for."""

    @property
    def format(self) -> str:
        assert self.settings.boxes is not None  # or there is nothing to read
        return self.settings.boxes.format


@explained
def read_file(task: ReadTask) -> Reading:
    """What a file holds."""
    return _bounded(_in_pixels(_read(task), task.format))


def _read(task: ReadTask) -> Reading:
    path, name = task.annotation
    facts = check_regular(path)
    if facts.st_size > (largest := LARGEST.get(task.format, facts.st_size)):
        raise Rejected(f"has {facts.st_size} bytes, more than the {largest} that a {task.format} file may")
    match task.format:
        case "mask":
            return mask_files.read(path, name, task.settings)
        case "voc":
            return voc.read(path, name)
        case "coco":
            return coco.read(path, name)
        case "labelme":
            return labelme.read(path, name)
        case "cvat":
            return cvat.read(path, name)
        case "labelstudio":
            return label_studio.read(path, name)
        case "csv":
            return tables.read(path, name, task.sizes)
    return yolo.read(path, name, task.names)


def _in_pixels(reading: Reading, kind: str) -> Reading:
    """Raises Rejected where the boxes seem to be in fractions, which should be in pixels."""
    regions = [region for record in reading.records for region in record.regions if not record.fractions]
    if look_like_fractions(regions):
        unit = "hundredths" if kind == "labelstudio" else "pixels"
        raise Rejected(
            "its boxes look like fractions of width and height, for nearly all lie within 2 pixels of the image's "
            f"corner: write them in {unit}, as `format: {kind}` has them"
        )
    return reading


def _bounded(reading: Reading) -> Reading:
    return reading._replace(records=[_few_boxes(r) for r in reading.records], faults=_first(reading.faults))


def _few_boxes(record: Record) -> Record:
    if len(record.regions) > MOST_BOXES:
        reason = f"marks {len(record.regions)} boxes, more than the {MOST_BOXES} that an image may have"
        return record._replace(regions=[], faults=[], unreadable=reason)
    return record._replace(faults=_first(record.faults))


def _first(faults: list[Fault]) -> list[Fault]:
    rest = len(faults) - MOST_FAULTS
    return [*faults[:MOST_FAULTS], Fault(f"{rest} others", "cannot be used either")] if rest > 0 else faults


def outcome(task: ReadTask, found: Reading | Failed) -> Reading:
    """What is known of a file; of one that cannot be read nothing but, where it stands for one image, that image's
    name."""
    if not isinstance(found, Failed):
        return found
    name = task.annotation.name
    if task.format in OF_MANY:
        return Reading([], [], found.reason)
    image = image_name(name) if task.format == "mask" else os.path.splitext(name)[0]
    return Reading([Record(image, True, name, None, [], [], unreadable=found.reason)], [])
