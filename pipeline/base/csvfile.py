"""Tables as CSV files that every reader divides into the same rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd


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
