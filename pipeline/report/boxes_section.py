"""What the page says of the detectors of boxes: arms, verdicts, classes, curves, and what they find."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import figure
from pipeline.downstream.boxes.matching import curve, matches_of
from pipeline.downstream.records import Arm, Candidate, ClassEstimate, Estimate
from pipeline.report import class_table, figures, images, labels, selection_table
from pipeline.report.findings import badge, best_of
from pipeline.report.labels import points, spread

EXACT = "map50_95"  # asks for exact boxes too, beside mAP50, which the verdicts are about
CURVES = 12  # classes with a panel of their own; the most frequent ones
MADE = {  # where the boxes of synthetic images come from
    "synthetic": "images of {}, drawn with their boxes",
    "blended": "defects of {} blended into real images",
    "pseudo": "images of {}, boxes by a detector of real ones",
}


def shown(arms: Sequence[Arm], results: Mapping[str, Mapping[str, Any]], real: ImageSet) -> dict[str, Any] | None:
    """What the template draws, None without arms.

    Args:
        arms: the detectors of boxes, the baseline first.
        results: of each arm by its name, the content of its file (`boxes.run.run_arm`).
        real: the image set that they were judged on.
    """
    if not arms:
        return None
    first, best = arms[0], best_of(arms)
    pair = [results[arm.arm] for arm in (first, *([best] if best else []))]
    panels, left_out = _curves(pair)
    facts = {key: pair[0][key] for key in ("steps", "n_test", "n_background")}
    return {
        "arms": [_arm(arm) for arm in arms],
        "facts": facts | {"repeats": len(first.repetitions)},
        "n_boxes": len(pair[0]["truth"]["image"]),
        "plot": images.svg(figures.detectors(arms, labels.DETECTORS["boxes"].score)),
        "chosen": _chosen(arms),
        "notes": selection_table.notes(arms),
        "classes": [row.name for row in first.by_class],
        "by_class": class_table.shown(arms, labels.DETECTORS["boxes"].of_class),
        "curves": images.svg(figures.precision_recall(panels)),
        "curves_left_out": left_out,
        "pair": [result["arm"] for result in pair],
        "detections": _picture(real, pair),
        "least": f"{figure.SHOWN:g}",
    }


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "arm": arm.arm,
        "made_of": made_of(arm),
        "n_real": arm.n_real,
        "n_synthetic": arm.n_synthetic,
        "portion": f"{arm.chosen.ratio:g} for each real one" if arm.generative else "",
        "scores": [{"spread": spread(of.repetitions)} | _gain(of) for of in (arm, arm.other(EXACT))],
        "classes": [{"ap50": f"{100 * row.score:.1f}"} | _gain(row) for row in arm.by_class],
        "verdict": badge(arm.verdict) if arm.generative else None,
        "first": arm.verdict == "baseline",
    }


def made_of(arm: Arm) -> str:
    """What the detectors of an arm see, in a few words."""
    if not arm.generative:
        return labels.learns_from(arm)
    return "; ".join(MADE[one.made].format(one.model) for one in arm.synthetic)


def _gain(of: Estimate | ClassEstimate) -> dict[str, str | None]:
    """`gain` and `interval` in points, None in the arm that others are compared to; `sure`: a sign that needs no
    colour, where the interval leaves zero."""
    if of.gain is None:
        return {"gain": None, "interval": None, "sure": ""}
    sure = "▲ " if of.low > 0 else "▼ " if of.high < 0 else ""
    return {"gain": points(of.gain), "interval": f"{points(of.low)} to {points(of.high)}", "sure": sure}


def _chosen(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """`plain`: pilots of the arms without synthetic images; `ratios` and `candidates`: of those with some; None where
    validation images chose nothing."""
    plain = [_pilots(arm.arm, arm.chosen.validation) for arm in arms if not arm.generative and arm.chosen.validation]
    chosen_by_score = [arm for arm in arms if arm.chosen.candidates]
    if not plain and not chosen_by_score:
        return None
    ratios = sorted({candidate.ratio for arm in chosen_by_score for candidate in arm.chosen.candidates})
    rows = [{"arm": arm.arm, "cells": _candidates(arm, ratios)} for arm in chosen_by_score]
    pilots = len(arms[0].chosen.validation or [])
    return {"plain": plain, "pilots": pilots, "ratios": [f"{r:g}" for r in ratios], "candidates": rows}


def _pilots(name: str, validation: Sequence[Mapping[str, float]]) -> dict[str, str]:
    return {"arm": name} | {key: spread([pilot[key] for pilot in validation]) for key in ("map50", EXACT)}


def _candidates(arm: Arm, ratios: Sequence[float]) -> list[dict[str, Any] | None]:
    found: dict[float | None, Candidate] = {candidate.ratio: candidate for candidate in arm.chosen.candidates}
    return [
        _pilots(arm.arm, found[ratio].validation) | {"chosen": ratio == arm.chosen.ratio} if ratio in found else None
        for ratio in ratios
    ]


def _curves(results: Sequence[Mapping[str, Any]]) -> tuple[dict[str, dict[str, np.ndarray]], int]:
    """The mean curve of the repetitions, class → arm → (101,), and how many classes are left out."""
    truth, names = results[0]["truth"]["class"], results[0]["classes"]
    there = sorted(set(truth), key=lambda k: (-truth.count(k), k))
    drawn = sorted(there[:CURVES])
    found = {of["arm"]: [[curve(matches[k]) for k in drawn] for matches in matches_of(of)] for of in results}
    means = {name: np.mean(curves, axis=0) for name, curves in found.items()}
    panels = {names[k]: {name: lines[i] for name, lines in means.items()} for i, k in enumerate(drawn)}
    return panels, len(there) - len(drawn)


def _picture(real: ImageSet, results: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.BytesIO()
    figure.beside(real, results).savefig(buffer, format="png", dpi=figure.DPI)
    return images.png(Image.open(buffer).convert("RGB"))
