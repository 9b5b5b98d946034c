"""The results of classifiers as data."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.downstream.records import ArmResult, Repetition


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What the answers to the test images are worth."""

    accuracy: float
    """Share of right answers, in [0, 1]."""
    macro_f1: float
    """Mean F1 over the classes that have test images, in [0, 1]."""
    f1: list[float | None]
    """Of each class; None without test images."""
    confusion: list[list[int]]
    """Row = true class."""
    predicted: list[int]
    """Class index of each test image."""


@dataclass(frozen=True, kw_only=True)
class Threshold(Scores):
    """The scores at the log odds that are best by Youden's index on the validation set."""

    log_odds: float


@dataclass(frozen=True, kw_only=True)
class ClassifierRepetition(Scores, Repetition):
    """One training of a classifier and its scores."""

    log_odds: list[float] | None = None
    """Of the second of two classes, of each test image."""
    auroc: float | None = None
    """With two classes that both have test images."""
    at_threshold: Threshold | None = None
    """With two classes that both have validation images."""


@dataclass(frozen=True)
class ClassifierResult(ArmResult):
    """The file of an arm of classifiers."""

    truth: list[int]
    """Class index of each test image."""
    repetitions: list[ClassifierRepetition]
