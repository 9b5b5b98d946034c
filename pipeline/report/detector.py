"""What the page says of the detectors: arms, verdicts, and what they mix up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.detection.arms import PLAIN
from pipeline.detection.compare import compare
from pipeline.files import read_json
from pipeline.report import by_class, chosen, figures, images, two_classes
from pipeline.report.answer import best_of, verdict
from pipeline.report.labels import learns_from, points, spread
from pipeline.settings import METHOD

MATRIX_CLASSES = 20  # of more a matrix cannot be read: the largest confusions are listed instead
LISTED = 10
SCORE, SCORE_NAME = "macro_f1", "macro F1"  # what the verdicts are about: every class counts the same


def compared(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The arms' results with what `compare` says of their SCORE: the strongest arm without a generator first.

    Results of another method than today's are passed over. Empty where there are none of arms without a generator.
    """
    found = [read_json(path, "arm", "version", "seeds") for path in paths if path.is_file()]
    results = {result["arm"]: result for result in found if result["version"] == METHOD["detect"]}
    if not PLAIN.keys() & results.keys():
        return []
    return [results[row["arm"]] | row for row in compare(list(results.values()), SCORE)]


def shown(arms: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the template draws, None without arms."""
    if not arms:
        return None
    first = arms[0]
    return {
        "arms": [_arm(arm) for arm in arms],
        "classes": first["classes"],
        "steps": first["steps"],
        "repeats": len(first["seeds"]),
        "n_test": first["n_test"],
        "chance": f"{100 / len(first['classes']):.1f}",
        "plot": images.svg(figures.detectors(arms, SCORE_NAME)),
        "notes": chosen.notes(arms),
        "chosen": chosen.shown(arms),
        "by_class": by_class.shown(arms),
        "two": two_classes.shown(arms),
        "confusions": _confusions(arms),
    }


def _arm(arm: Mapping[str, Any]) -> dict[str, Any]:
    has_gain = arm["difference"] is not None
    return {
        "arm": arm["arm"],
        "made_of": learns_from(arm["arm"]),
        "n_real": arm["n_real"],
        "n_synthetic": arm["n_synthetic"],
        "portion": chosen.portion(arm["ratio"], arm["filter"], arm["keep"]),
        "accuracy": spread([seed["accuracy"] for seed in arm["seeds"]]),
        "macro_f1": spread([seed["macro_f1"] for seed in arm["seeds"]]),
        "gain": points(arm["difference"]) if has_gain else None,
        "interval": f"{points(arm['low'])} to {points(arm['high'])}" if has_gain else None,
        "verdict": verdict(arm["verdict"]) if arm["generative"] else None,
    }


def _confusions(arms: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """`first`: of the strongest arm without a generator and of the best with one; `others`."""
    best = best_of(arms)
    first = [arms[0], *([best] if best else [])]
    others = [arm for arm in arms if all(arm is not other for other in first)]
    return {"first": [_matrix(arm) for arm in first], "others": [_matrix(arm) for arm in others]}


def _matrix(arm: Mapping[str, Any]) -> dict[str, Any]:
    counts = np.sum([seed["confusion"] for seed in arm["seeds"]], axis=0)
    return {"arm": arm["arm"]} | _mixed_up(counts, arm["classes"])


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
