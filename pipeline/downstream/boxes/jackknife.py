"""The average precisions of a box detector without each group of test images."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from pipeline.downstream.boxes.matching import matches_of, precision_without
from pipeline.downstream.boxes.records import BoxResult
from pipeline.downstream.paired_gain import PSEUDO, JackknifeScores, JackknifeTable, effective

FIRST, EXACT = "map50", "map50_95"  # what the verdicts are about, and what asks for exact boxes too


class Precision(NamedTuple):
    """Average precisions of an arm; NaN for a class without true boxes."""

    scores: np.ndarray
    """(S, K, 10) of each repetition."""
    whole: np.ndarray
    """(K, 10) mean over the repetitions, pseudo-observations among the true boxes."""
    left_out: np.ndarray
    """(G, K, 10) the same without the images of group g; NaN where there is but one group of true images."""


def jackknife(result: BoxResult, against: bool = False) -> JackknifeTable:
    """mAP50, mAP50-95, and AP50 of each class that has true boxes.

    Average precision is no mean over images: it is computed anew without each group of overlapping images.

    Args:
        against: whether it is the arm that others are compared to.
    """
    found = precision(result, against)
    scores, whole, left_out = map(mean_precision, found)
    means = {name: JackknifeScores(scores[name], float(whole[name]), left_out[name]) for name in scores}
    classes = {
        result.classes[k]: JackknifeScores(found.scores[:, k, 0], float(found.whole[k, 0]), found.left_out[:, k, 0])
        for k in sorted(set(result.truth.class_id))
    }
    groups = [result.groups[image] for image in result.truth.image]
    return JackknifeTable(means, classes, effective(groups, result.truth.class_id))


def precision(result: BoxResult, against: bool = False) -> Precision:
    """What follows from the boxes that an arm found, and from those that people drew.

    Two groups of pseudo-observations are added to each class: true boxes that only the first of two arms finds, before
    all else, and some that only the other finds. Average precision is the mean over the true boxes of the precision at
    which each is found, 0 if it is not, so it takes them in as a mean does.

    Args:
        against: whether it is the arm that others are compared to.
    """
    classes, (names, group) = len(result.classes), np.unique(result.groups, return_inverse=True)
    true, found = np.zeros((len(names) + 1, classes)), []  # the last group has no images
    np.add.at(true, (group[np.asarray(result.truth.image, int)], result.truth.class_id), 1)
    for matches in matches_of(result):
        found.append(np.stack([precision_without(of, group, len(true)) for of in matches], 1))
    *left_out, whole = _with_pseudo(np.mean(found, axis=0), true, against)
    only = np.full_like(left_out[:1], np.nan)
    return Precision(np.array(found)[:, -1], whole, np.array(left_out) if len(names) > 1 else only)


def _with_pseudo(found: np.ndarray, true: np.ndarray, against: bool) -> np.ndarray:
    """(G + 1, K, 10) average precisions without each group and with all -> (G + 2 P + 1, K, 10), for P classes with
    true boxes, of which each group has (G + 1, K)."""
    left = (true.sum(0) - true)[..., None]  # (G + 1, K, 1)
    size = (PSEUDO * true.sum(0) / np.maximum((true > 0).sum(0), 1))[:, None]
    area = np.where(left > 0, found, 0) * left
    every = np.divide(area + size, left + 2 * size, out=np.full_like(area, np.nan), where=size > 0)
    rows = []
    for k in np.flatnonzero(true.sum(0)):
        for lost in (size[k], 0 * size[k])[:: -1 if against else 1]:  # of what this arm finds, or of the rest
            row = every[-1].copy()
            row[k] = (area[-1, k] + size[k] - lost) / (left[-1, k] + size[k])
            rows.append(row)
    return np.concatenate([every[:-1], np.stack(rows), every[-1:]])


def mean_precision(precision: np.ndarray) -> dict[str, np.ndarray]:
    """mAP50 and mAP50-95 of (..., K, 10) average precisions, over the classes that have true boxes; NaN without any."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return {FIRST: np.nanmean(precision[..., 0], -1), EXACT: np.nanmean(precision, (-2, -1))}
