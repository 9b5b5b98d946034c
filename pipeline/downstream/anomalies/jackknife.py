"""The scores of anomaly detectors without each group of test images."""

from __future__ import annotations

import numpy as np

from pipeline.downstream.anomalies.records import AnomalyRepetition, AnomalyResult
from pipeline.downstream.anomalies.scores import recall_at
from pipeline.downstream.classifier.jackknife import observations
from pipeline.downstream.classifier.scores import auroc_without
from pipeline.downstream.paired_gain import JackknifeScores, JackknifeTable, effective

RECALLS = {"recall_1": 0.01, "recall_5": 0.05}  # share of false alarms


def jackknife(result: AnomalyResult, against: bool = False) -> JackknifeTable:
    """AUROC with its pseudo-observations, then the scores that no verdict is about, which have none: an image that all
    false alarms are spent on would leave none to the others.

    Args:
        against: whether it is the arm that others are compared to.
    """
    with_pseudo = observations(result, against)
    certain = np.where(with_pseudo.answer == 1, np.inf, -np.inf)
    names, group = np.unique(result.groups, return_inverse=True)
    truth = np.asarray(result.truth) == 1
    *left, whole = np.mean(
        [
            auroc_without(
                with_pseudo.truth == 1, np.concatenate([one.scores, certain]), with_pseudo.group, with_pseudo.weight
            )
            for one in result.repetitions
        ],
        axis=0,
    )
    alone = len(names) == 1
    scores = {"auroc": _scores([one.auroc for one in result.repetitions], left, alone, whole)}
    for name, alarms in RECALLS.items():
        without = np.mean([_recalls(truth, one, group, alarms) for one in result.repetitions], axis=0)
        scores[name] = _scores([getattr(one, name) for one in result.repetitions], without, alone)
    pixels = [one.pixel_ap for one in result.repetitions if one.pixel_ap is not None]
    pixels_without = [one.pixel_ap_without for one in result.repetitions if one.pixel_ap_without is not None]
    if len(pixels) == len(pixels_without) == len(result.repetitions):
        scores["pixel_ap"] = _scores(pixels, np.mean(pixels_without, axis=0), alone)
    return JackknifeTable(scores, {}, effective(result.groups, result.truth))


def _recalls(truth: np.ndarray, one: AnomalyRepetition, group: np.ndarray, alarms: float) -> list[float]:
    scores = np.asarray(one.scores)
    return [recall_at(truth[group != g], scores[group != g], alarms) for g in range(group.max() + 1)]


def _scores(repetitions: list[float], left, alone: bool, whole: float | None = None) -> JackknifeScores:
    of = np.array(repetitions, float)
    left_out = np.full(1, np.nan) if alone else np.asarray(left, float)
    return JackknifeScores(of, float(of.mean()) if whole is None else float(whole), left_out)
