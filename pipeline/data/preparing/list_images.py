"""Images with their classes, before any is decoded."""

from __future__ import annotations

import os
from typing import NamedTuple

from pipeline.base.job import progress, say
from pipeline.data.preparing import labels, split_folders
from pipeline.data.preparing.issues import Rejections
from pipeline.data.preparing.labels import Row, Shared, Table
from pipeline.data.preparing.scan import FileTask, list_file
from pipeline.data.preparing.split_folders import Depth, Place
from pipeline.data.reading.frame import Header, Rejected
from pipeline.data.reading.sandbox import Failed, SandboxPool
from pipeline.data.reading.source import Entry, printable
from pipeline.settings import Dataset, UserError

OTHERS = 3  # folders listed that keep others from being sides


class Candidate(NamedTuple):
    """An image that has a class and a header."""

    header: Header
    label: str
    group: str
    split: str | None
    """What the user's CSV or folders say."""


def find(
    pool: SandboxPool, entries: list[Entry], settings: Dataset, table: Table | None, rejected: Rejections
) -> list[Candidate]:
    """The images of all files, in the order of the files.

    Rejected are: files that cannot be opened, images without a class or a row, rows without an image.

    Raises:
        UserError: a class that is asked for has no image, or files lie beside folders of the split's sides.
    """
    found = listed(pool, entries, settings, rejected)
    refused = {file for file, _ in rejected.rows}
    shared = labels.shared_names(header.source for _, headers in found for header in headers)
    depth = _depth_of_sides(entries, settings)
    outside = _beside_classes(entries, settings)
    candidates: list[Candidate] = []
    occurring: set[str] = set()
    for entry, headers in found:
        place = split_folders.place(entry, depth)
        for header in headers:
            try:
                if entry in outside and not header.folder:
                    raise Rejected("lies beside the folders of the classes, in none of them; a class needs a folder")
                row = _row(entry, header, table, shared) if table else None
                label = labels.label_of(settings, header.source, header.folder or place.folder, header.label, row)
                occurring.add(label)
                labels.check_named(settings, label)
                candidates.append(_candidate(settings, entry, place, header, label, row))
            except Rejected as reason:
                rejected.add(header.source, str(reason))
    for row in table.unused() if table else []:
        if not any(name == row.file or name.endswith(f"/{row.file}") for name in refused):
            rejected.add(row.file, f"{row.where} has a row for it, but the source has no such image")
    labels.check_asked(settings, occurring)
    return candidates


def _beside_classes(entries: list[Entry], settings: Dataset) -> set[Entry]:
    """The files beside two or more folders of classes, such as a figure of a README: the folder of all is no class,
    unless `labels.classes` names it."""
    if settings.labels.rule != "folder":
        return set()
    beside = {entry for entry in entries if "/" not in entry.name}
    several = len({entry.folder for entry in entries if entry not in beside}) > 1
    named = settings.labels.classes or []
    return {entry for entry in beside if entry.folder not in named} if several else set()


def listed(
    pool: SandboxPool, entries: list[Entry], settings: Dataset, rejected: Rejections
) -> list[tuple[Entry, list[Header]]]:
    """The images of each file, in the order of the files."""
    found: dict[str, list[Header]] = {}
    with progress("listing", len(entries), "file") as bar:
        for task, result in pool.map(list_file, (FileTask(entry, settings) for entry in entries)):
            bar.update()
            if isinstance(result, Failed):
                rejected.add(task.entry.name, result.reason)
            else:
                found[task.entry.path] = result
    return [(entry, found[entry.path]) for entry in entries if entry.path in found]


def _depth_of_sides(entries: list[Entry], settings: Dataset) -> Depth | None:
    """How deep folders lie that name sides of the split; None where there are none, or a CSV names the sides.

    Raises:
        UserError: files beside the folders keep these from being sides.
    """
    depth = None if settings.split.column else split_folders.depth(entries)
    if depth is not None:
        above = "below" if depth.label > depth.side else "above"
        say(f"the folders `train`, `val` and `test` are read as the split; a class is the folder {above} them")
    elif not settings.split.column:
        sides, files = split_folders.kept_from(entries)
        if files:
            more = f" and {len(files) - 3} more" if len(files) > 3 else ""
            raise UserError(
                f"source: {len(files)} file(s) lie beside the folders `{'`, `'.join(sides)}`, which are the split only "
                f"where every image is in one of them: `{'`, `'.join(files[:3])}`{more}. Move these elsewhere; or name "
                "the folders alone, as a list, in `source`; rename the folders where they are no sides of a split"
            )
        sides, others = split_folders.passed_over(entries)
        if others and settings.labels.rule != "folder":  # else they are classes, of which a warning tells
            say(
                f"WARNING: the folders `{'`, `'.join(sides)}` are not read as the split, for others lie beside them: "
                f"`{'`, `'.join(others[:OTHERS])}`; if they are, name them alone in `source`, as a list"
            )
    return depth


def _candidate(settings: Dataset, entry: Entry, place: Place, header: Header, label: str, row: Row | None) -> Candidate:
    # Pages of a TIFF are slices of one thing; the images of an HDF5 file are taken as independent.
    group = labels.group_of(settings, header.source, header.source if header.key else entry.name, row)
    return Candidate(header, label, group, (row.split if row else None) or place.side)


def _row(entry: Entry, header: Header, table: Table, shared: Shared) -> Row:
    folder = printable(os.path.abspath(entry.path)).removesuffix(entry.name).strip("/")
    row = table.find(header.source, shared, folder)
    if row is None and header.source != entry.name:  # a row may stand for a whole file of many images
        row = table.find(entry.name, shared, folder)
    if row is None:
        raise Rejected("has no row in labels.csv")
    return row
