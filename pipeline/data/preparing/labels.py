"""Which class an image belongs to, and what the user's CSV says of it."""

from __future__ import annotations

import difflib
import functools
import itertools
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import yaml

from pipeline.base.job import say
from pipeline.data.preparing import split_folders, user_table
from pipeline.data.preparing.user_table import Line
from pipeline.data.reading.frame import Rejected
from pipeline.settings import Dataset, Split, UserError

ALL = "all"  # the class of sets without labels
BACKGROUND = "background"  # that of tiles without a defect, where no class is `good`
LISTED = 20  # names of classes in a message
OF_SPLITS = ("split", "set", "subset", "phase", "partition")  # how people call the column of a split


class Row(NamedTuple):
    """What a CSV says of one image."""

    file: str
    label: str | None
    group: str | None
    split: str | None
    where: str
    """`table.csv`, for messages."""


class Table:
    """The rows of the labels' CSV files, found by the names of images.

    A row may give more of an image's path than the source has (`/home/me/steel/a.png`, `C:\\steel\\a.png`) or less
    (`a.png`, `a`). Names that differ in case, in how accents are written or in the suffix are taken where none is
    written exactly so.
    """

    def __init__(self, rows: list[Row]):
        self.rows = rows
        self._levels = [_Rows(rows, form) for form in (str, loose, _bare)]
        self._used: set[str] = set()

    def find(self, source: str, ambiguous: Shared, folder: str = "") -> Row | None:
        """The row of an image called `source`; None where there is none.

        Args:
            ambiguous: names that several images share (`shared_names`).
            folder: where `source` begins.

        Raises:
            Rejected: rows that contradict one another.
        """
        longer = [f"{end}/{source}" for end in ends(folder)]
        for level in self._levels:
            short = [name for name in short_names(source) if (level.form, level.form(name)) not in ambiguous]
            if rows := level.called([*longer, source, *short]) or level.ending(source, folder):
                self._used |= {_clean(row.file) for row in rows}
                if len({(r.label, r.group, r.split) for r in rows}) > 1:
                    raise Rejected(f"{rows[0].where} has {len(rows)} rows for it that differ")
                return rows[0]
        return None

    def unused(self) -> list[Row]:
        """One row for each name that no image had."""
        first = {_clean(row.file): row for row in reversed(self.rows)}
        return [row for name, row in reversed(first.items()) if name not in self._used]


Shared = set[tuple[Callable[[str], str], str]]
"""Names that several images have, each with the form of writing in which they do."""


class _Rows:
    """Rows by their names and by the ends of these, in one form of writing."""

    def __init__(self, rows: list[Row], form: Callable[[str], str]):
        self.form = form
        self._whole: dict[str, list[Row]] = {}
        self._ends: dict[str, list[Row]] = {}
        for row in rows:
            name = form(_clean(row.file))
            self._whole.setdefault(name, []).append(row)
            for end in ends(name)[1:]:
                self._ends.setdefault(end, []).append(row)

    def called(self, names: list[str]) -> list[Row]:
        """Those that have the first of some names that any has."""
        return next((rows for name in names if (rows := self._whole.get(self.form(name)))), [])

    def ending(self, source: str, folder: str) -> list[Row]:
        """Those whose path ends with all of an image's; of several the ones that share most with its folder."""
        names = dict.fromkeys(map(self.form, (source, os.path.splitext(source)[0])))
        rows = [row for name in names for row in self._ends.get(name, [])]
        own = [self.form(part) for part in reversed(folder.split("/"))]
        depth = source.count("/") + 1

        def shared(row: Row) -> int:
            above = [self.form(part) for part in reversed(_clean(row.file).split("/")[:-depth])]
            return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(own, above, strict=False)))

        most = max(map(shared, rows), default=0)
        return [row for row in rows if shared(row) == most]


def ends(name: str) -> list[str]:
    """`a/b/c`, `b/c`, `c`."""
    parts = [part for part in name.split("/") if part]
    return ["/".join(parts[i:]) for i in range(len(parts))]


def short_names(source: str) -> list[str]:
    """What a row may call an image beside its path: the last part of it, with and without suffix."""
    last = source.rsplit("/", 1)[-1]
    return list(dict.fromkeys([last, os.path.splitext(last)[0]]))


def shared_names(sources: Iterable[str]) -> Shared:
    """Short names that several images have, each with the form of writing in which they do."""
    written = (
        {(form, form(name)) for name in short_names(source) for form in (str, loose, _bare)} for source in sources
    )
    counts = Counter(itertools.chain.from_iterable(written))
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
    others = OF_SPLITS if settings.split.column is None else ()
    lines = user_table.read(path, columns, others)
    for column in others:
        sides = {split_folders.side_of(line.cells.get(column, "")) for line in lines}
        if "train" in sides and len(sides) > 1 and None not in sides:
            say(
                f"WARNING: the column `{column}` of {path} names sides of a split, and is not used; "
                f"`split: {{column: {column}}}` takes that of the table"
            )
    return [_row(line, path, settings, columns) for line in lines]


def _row(line: Line, path: str, settings: Dataset, columns: dict[str, str]) -> Row:
    def value(setting: str) -> str | None:
        return line.cells[columns[setting]] if setting in columns else None

    word = value("split.column")
    split = None if word is None else _side(word, settings.split)
    if word is not None and split is None:
        raise UserError(_no_side(word, f"{path}, line {line.number}", settings.split))
    file = value("labels.file_column") or ""
    return Row(file, value("labels.class_column"), value("split.group_column") or None, split, os.path.basename(path))


