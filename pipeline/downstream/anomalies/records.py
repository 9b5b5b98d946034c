"""The results of anomaly detectors as data."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.downstream.records import ArmResult, Repetition


@dataclass(frozen=True, kw_only=True)
class AnomalyRepetition(Repetition):
    """One training of an anomaly detector and its scores, each in [0, 1]."""

    auroc: float
    """Chance that a bad test image scores above a good one."""
    recall_1: float
    """Share of the bad test images found with false alarms on at most 1 % of the good ones."""
    recall_5: float
    """On at most 5 %."""
    pixel_ap: float | None
    """Average precision over the pixels of all test images whose defects are known; None without masks."""
    pixel_ap_without: list[float] | None
    """The same without each group of test images, in the order of their sorted names."""
    scores: list[float]
    """Of each test image; the higher the worse it is."""


@dataclass(frozen=True)
class AnomalyResult(ArmResult):
    """The file of an arm of anomaly detectors."""

    truth: list[int]
    """0: good, 1: bad, of each test image."""
    repetitions: list[AnomalyRepetition]
