"""The small table of the first page: a line a generator, the few numbers that answer the question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.downstream.arms import SyntheticSet
from pipeline.downstream.records import Arm
from pipeline.report import labels
from pipeline.report.findings import overall, verdict
from pipeline.report.labels import points
from pipeline.report.ranking import AT_FLOOR, Key, cell, columns, direction, measures, places
from pipeline.report.verdict import COPYING, Scores

# A column each: the first of its measures that was taken. The one that the answer goes by comes before them.
SLOTS = (
    [("random", "frechet")],
    [("domain", "frechet")],
    [("inception", "kid"), ("random", "kid")],
    [("pixels", "psd")],
    [("pixels", "two_point")],
    [("random", "coverage"), ("random", "recall")],
    [("pixels", "copied"), ("random", "authenticity"), ("pixels", "nearest_pixels"), ("random", "nearest")],
)


def headline(scores: Scores, models: Sequence[str], arms: Sequence[Arm]) -> dict[str, Any]:
    """Floor, generators (the closest first) and ceilings, a line each.

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
    chosen = [*first, *(taken[0] for slot in SLOTS if (taken := [measure for measure in slot if measure in known]))]
    chosen = list(dict.fromkeys(chosen))
    order = [model for model, _ in rankings[0].models] if rankings else []
    placed, lines = places(scores), columns(scores, [*order, *(model for model in models if model not in order)])
    rows = [_row(scores, placed, line, chosen, arms) for line in lines]
    return {
        "columns": [_column(*measure) for measure in chosen],
        "rows": rows,
        "detector": any(row["gain"] for row in rows),
    }


def _column(extractor: str, name: str) -> dict[str, str]:
    title, _, seen_by = labels.title(extractor, name).partition(" (")
    return {"title": title, "seen_by": seen_by.rstrip(")"), "direction": direction(name)}


def _row(
    scores: Scores,
    placed: Mapping[Key, str],
    column: Mapping[str, Any],
    chosen: Sequence[tuple[str, str]],
    arms: Sequence[Arm],
) -> dict[str, Any]:
    cells = [cell(scores, placed, (column["key"], *measure, None)) for measure in chosen]
    likeness = [
        placed.get((column["key"], *measure, None)) for measure in measures(scores) if measure[1] not in COPYING
    ]
    counted = [place for place in likeness if place]
    at_floor = f"{counted.count(AT_FLOOR)} of {len(counted)}" if counted else None
    alone = [SyntheticSet(column["key"], "synthetic")]
    gain = next((_gain(arm) for arm in arms if arm.real and arm.synthetic == alone), None)
    return {**column, "cells": cells, "at_floor": at_floor, "gain": gain if column["kind"] == "model" else None}


def _gain(arm: Arm) -> dict[str, Any]:
    interval = f"{points(arm.low)} to {points(arm.high)}"
    return {"text": points(arm.gain), "interval": interval, "verdict": verdict(arm.verdict)}