def _side(word: str, split: Split) -> str | None:
    """The side that a word of the split's column means; None where it means none."""
    if split.names == Split().names:
        return split_folders.side_of(word)
    return split.names.get(word)


def _no_side(word: str, where: str, split: Split) -> str:
    if not word:
        return (
            f"split.column: {where} has nothing in the column `{split.column}`; write a word there, or say by "
            "`split.names` what nothing means, as in `'': train`"
        )
    read = _read_by_yaml(word)
    hint = f"; YAML reads {word} as {read}: write it in quotes ('{word}')" if read in split.names else ""
    return f"split.names: {where} has the split `{word}`, which is not one of {', '.join(split.names)}{hint}"


def label_of(settings: Dataset, source: str, folder: str, from_file: str | None, row: Row | None) -> str:
    """The class of an image, as the settings write it if they name it.

    Args:
        source: its name, relative to the source.
        folder: the first folder of its path.
        from_file: what an HDF5 file says.

    Raises:
        Rejected: the rule finds no class.
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
        hint = "; where no folder names one, set `labels: none`" if settings.labels.rule == "folder" else ""
        raise Rejected(f"has no class under `labels.rule: {settings.labels.rule}`{hint}")
    return _as_named(settings, label)


def check_named(settings: Dataset, label: str) -> None:
    """Raises Rejected where `labels.classes` does not name a class."""
    names = settings.labels.classes
    if names is not None and label not in names:
        raise Rejected(f"has the class `{label}`, which labels.classes does not name{_hint(names, [label])}")


def _as_named(settings: Dataset, label: str) -> str:
    """A class as the settings write it: accents have several forms, of which file systems choose one."""
    known = [*(settings.labels.classes or []), *([] if settings.good is None else [settings.good])]
    return label if label in known else next((name for name in known if _composed(name) == _composed(label)), label)


def _hint(names: list[str], labels: list[str]) -> str:
    """How a name in the settings differs from a class of the source, where both may be meant to be one."""
    for name, label in itertools.product(names, labels):
        if _read_by_yaml(label) == name:
            return f"; YAML reads {label} as {name}: write it in quotes ('{label}')"
        if loose(name).split() == loose(label).split():
            return f"; `{name}` and `{label}` differ in case, accents or blanks alone"
    return ""


@functools.lru_cache(1000)
def _read_by_yaml(word: str) -> str | None:
    """The number, date or truth that YAML takes a word for, as text; None where it stays a word."""
    if not re.fullmatch(r"[\w.:+-]{1,40}", word):
        return None
    try:
        value = yaml.safe_load(word)
    except (yaml.YAMLError, ValueError):  # such as a date in a 13th month
        return None
    return None if isinstance(value, str) else str(value)


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
    """What a pattern finds in the name of a file, or in its path where the pattern holds a `/`, without suffix."""
    what, whole = ("path", source) if "/" in pattern else ("name", source.rpartition("/")[2])
    name = os.path.splitext(whole)[0]
    found = re.search(pattern, name)
    if found is None or not found.group(1):
        raise Rejected(f"its {what} `{name}` does not match {setting} (`{pattern}`)")
    return found.group(1)


def check_asked(settings: Dataset, occurring: set[str]) -> None:
    """Raises UserError where a class that is asked for is none of the source's.

    Args:
        occurring: the classes of all its images; where there are none, others say so.
    """
    made = {settings.good or BACKGROUND} if settings.tells_tiles else set()
    missing = [c for c in settings.labels.classes or [] if c not in occurring | made]
    if not missing or not occurring:
        return
    listed = found(missing, sorted(occurring))
    raise UserError(f"labels.classes: no usable image of `{'`, `'.join(missing)}`; {listed}")


def found(names: list[str], there: list[str]) -> str:
    """Which classes the images have, and which of them names may mean that are none of these."""
    listed = ", ".join(there[:LISTED]) + (", ..." if len(there) > LISTED else "")
    return f"the classes found are {listed}{likely(names, there)}"


def likely(names: list[str], there: list[str]) -> str:
    """Which of the classes there may be meant by names that are none of them, and how it differs; or nothing."""
    if hint := _hint(names, there):
        return hint
    near = [close for name in names for close in difflib.get_close_matches(name, there, n=1)]
    return f"; the nearest is `{near[0]}`" if near else ""


def classes(settings: Dataset, occurring: set[str]) -> list[str]:
    """All classes, in the user's order or the alphabet's. Raises UserError where one that is asked for has no image."""
    names = settings.labels.classes
    if names is None or settings.labels.rule == "none":
        return sorted(occurring)
    missing = [c for c in names if c not in occurring]
    if missing:
        there = ", ".join(sorted(occurring)) or "none"
        raise UserError(
            f"labels.classes: no usable image of `{'`, `'.join(missing)}`; the classes with usable images are {there}"
        )
    return list(names)


def _composed(name: str) -> str:
    """With each accent in one sign with its letter, as a keyboard writes it and some file systems do not."""
    return unicodedata.normalize("NFC", name)


def loose(name: str) -> str:
    """A name in one form: the same for those that differ in case, or in how accents are written, alone."""
    return _composed(name).casefold()


def _bare(name: str) -> str:
    """As `loose`, without the suffix."""
    return os.path.splitext(loose(name))[0]


def _clean(file: str) -> str:
    return file.replace("\\", "/").removeprefix("./")
