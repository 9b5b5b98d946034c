"""What was chosen for the detectors on the validation images, and by which scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.downstream.arms import Defects
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
DEFECTS: dict[Defects, str] = {
    "pasted": "with pasted defects",
    "scarred": "with pasted scars",
    "moved": "with moved defects",
}
WORDS = {"confidence": "surest", "nearest": "nearest"}  # of what a filter keeps


def context(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """What the template draws, None where nothing was chosen by validation images.

    Args:
        arms: of one kind of detectors, the baseline first.

    Returns:
        `titles` of the scores on the validation set; `plain`: rows of `arm`, `scores`, `strongest`; `runs`, the most
        that one of them had; `recipes` and `portions`: of the arms that chose a recipe, and how many images and which
        (those with real images and those without apart), each table `columns`, and `rows` of `arm`, `recipe` (the one
        that was chosen) and `cells` (None, or `text` and `chosen`). Where there was nothing to choose there is none.
    """
    plain = [_plain(arm) for arm in arms if not arm.generative and arm.chosen.validation]
    chose = [arm for arm in arms if arm.chosen.candidates]
    recipes = _recipes(chose)
    tables = [_portions([arm for arm in chose if arm.real == real]) for real in (True, False)]
    if not plain and not chose:
        return None
    if plain:
        plain[0]["strongest"] = True
    runs = [arm.chosen.validation or [] for arm in arms if not arm.generative]
    titles = [TITLES.get(name, name) for name in (runs[0][0] if runs[0] else [])]
    found = {"titles": titles, "plain": plain, "runs": max(map(len, runs)), "recipes": recipes}
    return found | {"portions": [table for table in tables if table]}


def notes(arms: Sequence[Arm]) -> list[str]:
    """What the arms' jobs had to say, arms of one note together."""
    said: dict[str, list[str]] = {}
    for arm in arms:
        for note in arm.chosen.notes:
            said.setdefault(note, []).append(arm.arm)
    return [f"{', '.join(names)}: {note}." for note, names in said.items()]


def recipe(augmented: bool, balanced: bool, defects: Defects = "real") -> str:
    """How training images are presented."""
    words = [word for word, there in (("augmented", augmented), ("balanced", balanced)) if there]
    words += [DEFECTS[defects]] if defects in DEFECTS else []
    return " and ".join(words) or "as they are"


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


def _recipes(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """Each recipe with the first ratio and every image, which is how they were compared."""
    tried = {
        arm.arm: [c for c in arm.chosen.candidates if _portion(c) == _portion(arm.chosen.candidates[0])] for arm in arms
    }
    return _table(arms, tried, _recipe, recipe)


def _portions(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """Each number of images and choice of them, by the recipe that was chosen; a fraction that would have left a class
    empty has no cell."""
    tried = {arm.arm: [c for c in arm.chosen.candidates if _recipe(c) == _recipe(arm.chosen)] for arm in arms}
    return _table(arms, tried, _portion, portion)


def _table(
    arms: Sequence[Arm],
    tried: Mapping[str, Sequence[Candidate]],
    key: Callable[[Candidate | Chosen], tuple],
    title: Callable[..., str],
) -> dict[str, Any] | None:
    """Mean first score of each candidate; None where there are not two.

    Args:
        tried: of each arm by its name.
        key: what these candidates differ in, the arguments of `title`.
    """
    columns = list(dict.fromkeys(key(candidate) for of in tried.values() for candidate in of))
    if len(columns) < 2:
        return None
    rows = []
    for arm in arms:
        means = {key(c): np.mean([run[arm.metric] for run in c.validation]) for c in tried[arm.arm]}
        shown = {of: {"text": f"{100 * mean:.1f}", "chosen": of == key(arm.chosen)} for of, mean in means.items()}
        rows.append(
            {"arm": arm.arm, "recipe": recipe(*_recipe(arm.chosen)), "cells": [shown.get(of) for of in columns]}
        )
    return {"columns": [title(*of) for of in columns], "rows": rows}


def _recipe(of: Candidate | Chosen) -> tuple[bool, bool, Defects]:
    return of.augmented, of.balanced, of.defects


def _portion(of: Candidate | Chosen) -> tuple[float | None, str | None, float | None]:
    return of.ratio, of.filter, of.keep
