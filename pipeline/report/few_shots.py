"""Scores of detectors against the number of real images that they and the generators learnt from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.data.imageset import ImageSet
from pipeline.detection.arms import BASELINE
from pipeline.detection.boxes.compare import FIRST
from pipeline.detection.compare import interval
from pipeline.detection.worth import Worth, worth
from pipeline.report import boxes, detector, tables
from pipeline.report.inputs import DatasetInputs
from pipeline.settings import UserError, families

LEVEL = 0.95
DRAWN = ("mean", "low", "high", "gain", "gain_low", "gain_high")
WITHOUT = "without a generator"


Arm = Mapping[str, Any]
"""One arm at one number of real images: its result, and what the comparison says of it (`arm`, `generative`, `mean`,
`difference`, `low`, `high`, `verdict`, `judged`)."""


class Task(NamedTuple):
    """A kind of detector."""

    name: str
    score: str
    """What its score is called, in [0, 1]; `key` is that in a file."""
    key: str
    test: Sequence[str]
    """What is alike in the results of two data sets just where they are judged by the same test images."""


@dataclass(frozen=True)
class Point:
    """A data set of the family."""

    dataset: str
    images: float
    """Real training images a class: of classes that have not equally many, their mean."""
    arms: Mapping[str, Arm]
    """The strongest one without a generator first."""

    @property
    def first(self) -> Arm:
        return next(iter(self.arms.values()))


@dataclass(frozen=True)
class Curves:
    """What detectors of one kind reach in the data sets of one family, by ascending number of images."""

    family: str
    task: Task
    points: Sequence[Point]

    @property
    def images(self) -> list[float]:
        return [point.images for point in self.points]

    @property
    def generative(self) -> list[str]:
        """Names of the arms with a generator, each once, in order."""
        found = [name for point in self.points for name, arm in point.arms.items() if arm["generative"]]
        return list(dict.fromkeys(found))

    @cached_property
    def worths(self) -> dict[str, list[Worth | None]]:
        """Of each arm with a generator, at each point; None where it was not judged.

        At each number of images the intervals of all arms hold together, as those of the gains do (Bonferroni).
        """
        return {name: [self._worth(point, name) for point in self.points] for name in self.generative}

    def _worth(self, point: Point, name: str) -> Worth | None:
        if name not in point.arms:
            return None
        tests = sum(arm["generative"] for arm in point.arms.values())
        plain = [other.first["judged"] for other in self.points]
        return worth(point.arms[name]["judged"], plain, self.images, 1 - (1 - LEVEL) / tests)


def found(
    datasets: Mapping[str, DatasetInputs],
    compared: Mapping[str, Mapping[str, Sequence[Arm]]],
    settings: Mapping[str, Any],
) -> list[Curves]:
    """Curves of every family of which two or more members with different numbers of images were judged.

    None where no arm has real and synthetic images.

    Args:
        datasets: as in `page.write`.
        compared: of each data set and by the name of each task its arms, the strongest without a generator first; none
            where no detector was judged.
        settings: `Settings.model_dump(mode="json")`.

    Raises:
        UserError: members that were not judged by the same test images, or not as often.
    """
    curves = []
    for family in families(settings.get("datasets", {})):
        members = [name for name in family.datasets.values() if name in datasets]
        for task in TASKS:
            arms = {name: compared[name][task.name] for name in members}
            curves.append(Curves(family.name, task, list(_points(datasets, arms, task))))
    return [of for of in curves if len(of.points) > 1 and any(map(with_real, of.generative))]


def _points(datasets: Mapping[str, DatasetInputs], judged: Mapping[str, Sequence[Arm]], task: Task) -> Iterable[Point]:
    """Of members with one number of images, which then are the same images, the first alone."""
    first, reached = None, 0.0
    for name, arms in judged.items():
        count = _images_a_class(datasets[name]) if arms else 0.0
        if count > reached:
            said = len(arms[0]["scores"]), *(arms[0][key] for key in task.test)
            first = first or (name, said)
            if said != first[1]:
                raise UserError(
                    f"detectors of {task.name} in {first[0]} and {name}: not judged by the same test images as often, "
                    "though these data sets differ in their shots alone; run both anew"
                )
            reached = count
            yield Point(name, count, {arm["arm"]: arm for arm in arms})


def _images_a_class(inputs: DatasetInputs) -> float:
    """Source images that train, whatever the number of their tiles; mean over the classes."""
    table = ImageSet.open(inputs.real).metadata
    table = table[table["split"] == "train"]
    return float(table.groupby("label")["source"].nunique().mean())


TASKS = (
    Task("classification", detector.SCORE_NAME, detector.SCORE, ("classes", "truth", "groups")),
    Task("boxes", boxes.SCORE_NAME, FIRST, ("classes", "ids", "groups", "truth")),
)


def drawn(curves: Curves) -> dict[str, dict[str, Any]]:
    """A line for each arm, WITHOUT first, then the plain arms, then the others.

    Each has `kind` (`without`, `plain`, `generator`, `only`), and lists as long as there are points: `mean`, `low`,
    `high`; those with a generator also `gain`, `gain_low`, `gain_high`. NaN where an arm was not judged.
    """
    every = list(dict.fromkeys(name for point in curves.points for name in point.arms))
    plain = [name for name in every if name not in curves.generative]
    lines = {WITHOUT: _line([point.first for point in curves.points], "without")}
    lines |= {name: _line([point.arms.get(name) for point in curves.points], "plain") for name in plain}
    for name in curves.generative:
        kind = "generator" if with_real(name) else "only"
        lines[name] = _line([point.arms.get(name) for point in curves.points], kind)
    return lines


def _line(arms: Sequence[Arm | None], kind: str) -> dict[str, Any]:
    known = [numbers(arm) for arm in arms]
    return {"kind": kind} | {key: [of.get(key, np.nan) for of in known] for key in DRAWN}


def numbers(arm: Arm | None) -> dict[str, float]:
    """Those of DRAWN that an arm has, shares; an interval of a score holds by itself, those of gains together."""
    if arm is None:
        return {}
    own = interval(arm["judged"], LEVEL)
    bounds = {"mean": own["difference"], "low": max(own["low"], 0.0), "high": own["high"]}
    if arm["difference"] is None:
        return bounds
    return bounds | {"gain": arm["difference"], "gain_low": arm["low"], "gain_high": arm["high"]}


def with_real(name: str) -> bool:
    """Whether an arm with a generator sees real images too."""
    return name.startswith(f"{BASELINE}+")


def rows(curves: Iterable[Curves]) -> pd.DataFrame:
    """For `summary.csv`: score, gain and worth of every arm in its data set; ends that are open are empty."""
    found = [row for one in curves for row in _rows(one)]
    return pd.DataFrame(found, columns=tables.COLUMNS).astype({"seed": "Int64", "n": "Int64"})


def _rows(curves: Curves) -> Iterable[dict[str, Any]]:
    for i, point in enumerate(curves.points):
        for name, arm in point.arms.items():
            known = numbers(arm)
            head = {"dataset": point.dataset, "kind": "detector", "model": name, "extractor": "detector"}
            head |= {"scope": "set", "class": "", "n": arm["n_test"]}
            yield head | {"metric": curves.task.key} | _three(known["mean"], known["low"], known["high"])
            if "gain" in known:
                gain = _three(known["gain"], known["gain_low"], known["gain_high"])
                yield head | {"metric": f"{curves.task.key}_gain"} | gain
            if name in curves.worths:
                of = curves.worths[name][i]
                ends = (np.nan if end == 0 or np.isinf(end) else end for end in (of.at, of.low, of.high))
                yield head | {"metric": f"{curves.task.key}_worth_images_a_class"} | _three(*ends)


def _three(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}
