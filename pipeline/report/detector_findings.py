"""The answer to whether synthetic images help a detector, in sentences; and what the comparison could have seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from markupsafe import Markup

from pipeline.downstream.arms import MORE_REAL, SAME_REAL, SyntheticSet
from pipeline.downstream.records import Arm, ClassEstimate, Estimate, RecipeGain
from pipeline.report.labels import gain_of, guessing, interval, joined, number_of_images, points

VERDICTS = {"helps": ("▲ helps", "helps"), "hurts": ("▼ hurts", "hurts")}
ORDER = ["helps", "cannot tell", "hurts"]  # from the best news to the worst
LITTLE = 0.02  # of a score: real images that surely gain less leave nothing for synthetic ones to gain


def generators(arms: Sequence[Arm]) -> list[Arm]:
    """The arms with images of a generator: no baseline arm and no control."""
    return [arm for arm in arms if arm.generative and not arm.control]


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
    control: Literal["helps", "gains little", "cannot tell", "absent"]
    """Of the positive control: whether this comparison could have said *helps*."""
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
    return Answer(arms[0], best, kind, others, _of_control(_control(arms, MORE_REAL)), exchange, unknown)


def helped(arms: Sequence[Arm], score: str, of_class: str = "F1") -> list[Markup]:
    """`answer` in words: one sentence on the best arm, what the positive control says, the other arms, and why nobody
    can say how many real images they are worth, where nobody can.

    Args:
        arms: of one task, the baseline first.
        score: name of the score.
        of_class: name of the score of one class; empty where classes have none.

    Returns:
        Empty without arms with generators.
    """
    of = answer(arms)
    if of is None:
        return []
    starts = {True: "Others, added to the real ones – ", False: "Synthetic images alone, without real ones – "}
    worth = Markup(" ") + _worth(of.best.verdict, of.exchange) if of.exchange else ""
    return [
        _sentence(of, score, of_class) + worth,
        _could_help(of.control, _control(arms, MORE_REAL), score),
        *(Markup(starts[real]) + _by_verdict(found) for real, found in of.others.items() if found),
        *([Markup(_why_not(of))] if of.unknown else []),
    ]


def alarms(arms: Sequence[Arm], score: str) -> list[Markup]:
    """What makes every verdict of a comparison worthless: a detector that guesses, a single group of test images, a
    negative control that helps.

    Args as `answer`; `score`, its name.
    """
    found = []
    if may_guess(arms):
        guess = guessing(arms[0])
        assert guess is not None  # or nobody could say so
        text = (
            "Even the strongest detector without a generator may be guessing: its {} is {:.1f} %, and guessing reaches"
        )
        text += " {:.1f} %. No verdict on images means anything before it learns."
        found.append(Markup(text).format(score, 100 * arms[0].score, 100 * guess))
    if arms and arms[0].n_groups == 1:
        text = "All {} test images are of one group, one source or scene: no interval holds what another would change."
        found.append(Markup(text).format(arms[0].n_test))
    same = _control(arms, SAME_REAL)
    if same is not None and same.verdict == "helps":
        text = "Do not trust this comparison. The training images once more, in the place of a generator's, are said to"
        text += " help by {} points ({}), though they hold nothing new: so may be any other gain."
        found.append(Markup(text).format(points(gain_of(same)[0]), interval(same)))
    return found


def may_guess(arms: Sequence[Arm]) -> bool:
    """Whether the baseline, the first, is not surely better than a detector that looks at no image."""
    return bool(arms) and (guess := guessing(arms[0])) is not None and arms[0].score_low <= guess


def best_of(arms: Sequence[Arm]) -> Arm | None:
    """The arm with a generator that speaks best for synthetic images; None without any.

    One that surely helps before one that may, and this before one that surely hurts; then the largest gain. Arms
    without real images only where there are no others. All intervals hold at once, so none is the worse for the choice.
    """
    found = generators(arms)
    asked = [arm for arm in found if arm.real] or found
    return max(asked, key=lambda arm: (-ORDER.index(arm.verdict), arm.gain), default=None)


def made_of(arm: Arm) -> Markup:
    """The generators of an arm, as a sentence names them."""
    sets = [of.model if of.made == "synthetic" else f"{of.model}.{of.made}" for of in arm.synthetic]
    names = Markup(" + ").join(Markup("<b>{}</b>").format(one) for one in sets)
    return names if len(sets) == 1 else names + Markup(" together")


def badge(text: str) -> Markup:
    """Badge of a detector's verdict: its words, with a sign that needs no colour."""
    words, kind = VERDICTS.get(text, (f"● {text}", "unsure"))
    return Markup('<span class="verdict {}">{}</span>').format(kind, words)


