"""Confusion matrices and the scores read off them: pure functions of arrays."""

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
