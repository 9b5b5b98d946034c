"""What a trained detector's answers are worth, as the JSON of an arm holds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.downstream.classifier.backbone import Classifier, LabelledDataset
from pipeline.downstream.classifier.scores import accuracy, auroc, confusion, f1, macro_f1, youden
from pipeline.downstream.records import finite
from pipeline.settings import ImageSpec


def validation_scores(classifier: Classifier, pool: LabelledDataset) -> dict[str, float]:
    """`macro_f1` and `loss` (mean negative log probability of the true class), which tells equal F1 apart."""
    said, truth = classifier.log_probabilities(pool), pool.labels.cpu().numpy()
    matrix = confusion(truth, said.argmax(1), said.shape[1])
    return {"macro_f1": float(macro_f1(matrix)), "loss": float(-said[np.arange(len(truth)), truth].mean())}


def test_record(classifier: Classifier, test: LabelledDataset, validation: LabelledDataset | None) -> dict[str, Any]:
    """The scores of one repetition, as `records.ClassifierRepetition` describes them, without `seed` and `seconds`."""
    said, truth = classifier.log_probabilities(test), test.labels.cpu().numpy()
    scores = _scores(said.argmax(1), truth, said.shape[1])
    return scores | (_of_two(classifier, said, truth, validation) if said.shape[1] == 2 else {})


def record(predicted: np.ndarray, truth: np.ndarray, spec: ImageSpec, odds: np.ndarray | None) -> dict[str, Any]:
    """As `test_record`, of answers that are there already.

    Args:
        predicted: (N,) class indices.
        truth: (N,) class indices.
        odds: (N,) log odds of the second of two classes; None where they are not known.
    """
    scores = _scores(predicted, truth, len(spec.classes))
    return scores if odds is None else scores | {"log_odds": odds.tolist(), "auroc": finite(auroc(truth == 1, odds))}


def _scores(predicted: np.ndarray, truth: np.ndarray, classes: int) -> dict[str, Any]:
    matrix = confusion(truth, predicted, classes)
    return {
        "accuracy": float(accuracy(matrix)),
        "macro_f1": float(macro_f1(matrix)),
        "f1": [finite(value) for value in f1(matrix)],
        "confusion": matrix.tolist(),
        "predicted": predicted.tolist(),
    }


def _of_two(
    classifier: Classifier, said: np.ndarray, truth: np.ndarray, validation: LabelledDataset | None
) -> dict[str, Any]:
    """AUROC, and the scores at the threshold that the validation images choose."""
    odds = _log_odds(said)
    threshold = np.nan
    if validation is not None:
        known = validation.labels.cpu().numpy()
        threshold = youden(known == 1, _log_odds(classifier.log_probabilities(validation)))
    at = None if np.isnan(threshold) else {"log_odds": threshold} | _scores((odds >= threshold).astype(int), truth, 2)
    return {"log_odds": odds.tolist(), "auroc": finite(auroc(truth == 1, odds)), "at_threshold": at}


def _log_odds(said: np.ndarray) -> np.ndarray:
    """Of the second class. Unlike probabilities they do not run together at 1; rounded, for they are written down."""
    return np.round(said[:, 1] - said[:, 0], 5)
