"""Masks that lie among the images of a source: no training images, though they are pictures."""

from __future__ import annotations

import os
from typing import NamedTuple

from pipeline.base.job import say
from pipeline.data.annotations import mask_files
from pipeline.data.preparing.issues import Rejections
from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.mask_names import in_folders_of_masks, names_masks, partners
from pipeline.data.reading.sandbox import SandboxPool
from pipeline.data.reading.source import Entry, is_image, printable, walk
from pipeline.settings import Dataset


class MaskTask(NamedTuple):
    entry: Entry
    settings: Dataset


def left_out(pool: SandboxPool, entries: list[Entry], settings: Dataset, rejected: Rejections) -> list[Entry]:
    """The files without those that are masks of others by name and by content; these are offered as annotations."""
    image = partners(entry.name for entry in entries)
    others = in_folders_of_masks(entry.name for entry in entries)
    named = (MaskTask(entry, settings) for entry in entries if entry.name in image or entry.name in others)
    masks = {task.entry.name: task.entry.path for task, found in pool.map(shows_mask, named) if found is True}
    for name in masks:
        of = f"a mask of {image[name]}" if name in image else "a mask by its folder and content"
        rejected.add(name, f"is {of}, not an image")
    if masks:
        first = min(masks)
        example = f"{first} of {image[first]}" if first in image else first
        folder = printable(os.path.commonpath([os.path.dirname(path) for path in masks.values()]))
        say(
            f"{len(masks)} file(s) are masks by name and content (first: {example}) and train nothing; "
            f"to have them as annotations: `boxes: {{format: mask, path: {folder}}}`"
        )
    return [entry for entry in entries if entry.name not in masks]


def offered(place: str | list[str], entries: list[Entry], settings: Dataset) -> None:
    """Name the folders of masks that lie beside the folder of the images; not where `settings` hold the `boxes`, which
    they do only where the images depend on them."""
    if settings.boxes is not None or not isinstance(place, str) or not os.path.isdir(place):
        return
    here = os.path.realpath(os.path.expanduser(place))
    try:
        with os.scandir(os.path.dirname(here)) as found:
            folders = sorted(f.path for f in found if f.path != here and names_masks(f.name) and f.is_dir())
    except OSError:
        return
    for folder in folders:
        there = [f"masks/{os.path.relpath(path, folder)}" for path, _ in walk(folder, "source", is_image)]
        images = partners([*(f"images/{entry.name}" for entry in entries), *there])
        if count := len(images.keys() & set(there)):
            path = printable(os.path.join(os.path.dirname(os.path.normpath(place)), os.path.basename(folder)))
            say(
                f"{path} holds masks of {count} image(s) by their names; if no `boxes` name them yet, "
                f"`boxes: {{format: mask, path: {path}}}` does"
            )


def shows_mask(task: MaskTask) -> bool:
    """Whether a file holds few values. What cannot be read is none: its reason is found where images are read."""
    try:
        return mask_files.shows_mask(task.entry.path, task.entry.name, task.settings)
    except Rejected:
        return False
