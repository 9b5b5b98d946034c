"""Scores of detectors against the number of real images that they and the generators learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.downstream.records import Arm, Comparison, LabelEfficiency
from pipeline.report import labels
from pipeline.report.detector_findings import generators

DRAWN = ("score", "score_low", "score_high", "gain", "low", "high")
WITHOUT = "without a generator"


@dataclass(frozen=True)
class Point:
    """A data set of the family."""

    dataset: str
    images: float
    """Real training images a class: of classes that have not equally many, their mean."""
    arms: Mapping[str, Arm]
    """The baseline first."""

    @property
    def first(self) -> Arm:
        return next(iter(self.arms.values()))


@dataclass(frozen=True)
class Curves:
    """What detectors of one kind reach in the data sets of one family, by ascending number of images."""

    family: str
    task: str
    points: Sequence[Point]

    @property
    def score(self) -> str:
        """Name of the score."""
        return labels.DETECTORS[self.task].score

    @property
    def images(self) -> list[float]:
        return [point.images for point in self.points]

    @property
    def every(self) -> dict[str, Arm]:
        """All arms by their name, each once, in order."""
        found: dict[str, Arm] = {}
        for point in self.points:
            for name, arm in point.arms.items():
                found.setdefault(name, arm)
        return found

    @property
    def generators(self) -> dict[str, Arm]:
        """Arms with a generator's images by their name, each once, in order."""
        return {arm.arm: arm for arm in generators(list(self.every.values()))}

    @property
    def efficiencies(self) -> dict[str, list[LabelEfficiency | None]]:
        """Of each arm with a generator, at each point; None where it was not judged."""
        return {
            name: [point.arms[name].label_efficiency if name in point.arms else None for point in self.points]
            for name in self.generators
        }


def found(comparisons: Mapping[str, Comparison]) -> list[Curves]:
    """Curves of every family with two or more judged members that have different numbers of images.

    None where no arm has real and synthetic images.

    Args:
        comparisons: of each data set that has detectors.
    """
    families = list(dict.fromkeys(of.family for of in comparisons.values() if of.family is not None))
    curves = []
    for family in families:
        members = sorted((of for of in comparisons.values() if of.family == family), key=_images)
        curves += [Curves(family, task, _points(members, task)) for task in labels.DETECTORS]
    return [of for of in curves if len(of.points) > 1 and any(arm.real for arm in of.generators.values())]


def _images(of: Comparison) -> float:
    assert of.images_per_class is not None  # known of every member of a family
    return of.images_per_class


def _points(members: Sequence[Comparison], task: str) -> list[Point]:
    """Of members with one number of images, which then are the same images, the first alone."""
    points: dict[float, Point] = {}
    for of in members:
        if arms := of.of(task):
            points.setdefault(_images(of), Point(of.dataset, _images(of), {arm.arm: arm for arm in arms}))
    return list(points.values())


def drawn(curves: Curves) -> dict[str, dict[str, Any]]:
    """A line for each arm but the controls, WITHOUT first, then the plain arms, then the others.

    Each has `kind` (`without`, `plain`, `generator`, `only`), `models` (names of its generators), and lists as long as
    there are points, of DRAWN; NaN where an arm was not judged, and the gain of an arm without a generator.
    """
    lines = {WITHOUT: _line([point.first for point in curves.points], "without", [])}
    plain = {name: arm for name, arm in curves.every.items() if not arm.generative}
    for name, arm in (plain | curves.generators).items():
        kind = ("generator" if arm.real else "only") if arm.generative else "plain"
        models = [of.model for of in arm.synthetic]
        lines[name] = _line([point.arms.get(name) for point in curves.points], kind, models)
    return lines


def _line(arms: Sequence[Arm | None], kind: str, models: Sequence[str]) -> dict[str, Any]:
    return {"kind": kind, "models": models} | {key: [_number(arm, key) for arm in arms] for key in DRAWN}


def _number(arm: Arm | None, key: str) -> float:
    value = None if arm is None else getattr(arm, key)
    return np.nan if value is None else value
