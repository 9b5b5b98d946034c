"""The tables of metrics: floor, generators and noise baselines side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.catalog import FEATURES, GROUPS, METRICS
from pipeline.report.findings import closest_alone
from pipeline.report.labels import number
from pipeline.report.tables import FLOOR, Judged, Reference
from pipeline.report.verdict import Beside, Scores, off, paired, ratio

Key = tuple[Judged, str, str, str | None]  # of `tables.scores`
AT_FLOOR = "at the floor"
NO_SIGN = "no sign by this measure"  # of copies: another may see one


def measures(scores: Scores, label: str | None = None) -> list[tuple[str, str]]:
    """(extractor, metric) of all numbers of a class (None: of all classes): by group, then in order of appearance."""
    found = dict.fromkeys((extractor, name) for _, extractor, name, c in scores if c == label)
    groups = list(GROUPS)
    return sorted(found, key=lambda measure: groups.index(METRICS[measure[1]].group))


def columns(scores: Scores, models: Sequence[str]) -> list[dict[str, Any]]:
    """Floor, generators, noise baselines that have a number: `kind`, `key` (name in `scores`), `name`, `note`."""
    kinds = {FLOOR: "floor"} | dict.fromkeys(models, "model") | dict.fromkeys(noise_baselines(scores), "noise")
    there = {key[0] for key in scores}
    return [
        {"kind": kind, "key": key, "name": _name(key), "note": _note(scores, key)}
        for key, kind in kinds.items()
        if key in there
    ]


def noise_baselines(scores: Scores) -> list[Reference]:
    """The images without any skill: noise, blurred noise."""
    return [of for of in dict.fromkeys(key[0] for key in scores) if isinstance(of, Reference) and of != FLOOR]


def places(scores: Scores) -> dict[Key, str]:
    """Where each number stands beside the floor; by the rule of the verdicts, off is a gap on the bad side."""
    found = {}
    for model in dict.fromkeys(key[0] for key in scores if key[0] != FLOOR):
        classes = paired(scores, model)
        for label, measures in classes.items():
            asked = sum(len(others) for c, others in classes.items() if (c is None) == (label is None))
            wrong = off(measures, asked)
            for of in measures:
                fine = NO_SIGN if of.row.group == "copies" else AT_FLOOR
                found[model, of.extractor, of.metric, label] = _off(of) if of in wrong else fine
    return found


def _off(of: Beside) -> str:
    if of.times is not None:
        return f"{of.times:.1f}× floor" if of.times < 100 else f"{of.times:.0f}× floor"
    return "above the floor" if of.score.value > of.floor.value else "below the floor"


def cell(scores: Scores, placed: Mapping[Key, str], key: Key) -> dict[str, Any] | None:
    """`value`, `text`, `interval`, `n`, and `place` (of `places`, None without a floor) of a number."""
    score = scores.get(key)
    if score is None:
        return None
    interval = f"{number(score.low)} to {number(score.high)}" if score.sure else "too few images"
    found = {"value": score.value, "text": number(score.value), "interval": interval, "n": score.n}
    return found | {"place": placed.get(key)}


def table(scores: Scores, models: Sequence[str]) -> dict[str, Any]:
    """The main table, all classes together.

    Returns:
        `columns` (see there); `groups`: a mapping of `title` and `rows` for each group of measures. A row has `title`,
        `direction`, `reading`, `n`, and `cells`, one a column: None, or a `cell` with `best`: the closest generator.
    """
    found, placed, best = columns(scores, models), places(scores), closest_alone(scores, models)
    groups: dict[str, list[dict[str, Any]]] = {}
    for measure in measures(scores):
        group = GROUPS[METRICS[measure[1]].group]
        groups.setdefault(group, []).append(_row(scores, placed, found, best.get(measure), *measure))
    return {"columns": found, "groups": [{"title": title, "rows": rows} for title, rows in groups.items()]}


def by_class(scores: Scores, models: Sequence[str], classes: Sequence[str]) -> list[dict[str, Any]]:
    """For each measure that was also taken class by class: `title`, `direction`, `columns`, and `rows`.

    A row has the class's name as `label`, and `cells`.
    """
    tables, placed = [], places(scores)
    shown = [column for column in columns(scores, models) if column["kind"] != "noise"]
    for measure in dict.fromkeys(m for c in classes for m in measures(scores, c)):
        rows = []
        for label in classes:
            cells = [cell(scores, placed, (column["key"], *measure, label)) for column in shown]
            if any(cells):
                rows.append({"label": label, "cells": cells})
        extractor, name = measure
        title = {"title": METRICS[name].title_of(extractor), "direction": METRICS[name].direction}
        tables.append(title | {"columns": shown, "rows": rows})
    return tables


def every(scores: Scores, models: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """Every number, a row for each measure and class.

    Returns:
        `columns` (see there), `rows` of `group`, `measure`, `extractor`, `label` (None: all classes), `n` and `cells`,
        one a column, and `filters`: for `group`, `extractor` and `label` the values to choose from, where there are
        several.
    """
    found, placed, rows = columns(scores, models), places(scores), []
    for label in [None, *classes]:
        for extractor, name in measures(scores, label):
            cells = [cell(scores, placed, (column["key"], extractor, name, label)) for column in found]
            metric = METRICS[name]
            row = {"group": GROUPS[metric.group], "measure": metric.label, "label": label, "cells": cells}
            rows.append(row | {"extractor": FEATURES.get(extractor, extractor), "n": _n(cells)})
    choices = {key: list(dict.fromkeys(row[key] for row in rows)) for key in ("group", "extractor", "label")}
    return {"columns": found, "rows": rows, "filters": {key: of for key, of in choices.items() if len(of) > 1}}


def positions(scores: Scores, models: Sequence[str]) -> list[dict[str, Any]]:
    """For `figures.positions`: the measures that have a ratio to the floor, of each generator and noise baseline."""
    rows = []
    for extractor, name in measures(scores):
        floor = scores.get((FLOOR, extractor, name, None))
        found = {model: scores.get((model, extractor, name, None)) for model in models}
        ratios = {
            model: tuple(max(end / floor.value, 0.01) for end in (score.value, score.low, score.high))
            for model, score in found.items()
            if score and score.sure and floor and ratio(score, floor, name) is not None
        }
        if ratios:
            known = {of.name: scores.get((of, extractor, name, None)) for of in noise_baselines(scores)}
            noise = {c: ratio(score, floor, name) for c, score in known.items() if score}
            rows.append({"label": METRICS[name].title_of(extractor), "models": ratios, "noise": noise})
    return rows


def _row(
    scores: Scores,
    placed: Mapping[Key, str],
    shown: Sequence[dict[str, Any]],
    best: str | None,
    extractor: str,
    name: str,
) -> dict[str, Any]:
    cells = [cell(scores, placed, (column["key"], extractor, name, None)) for column in shown]
    for column, found in zip(shown, cells, strict=True):
        if found:
            found["best"] = column["key"] == best
    return {
        "title": METRICS[name].title_of(extractor),
        "direction": METRICS[name].direction,
        "reading": METRICS[name].reading,
        "n": _n(cells),
        "cells": cells,
    }


def _n(cells: Sequence[dict[str, Any] | None]) -> str:
    counts = sorted({found["n"] for found in cells if found})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _name(key: Judged) -> str:
    if isinstance(key, str):
        return key
    return "Real, held out" if key == FLOOR else key.name.capitalize()


def _note(scores: Scores, of: Judged) -> str:
    if isinstance(of, Reference):
        return {"floor": "the floor", "noise baseline": "no skill"}[of.kind]
    seeds = max(score.seeds for key, score in scores.items() if key[0] == of)
    return f"mean of {seeds} seeds" if seeds > 1 else "one seed"
