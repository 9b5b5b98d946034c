"""Writes `masks.npy`: for each prepared image, pixel by pixel, the class of the defect that is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.base.files import whole
from pipeline.base.job import progress
from pipeline.data.annotations import mask_files
from pipeline.data.annotations.records import Record
from pipeline.data.annotations.shapes import paint as paint_shape
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import tiling
from pipeline.data.preparing.tiling import Crop
from pipeline.data.reading.readers import explained
from pipeline.data.reading.sandbox import Failed, SandboxPool
from pipeline.settings import Dataset, UserError

TASK_BYTES = 64 * 2**20  # of masks in an answer


class Square(NamedTuple):
    """What a prepared image shows."""

    row: int
    """Of the image set."""
    source: str
    box: Crop


class Annotated(NamedTuple):
    """What is known of an image of the source."""

    record: Record
    shape: tuple[int, int]
    """(H, W) of what was annotated: all of the picture, or what `crop_bottom` leaves."""


class Painted(NamedTuple):
    """What the masks of an image set hold."""

    shares: NDArray[np.float64]
    """(classes,): of each class among the pixels of the images that have annotations."""
    empty: NDArray[np.bool_]
    """(N,): whether the mask of an image has no pixel of any class."""


class PaintTask(NamedTuple):
    of: Annotated
    squares: list[Square]
    classes: list[str]
    """All of the set."""
    settings: Dataset


def write(
    pool: SandboxPool, images: ImageSet, squares: list[Square], outlined: dict[str, Annotated], classes: list[str],
    settings: Dataset,
) -> Painted:  # fmt: skip
    """Write the masks of an image set: (N, H, W) uint8, 0 where no defect is known, else 1 + the place of its class.

    Args:
        outlined: what is known of each image of the source whose defects have shapes, by its name.
        classes: at most 255.

    Raises:
        UserError: a mask cannot be read any more.
    """
    path = images.path / "masks.npy"
    shape = (len(images), images.meta["height"], images.meta["width"])
    tasks = list(_tasks(squares, outlined, classes, settings, shape[1] * shape[2]))
    with whole(path) as part, progress("painting masks", len(tasks), "file") as bar:
        masks = np.lib.format.open_memmap(part, "w+", np.uint8, shape)
        counts, empty = np.zeros(1 + len(classes), np.int64), np.ones(len(images), bool)
        for task, painted in pool.map(paint, tasks):
            if isinstance(painted, Failed):
                raise UserError(f"{task.of.record.where}: could be read at first, but not again: {painted.reason}")
            rows = [square.row for square in task.squares]
            masks[rows], empty[rows] = painted, ~painted.any(axis=(1, 2))
            for mask in painted:
                counts += np.bincount(mask.ravel(), minlength=len(counts))
            bar.update()
        masks.flush()
    return Painted(counts[1:] / max(1, counts.sum()), empty)


def _tasks(
    squares: list[Square], outlined: dict[str, Annotated], classes: list[str], settings: Dataset, pixels: int
) -> Iterator[PaintTask]:
    most = max(1, TASK_BYTES // pixels)
    shown: dict[str, list[Square]] = {}
    for square in squares:
        shown.setdefault(square.source, []).append(square)
    for source, of in outlined.items():
        own = shown.get(source, [])
        for first in range(0, len(own), most):
            yield PaintTask(of, own[first : first + most], classes, settings)


@explained
def paint(task: PaintTask) -> NDArray[np.uint8]:
    """(n, height, width): the mask of each square."""
    marked = _classes(task)
    return np.stack([_resized(marked, square.box, task.settings.shape) for square in task.squares])


def _classes(task: PaintTask) -> NDArray[np.uint8]:
    """(H, W) of the source: 0, or 1 + the place of the class among the task's; classes not among these are 0."""
    record, shape = task.of
    canvas = np.zeros(shape, np.uint8)
    for one in record.shapes or ():
        if one.label in task.classes:
            paint_shape(canvas, 1 + task.classes.index(one.label), one, record.fractions)
    for mask in record.masks:
        marked, labels = mask_files.classes(mask, task.settings)
        places = [1 + task.classes.index(label) if label in task.classes else 0 for label in labels]
        painted = np.array([0, *places], np.uint8)[marked]
        canvas = np.where(painted > 0, painted, canvas)
    return canvas


def _resized(marked: NDArray[np.uint8], box: Crop, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A box of a mask as its image shows it, 0 in the rim; each pixel takes the class in its centre."""
    cut = np.zeros((box.height, box.width), np.uint8)
    part = tiling.inside(box, *marked.shape)
    cut[part.top : part.bottom, part.left : part.right] = tiling.patch(marked, box)
    return np.asarray(Image.fromarray(cut).resize(shape[::-1], Image.Resampling.NEAREST))
