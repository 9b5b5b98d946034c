"""Reads the CSV of a person: as spreadsheets of any country save it, where that has one meaning."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.base.job import say
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
    """By the columns that were asked for."""


def read(path: str, columns: dict[str, str]) -> list[Line]:
    """The rows of a CSV file that are not empty.

    It may be separated by commas, semicolons, tabs or bars, begin with a byte-order mark or Excel's `sep=;`, and be in
    UTF-8, UTF-16 or, where nothing speaks against it, Windows-1252. Columns are found in any case.

    Args:
        columns: names of the columns, by the settings that ask for them.

    Raises:
        UserError: it cannot be read, is no table, or lacks a column.
    """
    text, skipped = _text(path), 0
    if re.match(r"\"?sep=.\"?\r?\n", text, re.IGNORECASE):
        text, skipped = text.partition("\n")[2], 1
    try:
        headers = {mark: next(_table(text, mark), []) for mark in DELIMITERS}
        mark = max(headers, key=lambda mark: (_has(headers[mark], columns), len(headers[mark])))
        header, *rows = _table(text, mark) if text.strip() else [[]]
    except csv.Error as error:
        raise UserError(f"labels.csv: {path} is no table ({error})") from error
    for setting, column in columns.items():
        if _place(header, column) is None:
            there = ", ".join(filter(None, map(str.strip, header))) or "nothing"
            images = any(os.path.splitext(cell.strip())[1].lower() in SUFFIXES for cell in header)
            hint = ": a first line with the names of the columns is missing" if images else ""
            raise UserError(
                f"{setting}: {path} has no column `{column}`; it has {there}{hint} (columns are separated by commas, "
                "semicolons, tabs or bars)"
            )
    places = {column: _place(header, column) for column in columns.values()}
    return [
        Line(number, {column: _cell(row, place) for column, place in places.items()})
        for number, row in enumerate(rows, 2 + skipped)
        if any(cell.strip() for cell in row)
    ]


def _table(text: str, mark: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=mark)


def _has(header: list[str], columns: dict[str, str]) -> int:
    return sum(_place(header, column) is not None for column in columns.values())


def _place(header: list[str], column: str) -> int | None:
    """Where a column stands: under its very name, else under the one name that differs in case alone."""
    names = [name.strip() for name in header]
    if column in names:
        return names.index(column)
    alike = [i for i, name in enumerate(names) if name.casefold() == column.casefold()]
    return alike[0] if len(alike) == 1 else None


def _cell(row: list[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""


def _text(path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            content = file.read()
    except OSError as error:
        raise UserError(f"labels.csv: {path} cannot be read ({error.strerror})") from error
    if content.startswith(b"PK\x03\x04"):
        raise UserError(f"labels.csv: {path} is a workbook, not a table; {SAVE_AS}")
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
        raise UserError(f"labels.csv: {path} is no text in UTF-8, and its letters have several readings; {SAVE_AS}")
    say(f"labels.csv: {path} is not in UTF-8; it is read as Windows-1252 (Latin-1)")
    return content.decode("cp1252")
