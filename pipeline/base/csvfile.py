"""Tables as CSV files that every reader divides into the same rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.files import AGAIN
from pipeline.settings import UserError


def write(table: pd.DataFrame, path: Path, **options: Any) -> None:
    """Write a table without its index; names of files and classes may hold anything.

    Readers take a bare carriage return for the end of a row, and pandas does not put it in quotes: a table that holds
    one has all its texts in quotes.

    Args:
        options: of `DataFrame.to_csv`.
    """
    texts = table.select_dtypes(exclude="number")
    holds = any("\r" in str(value) for column in texts for value in texts[column].unique())
    quoting = csv.QUOTE_NONNUMERIC if holds else csv.QUOTE_MINIMAL
    table.to_csv(path, index=False, encoding="utf-8", quoting=quoting, **options)


def read(path: Path, *columns: str, **options: Any) -> pd.DataFrame:
    """A table of ours.

    Args:
        columns: that it must have.
        options: of `pandas.read_csv`.

    Raises:
        UserError: the file is missing, unreadable or damaged, or lacks one of `columns`.
    """
    try:
        table = pd.read_csv(path, **options)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged ({' '.join(str(error).split())[:200]}); {AGAIN}") from None
    if missing := [name for name in columns if name not in table]:
        raise UserError(f"{path}: damaged, the column `{missing[0]}` is missing; {AGAIN}")
    return table
