"""Which files `boxes` means. Light: it is asked while a run is planned, so standard library only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pipeline.data.reading.mask_names import in_folders_of_masks, partners
from pipeline.data.reading.source import files as files_of_images
from pipeline.data.reading.source import is_image, named_items, natural, printable, walk
from pipeline.settings import Boxes, Dataset, UserError

SUFFIXES = {
    "voc": ".xml", "coco": ".json", "yolo": ".txt", "labelme": ".json", "cvat": ".xml", "labelstudio": ".json",
    "csv": ".csv",
}  # fmt: skip
OF_MANY = ("coco", "cvat", "labelstudio", "csv")  # whose files tell of many images
FORM = "sample_submission"  # how Kaggle calls the form that answers are handed in on: of no image anything is known
NAMES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")  # of YOLO's classes, looked for in turn


class Annotation(NamedTuple):
    """A file of annotations."""

    path: str
    name: str
    """Path relative to the folder of all, with `/`, printable: what messages and tables call it."""


def all_annotations(boxes: Boxes, where: str = "boxes") -> list[Annotation]:
    """Every file of `boxes.path`, each once, in natural order.

    Raises:
        UserError: a folder, glob or file that `where` names is missing or holds none of the format.
    """
    found = _found(boxes, where)
    top = _top(found)
    some = [Annotation(path, printable(os.path.relpath(path, top))) for path in found]
    return sorted(some, key=lambda annotation: natural(annotation.name))


def names_files(boxes: Boxes, where: str = "boxes") -> list[str]:
    """The files that name the classes of YOLO, the nearest first; none where the settings or the annotations do.

    Raises:
        UserError: it is missing, or none is found.
    """
    if boxes.format != "yolo" or isinstance(boxes.names, list):
        return []
    if isinstance(boxes.names, str):
        if not os.path.isfile(path := os.path.expanduser(boxes.names)):
            raise UserError(f"{where}.names: `{boxes.names}` does not exist")
        return [path]
    top = _top(_found(boxes, where))
    folders = (top, os.path.dirname(top), os.path.dirname(os.path.dirname(top)))
    paths = dict.fromkeys(os.path.join(folder, name) for folder in folders for name in NAMES)
    if found := [path for path in paths if os.path.isfile(path)]:
        return found
    raise UserError(
        f"{where}.names: YOLO files number their classes, and no {', '.join(NAMES)} is in {top} or the two folders "
        "above it; list the names here, in the order of the numbers"
    )


def files(boxes: Boxes, where: str = "boxes") -> dict[str, Path]:
    """Everything that is read, by what it is called: the annotations and the files of names. Raises UserError as both
    do."""
    named = enumerate(names_files(boxes, where))
    annotations = {f"annotation {one.name}": Path(one.path) for one in all_annotations(boxes, where)}
    return annotations | {f"names {place}": Path(path) for place, path in named}


def with_masks(boxes: Boxes) -> bool:
    """Whether prepared images come with masks."""
    return boxes.outlines or boxes.format == "mask"


def masks_of(dataset: Dataset) -> frozenset[str]:
    """Paths of the masks that a data set's `boxes` name: these are none of its images, wherever they lie.

    Raises:
        UserError: they are missing.
    """
    if dataset.boxes is None or dataset.boxes.format != "mask":
        return frozenset()
    return frozenset(os.path.realpath(path) for path in _found(dataset.boxes, "boxes"))


def masks_among_images(dataset: Dataset) -> bool:
    """Whether any of `masks_of` lies where the images are."""
    masks = masks_of(dataset)
    return any(os.path.realpath(path) in masks for path in files_of_images(dataset).values()) if masks else False


def _found(boxes: Boxes, where: str) -> dict[str, str]:
    """The folder of the item that each path was found by."""
    if boxes.format == "mask":
        return _masks(boxes, where)
    suffix = SUFFIXES[boxes.format]

    def wanted(path: str) -> bool:
        name = os.path.basename(path)
        return name.lower().endswith(suffix) and not name.startswith((".", FORM)) and name not in NAMES

    found: dict[str, str] = {}
    for item in named_items(boxes.path, f"{where}.path"):
        some = dict(walk(item, f"{where}.path", wanted))
        if not some:
            raise UserError(f"{where}.path: `{item}` holds no *{suffix} file, as `format: {boxes.format}` has them")
        found = some | found
    return found


def _masks(boxes: Boxes, where: str) -> dict[str, str]:
    """As `_found`. Where images lie among the files, the masks are those that are named as masks of these."""
    found: dict[str, str] = {}
    for item in named_items(boxes.path, f"{where}.path"):
        some = dict(walk(item, f"{where}.path", is_image))
        if not some:
            raise UserError(f"{where}.path: `{item}` holds no pictures, as `format: mask` has them")
        names = {path: printable(os.path.relpath(path, root)) for path, root in some.items()}
        masks = partners(names.values()).keys() | in_folders_of_masks(names.values())
        found = {path: root for path, root in some.items() if not masks or names[path] in masks} | found
    return found


def _top(found: dict[str, str]) -> str:
    return os.path.commonpath([os.path.abspath(root) for root in found.values()])
