"""Masks that lie among the images of a source: no training images, though they are pictures."""

from __future__ import annotations

import os
from itertools import islice

from pipeline.base.job import say
from pipeline.data.annotations import mask_files
from pipeline.data.preparing.issues import Rejections
from pipeline.data.preparing.scan import FileTask
from pipeline.data.reading.mask_names import in_folders_of_masks, names_masks, nearest, partners, place
from pipeline.data.reading.readers import explained
from pipeline.data.reading.sandbox import SandboxPool
from pipeline.data.reading.source import Entry, is_image, printable, walk
from pipeline.settings import Dataset

MOST = 0.5  # share of a folder's files that have namesakes, above which it may be one of masks
LOOKED_AT = 8  # files of a folder, and namesakes of each, that tell whether it is one of masks


def left_out(pool: SandboxPool, entries: list[Entry], settings: Dataset, rejected: Rejections) -> list[Entry]:
    """The files without those that are masks of others; these are offered as annotations."""
    named, drawn = found(pool, entries, settings)
    for name, image in named.items():
        rejected.add(name, f"is {f'a mask of {image}' if image else 'a mask by its folder and content'}, not an image")
    for name, images in drawn.items():
        rejected.add(name, f"is a mask of {' or '.join(images)} by its content and its namesake, not an image")
    paths = {entry.name: entry.path for entry in entries}
    if named:
        first = min(named)
        example = f"{first} of {named[first]}" if named[first] else first
        folder = printable(os.path.commonpath([os.path.dirname(paths[name]) for name in named]))
        say(
            f"{len(named)} file(s) are masks by name and content (first: {example}) and train nothing; "
            f"to have them as annotations: `boxes: {{format: mask, path: {folder}}}`"
        )
    if drawn:
        first = min(drawn)
        folders = sorted({printable(os.path.dirname(paths[name])) for name in drawn})
        place = folders[0] if len(folders) == 1 else f"[{', '.join(folders)}]"
        by_folder = settings.labels.rule == "folder"
        way = "where they are images, " + ("name all classes in `labels.classes`" if by_folder else "rename them")
        use = f"to have them as annotations: `boxes: {{format: mask, path: {place}}}`"
        if len(drawn[first]) > 1:
            use += ", once their names tell which image each is of (folders as those of the images do)"
        say(
            f"WARNING: {len(drawn)} file(s) are called as images in other folders and hold few values (first: {first} "
            f"of {' or '.join(drawn[first])}): they are taken for masks and train nothing; {use}; {way}"
        )
    return [entry for entry in entries if entry.name not in named and entry.name not in drawn]


def found(
    pool: SandboxPool, entries: list[Entry], settings: Dataset
) -> tuple[dict[str, str | None], dict[str, list[str]]]:
    """The masks among some files, with the image of each: those by name and content (the image is None where only the
    folder names them), and those of folders in which content alone tells them, with the images that may be meant."""
    image = partners(entry.name for entry in entries)
    others = in_folders_of_masks(entry.name for entry in entries)
    look = [entry for entry in entries if entry.name in image or entry.name in others]
    named = {name: image.get(name) for name, shows in _shows(pool, look, settings).items() if shows}
    return named, _drawn(pool, [entry for entry in entries if entry.name not in named], settings)


def _drawn(pool: SandboxPool, entries: list[Entry], settings: Dataset) -> dict[str, list[str]]:
    """The images that may be meant by each file of some folders: of those most of whose files have the names of images
    in other folders, and as far as some tell show masks where these show none. Of numbered images of several classes
    few are opened. A table of classes tells by itself what an image is."""
    if settings.labels.rule == "csv":
        return {}
    asked = settings.labels.classes or [] if settings.labels.rule == "folder" else []
    folders: dict[str, list[Entry]] = {}
    namesakes: dict[str, list[Entry]] = {}
    for entry in entries:
        folder, key = place(entry.name)
        namesakes.setdefault(key, []).append(entry)
        if entry.folder not in asked:
            folders.setdefault(folder, []).append(entry)

    def others(entry: Entry) -> list[Entry]:
        folder, key = place(entry.name)
        return list(islice((other for other in namesakes[key] if place(other.name)[0] != folder), LOOKED_AT))

    called = {folder: [entry for entry in own if others(entry)] for folder, own in folders.items()}
    called = {folder: own for folder, own in called.items() if len(own) > MOST * len(folders[folder])}
    some = {folder: own[:: -(-len(own) // LOOKED_AT)] for folder, own in called.items()}
    shows = _shows(pool, [entry for own in some.values() for entry in own], settings)
    some = {folder: own for folder, own in some.items() if all(shows[entry.name] for entry in own)}
    rest = {other.name: other for own in some.values() for entry in own for other in others(entry)}
    shows |= _shows(pool, [entry for name, entry in rest.items() if name not in shows], settings)

    def photographs(entry: Entry) -> list[str]:
        return [other.name for other in others(entry) if not shows[other.name]]

    left = [entry for folder, own in some.items() if all(map(photographs, own)) for entry in called[folder]]
    shows |= _shows(pool, [entry for entry in left if entry.name not in shows], settings)
    images = {
        entry.name: [other.name for other in others(entry) if not shows.get(other.name)] or [others(entry)[0].name]
        for entry in left
        if shows[entry.name]
    }
    return {name: nearest(name, some) for name, some in images.items()}


def _shows(pool: SandboxPool, entries: list[Entry], settings: Dataset) -> dict[str, bool]:
    """Whether each file shows a mask, by its name. What cannot be read does not: its reason is found where images are
    read."""
    tasks = (FileTask(entry, settings) for entry in dict.fromkeys(entries))
    return {task.entry.name: shows is True for task, shows in pool.map(shows_mask, tasks)}


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


@explained
def shows_mask(task: FileTask) -> bool:
    """Whether a file holds few values."""
    return mask_files.shows_mask(task.entry.path, task.entry.name, task.settings)
