"""Detectors of two classes (good and bad): how well they rank the images, and their scores at the chosen threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.downstream.classifier.records import ClassifierResult, Threshold
from pipeline.downstream.classifier.scores import mean_roc
from pipeline.downstream.records import Arm
from pipeline.report import figures, images
from pipeline.report.detector_findings import generators
from pipeline.report.labels import interval, points, spread

LINES = 6  # arms in the figure


def context(arms: Sequence[Arm], results: Mapping[str, ClassifierResult]) -> dict[str, Any] | None:
    """What the template draws, None where there are not two classes that both have test images.

    The class to find is the one with fewer test images, as defects are.

    Args:
        arms: the classifiers, the baseline first.
        results: of each arm by its name.

    Returns:
        `find` and `spare`, the names of the two classes; `rows` of `arm`, `auroc`, `gain`, `interval` (None for the
        first), `threshold`, `found`, `false_alarms`, `macro_f1` (None without a threshold); `plot`; `left_out`, how
        many arms with real and synthetic images are not in the figure.
    """
    if not any(of.metric == "auroc" for of in arms[0].secondary):
        return None
    first = results[arms[0].arm]
    classes, truth = first.classes, np.asarray(first.truth)
    find = int(2 * truth.sum() <= len(truth))
    drawn = _drawn(arms)
    lines = {name: (_curve(results[name], truth, find), _at_threshold(results[name], find)) for name in drawn}
    return {
        "find": classes[find],
        "spare": classes[1 - find],
        "rows": [_row(arm, results[arm.arm], find) for arm in arms],
        "plot": images.svg(figures.roc(lines, classes[find], classes[1 - find])),
        "left_out": sum(arm.real for arm in generators(arms)) + 1 - len(drawn),
    }


def _drawn(arms: Sequence[Arm]) -> list[str]:
    """The baseline, and of the arms with real and synthetic images the best by AUROC."""
    mixed = [arm for arm in generators(arms) if arm.real]
    best = sorted(mixed, key=lambda arm: -arm.other("auroc").score)[: LINES - 1]
    return [arms[0].arm, *(arm.arm for arm in mixed if arm in best)]


def _curve(arm: ClassifierResult, truth: np.ndarray, find: int) -> np.ndarray:
    odds = np.array([one.log_odds for one in arm.repetitions])  # of the second class
    return mean_roc(truth == find, odds if find == 1 else -odds)


def _thresholds(arm: ClassifierResult) -> list[Threshold] | None:
    """Of the repetitions; None where one has none."""
    found = [one.at_threshold for one in arm.repetitions if one.at_threshold is not None]
    return found if len(found) == len(arm.repetitions) else None


def _at_threshold(arm: ClassifierResult, find: int) -> tuple[float, float] | None:
    """Shares of false alarms and found at the thresholds, means over the repetitions; None where one has none."""
    thresholds = _thresholds(arm)
    if thresholds is None:
        return None
    confusion = np.array([one.confusion for one in thresholds], np.float64)
    shares = confusion / confusion.sum(2, keepdims=True)
    return float(shares[:, 1 - find, find].mean()), float(shares[:, find, find].mean())


def _row(arm: Arm, result: ClassifierResult, find: int) -> dict[str, Any]:
    auroc = arm.other("auroc")
    return {
        "arm": arm.arm,
        "auroc": spread(auroc.repetitions),
        "gain": None if auroc.gain is None else points(auroc.gain),
        "interval": None if auroc.gain is None else interval(auroc),
    } | _scores_at_threshold(result, find)


def _scores_at_threshold(arm: ClassifierResult, find: int) -> dict[str, str | None]:
    at, thresholds = _at_threshold(arm, find), _thresholds(arm)
    if at is None or thresholds is None:
        return dict.fromkeys(("threshold", "found", "false_alarms", "macro_f1"))
    sign = 1 if find == 1 else -1
    odds = [sign * one.log_odds for one in thresholds]
    low, middle, high = (100 / (1 + math.exp(-value)) for value in (min(odds), np.median(odds), max(odds)))
    return {
        "threshold": f"{middle:.0f} ({low:.0f} to {high:.0f})",
        "found": f"{100 * at[1]:.0f}",
        "false_alarms": f"{100 * at[0]:.0f}",
        "macro_f1": spread([one.macro_f1 for one in thresholds]),
    }
