"""How sure a detector must be of a box before it counts as a label: pure functions.

The threshold of a class is the one with the largest F1 of the found boxes against drawn ones (Tanaka et al. 2022,
Non-iterative optimization of pseudo-labeling thresholds, with β = 1, who find it as good as one chosen by training with
many). A high precision alone, which fixed thresholds aim at (Sohn et al. 2020, STAC: 0.9), would not do: in an image
that has labels, a defect without one is taught as background. One threshold for all classes would label those that a
detector is less sure of ever more rarely, the bias that Liu et al. 2021 (Unbiased Teacher) describe.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.downstream.boxes.average_precision import BoxTable
from pipeline.downstream.boxes.matching import hits

FEW = 10  # drawn boxes: a class with fewer takes the threshold of all classes together
FIXED = 0.7  # where nothing can be chosen by (Liu et al. 2021, section 4)


class Threshold(NamedTuple):
    """Of one class."""

    value: float | None
    """Boxes of this score and above are labels; None: none is, for not one of the found boxes was right."""
    by: str
    """`class`: chosen by the drawn boxes of the class; `all`: by those of all classes; `fixed`: not chosen."""
    drawn: int
    """Boxes it was chosen by."""
    precision: float | None
    """Share of the found boxes at this threshold that are right; None where not chosen, or none was right."""
    recall: float | None
    """Share of the drawn boxes that are found at this threshold; None as well."""


NOT_CHOSEN = Threshold(FIXED, "fixed", 0, None, None)


def thresholds(truth: BoxTable, found: BoxTable, classes: int) -> list[Threshold]:
    """The threshold of each of K classes.

    Args:
        truth: drawn boxes of images that choose; at least one, else `FIXED` is all there is.
        found: boxes found in them.
        classes: K.
    """
    right = hits(truth, found, classes)[:, 0]  # an overlap of one half is enough, as for the AP50
    together = _best(found.score, right, len(truth.class_id), "all")
    counts = np.bincount(truth.class_id, minlength=classes)
    own = [found.class_id == k for k in range(classes)]
    return [
        _best(found.score[own[k]], right[own[k]], int(counts[k]), "class") if counts[k] >= FEW else together
        for k in range(classes)
    ]


def _best(scores: np.ndarray, right: np.ndarray, drawn: int, by: str) -> Threshold:
    """The score down to which F1 = 2 · right / (found + drawn) is largest; of equal ones the highest."""
    if not right.any():
        return Threshold(None, by, drawn, None, None)
    order = np.argsort(-scores, kind="stable")
    falling, count = scores[order], np.arange(1, len(order) + 1)
    found = right[order].cumsum()
    whole = np.append(falling[1:] < falling[:-1], True)  # boxes of one score come all or not at all
    best = int(np.where(whole, 2 * found / (count + drawn), -1).argmax())
    precision, recall = found[best] / count[best], found[best] / drawn
    return Threshold(float(falling[best]), by, drawn, round(float(precision), 6), round(float(recall), 6))
