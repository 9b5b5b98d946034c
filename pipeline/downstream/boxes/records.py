"""The results of box detectors as data."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.downstream.records import ArmResult, Repetition


@dataclass(frozen=True)
class Boxes:
    """Boxes of several images, in lists of equal length."""

    image: list[int]
    """Place in `ids`."""
    class_id: list[int]
    box: list[list[float]]
    """x0, y0, x1, y1 in pixels."""
    score: list[float] | None = None
    """Of boxes that a detector found."""


@dataclass(frozen=True, kw_only=True)
class BoxRepetition(Repetition):
    """One training of a box detector, its average precisions, each in [0, 1], and what it found."""

    map50: float
    map50_95: float
    ap50: list[float | None]
    """Of each class; None without true boxes."""
    ap50_95: list[float | None]
    found: Boxes


@dataclass(frozen=True)
class BoxResult(ArmResult):
    """The file of an arm of box detectors."""

    truth: Boxes
    """The boxes that people drew."""
    repetitions: list[BoxRepetition]
    ids: list[str]
    """Of the test images: those whose boxes are known."""
    n_background: int
    """Test images without a box."""
