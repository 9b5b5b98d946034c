"""What is right and what is wrong with a generator's images; and when a number is off the floor.

A measure is off where its interval and the floor's leave a gap on the bad side. If intervals are right, that happens to
perfect images at most about one time in 300; and a panel asks many times. Where more than 18 measures are asked,
intervals are stretched so far that the chance of any false alarm stays near 5 % (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from scipy.special import ndtri

from pipeline.evaluation.catalog import METRICS, Better, Metric, Role
from pipeline.report.directions import Shift
from pipeline.report.tables import FLOOR, Judged, Score

ALARM = 0.05  # chance that perfect images are called off by any measure
NEAR = 0.9  # of the held-out images' distance to the training images: nearer than chance makes new images

Scores = Mapping[tuple[Judged, str, str, str | None], Score]  # the keys of `tables.scores`
Fault = Literal["missing", "smooth", "repeats", "unreal"]


class Beside(NamedTuple):
    """A measure of a generator's images, over all classes or of one, beside the floor's."""

    extractor: str
    metric: str
    score: Score
    floor: Score
    label: str | None = None

    @property
    def row(self) -> Metric:
        return METRICS[self.metric]

    @property
    def times(self) -> float | None:
        """How many times the floor; see `ratio`."""
        return ratio(self.score, self.floor, self.metric)


@dataclass(frozen=True)
class Verdict:
    """On one generator, by what is asked; a question with nothing to say is empty or None."""

    model: str
    unknown: Literal["unmeasured", "no floor", "too few images"] | None = None
    """Why nothing can be said."""
    within: list[str] = field(default_factory=list)
    """Questions of which no measure is off, without copies; `throughout`: these are all that were asked."""
    throughout: bool = False
    distance: Beside | None = None
    structure: list[tuple[Beside, Shift | None]] = field(default_factory=list)
    """The farthest from the floor first, each with the direction in which it differs, where there is one."""
    variety: dict[Fault, Beside] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """Classes that the floor was measured for, and the generator was not."""
    worst: Beside | None = None
    """The class that is farthest off, by the plainest metric by which any is off."""
    copies: Beside | Literal["none"] | None = None
    """By what there are copies, or may be. *none*: as far from the training images as the floor, or farther."""


# ---------------------------------------------------------------- when a number is off


def apart(a: Score, b: Score, stretch: float = 1.0) -> bool:
    """Whether the intervals, stretched about their values, leave a gap; one that is missing leaves none."""
    (low_a, high_a), (low_b, high_b) = (_ends(score, stretch) for score in (a, b))
    return low_a > high_b or low_b > high_a


def worse(score: Score, floor: Score, better: Better, stretch: float = 1.0) -> bool:
    """Whether the interval lies wholly on the floor's bad side; both sides are bad where the floor is the goal."""
    (low, high), (floor_low, floor_high) = (_ends(one, stretch) for one in (score, floor))
    above, below = low > floor_high, high < floor_low
    return {"lower": above, "higher": below, "equal": above or below}[better]


def stretching(measures: int) -> float:
    """By how much to stretch 95 % intervals where so many measures are asked; at least 1.

    Intervals of two normal numbers of equal standard error, stretched by k, leave a gap in one direction where the
    numbers are more than 1.96 √2 k standard errors of their difference apart; that shall happen with a chance of
    ALARM / measures.
    """
    return max(1.0, float(ndtri(ALARM / max(measures, 1)) / (ndtri(0.025) * 2**0.5)))


def ratio(score: Score, floor: Score | None, metric: str) -> float | None:
    """How many times the floor; None where the floor is near 0 or the measure has no such direction."""
    row = METRICS[metric]
    if floor is None or row.better != "lower" or row.about_zero or floor.value <= 0:
        return None
    return score.value / floor.value


def paired(scores: Scores, model: Judged) -> dict[str | None, list[Beside]]:
    """By class, None for all classes: the measures of a generator that were also taken of the floor. Those without an
    interval, of too few images, are left out."""
    classes: dict[str | None, list[Beside]] = {}
    for (name, extractor, metric, label), score in scores.items():
        floor = scores.get((FLOOR, extractor, metric, label))
        if name == model and floor is not None and score.sure and floor.sure:
            classes.setdefault(label, []).append(Beside(extractor, metric, score, floor, label))
    return classes


def off(measures: Sequence[Beside], asked: int) -> list[Beside]:
    """Those that are off the floor, `asked` measures being looked at together."""
    stretch = stretching(asked)
    found = [of for of in measures if worse(of.score, of.floor, of.row.safe or of.row.better, stretch)]
    return [of for of in found if of.row.role != "ratio" or of.score.high < NEAR]


