"""What was chosen for the detectors on the validation images, and by which scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.downstream.records import Arm, Candidate, Chosen
from pipeline.report.labels import spread

LOSS = "loss"
TITLES = {
    "macro_f1": "macro F1, %",
    LOSS: "log loss",
    "map50": "mAP50, %",
    "map50_95": "mAP50-95, %",
    "auroc": "AUROC, %",
    "pixel_ap": "pixel AP, %",
}
WORDS = {"confidence": "surest", "nearest": "nearest"}  # of what a filter keeps


def context(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """What the template draws, None where nothing was chosen by validation images.

    Args:
        arms: of one kind of detectors, the baseline first.

    Returns:
        `titles` of the scores on the validation set; `plain`: rows of `arm`, `scores`, `strongest`; `runs`, how many
        there were; `tables`: of the arms with real images and of those without, where there was anything to choose,
        each `columns`, and `rows` of `arm` and `cells` (None, or `text` and `chosen`).
    """
    plain = [_plain(arm) for arm in arms if not arm.generative and arm.chosen.validation]
    tables = [_table([arm for arm in arms if arm.chosen.candidates and arm.real == real]) for real in (True, False)]
    if not plain and not any(tables):
        return None
    if plain:
        plain[0]["strongest"] = True
    runs = arms[0].chosen.validation or []
    titles = [TITLES.get(name, name) for name in (runs[0] if runs else [])]
    return {"titles": titles, "plain": plain, "runs": len(runs), "tables": [table for table in tables if table]}


def notes(arms: Sequence[Arm]) -> list[str]:
    """What the arms' jobs had to say, arms of one note together."""
    said: dict[str, list[str]] = {}
    for arm in arms:
        for note in arm.chosen.notes:
            said.setdefault(note, []).append(arm.arm)
    return [f"{', '.join(names)}: {note}." for note, names in said.items()]


def portion(ratio: float | None, filter_name: str | None, keep: float | None) -> str:
    """How many synthetic images, and which: `1 for each real one, the surest 50 %`; empty where there are none.

    Args:
        ratio: synthetic images for each real one in a batch; None: no real images.
        filter_name: the filter that chose them, of WORDS; None: none did.
        keep: share of each class's synthetic images that is used; None: no synthetic images.
    """
    if keep is None:
        return ""
    which = "all of them" if filter_name is None else f"the {WORDS[filter_name]} {100 * keep:g}\u202f%"
    return which if ratio is None else f"{ratio:g} for each real one, {which}"


def _plain(arm: Arm) -> dict[str, Any]:
    runs = arm.chosen.validation
    assert runs is not None  # of an arm that validation images chose for
    scores = {name: [run[name] for run in runs] for name in runs[0]}
    texts = [f"{np.mean(of):.3f}" if name == LOSS else spread(of) for name, of in scores.items()]
    return {"arm": arm.arm, "scores": texts, "strongest": False}


def _table(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """Mean first score of each candidate; a fraction that would have left a class empty has no cell."""
    columns = list(dict.fromkeys(_key(candidate) for arm in arms for candidate in arm.chosen.candidates))
    if not columns:
        return None
    return {"columns": [portion(*key) for key in columns], "rows": [_row(arm, columns) for arm in arms]}


def _row(arm: Arm, columns: Sequence[tuple]) -> dict[str, Any]:
    means = {_key(c): np.mean([run[arm.metric] for run in c.validation]) for c in arm.chosen.candidates}
    shown = {key: {"text": f"{100 * mean:.1f}", "chosen": key == _key(arm.chosen)} for key, mean in means.items()}
    return {"arm": arm.arm, "cells": [shown.get(key) for key in columns]}


def _key(of: Candidate | Chosen) -> tuple[float | None, str | None, float | None]:
    return of.ratio, of.filter, of.keep
