"""The section on box detectors: arms, verdicts, classes, curves, and what they find."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import figure
from pipeline.downstream.boxes.matching import curve, matches_of
from pipeline.downstream.boxes.records import BoxResult
from pipeline.downstream.records import Arm
from pipeline.report import downstream_section, figures, images, labels
from pipeline.report.detector_findings import best_of

CURVES = 12  # classes with a panel of their own; the most frequent ones
BACKBONES = {  # what the caption says of each
    "frozen": "on EfficientNet-Lite0 as ImageNet left it",
    "fine_tuned": "on EfficientNet-Lite0, which learnt ImageNet and learns on here",
    "scratch": "from scratch",
}
MADE = {  # where the boxes of synthetic images come from
    "synthetic": "images of {}, drawn with their boxes",
    "blended": "defects of {} blended into real images",
    "missed": "images of {} of what detectors miss, drawn with their boxes",
    "pseudo": "images of {}, boxes by a detector of real ones",
}


def context(arms: Sequence[Arm], results: Mapping[str, BoxResult], real: ImageSet) -> dict[str, Any] | None:
    """What the template draws, None without arms.

    Args:
        arms: the detectors of boxes, the baseline first.
        results: of each arm by its name.
        real: the image set that they were judged on.
    """
    if not arms:
        return None
    first, best = arms[0], best_of(arms)
    pair = [results[arm.arm] for arm in (first, *([best] if best else []))]
    panels, left_out = _curves(pair)
    return downstream_section.context(arms, pair[0], made_of) | {
        "n_background": pair[0].n_background,
        "backbone": sees_with(pair[0].settings),
        "n_boxes": len(pair[0].truth.image),
        "curves": images.svg(figures.precision_recall(panels)),
        "curves_left_out": left_out,
        "pair": [result.arm for result in pair],
        "detections": _picture(real, pair),
        "least": f"{figure.SHOWN:g}",
    }


def sees_with(settings: Mapping[str, Any]) -> str:
    """What detectors of these settings see images with; torchvision's learn all they know."""
    return BACKBONES[settings["backbone"] if settings["detector"] == "small" else "scratch"]


def made_of(arm: Arm) -> str:
    """What the detectors of an arm see, in a few words."""
    if arm.control or not arm.generative:
        return labels.learns_from(arm)
    return "; ".join(MADE[one.made].format(one.model) for one in arm.synthetic)


def _curves(results: Sequence[BoxResult]) -> tuple[dict[str, dict[str, np.ndarray]], int]:
    """The mean curve of the repetitions, class → arm → (101,), and how many classes are left out."""
    truth, names = results[0].truth.class_id, results[0].classes
    there = sorted(set(truth), key=lambda k: (-truth.count(k), k))
    drawn = sorted(there[:CURVES])
    found = {of.arm: [[curve(matches[k]) for k in drawn] for matches in matches_of(of)] for of in results}
    means = {name: np.mean(curves, axis=0) for name, curves in found.items()}
    panels = {names[k]: {name: lines[i] for name, lines in means.items()} for i, k in enumerate(drawn)}
    return panels, len(there) - len(drawn)


def _picture(real: ImageSet, results: Sequence[BoxResult]) -> str:
    buffer = io.BytesIO()
    figure.beside(real, results).savefig(buffer, format="png", dpi=figure.DPI)
    return images.png(Image.open(buffer).convert("RGB"))
