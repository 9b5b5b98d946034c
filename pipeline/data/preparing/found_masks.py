"""Masks that lie among the images of a source: no training images, though they are pictures."""

from __future__ import annotations

import os
from typing import NamedTuple

from pipeline.base.job import say
from pipeline.data.annotations import mask_files
from pipeline.data.preparing.rejections import Rejections
from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.mask_names import partners
from pipeline.data.reading.sandbox import SandboxPool
from pipeline.data.reading.source import Entry, printable
from pipeline.settings import Dataset


class MaskTask(NamedTuple):
    entry: Entry
    settings: Dataset


def left_out(pool: SandboxPool, entries: list[Entry], settings: Dataset, rejected: Rejections) -> list[Entry]:
    """The files without those that are masks of others by name and by content; these are offered as annotations."""
    image = partners(entry.name for entry in entries)
    named = (MaskTask(entry, settings) for entry in entries if entry.name in image)
    masks = {task.entry.name: task.entry.path for task, found in pool.map(shows_mask, named) if found is True}
    for name in masks:
        rejected.add(name, f"is a mask of {image[name]}, not an image")
    if masks:
        first = min(masks)
        folder = printable(os.path.commonpath([os.path.dirname(path) for path in masks.values()]))
        say(
            f"{len(masks)} file(s) are masks by name and content (first: {first} of {image[first]}) and train nothing; "
            f"to have them as annotations: `boxes: {{format: mask, path: {folder}}}`"
        )
    return [entry for entry in entries if entry.name not in masks]


def shows_mask(task: MaskTask) -> bool:
    """Whether a file holds few values. What cannot be read is none: its reason is found where images are read."""
    try:
        return mask_files.shows_mask(task.entry.path, task.entry.name, task.settings)
    except Rejected:
        return False
