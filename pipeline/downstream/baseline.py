"""The strongest arm without a generator: what the generators' arms are built on, and compared to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.downstream.arms import PLAIN
from pipeline.settings import UserError

UNCHOSEN = "augmented"  # where no validation image can choose: what most people would do without a generator

Rank = Callable[[Sequence[dict[str, float]]], tuple[float, float]]  # scores of pilot trainings -> greater is better


def rank(scores: Sequence[dict[str, float]]) -> tuple[float, float]:
    """Of classifiers on validation images: the mean macro F1, then the negative mean log loss."""
    return tuple(
        float(np.mean([sign * score[key] for score in scores])) for key, sign in (("macro_f1", 1), ("loss", -1))
    )


def strongest(results: Sequence[dict[str, Any]], plain: Iterable[str] = PLAIN, rank: Rank = rank) -> str:
    """The plain arm that ranks first on the validation images; of equal ones the first in the order of `plain`.

    The scores are those of pilot trainings (`validation`). Test scores are in the same files and are not looked at, nor
    is any training that they belong to: the best of several arms by its own luck would stay lucky on the test images.
    Without validation images it is always the arm `augmented`.

    Args:
        results: contents of arms' JSON files, in any order; all but plain arms are passed over.
        plain: names of the arms without a generator; those of classifiers, unless said otherwise.
        rank: by which they are ranked; that of classifiers, unless said otherwise.

    Returns:
        Name of the arm.

    Raises:
        UserError: no plain arm among them.
    """
    by_name = {result["arm"]: result["validation"] for result in results}
    found = {name: by_name[name] for name in plain if name in by_name}
    if not found:
        raise UserError("detection results: there is no arm without a generator to compare with")
    if None in found.values():
        return UNCHOSEN if UNCHOSEN in found else next(iter(found))
    return max(found, key=lambda name: rank(found[name]))
