"""The table of measures: a row a measure; floor, generators and ceilings side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.report import labels
from pipeline.report.labels import number
from pipeline.report.tables import Score
from pipeline.report.verdict import FLOOR, Scores, apart, ratio


def measures(scores: Scores, label: str = "all") -> list[tuple[str, str]]:
    """(extractor, metric) of all numbers of a class: by group, then in order of appearance."""
    found = dict.fromkeys((extractor, name) for _, extractor, name, c in scores if c == label)
    groups = list(labels.GROUPS)
    return sorted(found, key=lambda measure: groups.index(labels.metric(measure[1]).group))


def table(scores: Scores, models: Sequence[str]) -> dict[str, Any]:
    """The main table, all classes together.

    Returns:
        `columns`: mappings of `kind` (floor, model, ceiling), `name`, `note`; `groups`: a mapping of `title` and `rows`
        for each group of measures. A row has `title`, `better`, `reading`, `n`, and `cells`, one a column: None, or a
        mapping of `text`, `interval`, `times` (the floor), `best`.
    """
    columns = [{"kind": "floor", "name": FLOOR}] if any(key[0] == FLOOR for key in scores) else []
    columns += [{"kind": "model", "name": model} for model in models if any(key[0] == model for key in scores)]
    columns += [{"kind": "ceiling", "name": name} for name in _ceilings(scores, models)]
    groups: dict[str, list[dict[str, Any]]] = {}
    for extractor, name in measures(scores):
        row = _row(scores, columns, models, extractor, name)
        groups.setdefault(labels.GROUPS[labels.metric(name).group], []).append(row)
    for column in columns:
        column |= {"note": _note(scores, **column), "name": _name(column["kind"], column["name"])}
    return {"columns": columns, "groups": [{"title": title, "rows": rows} for title, rows in groups.items()]}


def by_class(scores: Scores, models: Sequence[str], classes: Sequence[str]) -> list[dict[str, Any]]:
    """For each measure that was also taken class by class: `title`, `names` and `rows` of `label` and `cells`."""
    tables = []
    names = [FLOOR, *models]
    classes = [c for c in classes if c != "all"]
    for measure in dict.fromkeys(m for c in classes for m in measures(scores, c)):
        rows = []
        for label in classes:
            found = [scores.get((name, *measure, label)) for name in names]
            if any(found):
                rows.append({"label": label, "cells": [_plain(score) if score else None for score in found]})
        titles = [_name("floor" if name == FLOOR else "model", name) for name in names]
        tables.append({"title": labels.title(*measure), "names": titles, "rows": rows})
    return tables


def positions(scores: Scores, models: Sequence[str]) -> list[dict[str, Any]]:
    """For `figures.positions`: the measures that have a ratio to the floor, of each generator and ceiling."""
    rows = []
    for extractor, name in measures(scores):
        floor = scores.get((FLOOR, extractor, name, "all"))
        found = {model: scores.get((model, extractor, name, "all")) for model in models}
        ratios = {
            model: tuple(max(end / floor.value, 0.01) for end in (score.value, score.low, score.high))
            for model, score in found.items()
            if score and ratio(score, floor, name) is not None
        }
        if ratios:
            ceilings = {
                c: scores[key] for c in _ceilings(scores, models) if (key := (c, extractor, name, "all")) in scores
            }
            ceilings = {c: ratio(score, floor, name) for c, score in ceilings.items()}
            rows.append({"label": labels.title(extractor, name), "models": ratios, "ceilings": ceilings})
    return rows


def _ceilings(scores: Scores, models: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(key[0] for key in scores) if name != FLOOR and name not in models]


def _row(
    scores: Scores, columns: Sequence[dict[str, Any]], models: Sequence[str], extractor: str, name: str
) -> dict[str, Any]:
    found = [scores.get((column["name"], extractor, name, "all")) for column in columns]
    floor = scores.get((FLOOR, extractor, name, "all"))
    cells = []
    for column, score in zip(columns, found, strict=True):
        cell = _plain(score) if score else None
        if cell:
            cell["times"] = None if column["kind"] == "floor" else _times(ratio(score, floor, name))
            cell["best"] = column["kind"] == "model" and _is_best(scores, column["name"], models, extractor, name)
        cells.append(cell)
    metric = labels.metric(name)
    counts = sorted({score.n for score in found if score})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return {
        "title": labels.title(extractor, name),
        "better": metric.better,
        "reading": metric.reading,
        "n": n,
        "cells": cells,
    }


def _times(times: float | None) -> str | None:
    if times is None:
        return None
    return f"{times:.1f}× floor" if times < 100 else f"{times:.0f}× floor"


def _is_best(scores: Scores, model: str, models: Sequence[str], extractor: str, name: str) -> bool:
    """Whether the generator is the closest by this measure, with a gap to all others."""
    mine = scores[model, extractor, name, "all"]
    others = [scores[key] for m in models if m != model and (key := (m, extractor, name, "all")) in scores]
    floor = scores.get((FLOOR, extractor, name, "all"))
    better = labels.metric(name).better

    def distance(score: Score) -> float:
        return {"lower": score.value, "higher": -score.value}.get(
            better, abs(score.value - (floor.value if floor else 0))
        )

    return bool(others) and all(apart(mine, other) and distance(mine) < distance(other) for other in others)


def _plain(score: Score) -> dict[str, Any]:
    return {"text": number(score.value), "interval": f"{number(score.low)} to {number(score.high)}", "n": score.n}


def _name(kind: str, name: str) -> str:
    return "Real, held out" if kind == "floor" else name[:1].upper() + name[1:] if kind == "ceiling" else name


def _note(scores: Scores, kind: str, name: str) -> str:
    if kind != "model":
        return {"floor": "the floor", "ceiling": "a ceiling"}[kind]
    seeds = max(score.seeds for key, score in scores.items() if key[0] == name)
    return f"mean of {seeds} seeds" if seeds > 1 else "one seed"
