"""Confusion matrices, the scores read off them, and those of two classes: pure functions of arrays."""

from __future__ import annotations

import numpy as np


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) int64 counts; row = true class, column = predicted class.

    Args:
        truth: (N,) integers in [0, K).
        predicted: (N,) integers in [0, K).
        classes: K.
    """
    return np.bincount(np.asarray(truth) * classes + predicted, minlength=classes**2).reshape(classes, classes)


def accuracy(matrix: np.ndarray) -> np.ndarray:
    """Share of right answers in [0, 1]; (..., K, K) counts -> (...)."""
    return np.trace(matrix, axis1=-2, axis2=-1) / matrix.sum((-2, -1))


def f1(matrix: np.ndarray) -> np.ndarray:
    """F1 = 2 TP / (2 TP + FP + FN) of each class in [0, 1]; (..., K, K) counts -> (..., K).

    NaN where no image is of the class: there is nothing to find, so neither 0 nor 1 would be true.
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    present, claimed = matrix.sum(-1), matrix.sum(-2)
    return np.where(present > 0, 2 * hits / np.maximum(present + claimed, 1), np.nan)


def macro_f1(matrix: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that have images, each class with equal weight; (..., K, K) counts -> (...)."""
    return np.nanmean(f1(matrix), axis=-1)


SCORES = {"accuracy": accuracy, "macro_f1": macro_f1}


def auroc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Chance that a positive image scores above a negative one, ties counting half (Mann and Whitney 1947).

    Args:
        truth: (N,) bool; NaN comes back where all are alike.
        scores: (N,) any real numbers.
    """
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return float("nan")
    _, rank, count = np.unique(scores, return_inverse=True, return_counts=True)
    below = (np.cumsum(count) - (count - 1) / 2)[rank][truth].sum() - positive * (positive + 1) / 2
    return float(below / (positive * negative))


def auroc_without(truth: np.ndarray, scores: np.ndarray, group: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(G + 1,) AUROC without the images of group g, for all groups at once, then with all; NaN where a class is gone.

    Args:
        truth: (N,) bool.
        scores: (N,) any real numbers, infinite ones too.
        group: (N,) integers in [0, G).
        weight: (N,) how often each image counts.
    """
    groups = int(group.max()) + 2
    up, down = scores[truth][:, None], scores[~truth][None]
    wins = ((up > down) + 0.5 * (up == down)) * (weight[truth][:, None] * weight[~truth][None])
    ups, downs = group[truth], group[~truth]
    gone = np.bincount(ups, wins.sum(1), groups) + np.bincount(downs, wins.sum(0), groups)
    within = ups[:, None] == downs[None]
    gone -= np.bincount(np.broadcast_to(ups[:, None], wins.shape)[within], wins[within], groups)  # counted twice
    left = (np.sum(weight[side]) - np.bincount(group[side], weight[side], groups) for side in (truth, ~truth))
    pairs = np.prod(list(left), axis=0)
    return np.divide(wins.sum() - gone, pairs, out=np.full(groups, np.nan), where=pairs > 1e-9)


def mean_roc(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The mean ROC curve of S repetitions, from (0, 0) to (1, 1): the area below it is their mean AUROC.

    Averaged vertically (Fawcett 2006, An introduction to ROC analysis, algorithm 3): the mean share found at each share
    of false alarms. Images of one score are called positive together, which draws a straight line.

    Args:
        truth: (N,) bool, some of each; M are false.
        scores: (S, N) any real numbers; positive images should have the higher ones.

    Returns:
        (2 M + 2, 2) corners: share of the negative images called positive (each of the M + 1 there can be comes twice,
        below and above its step), and mean share of the positive ones, both in [0, 1].
    """
    steps = np.mean([_steps(truth, row) for row in scores], axis=0)
    alarms = np.repeat(np.arange(len(steps)) / (len(steps) - 1), 2)
    return np.column_stack([alarms, steps.ravel()])


def _steps(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(M + 1, 2) share of positives found at each number of false alarms, below and above the step there."""
    _, tie = np.unique(-scores, return_inverse=True)
    alarms, found = (np.append(0, np.cumsum(np.bincount(tie[of], minlength=tie.max() + 1))) for of in (~truth, truth))
    corner, first, count = np.unique(alarms, return_index=True, return_counts=True)
    below, above = found[first], found[first + count - 1]
    number = np.arange(alarms[-1] + 1)
    line = np.interp(number, np.repeat(corner, 2), np.column_stack([below, above]).ravel())
    steps = np.column_stack([line, line])
    steps[corner] = np.column_stack([below, above])
    return steps / found[-1]


def youden(truth: np.ndarray, scores: np.ndarray) -> float:
    """The threshold with the greatest sensitivity + specificity - 1 (Youden 1950), which favours neither class.

    Between two neighbouring scores, in the middle; of equally good ones the nearest to 0. NaN without both classes or
    with a single score.

    Args:
        truth: (N,) bool.
        scores: (N,) log odds: 0 is even. An image is called positive from the threshold on.
    """
    values = np.unique(scores)
    if truth.all() or not truth.any() or len(values) < 2:
        return float("nan")
    thresholds = (values[1:] + values[:-1]) / 2
    sensitivity = 1 - np.searchsorted(np.sort(scores[truth]), thresholds) / truth.sum()
    specificity = np.searchsorted(np.sort(scores[~truth]), thresholds) / (~truth).sum()
    index = np.round(sensitivity + specificity, 12)
    best = thresholds[index == index.max()]
    return float(best[np.argmin(np.abs(best))])
