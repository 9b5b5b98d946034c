"""What was chosen for the detectors on the validation images, and by which scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.downstream.records import Arm, Candidate, Chosen
from pipeline.report.labels import spread

WORDS = {"confidence": "surest", "nearest": "nearest"}  # of what a filter keeps


def shown(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """What the template draws, None where nothing was chosen by validation images.

    Args:
        arms: of one kind of detectors, the baseline first.

    Returns:
        `plain`: rows of `arm`, `macro_f1` and `loss` of the pilot trainings, `strongest`; `pilots`, how many there
        were; `tables`: of the arms with real images and of those without, where there was anything to choose, each
        `columns`, and `rows` of `arm` and `cells` (None, or `text` and `chosen`).
    """
    plain = [_plain(arm) for arm in arms if not arm.generative and arm.chosen.validation]
    tables = [_table([arm for arm in arms if arm.chosen.candidates and arm.real == real]) for real in (True, False)]
    if not plain and not any(tables):
        return None
    if plain:
        plain[0]["strongest"] = True
    pilots = len(arms[0].chosen.validation or [])
    return {"plain": plain, "pilots": pilots, "tables": [table for table in tables if table]}


def notes(arms: Sequence[Arm]) -> list[str]:
    """What the arms' jobs had to say, arms of one note together."""
    said: dict[str, list[str]] = {}
    for arm in arms:
        for note in arm.chosen.notes:
            said.setdefault(note, []).append(arm.arm)
    return [f"{', '.join(names)}: {note}." for note, names in said.items()]


def portion(ratio: float | None, sieve: str | None, keep: float | None) -> str:
    """How many synthetic images, and which: `1 for each real one, the surest 50 %`; empty where there are none.

    Args:
        ratio: synthetic images for each real one in a batch; None: no real images.
        sieve: the filter that chose them, of WORDS; None: none did.
        keep: share of each class's synthetic images that is used; None: no synthetic images.
    """
    if keep is None:
        return ""
    which = "all of them" if sieve is None else f"the {WORDS[sieve]} {100 * keep:g}\u202f%"
    return which if ratio is None else f"{ratio:g} for each real one, {which}"


def _plain(arm: Arm) -> dict[str, Any]:
    pilots = arm.chosen.validation
    assert pilots is not None  # of an arm that validation images chose for
    loss = f"{np.mean([pilot['loss'] for pilot in pilots]):.3f}"
    return {"arm": arm.arm, "macro_f1": spread([p["macro_f1"] for p in pilots]), "loss": loss, "strongest": False}


def _table(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """Mean macro F1 of each candidate; a share that would have left a class empty has no cell."""
    columns = list(dict.fromkeys(_key(candidate) for arm in arms for candidate in arm.chosen.candidates))
    if not columns:
        return None
    return {"columns": [portion(*key) for key in columns], "rows": [_row(arm, columns) for arm in arms]}


def _row(arm: Arm, columns: Sequence[tuple]) -> dict[str, Any]:
    means = {_key(c): np.mean([pilot["macro_f1"] for pilot in c.validation]) for c in arm.chosen.candidates}
    shown = {key: {"text": f"{100 * mean:.1f}", "chosen": key == _key(arm.chosen)} for key, mean in means.items()}
    return {"arm": arm.arm, "cells": [shown.get(key) for key in columns]}


def _key(of: Candidate | Chosen) -> tuple[float | None, str | None, float | None]:
    return of.ratio, of.filter, of.keep
