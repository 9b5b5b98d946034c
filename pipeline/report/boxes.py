"""What the page says of the detectors of boxes: arms, verdicts, classes, curves, and what they find."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.imageset import ImageSet
from pipeline.detection.boxes import figure
from pipeline.detection.boxes.compare import EXACT, FIRST, compare, matches_of
from pipeline.detection.boxes.matches import curve
from pipeline.files import read_json
from pipeline.report import by_class, chosen, figures, images, labels
from pipeline.report.answer import best_of, verdict
from pipeline.report.labels import points, spread
from pipeline.settings import METHOD

SCORE_NAME, CLASS_SCORE, CLASS_NAME = "mAP50", "ap50", "AP50"  # what the verdicts are about
CURVES = 12  # classes with a panel of their own; the most frequent ones
MADE = {  # where the boxes of synthetic images come from
    "synthetic": "images of {}, drawn with their boxes",
    "blended": "defects of {} blended into real images",
    "pseudo": "images of {}, boxes by a detector of real ones",
}


def compared(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The arms' results with what `compare` says of them: the strongest arm without synthetic images first.

    Results of another method than today's are passed over. Empty where there are none of plain arms.
    """
    found = [read_json(path, "arm", "version", "models", "seeds") for path in paths if path.is_file()]
    results = {result["arm"]: result for result in found if result["version"] == METHOD["detect_boxes"]}
    if all(result["models"] for result in results.values()):
        return []
    return [results[row["arm"]] | row for row in compare(list(results.values()))]


def shown(arms: Sequence[Mapping[str, Any]], real: ImageSet) -> dict[str, Any] | None:
    """What the template draws, None without arms.

    Args:
        arms: as `compared` gives them.
        real: the image set that they were judged on.
    """
    if not arms:
        return None
    first, best = arms[0], best_of(arms)
    pair = [first, *([best] if best else [])]
    panels, left_out = _curves(pair)
    return {
        "arms": [_arm(arm) for arm in arms],
        "facts": {key: first[key] for key in ("steps", "n_test", "n_background")} | {"repeats": len(first["seeds"])},
        "n_boxes": len(first["truth"]["image"]),
        "plot": images.svg(figures.detectors(arms, SCORE_NAME)),
        "chosen": _chosen(arms),
        "notes": chosen.notes(arms),
        "classes": [row["class"] for row in first["by_class"]],
        "by_class": by_class.shown(arms, CLASS_SCORE, CLASS_NAME),
        "curves": images.svg(figures.precision_recall(panels)),
        "curves_left_out": left_out,
        "pair": [arm["arm"] for arm in pair],
        "detections": _picture(real, pair),
        "least": f"{figure.SHOWN:g}",
    }


def cautions(arms: Sequence[Mapping[str, Any]], few: int) -> list[str]:
    """What keeps the answer from being certain.

    Args:
        arms: as `compared` gives them.
        few: repetitions below which intervals are rough.
    """
    repeats = len(arms[0]["seeds"]) if arms else few
    if repeats >= few:
        return []
    return [f"The detectors of boxes were trained {repeats} times each; below {few} the intervals are rough."]


def _arm(arm: Mapping[str, Any]) -> dict[str, Any]:
    classes = [
        {"ap50": f"{100 * row['ap50']:.1f}"} | _gain(row if "difference" in row else {"difference": None})
        for row in arm["by_class"]
    ]
    return {
        "arm": arm["arm"],
        "made_of": made_of(arm),
        "n_real": arm["n_real"],
        "n_synthetic": arm["n_synthetic"],
        "portion": f"{arm['ratio']:g} for each real one" if arm["generative"] else "",
        "scores": [{"spread": spread(of["scores"])} | _gain(of) for of in (arm, arm[EXACT])],
        "classes": classes,
        "verdict": verdict(arm["verdict"]) if arm["generative"] else None,
        "first": arm["verdict"] == "baseline",
    }


def made_of(arm: Mapping[str, Any]) -> str:
    """What the detectors of an arm see, in a few words."""
    if not arm["models"]:
        return labels.learns_from(arm["arm"])
    return "; ".join(MADE[one["made"]].format(one["model"]) for one in arm["models"])


def _gain(of: Mapping[str, Any]) -> dict[str, str | None]:
    """`gain` and `interval` in points, None in the arm that others are compared to; `sure`: a sign that needs no
    colour, where the interval leaves zero."""
    if of["difference"] is None:
        return {"gain": None, "interval": None, "sure": ""}
    sure = "▲ " if of["low"] > 0 else "▼ " if of["high"] < 0 else ""
    return {
        "gain": points(of["difference"]),
        "interval": f"{points(of['low'])} to {points(of['high'])}",
        "sure": sure,
    }


def _chosen(arms: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """`plain`: pilots of the arms without synthetic images; `ratios` and `candidates`: of those with some; None where
    validation images chose nothing."""
    plain = [_pilots(arm["arm"], arm["validation"]) for arm in arms if not arm["generative"] and arm["validation"]]
    chosen_by_score = [arm for arm in arms if arm["candidates"]]
    if not plain and not chosen_by_score:
        return None
    ratios = sorted({candidate["ratio"] for arm in chosen_by_score for candidate in arm["candidates"]})
    rows = [{"arm": arm["arm"], "cells": _candidates(arm, ratios)} for arm in chosen_by_score]
    pilots = len(arms[0]["validation"] or [])
    return {"plain": plain, "pilots": pilots, "ratios": [f"{r:g}" for r in ratios], "candidates": rows}


def _pilots(name: str, validation: Sequence[Mapping[str, float]]) -> dict[str, str]:
    return {"arm": name} | {key: spread([pilot[key] for pilot in validation]) for key in (FIRST, EXACT)}


def _candidates(arm: Mapping[str, Any], ratios: Sequence[float]) -> list[dict[str, Any] | None]:
    found = {candidate["ratio"]: candidate["validation"] for candidate in arm["candidates"]}
    return [
        _pilots(arm["arm"], found[ratio]) | {"chosen": ratio == arm["ratio"]} if ratio in found else None
        for ratio in ratios
    ]


def _curves(arms: Sequence[Mapping[str, Any]]) -> tuple[dict[str, dict[str, np.ndarray]], int]:
    """The mean curve of the repetitions, class → arm → (101,), and how many classes are left out."""
    truth, names = arms[0]["truth"]["class"], arms[0]["classes"]
    there = sorted(set(truth), key=lambda k: (-truth.count(k), k))
    drawn = sorted(there[:CURVES])
    found = {arm["arm"]: [[curve(matches[k]) for k in drawn] for matches in matches_of(arm)] for arm in arms}
    means = {name: np.mean(curves, axis=0) for name, curves in found.items()}
    panels = {names[k]: {name: lines[i] for name, lines in means.items()} for i, k in enumerate(drawn)}
    return panels, len(there) - len(drawn)


def _picture(real: ImageSet, arms: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.BytesIO()
    figure.beside(real, arms).savefig(buffer, format="png", dpi=figure.DPI)
    return images.png(Image.open(buffer).convert("RGB"))
