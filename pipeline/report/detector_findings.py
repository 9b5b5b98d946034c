"""The answer to whether synthetic images help a detector; and what makes it worthless."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pipeline.downstream.arms import MORE_REAL, SAME_REAL, SyntheticSet
from pipeline.downstream.records import Arm, ClassEstimate, Estimate, RecipeGain
from pipeline.report.labels import gain_of, guessing

ORDER = ["helps", "cannot tell", "hurts"]  # from the best news to the worst
SMALL = 0.03  # of a score: a change that leaves no room for more is said to be little
MORE = 4  # times as much of what is scarce, which halves an interval
LITTLE = 0.02  # of a score: real images that surely gain less leave nothing for synthetic ones to gain

Alarm = Literal["guessing", "one group", "same real"]
Side = Literal["better", "worse", "unsure"]


def generators(arms: Sequence[Arm]) -> list[Arm]:
    """The arms with images of a generator: no baseline arm, no control, and none whose generator has none to add, as of
    bad images where it has seen none."""
    return [arm for arm in arms if arm.generative and not arm.control and arm.n_synthetic]


class Exchange(NamedTuple):
    """Real images a class that a generator's images are worth, or cost where they hurt."""

    about: float | None
    """None: beyond all that was tried."""
    low: float
    high: float | None
    """None: beyond all that was tried."""
    most: float
    """The most that was tried beyond those of the arm."""


class Answer(NamedTuple):
    """What there is to say of the detectors of one task."""

    baseline: Arm
    best: Arm
    """As `best_of` has it."""
    kind: Literal["helps", "hurts", "cannot tell", "little"]
    """*little*: nobody can tell, and a change of SMALL is excluded."""
    others: dict[bool, dict[str, list[Arm]]]
    """By whether they saw real images, and by their verdict, the best news first."""
    more_real: Arm | None
    """The positive control, and of it `control`: whether this comparison could have said *helps*."""
    control: Literal["helps", "gains little", "cannot tell", "absent"]
    exchange: Exchange | None
    unknown: Literal["one number", "verdict", "level", "end"] | None
    """Why there is no exchange: one number of real images was tried; nobody knows whether they help; more real images
    do not surely score better; it is beyond the arm's own number, and no others were tried there."""


def answer(arms: Sequence[Arm]) -> Answer | None:
    """Whether synthetic images help the detector. None without arms with generators.

    Args:
        arms: of one task, the baseline first (`records.Comparison.of`).
    """
    best = best_of(arms)
    if best is None:
        return None
    rest = [arm for arm in generators(arms) if arm is not best]
    others = {
        real: {kind: of for kind in ORDER if (of := [arm for arm in rest if (arm.real, arm.verdict) == (real, kind)])}
        for real in (True, False)
    }
    _, low, high = gain_of(best)
    little = best.verdict == "cannot tell" and -SMALL < low < 0 < high < SMALL
    kind = "little" if little else best.verdict
    assert kind in ("helps", "hurts", "cannot tell", "little")
    unknown = _unexchangeable(best)
    exchange = None if unknown else _exchange(best)
    more = _control(arms, MORE_REAL)
    return Answer(arms[0], best, kind, others, more, _of_control(more), exchange, unknown)


def alarms(arms: Sequence[Arm]) -> dict[Alarm, Arm]:
    """What makes every verdict of a comparison worthless, and the arm that shows it: a baseline that may be `guessing`,
    or whose test images are of `one group`, and a negative control that helps, the `same real` images once more.

    Args as `answer`.
    """
    same = _control(arms, SAME_REAL)
    found: dict[Alarm, Arm] = {"guessing": arms[0]} if may_guess(arms) else {}
    if arms and arms[0].n_groups == 1:
        found["one group"] = arms[0]
    return found if same is None or same.verdict != "helps" else {**found, "same real": same}


def may_guess(arms: Sequence[Arm]) -> bool:
    """Whether the baseline, the first, is not surely better than a detector that looks at no image. One group of test
    images leaves nothing sure: there it is so where it scores no better."""
    if not arms or (guess := guessing(arms[0])) is None:
        return False
    return (arms[0].score if arms[0].n_groups == 1 else arms[0].score_low) <= guess


