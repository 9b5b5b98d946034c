"""Tables of numbers: `summary.csv`, and what the page shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.base import csvfile
from pipeline.base.files import read_json, whole
from pipeline.downstream.records import Arm, Comparison
from pipeline.evaluation import catalog
from pipeline.settings import UserError

MEASURED = ["dataset", "kind", "model", "seed", "extractor", "metric", "scope", "class", "value", "low", "high", "n"]
COLUMNS = [*MEASURED, "verdict"]
OF_A_ROW = ["extractor", "metric", "class", "value", "low", "high", "n"]  # of an evaluation
NUMBERS = ["value", "low", "high"]
CLASS_SCORES = {"classification": "f1", "boxes": "ap50", "anomalies": "auroc"}
TEXTS = ["dataset", "kind", "model", "extractor", "metric", "scope", "class", "verdict"]


class Reference(NamedTuple):
    """Images that no generator drew, as a key: equal to no generator's name, whatever that is."""

    kind: str
    """`floor` or `noise baseline`."""
    name: str


FLOOR = Reference("floor", "real")  # the held-out real images
Judged = str | Reference  # whose images a number is of: a generator's by its name


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
        Table with MEASURED; `seed` and `n` are nullable integers, a number that is not finite is missing. `kind` is
        `generator`, `floor` or `noise baseline` (and `detector` in the rows of others); `scope` is `set` for a number
        over all classes, whose `class` is empty, and `class` for that of one.

    Raises:
        UserError: a file that is not an evaluation, or has a metric that is not in the catalogue.
    """
    rows = [row for path in evaluations for row in _rows(path)]
    table = pd.DataFrame(rows, columns=MEASURED)
    table = table.astype({"seed": "Int64", "n": "Int64"} | dict.fromkeys(NUMBERS, float))
    return table.replace([np.inf, -np.inf], np.nan)


def read(summary_csv: Path) -> pd.DataFrame:
    """The table of a `summary.csv`; every text as it stands, also a class called `NA`.

    Raises:
        UserError: a metric of the panel that is not in the catalogue.
    """
    missing = {name: [""] for name in ("seed", "n", *NUMBERS)}
    types = dict.fromkeys(TEXTS, str) | {"seed": "Int64", "n": "Int64"}
    table = csvfile.read(summary_csv, *TEXTS, *missing, dtype=types, keep_default_na=False, na_values=missing)
    measured = table[table["kind"] != "detector"]
    _check_metrics(summary_csv, zip(measured["extractor"], measured["metric"], strict=True))
    return table


def write_summary(evaluations: Iterable[Path], out_csv: Path, comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """Write `summary`, and after it `detectors`, whole or not at all; returns `summary` alone."""
    table = summary(evaluations)
    with whole(out_csv) as part:
        csvfile.write(pd.concat([table, detectors(comparisons)]), part)
    return table


def detectors(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row a number of the detectors: of each arm and metric the score, its gain over the baseline with the verdict,
    the same of each class, and the label efficiency. Ends that are open are empty."""
    rows = [row for of in comparisons for arm in of.arms for row in _detector_rows(of.dataset, arm)]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"seed": "Int64", "n": "Int64"} | dict.fromkeys(NUMBERS, float))


def _detector_rows(dataset: str, arm: Arm) -> Iterator[dict[str, Any]]:
    head: dict[str, Any] = {"dataset": dataset, "kind": "detector", "model": arm.arm, "extractor": "detector"}
    head |= {"scope": "set", "class": "", "n": arm.n_test}
    for of in (arm, *arm.secondary):
        yield head | {"metric": of.metric} | _three(of.score, of.score_low, of.score_high)
        if of.gain is not None:
            verdict = {"verdict": arm.verdict if of is arm else None}
            yield head | {"metric": f"{of.metric}_gain"} | _three(of.gain, of.low, of.high) | verdict
    for row in arm.by_class:
        one = head | {"scope": "class", "class": row.name, "n": None}
        yield one | {"metric": CLASS_SCORES[arm.task]} | _three(row.score, None, None)
        if row.gain is not None:
            yield one | {"metric": f"{CLASS_SCORES[arm.task]}_gain"} | _three(row.gain, row.low, row.high)
    if (like := arm.label_efficiency) is not None:
        yield head | {"metric": f"{arm.metric}_worth_images_a_class"} | _three(like.worth, like.low, like.high)


def _three(value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def scores(table: pd.DataFrame) -> dict[tuple[Judged, str, str, str | None], Score]:
    """Mean over the training seeds of every number of one data set.

    Args:
        table: rows of `summary` of one data set.

    Returns:
        (whose, extractor, metric, class) → Score: a generator's name or a `Reference`; None for all classes. The
        interval reaches from the lowest lower end to the highest upper end of the seeds' intervals, so it holds both
        the spread within and that between seeds.
    """
    keys = ["kind", "model", "extractor", "metric", "scope", "class"]
    found = {}
    for (kind, model, *measure, scope, label), rows in table.dropna(subset=["value"]).groupby(keys, sort=False):
        key = (model if kind == "generator" else Reference(kind, model), *measure, None if scope == "set" else label)
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
            table = csvfile.read(path, "s", "max_rss", sep="\t", na_values=["-", "NA"])
            means = {name: pd.to_numeric(table[name], errors="coerce").mean() for name in ("s", "max_rss")}
            seconds, memory = (None if np.isnan(means[name]) else float(means[name]) for name in ("s", "max_rss"))
            rows.append({"stage": stage, "seconds": seconds, "megabytes": memory})
    return rows


def _rows(path: Path) -> list[dict[str, Any]]:
    body = read_json(path)
    try:
        head = {key: body[key] for key in ("dataset", "model", "seed")}
        rows = [head | _whose(head, row) | {k: row[k] for k in OF_A_ROW} | _scope(row) for row in body["metrics"]]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not an evaluation, {error} is missing") from None
    _check_metrics(path, ((row["extractor"], row["metric"]) for row in rows))
    return rows


def _check_metrics(path: Path, measures: Iterable[tuple[str, str]]) -> None:
    for measure in measures:
        try:
            catalog.find(*measure)
        except LookupError as error:
            raise UserError(f"{path}: {error} is unknown; was it made by another version? Evaluate again") from None


def _whose(head: dict[str, Any], row: dict[str, Any]) -> dict[str, str]:
    """Evaluations of the real images, which alone have no seed, name the images in each row: held-out ones, noise."""
    if head["seed"] is not None:
        return {"kind": "generator"}
    model = row.get("model", head["model"])
    return {"kind": "floor" if model == FLOOR.name else "noise baseline", "model": model}


def _scope(row: dict[str, Any]) -> dict[str, str]:
    return {"scope": "set", "class": ""} if row["class"] is None else {"scope": "class"}
