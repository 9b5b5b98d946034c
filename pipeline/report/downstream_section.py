"""The parts of a section on detectors that are the same in every task: arms, verdicts, choices, classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.downstream.records import Arm, ArmResult, ClassEstimate, Estimate, RecipeGain
from pipeline.report import class_table, figures, images, labels, selection_table
from pipeline.report.labels import gain_of, interval, points, spread
from pipeline.report.sentences import badge, sees


def context(arms: Sequence[Arm], result: ArmResult, learns_from: Callable[[Arm], str]) -> dict[str, Any]:
    """What the templates draw.

    Args:
        arms: of one task, the baseline first.
        result: of the baseline.
        learns_from: what the detectors of an arm see, in a few words.

    Returns:
        `arms`, rows of `_row`; `classes`, names of those with test images; `steps`, `repeats`, `n_test`,
        `n_groups`, `n_effective`; `plot`;
        `notes`; `chosen` and `by_class`, as `selection_table` and `class_table` have them.
    """
    words = labels.DETECTORS[arms[0].task]
    return {
        "arms": [_row(arm, learns_from(arm)) for arm in arms],
        "classes": [row.name for row in arms[0].by_class],
        "steps": result.steps,
        "repeats": labels.often(arms),
        "n_test": result.n_test,
        "n_groups": arms[0].n_groups,
        "n_effective": f"{arms[0].n_effective:.0f}",
        "plot": images.svg(figures.detectors(arms, words.score)),
        "notes": selection_table.notes(arms),
        "chosen": selection_table.context(arms),
        "by_class": class_table.context(arms, words.of_class),
    }


def _row(arm: Arm, learns_from: str) -> dict[str, Any]:
    """`scores` by their names; `of_class`, in the order of `classes`."""
    chosen = arm.chosen
    return {
        "arm": arm.arm,
        "made_of": learns_from,
        "n_real": arm.n_real,
        "n_synthetic": arm.n_synthetic,
        "portion": selection_table.portion(chosen.ratio, chosen.filter, chosen.keep),
        "recipe": selection_table.recipe(chosen.augmented, chosen.balanced, chosen.defects) if arm.generative else "",
        "scores": {of.metric: {"spread": spread(of.repetitions)} | gain(of) for of in (arm, *arm.secondary)},
        "of_class": [{"score": f"{100 * row.score:.1f}"} | gain(row) for row in arm.by_class],
        "over_recipe": gain(arm.recipe) if arm.recipe else None,
        "verdict": badge(arm.verdict) if arm.generative else None,
        "sees": sees(arm),
        "first": arm.verdict == "baseline",
    }


def gain(of: Estimate | ClassEstimate | RecipeGain) -> dict[str, str | None]:
    """`gain` and `interval` in points, None in the baseline; `sure`: a sign that needs no colour, where the interval
    leaves zero. An interval without width is none: of images that all agree by chance a score without
    pseudo-observations knows no other."""
    if of.gain is None:
        return {"gain": None, "interval": None, "sure": ""}
    mean, low, high = gain_of(of)
    if low == high:
        return {"gain": points(mean), "interval": "no interval", "sure": ""}
    sure = "▲ " if low > 0 else "▼ " if high < 0 else ""
    return {"gain": points(mean), "interval": interval(of), "sure": sure}