def verdict(arm: Arm) -> str:
    """In a table of words: empty for an arm without a generator that is not the baseline, in brackets for a control."""
    if arm.control:
        return f"({arm.verdict})"
    return "" if arm.verdict == "no generator" else arm.verdict


def sees(arm: Arm) -> str:
    """The smallest gain that would be called *helps* in four of five repeats, of an arm of which nobody can tell."""
    if arm.verdict != "cannot tell":
        return ""
    return f"sees gains from {_detects(arm)} points" if _detects(arm) else "sees no gain"


def divided(arm: Arm) -> str:
    """What both comparisons of an arm say, where they do not say the same; empty where they agree."""
    if arm.recipe is None or _side(arm) == _side(arm.recipe):
        return ""
    than = f"the strongest training without a generator ({arm.baseline})"
    own = f"its own recipe without the images ({arm.recipe.arm}: {points(arm.recipe.gain)} points, "
    return f"{_side(arm)} than {than}, but {_side(arm.recipe)} than {own}{interval(arm.recipe)})"


def surely_changed(by_class: Sequence[ClassEstimate]) -> dict[str, ClassEstimate | None]:
    """The class that `gains` most and the one that `loses` most, where their intervals leave no doubt that they do."""
    gains = [row for row in by_class if gain_of(row)[1] > 0]
    losses = [row for row in by_class if gain_of(row)[2] < 0]
    return {
        "gains": max(gains, key=lambda row: gain_of(row)[0], default=None),
        "loses": min(losses, key=lambda row: gain_of(row)[0], default=None),
    }


# ---------------------------------------------------------------- the best arm, and the others


SMALL = 0.03  # of a score: a change that leaves no room for more is said to be little


def _sentence(of: Answer, score: str, of_class: str) -> Markup:
    best, (change, low, high) = of.best, gain_of(of.best)
    words = {
        "helps": "Yes: images of {} {} lift the {} from {:.1f} to {:.1f} %, by {} points (95 % interval {} to {}){}",
        "hurts": "No: they make it worse; even those of {} {} lower the {} from {:.1f} to {:.1f} %, by {} points (95 %"
        " interval {} to {}){}",
        "cannot tell": "Nobody can say yet: with images of {} {}, the best of them, the {} goes from {:.1f} to"
        " {:.1f} %, by {} points, but the truth may lie anywhere from {} to {} (95 % interval){}",
        "little": "Little either way: with images of {} {}, the best of them, the {} goes from {:.1f} to {:.1f} %, by"
        " {} points; a loss above {} or a gain above {} points is excluded (95 % interval){}",
    }[of.kind]
    added = "added to the real ones" if best.real else "in place of the real ones"
    ends = (f"{-100 * low:.1f}", f"{100 * high:.1f}") if of.kind == "little" else (points(low), points(high))
    numbers = (100 * of.baseline.score, 100 * best.score, points(change), *ends)
    text = Markup(words).format(made_of(best), added, score, *numbers, _classes(best.by_class, of_class))
    more = (divided(best), _narrower(best), _other_shots(best))
    return Markup("{} {}{}{}{}.").format(badge(best.verdict), text, *map(_and, more))


def _and(clause: str) -> str:
    return f"; {clause}" if clause else ""


def _narrower(best: Arm) -> str:
    if best.verdict != "cannot tell":
        return ""
    return f"this comparison {sees(best)}, and more {best.scarcer} would sharpen it most"


def _other_shots(best: Arm) -> str:
    """Whether the verdict holds for other real images of as many a class, where enough draws tell."""
    of = best.new_shots
    if of is None:
        return ""
    agrees = "the same" if of.verdict == best.verdict else f"“{of.verdict}”"
    draws = f"{of.draws} draws: {points(of.gain)} points, {points(of.low)} to {points(of.high)}"
    return f"with other real images, as many a class, it is {agrees} ({draws})"


