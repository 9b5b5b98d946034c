"""Which class an image belongs to, and what the user's CSV says of it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from pipeline.data.preparing import user_table
from pipeline.data.preparing.user_table import Line
from pipeline.data.reading.frame import Rejected
from pipeline.settings import Dataset, UserError

ALL = "all"  # the class of sets without labels


class Row(NamedTuple):
    """What a CSV says of one image."""

    file: str
    label: str | None
    group: str | None
    split: str | None
    where: str
    """`table.csv`, for messages."""


class Table:
    """The rows of the labels' CSV files, found by an image's name or, where that is unique, by its last part."""

    def __init__(self, rows: list[Row]):
        self.rows = rows
        self._by_name: dict[str, list[Row]] = {}
        self._loosely: dict[str, list[Row]] = {}
        for row in rows:
            self._by_name.setdefault(_clean(row.file), []).append(row)
            self._loosely.setdefault(_loose(_clean(row.file)), []).append(row)
        self._used: set[str] = set()

    def find(self, source: str, ambiguous: set[str]) -> Row | None:
        """The row of an image called `source`; None where there is none.

        Args:
            ambiguous: names that several images share (`shared_names`).

        Raises:
            Rejected: rows that contradict one another.
        """
        names = [source, *(name for name in short_names(source) if name not in ambiguous)]
        for written, wanted in ((self._by_name, names), (self._loosely, [_loose(name) for name in names])):
            for name in wanted:
                if rows := written.get(name):
                    self._used |= {_clean(row.file) for row in rows}
                    if len({(r.label, r.group, r.split) for r in rows}) > 1:
                        raise Rejected(f"{rows[0].where} has {len(rows)} rows for it that differ")
                    return rows[0]
        return None

    def unused(self) -> list[Row]:
        """One row for each name that no image had."""
        return [rows[0] for name, rows in self._by_name.items() if name not in self._used]


def short_names(source: str) -> list[str]:
    """What a row may call an image beside its path: the last part of it, with and without suffix."""
    last = source.rsplit("/", 1)[-1]
    return list(dict.fromkeys([last, os.path.splitext(last)[0]]))


def shared_names(sources: Iterable[str]) -> set[str]:
    """Short names that several images have."""
    counts = Counter(name for source in sources for name in short_names(source))
    return {name for name, count in counts.items() if count > 1}


def read_table(settings: Dataset) -> Table | None:
    """The CSV files of `labels.csv`; None where no setting needs them.

    Raises:
        UserError: no file given, a missing file or column, an unknown word in the split column.
    """
    labels, split = settings.labels, settings.split
    if labels.rule != "csv" and split.column is None and split.group_column is None:
        return None
    if not labels.csv:
        raise UserError("labels.csv: no file is named, but labels.rule or split needs one")
    columns = {"labels.file_column": labels.file_column}
    if labels.rule == "csv":
        columns["labels.class_column"] = labels.class_column
    columns |= {"split.column": split.column} if split.column else {}
    columns |= {"split.group_column": split.group_column} if split.group_column else {}
    return Table([row for path in labels.csv for row in _rows(path, settings, columns)])


def _rows(path: str, settings: Dataset, columns: dict[str, str]) -> list[Row]:
    return [_row(line, path, settings, columns) for line in user_table.read(path, columns)]


def _row(line: Line, path: str, settings: Dataset, columns: dict[str, str]) -> Row:
    def value(setting: str) -> str | None:
        return line.cells[columns[setting]] if setting in columns else None

    word = value("split.column")
    if word is not None and word not in settings.split.names:
        known = ", ".join(settings.split.names)
        raise UserError(f"split.names: {path}, line {line.number} has the split `{word}`, which is not one of {known}")
    split = settings.split.names[word] if word is not None else None
    file = value("labels.file_column") or ""
    return Row(file, value("labels.class_column"), value("split.group_column") or None, split, os.path.basename(path))


def label_of(settings: Dataset, source: str, folder: str, from_file: str | None, row: Row | None) -> str:
    """The class of an image.

    Args:
        source: its name, relative to the source.
        folder: the first folder of its path.
        from_file: what an HDF5 file says.

    Raises:
        Rejected: the rule finds no class, or one that `labels.classes` does not name.
    """
    label: str | None
    match settings.labels.rule:
        case "none":
            return ALL
        case "folder":
            label = folder
        case "filename":
            label = _from_name(settings.labels.pattern, "labels.pattern", source)
        case "csv":
            label = row.label if row else None
        case _:
            label = from_file
    if not label:
        raise Rejected(f"has no class under `labels.rule: {settings.labels.rule}`")
    if settings.labels.classes is not None and label not in settings.labels.classes:
        alike = [name for name in settings.labels.classes if name.casefold() == label.casefold()]
        hint = f"; it names `{alike[0]}`, which differs in case" if alike else ""
        raise Rejected(f"has the class `{label}`, which labels.classes does not name{hint}")
    return label


def group_of(settings: Dataset, source: str, whole: str, row: Row | None) -> str:
    """The group of an image: as the CSV says, by `split.group_pattern`, or else `whole`, the thing it is a part of.

    Raises:
        Rejected: the name does not match the pattern.
    """
    if row and row.group:
        return row.group
    if settings.split.group_pattern is not None:
        return _from_name(settings.split.group_pattern, "split.group_pattern", source)
    return whole


def _from_name(pattern: str, setting: str, source: str) -> str:
    stem = os.path.splitext(source.rsplit("/", 1)[-1])[0]
    found = re.search(pattern, stem)
    if found is None or not found.group(1):
        raise Rejected(f"its name `{stem}` does not match {setting}")
    return found.group(1)


def classes(settings: Dataset, occurring: set[str]) -> list[str]:
    """All classes, in the user's order or the alphabet's. Raises UserError where one that is asked for has no image."""
    asked = settings.labels.classes
    if asked is None or settings.labels.rule == "none":
        return sorted(occurring)
    missing = [c for c in asked if c not in occurring]
    if missing:
        there = ", ".join(sorted(occurring)) or "none"
        raise UserError(f"labels.classes: no usable image of `{'`, `'.join(missing)}`; the classes found are {there}")
    return list(asked)


def _loose(name: str) -> str:
    """In one form of those that file systems make of a name."""
    return unicodedata.normalize("NFC", name).casefold()


def _clean(file: str) -> str:
    return file.replace("\\", "/").removeprefix("./")