def judged_by_few(baseline: Arm) -> bool:
    """Of one that may be guessing: whether its score is nearer to 1 than to that of guessing, so that it is the test
    images that are too few, and not what it has learnt."""
    return baseline.score > (1 + (guessing(baseline) or 0)) / 2


def perfect(arms: Sequence[Arm]) -> bool:
    """Whether the baseline, the first, makes no mistake on the test images: no images can be seen to help it."""
    return bool(arms) and round(arms[0].score, 9) >= 1


def best_of(arms: Sequence[Arm]) -> Arm | None:
    """The arm with a generator that speaks best for synthetic images; None without any.

    One that surely helps before one that may, and this before one that surely hurts; then the largest gain. Arms
    without real images only where there are no others. All intervals hold at once, so none is the worse for the choice.
    """
    found = generators(arms)
    asked = [arm for arm in found if arm.real] or found
    return max(asked, key=lambda arm: (-ORDER.index(arm.verdict), arm.gain), default=None)


def surely_changed(by_class: Sequence[ClassEstimate]) -> dict[str, ClassEstimate | None]:
    """The class that `gains` most and the one that `loses` most, where their intervals leave no doubt that they do."""
    gains = [row for row in by_class if gain_of(row)[1] > 0]
    losses = [row for row in by_class if gain_of(row)[2] < 0]
    return {
        "gains": max(gains, key=lambda row: gain_of(row)[0], default=None),
        "loses": min(losses, key=lambda row: gain_of(row)[0], default=None),
    }


def _control(arms: Sequence[Arm], one: SyntheticSet) -> Arm | None:
    return next((arm for arm in arms if arm.synthetic == [one]), None)


def _of_control(more: Arm | None) -> Literal["helps", "gains little", "cannot tell", "absent"]:
    if more is None:
        return "absent"
    if more.verdict == "helps":
        return "helps"
    return "gains little" if gain_of(more)[2] < LITTLE else "cannot tell"


def divided(arm: Arm) -> tuple[Side, Side] | None:
    """Both comparisons of an arm, over the baseline and over its own recipe, where they do not say the same."""
    sides = (_side(arm), _side(arm.recipe)) if arm.recipe else None
    return sides if sides and sides[0] != sides[1] else None


def _side(of: Estimate | RecipeGain) -> Side:
    _, low, high = gain_of(of)
    return "better" if low > 0 else "worse" if high < 0 else "unsure"


# ---------------------------------------------------------------- what they are worth in real images


def _unexchangeable(best: Arm) -> Literal["one number", "verdict", "level", "end"] | None:
    of = best.label_efficiency
    if of is None:
        return "one number"
    if best.verdict == "cannot tell":
        return "verdict"
    against = {"helps": "fewer", "hurts": "more"}[best.verdict]
    if of.unknown or of.beyond == against or (of.beyond is None and (of.worth is None or _away(best, of.worth) <= 0)):
        return "level"
    return "end" if of.beyond is not None and of.images == _last(best) else None


def _exchange(best: Arm) -> Exchange:
    """Of an arm that surely helps or hurts."""
    of = best.label_efficiency
    assert of is not None  # `_unexchangeable` has looked
    nearer, farther = (of.low, of.high) if best.verdict == "helps" else (of.high, of.low)
    about, high = (None if images is None else _away(best, images) for images in (of.worth, farther))
    return Exchange(about, 0.0 if nearer is None else max(0.0, _away(best, nearer)), high, _away(best, _last(best)))


def _away(best: Arm, images: float) -> float:
    """How many real images a class more than the arm has, or fewer where it hurts."""
    assert best.label_efficiency is not None
    own = best.label_efficiency.images
    return images - own if best.verdict == "helps" else own - images


def _last(best: Arm) -> float:
    """The most real images a class that were tried, or the fewest where it hurts."""
    assert best.label_efficiency is not None
    return best.label_efficiency.most if best.verdict == "helps" else best.label_efficiency.fewest
