"""The section on classifiers: arms, verdicts, and what they mix up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.downstream.classifier.records import ClassifierResult
from pipeline.downstream.records import Arm
from pipeline.report import downstream_section, roc_section
from pipeline.report.detector_findings import best_of
from pipeline.report.labels import learns_from

MATRIX_CLASSES = 20  # of more a matrix cannot be read: the largest confusions are listed instead
LISTED = 10
BACKBONES = {  # what the caption says of each, and of so many steps
    "frozen": "The same logistic head in every arm, on features of EfficientNet-Lite0 as ImageNet left it",
    "fine_tuned": "The same EfficientNet-Lite0 in every arm, which learnt ImageNet and then {} optimiser steps here,"
    " as many as real images gain by or the settings allow",
    "scratch": "The same ResNet-18 in every arm, from scratch, {} optimiser steps, as many as real images gain by or"
    " the settings allow",
}


def context(arms: Sequence[Arm], results: Mapping[str, ClassifierResult]) -> dict[str, Any] | None:
    """What the template draws, None without arms.

    Args:
        arms: the classifiers, the baseline first.
        results: of each arm by its name.
    """
    if not arms:
        return None
    result = results[arms[0].arm]
    return downstream_section.context(arms, result, learns_from) | {
        "classes": result.classes,
        "backbone": BACKBONES[result.settings["backbone"]].format(result.steps),
        "chance": f"{100 / len(result.classes):.1f}",
        "two": roc_section.context(arms, results),
        "confusions": _confusions(arms, results),
    }


def _confusions(arms: Sequence[Arm], results: Mapping[str, ClassifierResult]) -> dict[str, list[dict[str, Any]]]:
    """`first`: of the baseline and of the best arm with a generator; `others`."""
    best = best_of(arms)
    first = [arms[0].arm, *([best.arm] if best else [])]
    others = [arm.arm for arm in arms if arm.arm not in first]
    return {"first": [_matrix(results[name]) for name in first], "others": [_matrix(results[name]) for name in others]}


def _matrix(result: ClassifierResult) -> dict[str, Any]:
    counts = np.sum([one.confusion for one in result.repetitions], axis=0)
    return {"arm": result.arm} | _mixed_up(counts, result.classes)


def _mixed_up(counts: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """`confusion`, the whole matrix of (K, K) counts, row = true class; of too many classes None, and its largest
    confusions in `mixed`."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    if len(classes) <= MATRIX_CLASSES:
        return {"confusion": _confusion(shares, counts, classes), "mixed": []}
    wrong = shares * (1 - np.eye(len(classes)))
    largest = np.argsort(-wrong, axis=None, kind="stable")[:LISTED]
    mixed = [
        {"truth": classes[i], "said": classes[j], "percent": f"{100 * wrong[i, j]:.0f}"}
        for i, j in zip(*np.unravel_index(largest, wrong.shape), strict=True)
        if wrong[i, j] > 0
    ]
    return {"confusion": None, "mixed": mixed}


def _confusion(shares: np.ndarray, counts: np.ndarray, classes: Sequence[str]) -> list[list[dict[str, str]]]:
    """Percent of each row, on a scale that keeps its order in gray."""
    return [
        [_cell(shares[i, j], counts[i, j], classes[i], classes[j]) for j in range(len(classes))]
        for i in range(len(classes))
    ]


def _cell(share: float, count: int, truth: str, said: str) -> dict[str, str]:
    white, dark = np.array([247, 249, 251]), np.array([8, 72, 120])
    color = white + share**0.7 * (dark - white)
    percent = f"{100 * share:.0f}"
    return {
        "text": "" if percent == "0" else percent,
        "color": "rgb({:.0f},{:.0f},{:.0f})".format(*color),
        "ink": "#fff" if share > 0.45 else "#1f2937",
        "title": f"{truth} taken for {said}: {count}",
    }
