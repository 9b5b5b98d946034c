"""The strongest arm without a generator: what the generators' arms are built on, and compared to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.detection.arms import PLAIN
from pipeline.settings import UserError

UNCHOSEN = "augmented"  # where no validation image can choose: what most people would do without a generator


def strongest(results: Sequence[dict[str, Any]]) -> str:
    """The plain arm with the best mean macro F1 on the validation images; equal ones by their log loss.

    The scores are those of pilot trainings (`validation`). Test scores are in the same files and are not looked at, nor
    is any training that they belong to: the best of several arms by its own luck would stay lucky on the test images.
    Without validation images it is always the arm `augmented`.

    Args:
        results: contents of arms' JSON files (`classify.run_arm`), in any order; all but plain arms are passed over.

    Returns:
        Name of the arm.

    Raises:
        UserError: no plain arm among them.
    """
    by_name = {result["arm"]: result["validation"] for result in results}
    found = {name: by_name[name] for name in PLAIN if name in by_name}
    if not found:
        raise UserError("detection results: there is no arm without a generator to compare with")
    if None in found.values():
        return UNCHOSEN if UNCHOSEN in found else next(iter(found))
    return max(found, key=lambda name: rank(found[name]))


def rank(scores: Sequence[dict[str, float]]) -> tuple[float, float]:
    """What is better on validation images is greater: the mean macro F1, then the negative mean log loss."""
    return tuple(
        float(np.mean([sign * score[key] for score in scores])) for key, sign in (("macro_f1", 1), ("loss", -1))
    )
