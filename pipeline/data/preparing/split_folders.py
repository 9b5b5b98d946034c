"""Folders that name the sides of a split, as most published sets have them: `train/good`, or `good/train`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.data.reading.source import Entry

SIDES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
AFTER = re.compile(rf"(?:^|.*[ _-])({'|'.join(SIDES)})", re.IGNORECASE)  # `steel_train`
BEFORE = re.compile(rf"({'|'.join(SIDES)})[ _-].+", re.IGNORECASE)  # `train_good`
MORE = re.compile(  # `training_set`, `test_images`, `traincrop`, `val2017`, `test_private_mixed`
    r"[ _-]*(?:set|data|images?|imgs?|split|crop(?:s|ped)?|tiles?|patch(?:es)?|(?:19|20)\d\d"
    r"|(?:public|private)(?:[ _-]mixed)?)$",
    re.IGNORECASE,
)


class Depth(NamedTuple):
    """Which folder of each path, from 0."""

    side: int
    label: int
    """Of the class: above the sides, or below them; above where there is none below."""


class Place(NamedTuple):
    """What the folders of an image say."""

    folder: str
    """The class under `labels.rule: folder`, empty where there is no folder for it."""
    side: str | None
    """`train`, `val` or `test`; None where no folder says it."""


def depth(entries: list[Entry]) -> Depth | None:
    """How deep the folders lie that name sides; None where they do not.

    They do where each file is in one of them, at the same depth, and where `train` and another side occur. Folders that
    all files lie in are passed over.
    """
    return next((found for found, outside in _depths(entries) if not outside), None)


def kept_from(entries: list[Entry]) -> tuple[list[str], list[str]]:
    """The folders that would be sides, by their names, and the files that keep them from it by lying beside them;
    none where they are sides, or where other folders lie beside them too."""
    for found, outside in _depths(entries):
        inside = [path for entry in entries if entry not in outside and (path := _folders(entry))]
        heads = {tuple(path[: found.side]) for path in inside}
        if outside and all(_beside(entry, found.side, heads) for entry in outside):
            return sorted({path[found.side] for path in inside}), [entry.name for entry in outside]
    return [], []


def passed_over(entries: list[Entry]) -> tuple[list[str], list[str]]:
    """The folders that would be sides, by their names, and those beside them for which they are none; else nothing."""
    for found, outside in _depths(entries):
        paths = {entry: path for entry in entries if len(path := _folders(entry)) > found.side}
        beside = {path[found.side] for entry, path in paths.items() if entry in outside}
        if beside and not all(_beside(entry, found.side, set()) for entry in outside):
            return sorted({path[found.side] for path in paths.values()} - beside), sorted(beside)
    return [], []


def _depths(entries: list[Entry]) -> Iterator[tuple[Depth, set[Entry]]]:
    """Where `train` and another side occur, and the files that are in none of these folders."""
    paths = {entry: _folders(entry) for entry in entries}
    rows = zip(*paths.values(), strict=False)
    common = sum(1 for _ in itertools.takewhile(lambda folders: len(set(folders)) == 1, rows))
    for side, label in ((common, common + 1), (common + 1, common)):
        sides = {entry: side_of(path[side]) if len(path) > side else None for entry, path in paths.items()}
        if {"train"} < {*sides.values()} - {None}:
            yield Depth(side, label), {entry for entry, found in sides.items() if found is None}


def _beside(entry: Entry, side: int, heads: set[tuple[str, ...]]) -> bool:
    path = _folders(entry)
    return "/" not in entry.name or (len(path) <= side and tuple(path) in heads)


def place(entry: Entry, depth: Depth | None) -> Place:
    """What the folders of a file say, where those at a depth name sides."""
    if depth is None:
        return Place(entry.folder, None)
    path = _folders(entry)
    above = path[depth.side - 1] if depth.side else ""
    return Place(path[depth.label] if len(path) > depth.label else above, side_of(path[depth.side]))


def side_of(folder: str) -> str | None:
    """`train`, `val` or `test`, where a word means one of them."""
    return SIDES.get((MORE.sub("", folder) or folder).lower())


def _folders(entry: Entry) -> list[str]:
    """The folders of a file below the source, the one that a list of sources named among them."""
    path = entry.name.split("/")[:-1]
    return path if path[:1] == [entry.folder] else [entry.folder, *path]


def may_be_sides(folders: Iterable[str]) -> list[str]:
    """Those of some folders that may well be sides of one split: of `steel_train` and `steel_test` both, as of
    `train_good` and `test_good`; of `fatigue_test` and `tensile_test`, of which none trains, neither."""
    folders = list(folders)
    for form, fewest in ((AFTER, 1), (BEFORE, 2)):
        called = {folder: form.fullmatch(MORE.sub("", folder) or folder) for folder in folders}
        sides = {folder: SIDES[match[1].lower()] for folder, match in called.items() if match}
        if "train" in sides.values() and len(set(sides.values())) >= fewest:
            return list(sides)
    return []
