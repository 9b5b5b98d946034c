"""Reads the CSV of a person: as spreadsheets of any country save it, where that has one meaning."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from pipeline.base.job import say
from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.source import SUFFIXES
from pipeline.settings import UserError

DELIMITERS = ",;\t|"
SAVE_AS = "save it as `CSV UTF-8`"
# Letters and signs of western Europe in Windows-1252, of which few follow one another in its words (größer, süß, créée,
# ações); in other encodings they mean letters that stand in rows, or halves of signs.
LETTER = rb"[\xc0-\xd6\xd8-\xf6\xf8-\xff\xb0-\xb3\xb5]"
PAIR = rb"[\xc4\xd6\xdc\xe4\xf6\xfc]\xdf|\xe9\xe9|\xe7[\xe3\xf5]"
WESTERN = re.compile(rb"[\x00-\x7f]*(?:(?:%b|%b)(?![\x80-\xff])[\x00-\x7f]*)*" % (PAIR, LETTER))


class Line(NamedTuple):
    """A row of the table."""

    number: int
    cells: dict[str, str]
    """By the columns that were asked for and are there."""


def read(path: str, columns: dict[str, str], optional: Sequence[str] = (), what: str = "labels.csv") -> list[Line]:
    """The rows of a CSV file below its first line, which names the columns, in any case.

    Args:
        columns: names of the columns, by the settings that ask for them.
        optional: names of further columns, which it may have.
        what: the table is, as errors begin with.

    Raises:
        UserError: it cannot be read, is no table, or lacks a column.
    """
    try:
        (_, header), *rows = list(lines(path, columns.values())) or [(1, [])]
    except Rejected as reason:
        raise UserError(f"{what}: {path} {reason}") from reason
    for setting, column in columns.items():
        if place(header, column) is None:
            there = ", ".join(filter(None, header)) or "nothing"
            images = any(os.path.splitext(word)[1].lower() in SUFFIXES for cell in header for word in cell.split())
            hint = ": a first line with the names of the columns is missing" if images else ""
            no = "several columns" if header.count(column) > 1 else "no column"
            raise UserError(
                f"{setting}: {path} has {no} `{column}`; it has {there}{hint} (columns are separated by commas, "
                "semicolons, tabs or bars)"
            )
    places = {column: place(header, column) for column in columns.values()}
    places |= {column: at for column in optional if (at := place(header, column)) is not None}
    return [Line(number, {column: _cell(row, at) for column, at in places.items()}) for number, row in rows]


def lines(path: str, columns: Collection[str]) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line of a CSV file that is not empty, without white space around them, with its number.

    It may be separated by commas, semicolons, tabs or bars, begin with a byte-order mark or Excel's `sep=;`, and be in
    UTF-8, UTF-16 or, where nothing speaks against it, Windows-1252.

    Args:
        columns: that the first line may name: the separator is the one by which it names most of them.

    Raises:
        Rejected: it cannot be read, or is no table.
    """
    text, skipped = _text(path), 0
    if re.match(r"\"?sep=.\"?\r?\n", text, re.IGNORECASE):
        text, skipped = text.partition("\n")[2], 1
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a mask in runs is a long cell
    try:
        headers = {mark: next(_table(text, mark), (0, []))[1] for mark in DELIMITERS}
        mark = max(headers, key=lambda mark: (_has(headers[mark], columns), len(headers[mark])))
        for number, cells in _table(text, mark, strict=True):
            yield number + skipped, cells
    except csv.Error as error:
        raise Rejected(f"is no table ({error})") from error


def place(header: list[str], column: str) -> int | None:
    """Where a column stands: under its very name, else under the one name that differs in case alone; None where two
    are called so."""
    if column in header:
        return header.index(column) if header.count(column) == 1 else None
    alike = [i for i, name in enumerate(header) if name.casefold() == column.casefold()]
    return alike[0] if len(alike) == 1 else None


def _table(text: str, mark: str, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=strict)
    for row in reader:
        if any(cells := [cell.strip() for cell in row]):
            yield reader.line_num, cells


def _has(header: list[str], columns: Collection[str]) -> int:
    return sum(place(header, column) is not None for column in columns)


def _cell(row: list[str], at: int | None) -> str:
    return row[at] if at is not None and at < len(row) else ""


def _text(path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            content = file.read()
    except OSError as error:
        raise Rejected(f"cannot be read ({error.strerror})") from error
    if content.startswith(b"SQLite format 3"):
        raise Rejected("is a database, not a table; export the table in it as `CSV UTF-8`")
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Rejected(f"is a workbook, not a table; {SAVE_AS}")
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's "Unicode text"
            return content.decode("utf-16")
        for order, zeros in (("utf-16-le", content[1:200:2]), ("utf-16-be", content[:200:2])):
            if zeros.count(0) > len(zeros) / 2:  # without a mark, as some programs write it
                return content.decode(order)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if not WESTERN.fullmatch(content):
        raise Rejected(f"is no text in UTF-8, and its letters have several readings; {SAVE_AS}")
    say(f"{path}: is not in UTF-8; it is read as Windows-1252 (Latin-1)")
    return content.decode("cp1252")
