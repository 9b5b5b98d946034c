"""The scores of a classifier without each group of test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.downstream.anomalies.records import AnomalyResult
from pipeline.downstream.classifier.records import ClassifierRepetition, ClassifierResult
from pipeline.downstream.classifier.scores import SCORES, auroc_without, f1
from pipeline.downstream.paired_gain import PSEUDO, JackknifeScores, JackknifeTable, effective

HEADLINE = ("macro_f1", "accuracy")


class Observations(NamedTuple):
    """Test images and pseudo-observations, each (n,)."""

    truth: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    """How many images each of them is."""
    answer: np.ndarray
    """Of the pseudo-observations alone: the class that the arm takes them for; a wrong answer is each of the others in
    equal parts."""


def jackknife(result: ClassifierResult, against: bool = False) -> JackknifeTable:
    """Macro F1, accuracy, AUROC where there is one, and F1 of each class that has test images.

    Args:
        against: whether it is the arm that others are compared to, which is right where they are wrong.
    """
    observed, groups = observations(result, against), len(set(result.groups))
    names = [*HEADLINE, *(["auroc"] if all(one.auroc is not None for one in result.repetitions) else [])]
    counts = [_counts(observed, one, len(result.classes)) for one in result.repetitions]
    scores = {}
    for name in names:
        if name == "auroc":
            found = [_auroc(observed, one) for one in result.repetitions]
        else:
            found = [SCORES[name](of) for of in counts]
        scores[name] = _scores([getattr(one, name) for one in result.repetitions], found, groups)
    of_class = [f1(of) for of in counts]
    classes = {
        result.classes[k]: _scores([one.f1[k] for one in result.repetitions], [of[:, k] for of in of_class], groups)
        for k in sorted(set(result.truth))
    }
    return JackknifeTable(scores, classes, effective(result.groups, result.truth))


def _scores(repetitions: Sequence[float | None], found: list[np.ndarray], groups: int) -> JackknifeScores:
    """`found`: of each repetition (G + 1,), without each group and with all."""
    *left_out, whole = np.mean(found, axis=0)
    left = np.array(left_out) if groups > 1 else np.full(1, np.nan)
    return JackknifeScores(np.array(repetitions, float), whole, left)


def _counts(observed: Observations, of: ClassifierRepetition, classes: int) -> np.ndarray:
    """(G + 1, K, K) confusion matrices without each group, then with all."""
    matrix = np.zeros((observed.group.max() + 2, classes, classes))  # the last group has no images
    answer = np.concatenate([of.predicted, observed.answer])
    np.add.at(matrix, (observed.group, observed.truth, answer), observed.weight)
    return matrix.sum(0) - matrix


def _auroc(observed: Observations, of: ClassifierRepetition) -> np.ndarray:
    odds = np.concatenate([of.log_odds, np.where(observed.answer == 1, np.inf, -np.inf)])
    return auroc_without(observed.truth == 1, odds, observed.group, observed.weight)


def observations(result: ClassifierResult | AnomalyResult, against: bool) -> Observations:
    """The test images of an arm with the pseudo-observations that `JackknifeTable` describes.

    Args:
        against: whether it is the arm that others are compared to, which is right where they are wrong.
    """
    truth, classes = np.asarray(result.truth), len(result.classes)
    names, group = np.unique(result.groups, return_inverse=True)
    rows = _pseudo(truth, group, classes, against)
    pseudo_truth, answer, number, weight = map(np.array, zip(*rows, strict=True))
    return Observations(
        np.concatenate([truth, pseudo_truth]),
        np.concatenate([group, len(names) + number]),
        np.concatenate([np.ones(len(truth)), weight]),
        answer,
    )


def _pseudo(truth: np.ndarray, group: np.ndarray, classes: int, against: bool) -> list[tuple[int, int, int, float]]:
    """True class, answer, number of the group, and weight of each pseudo-observation."""
    rows: list[tuple[int, int, int, float]] = []
    for k in np.unique(truth):
        size = PSEUDO * np.sum(truth == k) / len(np.unique(group[truth == k]))
        answers = [(k, size)], [(other, size / (classes - 1)) for other in range(classes) if other != k]
        for side in answers[::-1] if against else answers:
            number = rows[-1][2] + 1 if rows else 0
            rows += [(k, answer, number, weight) for answer, weight in side]
    return rows
