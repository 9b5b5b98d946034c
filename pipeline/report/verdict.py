"""What is right and what is wrong with a generator's images, in a few words; and when a number is off the floor.

A measure is off where its interval and the floor's leave a gap on the bad side. If intervals are right, that happens to
perfect images at most about one time in 300; and a panel asks many times. Where more than 18 measures are asked,
intervals are stretched so far that the chance of any false alarm stays near 5 % (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup
from scipy.stats import norm

from pipeline.evaluation.catalog import FEATURES, METRICS, Better, Role
from pipeline.report.labels import joined, number
from pipeline.report.tables import FLOOR, Judged, Score

ALARM = 0.05  # chance that perfect images are called off by any measure
NEAR = 0.9  # of the held-out images' distance to the training images: nearer than chance makes new images
NO_COPIES = "no sign of copies"  # as far from the training images as the floor, or farther
LISTED = 3  # things named in a clause; more would hide the worst

Scores = Mapping[tuple[Judged, str, str, str | None], Score]  # the keys of `tables.scores`
# Measures (extractor, metric) of one class that were taken of the generator and of the floor.
Pairs = Mapping[tuple[str, str], tuple[Score, Score]]


class Verdict(NamedTuple):
    """Clauses by what they answer: `within` the floor, `distance`, `structure`, `variety`, the worst `class`, `copies`;
    a question with nothing to say has none."""

    model: str
    clauses: dict[str, str]

    def sentence(self) -> Markup:
        return Markup("<b>{}</b>: {}.").format(self.model, "; ".join(self.clauses.values()))


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
    return max(1.0, float(norm.isf(ALARM / max(measures, 1)) / (norm.isf(0.025) * 2**0.5)))


def ratio(score: Score, floor: Score | None, metric: str) -> float | None:
    """How many times the floor; None where the floor is near 0 or the measure has no such direction."""
    row = METRICS[metric]
    if floor is None or row.better != "lower" or row.about_zero or floor.value <= 0:
        return None
    return score.value / floor.value


def paired(scores: Scores, model: Judged) -> dict[str | None, dict[tuple[str, str], tuple[Score, Score]]]:
    """By class, None for all classes: the measures of a generator that were also taken of the floor, both scores. Those
    without an interval, of too few images, are left out."""
    classes: dict[str | None, dict[tuple[str, str], tuple[Score, Score]]] = {}
    for (name, extractor, metric, label), score in scores.items():
        floor = scores.get((FLOOR, extractor, metric, label))
        if name == model and floor is not None and score.sure and floor.sure:
            classes.setdefault(label, {})[extractor, metric] = score, floor
    return classes


def off(pairs: Pairs, asked: int) -> Pairs:
    """Those that are off the floor, `asked` measures being looked at together."""
    stretch = stretching(asked)
    return {
        measure: (score, floor)
        for measure, (score, floor) in pairs.items()
        if worse(score, floor, METRICS[measure[1]].safe or METRICS[measure[1]].better, stretch)
        and (METRICS[measure[1]].role != "ratio" or score.high < NEAR)
    }


def _ends(score: Score, stretch: float) -> tuple[float, float]:
    return score.value - stretch * (score.value - score.low), score.value + stretch * (score.high - score.value)


# ---------------------------------------------------------------- in words


def verdict(scores: Scores, model: str, directions: Mapping[str, str]) -> Verdict:
    """The verdict on one generator.

    Args:
        scores: of one data set, the generator's and the floor's among them.
        directions: by metric, in which direction the generator's images differ (`shifts.shifts`).
    """
    if not any(key[0] == model for key in scores):
        return Verdict(model, {"within": "nothing was measured"})
    found = paired(scores, model)
    pairs, classes = found.get(None, {}), {label: of for label, of in found.items() if label is not None}
    if not pairs and any(key[0] == FLOOR for key in scores):
        return Verdict(model, {"within": "nothing can be said, for there are too few images"})
    if not pairs:
        return Verdict(model, {"within": "nothing can be said, for no real images were held out to compare with"})
    wrong = off(pairs, len(pairs))
    clauses = {
        "within": _within(pairs, wrong),
        "distance": _distance(wrong),
        "structure": _structure(wrong, directions),
        "variety": _variety(wrong),
        "class": "; ".join(filter(None, (_missing_classes(scores, classes), _worst_class(classes)))),
        "copies": _copies(pairs, wrong),
    }
    return Verdict(model, {question: text for question, text in with_features(clauses).items() if text})


def with_features(clauses: Mapping[str, str]) -> dict[str, str]:
    """Clauses that name the random features only beside others: alone they need no word."""
    others = [name for key, name in FEATURES.items() if key != "random"]
    if any(name in text for text in clauses.values() for name in others):
        return dict(clauses)
    return {question: text.replace(f" in {FEATURES['random']}", "") for question, text in clauses.items()}


def _within(pairs: Pairs, wrong: Pairs) -> str:
    """The questions of which no measure is off. Copies have a clause of their own."""
    asked = dict.fromkeys(METRICS[name].question for _, name in pairs if METRICS[name].group != "copies")
    missed = {METRICS[name].question for _, name in wrong}
    right = [name for name in asked if name not in missed]
    if len(right) == len(asked):
        return f"within the noise floor throughout ({listed(right, len(right))})"
    return f"within the noise floor on {listed(right, LISTED + 1)}" if right else "off the noise floor throughout"


def _distance(wrong: Pairs) -> str:
    """The first that is off: the others ask the same."""
    for measure, pair in wrong.items():
        if METRICS[measure[1]].group == "distance":
            return _beside(measure, pair)
    return ""


def _structure(wrong: Pairs, directions: Mapping[str, str]) -> str:
    """The farthest from the floor first, each in the direction in which it differs, where there is one."""
    found = [m for m in wrong if METRICS[m[1]].group in ("texture", "microstructure")]
    found.sort(key=lambda measure: -(ratio(*wrong[measure], measure[1]) or 0))
    return listed(list(dict.fromkeys(directions.get(m[1]) or _beside(m, wrong[m]) for m in found)), LISTED)


def _variety(wrong: Pairs) -> str:
    found = []
    repeats = [m for m in _with_role(wrong, "likeness") if wrong[m][0].value > wrong[m][1].value]
    repeats += [m for m in _with_role(wrong, "unlikeness") if wrong[m][0].value < wrong[m][1].value]
    for words, measures in (
        ("too little variety", _with_role(wrong, "missing")),
        ("too smooth or too alike" if _with_role(wrong, "smoothness") else "repeats itself", repeats),
        ("some unreal", _with_role(wrong, "unreal")),
    ):
        if measures:
            found.append(f"{words} ({_against(measures[0], wrong[measures[0]])})")
    return ", ".join(found)


def _with_role(wrong: Pairs, role: Role) -> list[tuple[str, str]]:
    """The plainest first."""
    return sorted((m for m in wrong if METRICS[m[1]].role == role), key=lambda m: METRICS[m[1]].by_class)


def _missing_classes(scores: Scores, classes: Mapping[str, Pairs]) -> str:
    """Those that the floor was measured for, and the generator was not."""
    real = dict.fromkeys(label for name, _, _, label in scores if name == FLOOR and label is not None)
    missing = [label for label in real if label not in classes]
    return f"no images of {listed(missing, LISTED)}, or too few" if missing else ""


def _worst_class(classes: Mapping[str, Pairs]) -> str:
    """The class that is farthest off, by the plainest metric by which any is off."""
    asked = sum(len(pairs) for pairs in classes.values())
    wrong = [(label, m, pair) for label, pairs in classes.items() for m, pair in off(pairs, asked).items()]
    wrong = [(label, m, pair) for label, m, pair in wrong if METRICS[m[1]].by_class]
    if not wrong:
        return ""
    plainest = min((m[1] for _, m, _ in wrong), key=lambda name: METRICS[name].by_class)
    _, label, measure = max((abs(pair[0].value - pair[1].value), c, m) for c, m, pair in wrong if m[1] == plainest)
    # a kernel distance tells nobody how bad that is
    numbers = "" if METRICS[plainest].about_zero else f" ({_against(measure, classes[label][measure])})"
    return f"worst class {label}{numbers}"


def _copies(pairs: Pairs, wrong: Pairs) -> str:
    if not any(METRICS[name].group == "copies" for _, name in pairs):
        return ""
    for measure, (score, floor) in wrong.items():
        row = METRICS[measure[1]]
        if row.alarm:
            return row.alarm.format(100 * score.value)
        if row.group == "copies" and not (row.compared_with and _just_alike(pairs, row.name, row.compared_with)):
            return f"may copy ({_against(measure, (score, floor))})"
    return NO_COPIES


def _just_alike(pairs: Pairs, nearest: str, among: str) -> bool:
    """Whether images are no more like their nearest training images, beside their likeness to each other, than new real
    images are: smooth images are like everything."""
    by_metric = {metric: pair for (_, metric), pair in pairs.items()}
    if among not in by_metric:
        return False
    (near, near_floor), (alike, alike_floor) = by_metric[nearest], by_metric[among]
    return near.low - alike.high <= near_floor.high - alike_floor.low


def _beside(measure: tuple[str, str], pair: tuple[Score, Score]) -> str:
    times = ratio(*pair, measure[1])
    if times is None:
        return _against(measure, pair)
    return f"{short(measure)} {times:.1f} × the floor" if times < 10 else f"{short(measure)} {times:.0f} × the floor"


def _against(measure: tuple[str, str], pair: tuple[Score, Score]) -> str:
    return f"{short(measure)} {_rounded(pair[0].value)} against {_rounded(pair[1].value)}"


def short(measure: tuple[str, str]) -> str:
    """Name of a measure, with its features where others could have been asked."""
    extractor, metric = measure
    row = METRICS[metric]
    if extractor in row.titles:
        return row.titles[extractor]
    return f"{row.short} in {FEATURES[extractor]}" if extractor in FEATURES and len(row.extractors) > 1 else row.short


def _rounded(value: float) -> str:
    """Two decimals are enough in a sentence, where they show anything."""
    return f"{value:.2f}".replace("-", "−") if 0.005 <= abs(value) < 100 else number(value)


def listed(names: Sequence[str], most: int) -> str:
    """`a, b and c`; `a, b and 4 more`."""
    shown = list(names) if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    return joined(shown) if shown else ""
