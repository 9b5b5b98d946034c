"""Tables of numbers: `summary.csv`, and what the page shows of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.settings import UserError

COLUMNS = ["dataset", "model", "seed", "extractor", "metric", "class", "value", "low", "high", "n"]
NUMBERS = ["value", "low", "high"]


@dataclass(frozen=True)
class Score:
    """One number of the page. `low` to `high` spans the intervals of all seeds; NaN where a seed has none, for it had
    too few images."""

    value: float
    low: float
    high: float
    n: int
    seeds: int

    @property
    def sure(self) -> bool:
        """Whether there is an interval."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


def summary(evaluations: Iterable[Path]) -> pd.DataFrame:
    """One row a number, in the order of the files.

    Args:
        evaluations: `evaluation.json` files of generators and of the real images (whose `seed` is null).

    Returns:
        Table with COLUMNS; `seed` and `n` are nullable integers, a number that is not finite is missing.

    Raises:
        UserError: a file that is not an evaluation.
    """
    rows = [row for path in evaluations for row in _rows(path)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.astype({"seed": "Int64", "n": "Int64"} | dict.fromkeys(NUMBERS, float))
    return table.replace([np.inf, -np.inf], np.nan)


def write_summary(evaluations: Iterable[Path], out_csv: Path, more: pd.DataFrame) -> pd.DataFrame:
    """Write `summary`, and more rows like it, whole or not at all; returns `summary` alone."""
    table = summary(evaluations)
    part = out_csv.with_name(out_csv.name + ".part")
    pd.concat([table, more]).to_csv(part, index=False, encoding="utf-8")
    os.replace(part, out_csv)
    return table


def scores(table: pd.DataFrame) -> dict[tuple[str, str, str, str], Score]:
    """Mean over the training seeds of every number of one data set.

    Args:
        table: rows of `summary` of one data set.

    Returns:
        (model, extractor, metric, class) → Score. The interval reaches from the lowest lower end to the highest upper
        end of the seeds' intervals, so it holds both the spread within and that between seeds.
    """
    keys = ["model", "extractor", "metric", "class"]
    found = {}
    for key, rows in table.dropna(subset=["value"]).groupby(keys, sort=False, dropna=False):
        low, high = rows["low"].min(skipna=False), rows["high"].max(skipna=False)
        n = int(rows["n"].min()) if rows["n"].notna().any() else 0
        found[key] = Score(float(rows["value"].mean()), float(low), float(high), n, len(rows))
    return found


def timings(benchmarks: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Wall seconds and peak memory (MB) of each stage, from Snakemake's benchmark files; a missing file is left out.

    A file with several rows (a repeated job) gives their means. `NA` and `-` (a job too short to measure) give None.
    """
    rows = []
    for stage, path in benchmarks.items():
        if path.is_file():
            table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
            means = {name: pd.to_numeric(table[name], errors="coerce").mean() for name in ("s", "max_rss")}
            seconds, memory = (None if np.isnan(means[name]) else float(means[name]) for name in ("s", "max_rss"))
            rows.append({"stage": stage, "seconds": seconds, "megabytes": memory})
    return rows


def read_json(path: Path) -> dict[str, Any]:
    """Raises UserError where the file is not a JSON object."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if not isinstance(body, dict):
        raise UserError(f"{path}: holds no JSON object")
    return body


def _rows(path: Path) -> list[dict[str, Any]]:
    body = read_json(path)
    try:
        head = {key: body[key] for key in ("dataset", "model", "seed")}
        # Evaluations of the real images name the model in each row: held-out images, and the ceilings.
        return [
            head | {k: v for k, v in row.items() if k == "model"} | {k: row[k] for k in COLUMNS[3:]}
            for row in body["metrics"]
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not an evaluation, {error} is missing") from None