def _classes(by_class: Sequence[ClassEstimate], score: str) -> Markup:
    if not score:
        return Markup("")
    found = [(word, row) for word, row in surely_changed(by_class).items() if row is not None]
    if not found:
        return Markup("; of no single class is the change beyond doubt")
    text = Markup("<b>{}</b> {} most ({} {} points, {} to {})")
    return Markup("; ") + Markup(", ").join(
        text.format(row.name, word, score, *map(points, gain_of(row))) for word, row in found
    )


def _by_verdict(found: dict[str, list[Arm]]) -> Markup:
    parts = [Markup("{} {}").format(badge(kind), joined([_named(arm) for arm in arms])) for kind, arms in found.items()]
    return Markup("; ").join(parts) + Markup(".")


def _named(arm: Arm) -> Markup:
    more = "; ".join(filter(None, (divided(arm), sees(arm))))
    return made_of(arm) + Markup(" ({})").format(more) if more else made_of(arm)


def _side(of: Estimate | RecipeGain) -> str:
    _, low, high = gain_of(of)
    return "surely better" if low > 0 else "surely worse" if high < 0 else "not surely better or worse"


def _detects(arm: Arm) -> str:
    """In points; empty where there is no gain that would be seen."""
    return "" if arm.detects is None else f"{100 * arm.detects:.1f}"


# ---------------------------------------------------------------- controls


def _control(arms: Sequence[Arm], one: SyntheticSet) -> Arm | None:
    return next((arm for arm in arms if arm.synthetic == [one]), None)


def _of_control(more: Arm | None) -> Literal["helps", "gains little", "cannot tell", "absent"]:
    if more is None:
        return "absent"
    if more.verdict == "helps":
        return "helps"
    return "gains little" if gain_of(more)[2] < LITTLE else "cannot tell"


def _could_help(control: str, more: Arm | None, score: str) -> Markup:
    """Whether this comparison could have said *helps*, by the positive control."""
    if more is None:
        return Markup(
            "There was no positive control, for no real images are held back here (those that <code>shots</code> leaves"
            " over would be): nobody knows whether this comparison would have said <i>helps</i> even of perfect images."
        )
    least = f"a gain below {_detects(more)} points" if _detects(more) else "any gain"
    words = {
        "helps": "This comparison can say <i>helps</i>: {n} more real images gain {change}.",
        "gains little": "Nothing could help here: more real images gain less than {little:.0f} points. {n} of them"
        " change it by {change}.",
        "cannot tell": "This comparison could not have seen {least}, not even of real images: {n} more of them change"
        " it by {change}. More {scarcer} would sharpen it most.",
    }[control]
    change = f"{points(gain_of(more)[0])} points of {score} ({interval(more)})"
    return Markup(words).format(
        n=more.n_synthetic, change=change, little=100 * LITTLE, least=least, scarcer=more.scarcer
    )


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


def _why_not(of: Answer) -> str:
    own = number_of_images(of.best.label_efficiency.images) if of.best.label_efficiency else ""
    beyond = of.best.label_efficiency.beyond if of.best.label_efficiency else ""
    why = {
        "one number": "one number of real images was tried. A list, as <code>shots: [5, 10, 20]</code>, tries several.",
        "verdict": "it is not known whether they help.",
        "level": "without a generator, more real images do not surely score better here.",
        "end": f"it is {beyond} than the {own} a class they were added to, and no {beyond} were tried.",
    }[of.unknown or ""]
    return f"How many real images they are worth, nobody can say: {why}"


def _worth(verdict: str, of: Exchange) -> Markup:
    """`They are worth about 7 further real images a class (3 to 15).`"""
    words = (
        "They are worth {} further real images a class" if verdict == "helps" else "They cost {} real images a class"
    )
    low, beyond = number_of_images(of.low), f"more than {number_of_images(of.most)}"
    if of.about is None:
        return Markup(words + " (at least {}).").format(beyond, low)
    high = beyond if of.high is None else number_of_images(of.high)
    return Markup(words + " ({} to {}).").format(f"about {number_of_images(of.about)}", low, high)


def _away(best: Arm, images: float) -> float:
    """How many real images a class more than the arm has, or fewer where it hurts."""
    assert best.label_efficiency is not None
    own = best.label_efficiency.images
    return images - own if best.verdict == "helps" else own - images


def _last(best: Arm) -> float:
    """The most real images a class that were tried, or the fewest where it hurts."""
    assert best.label_efficiency is not None
    return best.label_efficiency.most if best.verdict == "helps" else best.label_efficiency.fewest
