"""The small table of the first page: a line a generator, the few numbers that answer the question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.downstream.arms import SyntheticSet
from pipeline.downstream.records import Arm
from pipeline.evaluation.catalog import METRICS, headline_columns
from pipeline.report.findings import overall
from pipeline.report.labels import gain_of, interval, points
from pipeline.report.ranking import AT_FLOOR, Key, cell, columns, measures, places
from pipeline.report.sentences import badge
from pipeline.report.verdict import Scores


def headline(scores: Scores, models: Sequence[str], arms: Sequence[Arm]) -> dict[str, Any]:
    """Floor, generators (the closest first) and noise baselines, a line each.

    Args:
        scores: of one data set.
        models: in the order of the config.
        arms: of one kind of detectors, the baseline first; may be empty.

    Returns:
        `columns` of `title`, `seen_by` (the features) and `direction`; `rows` of `kind`, `name`, `note`, `cells` (one a
        column), `at_floor` (of all measures of likeness, "4 of 15"), and `gain` of the detector's arm with this
        generator (`text`, `interval`, `verdict`) or None; `detector`: whether any row has a gain.
    """
    rankings = overall(scores, models)
    first = [(ranking.extractor, ranking.metric) for ranking in rankings[:1]]
    known = measures(scores)
    taken = [[measure for measure in column if measure in known] for column in headline_columns()]
    chosen = list(dict.fromkeys([*first, *(measures[0] for measures in taken if measures)]))
    order = [model for model, _ in rankings[0].models] if rankings else []
    placed, lines = places(scores), columns(scores, [*order, *(model for model in models if model not in order)])
    rows = [_row(scores, placed, line, chosen, arms) for line in lines]
    return {
        "columns": [_column(*measure) for measure in chosen],
        "rows": rows,
        "detector": any(row["gain"] for row in rows),
    }


def _column(extractor: str, name: str) -> dict[str, str]:
    title, _, seen_by = METRICS[name].title_of(extractor).partition(" (")
    return {"title": title, "seen_by": seen_by.rstrip(")"), "direction": METRICS[name].direction}


def _row(
    scores: Scores,
    placed: Mapping[Key, str],
    column: Mapping[str, Any],
    chosen: Sequence[tuple[str, str]],
    arms: Sequence[Arm],
) -> dict[str, Any]:
    cells = [cell(scores, placed, (column["key"], *measure, None)) for measure in chosen]
    likeness = [measure for measure in measures(scores) if METRICS[measure[1]].group != "copies"]
    counted = [place for measure in likeness if (place := placed.get((column["key"], *measure, None)))]
    at_floor = f"{counted.count(AT_FLOOR)} of {len(counted)}" if counted else None
    alone = [SyntheticSet(column["key"], "synthetic")]
    gain = next((_gain(arm) for arm in arms if arm.real and arm.synthetic == alone), None)
    return {**column, "cells": cells, "at_floor": at_floor, "gain": gain if column["kind"] == "model" else None}


def _gain(arm: Arm) -> dict[str, Any]:
    return {"text": points(gain_of(arm)[0]), "interval": interval(arm), "verdict": badge(arm.verdict)}
