"""The baseline: the arm without a generator that the generators' arms are built on, and compared to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.downstream.records import Result
from pipeline.settings import UserError

Selection = Sequence[tuple[str, int]]
"""Scores on the validation set, the first before the second; 1: the more the better, -1: the less."""


def rank(selection: Selection, scores: Sequence[Mapping[str, float]]) -> tuple[float, ...]:
    """Greater for what is better on the validation set: means over selection runs, the first score before the second.

    Args:
        selection: of the task.
        scores: of one or more runs.
    """
    return tuple(float(np.mean([sign * score[name] for score in scores])) for name, sign in selection)


def select_baseline(selection: Selection, results: Sequence[Result]) -> Result:
    """The baseline arm that ranks first on the validation set; of equal ones the first given.

    The scores are those of selection runs. Test scores are in the same files and are not looked at, nor is any training
    that they belong to: the best of several arms by its own luck would stay lucky on the test images. Without
    validation images it is the augmented arm: what most people would do without a generator.

    Args:
        selection: of the task.
        results: of arms, in the order of the plan; those with generators are passed over.

    Raises:
        UserError: no baseline arm among them.
    """
    found = [result for result in results if not result.generative]
    if not found:
        raise UserError("detection results: there is no arm without a generator to compare with")
    scored = [(result, result.chosen.validation) for result in found if result.chosen.validation is not None]
    if len(scored) < len(found):
        return next((of for of in found if of.chosen.augmented and not of.chosen.balanced), found[0])
    return max(scored, key=lambda pair: rank(selection, pair[1]))[0]
