"""Folders that name the sides of a split, as most published sets have them: `train/good`, or `good/train`."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.data.reading.source import Entry

SIDES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
DEPTHS = (0, 1)  # above the folders of the classes, or below them


class Place(NamedTuple):
    """What the folders of an image say."""

    folder: str
    """The class under `labels.rule: folder`, empty where there is no folder for it."""
    side: str | None
    """`train`, `val` or `test`; None where no folder says it."""


def depth(entries: list[Entry]) -> int | None:
    """How deep the folders lie that name sides, 0 or 1; None where they do not.

    They do where each file is in one of them, at the same depth, and where `train` and another side occur.
    """
    paths = [_folders(entry) for entry in entries]
    for level in DEPTHS:
        sides = {SIDES.get(path[level].lower()) if len(path) > level else None for path in paths}
        if {"train"} < sides and None not in sides:
            return level
    return None


def place(entry: Entry, level: int | None) -> Place:
    """What the folders of a file say, where those at a depth of `level` (see `depth`) name sides."""
    if level is None:
        return Place(entry.folder, None)
    path = _folders(entry)
    label = path[1 - level] if len(path) > 1 - level else ""
    return Place(label, SIDES[path[level].lower()])


def _folders(entry: Entry) -> list[str]:
    """The folders of a file below the source, the one that a list of sources named among them."""
    path = entry.name.split("/")[:-1]
    return path if path[:1] == [entry.folder] else [entry.folder, *path]