def _ends(score: Score, stretch: float) -> tuple[float, float]:
    return score.value - stretch * (score.value - score.low), score.value + stretch * (score.high - score.value)


# ---------------------------------------------------------------- on one generator


def verdict(scores: Scores, model: str, directions: Mapping[str, Shift]) -> Verdict:
    """The verdict on one generator.

    Args:
        scores: of one data set, the generator's and the floor's among them.
        directions: by metric, in which direction the generator's images differ (`directions.shifts`).
    """
    if not any(key[0] == model for key in scores):
        return Verdict(model, "unmeasured")
    found = paired(scores, model)
    measures = found.pop(None, [])
    if not measures:
        return Verdict(model, "too few images" if any(key[0] == FLOOR for key in scores) else "no floor")
    wrong = off(measures, len(measures))
    asked = dict.fromkeys(of.row.question for of in measures if of.row.group != "copies")
    if not asked:
        return Verdict(model, "too few images", copies=_copies(measures, wrong))
    within = [name for name in asked if name not in [of.row.question for of in wrong]]
    structure = [of for of in wrong if of.row.group in ("texture", "microstructure")]
    return Verdict(
        model,
        within=within,
        throughout=len(within) == len(asked),
        distance=next((of for of in wrong if of.row.group == "distance"), None),  # the others ask the same
        structure=[(of, directions.get(of.metric)) for of in sorted(structure, key=lambda of: -(of.times or 0))],
        variety=_variety(wrong),
        missing=_missing(scores, model, found),
        worst=_worst_class([of for measures in found.values() for of in measures]),
        copies=_copies(measures, wrong),
    )


def _missing(scores: Scores, model: str, found: Mapping[str | None, object]) -> list[str]:
    """The classes that the floor was measured for and the generator was not; and those that both were, and for want of
    the generator's images not surely."""
    measured = {label for name, _, _, label in scores if name == model}
    real: dict[str, bool] = {}
    for (name, _, _, label), score in scores.items():
        if name == FLOOR and label is not None:
            real[label] = real.get(label, False) or score.sure
    return [label for label, sure in real.items() if label not in (found if sure else measured)]


def _variety(wrong: Sequence[Beside]) -> dict[Fault, Beside]:
    """Each by its plainest measure."""
    repeats = [of for of in _with_role(wrong, "likeness") if of.score.value > of.floor.value]
    repeats += [of for of in _with_role(wrong, "unlikeness") if of.score.value < of.floor.value]
    faults: dict[Fault, list[Beside]] = {
        "missing": _with_role(wrong, "missing"),
        "smooth" if _with_role(wrong, "smoothness") else "repeats": repeats,
        "unreal": _with_role(wrong, "unreal"),
    }
    return {fault: found[0] for fault, found in faults.items() if found}


def _with_role(wrong: Sequence[Beside], role: Role) -> list[Beside]:
    """The plainest first."""
    found = [of for of in wrong if of.row.role == role]
    return sorted(found, key=lambda of: of.row.by_class)


def _worst_class(measures: Sequence[Beside]) -> Beside | None:
    wrong = [of for of in off(measures, len(measures)) if of.row.by_class]
    return max(
        wrong,
        key=lambda of: (-of.row.by_class, abs(of.score.value - of.floor.value), of.label or "", of.extractor),
        default=None,
    )


def _copies(measures: Sequence[Beside], wrong: Sequence[Beside]) -> Beside | Literal["none"] | None:
    """By what copies are proven, else by what they are likely: not in the features in which images are farther from all
    training images than new real ones are, as noise is from most of them and a little less from one."""
    far = {of.extractor for of in measures if of.row.role == "ratio" and worse(of.score, of.floor, "lower")}
    found = [
        of for of in wrong
        if of.row.group == "copies" and not _just_alike(measures, of) and (of.row.alarm or of.extractor not in far)
    ]  # fmt: skip
    none: Literal["none"] | None = "none" if any(of.row.group == "copies" for of in measures) else None
    return next(iter(sorted(found, key=lambda of: not of.row.alarm)), none)


def _just_alike(measures: Sequence[Beside], near: Beside) -> bool:
    """Whether images are no more like their nearest training images, beside their likeness to each other, than new real
    images are: smooth images are like everything."""
    alike = [of for of in measures if of.metric == METRICS[near.metric].compared_with]
    return any(near.score.low - of.score.high <= near.floor.high - of.floor.low for of in alike)
