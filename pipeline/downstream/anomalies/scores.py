"""Scores of anomaly detectors: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LEVELS = 1 << 16  # of a pixel's score between the lowest and the highest, below which two count as equal


def recall_at(truth: NDArray[np.bool_], scores: NDArray, alarms: float) -> float:
    """Share of the bad images that score above all good ones but so many as may be false alarms; NaN without images of
    both kinds.

    Args:
        truth: (N,) whether an image is bad.
        scores: (N,); the higher the worse.
        alarms: share of the good images, in [0, 1), of which so many whole ones as it holds may be false alarms.
    """
    good = np.sort(scores[~truth])
    if not len(good) or truth.sum() == 0:
        return float("nan")
    limit = good[len(good) - 1 - int(alarms * len(good) + 1e-9)]
    return float(np.mean(scores[truth] > limit))


def pixel_levels(scores: NDArray, defect: NDArray[np.bool_], group: NDArray, groups: int) -> Iterator[NDArray]:
    """(2, LEVELS) numbers of the pixels of each group in order, at each level of the score: good ones, bad ones.

    Args:
        scores: (n, H, W).
        defect: (n, H, W).
        group: (n,) integers in [0, groups).
    """
    low, high = float(scores.min()), float(scores.max())
    step = (LEVELS - 1) / (high - low) if high > low else 0.0
    for g in range(groups):
        level = ((scores[group == g] - low) * step).astype(np.int64).ravel()
        bad = defect[group == g].ravel()
        yield np.bincount(level + LEVELS * bad, minlength=2 * LEVELS).reshape(2, LEVELS)


def average_precision(counts: NDArray) -> float:
    """Σ (R_i − R_{i−1}) P_i over thresholds of falling score, R the recall and P the precision there; NaN without
    positives.

    Args:
        counts: (2, L) negatives and positives at each level of the score, ascending.
    """
    negative, positive = counts[:, ::-1]
    found, called = np.cumsum(positive), np.cumsum(positive + negative)
    if not found[-1]:
        return float("nan")
    at = positive > 0
    return float(np.sum(positive[at] * found[at] / called[at]) / found[-1])
