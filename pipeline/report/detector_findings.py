"""The answer to whether synthetic images help a detector, in sentences; and what the comparison could have seen."""

from __future__ import annotations

from collections.abc import Sequence

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


def helped(arms: Sequence[Arm], score: str, of_class: str = "F1") -> list[Markup]:
    """Whether synthetic images help the detector: one sentence on the best of them, what the controls say, the other
    arms, and why nobody can say how many real images they are worth, where nobody can.

    Args:
        arms: of one task, the baseline first (`records.Comparison.of`).
        score: name of the score.
        of_class: name of the score of one class; empty where classes have none.

    Returns:
        Empty without arms with generators.
    """
    best = best_of(arms)
    if best is None:
        return []
    others = [arm for arm in generators(arms) if arm is not best]
    rest = [_by_verdict([arm for arm in others if arm.real == real]) for real in (True, False)]
    starts = (Markup("Others, added to the real ones – "), Markup("Synthetic images alone, without real ones – "))
    why_not = _no_exchange(best)
    return [
        _sentence(best, arms[0], score, of_class) + ("" if why_not else Markup(" ") + _exchange(best)),
        _could_help(arms, score),
        *(start + text for start, text in zip(starts, rest, strict=True) if text),
        *([Markup(why_not)] if why_not else []),
    ]


def alarms(arms: Sequence[Arm], score: str) -> list[Markup]:
    """What makes every verdict of a comparison worthless: a detector that guesses, a negative control that helps.

    Args as `helped`.
    """
    found = []
    if arms and (guess := guessing(arms[0])) is not None and arms[0].score_low <= guess:
        text = (
            "Even the strongest detector without a generator may be guessing: its {} is {:.1f} %, and guessing reaches"
        )
        text += " {:.1f} %. No verdict on images means anything before it learns."
        found.append(Markup(text).format(score, 100 * arms[0].score, 100 * guess))
    same = _control(arms, SAME_REAL)
    if same is not None and same.verdict == "helps":
        text = "Do not trust this comparison. The training images once more, in the place of a generator's, are said to"
        text += " help by {} points ({}), though they hold nothing new: so may be any other gain."
        found.append(Markup(text).format(points(gain_of(same)[0]), interval(same)))
    return found


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


def _sentence(best: Arm, base: Arm, score: str, of_class: str) -> Markup:
    change, low, high = gain_of(best)
    little = best.verdict == "cannot tell" and -SMALL < low < 0 < high < SMALL
    words = {
        "helps": "Yes: images of {} {} lift the {} from {:.1f} to {:.1f} %, by {} points (95 % interval {} to {}){}",
        "hurts": "No: they make it worse; even those of {} {} lower the {} from {:.1f} to {:.1f} %, by {} points (95 %"
        " interval {} to {}){}",
        "cannot tell": "Nobody can say yet: with images of {} {}, the best of them, the {} goes from {:.1f} to"
        " {:.1f} %, by {} points, but the truth may lie anywhere from {} to {} (95 % interval){}",
        "little": "Little either way: with images of {} {}, the best of them, the {} goes from {:.1f} to {:.1f} %, by"
        " {} points; a loss above {} or a gain above {} points is excluded (95 % interval){}",
    }["little" if little else best.verdict]
    added = "added to the real ones" if best.real else "in place of the real ones"
    ends = (f"{-100 * low:.1f}", f"{100 * high:.1f}") if little else (points(low), points(high))
    numbers = (100 * base.score, 100 * best.score, points(change), *ends)
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


def _by_verdict(arms: Sequence[Arm]) -> Markup:
    """Generators of one verdict together: what is sure comes first."""
    found = {text: [_named(arm) for arm in arms if arm.verdict == text] for text in ORDER}
    parts = [Markup("{} {}").format(badge(text), joined(names)) for text, names in found.items() if names]
    return Markup("; ").join(parts) + Markup("." if parts else "")


def _named(arm: Arm) -> Markup:
    more = "; ".join(filter(None, (divided(arm), sees(arm))))
    return made_of(arm) + Markup(" ({})").format(more) if more else made_of(arm)


def _side(of: Estimate | RecipeGain) -> str:
    _, low, high = gain_of(of)
    return "surely better" if low > 0 else "surely worse" if high < 0 else "not surely better or worse"


def _detects(arm: Arm) -> str:
    """In points; empty where there is no gain that would be seen."""
    return "" if arm.detects is None or arm.detects >= 1 else f"{100 * arm.detects:.1f}"


# ---------------------------------------------------------------- controls


def _control(arms: Sequence[Arm], one: SyntheticSet) -> Arm | None:
    return next((arm for arm in arms if arm.synthetic == [one]), None)


def _could_help(arms: Sequence[Arm], score: str) -> Markup:
    """Whether this comparison could have said *helps*, by the positive control."""
    more = _control(arms, MORE_REAL)
    if more is None:
        return Markup(
            "There was no positive control, for no real images are held back here (those that <code>shots</code> leaves"
            " over would be): nobody knows whether this comparison would have said <i>helps</i> even of perfect images."
        )
    change = f"{points(gain_of(more)[0])} points of {score} ({interval(more)})"
    if more.verdict == "helps":
        text = Markup("This comparison can say <i>helps</i>: {} more real images gain {}.")
        return text.format(more.n_synthetic, change)
    if gain_of(more)[2] < LITTLE:
        text = Markup(
            "Nothing could help here: more real images gain less than {:.0f} points. {} of them change it by {}."
        )
        return text.format(100 * LITTLE, more.n_synthetic, change)
    least = f"a gain below {_detects(more)} points" if _detects(more) else "any gain"
    text = Markup(
        "This comparison could not have seen {}, not even of real images: {} more of them change it by {}. More {}"
    )
    return text.format(least, more.n_synthetic, change, more.scarcer) + Markup(" would sharpen it most.")


# ---------------------------------------------------------------- what they are worth in real images


def _no_exchange(best: Arm) -> str:
    """Why it is not said how many real images the images of an arm are worth; empty where it is."""
    why_not = _unexchangeable(best)
    return f"How many real images they are worth, nobody can say: {why_not}" if why_not else ""


def _unexchangeable(best: Arm) -> str:
    of = best.label_efficiency
    if of is None:
        return "one number of real images was tried. A list, as <code>shots: [5, 10, 20]</code>, tries several."
    if best.verdict == "cannot tell":
        return "it is not known whether they help."
    against = {"helps": "fewer", "hurts": "more"}[best.verdict]
    if of.unknown or of.beyond == against or (of.beyond is None and (of.worth is None or _away(best, of.worth) <= 0)):
        return "without a generator, more real images do not surely score better here."
    if of.beyond is not None and of.images == _last(best):
        own = number_of_images(of.images)
        return f"it is {of.beyond} than the {own} a class they were added to, and no {of.beyond} were tried."
    return ""


def _exchange(best: Arm) -> Markup:
    """`They are worth about 7 further real images a class (3 to 15).`; of an arm that surely helps or hurts."""
    of = best.label_efficiency
    assert of is not None  # `_no_exchange` has looked
    nearer, farther = (of.low, of.high) if best.verdict == "helps" else (of.high, of.low)
    low = "0" if nearer is None else number_of_images(max(0.0, _away(best, nearer)))
    beyond = f"more than {number_of_images(_away(best, _last(best)))}"
    high = beyond if farther is None else number_of_images(_away(best, farther))
    helps = best.verdict == "helps"
    words = "They are worth {} further real images a class" if helps else "They cost {} real images a class"
    if of.worth is None:
        return Markup(words + " (at least {}).").format(beyond, low)
    return Markup(words + " ({} to {}).").format(f"about {number_of_images(_away(best, of.worth))}", low, high)


def _away(best: Arm, images: float) -> float:
    """How many real images a class more than the arm has, or fewer where it hurts."""
    assert best.label_efficiency is not None
    own = best.label_efficiency.images
    return images - own if best.verdict == "helps" else own - images


def _last(best: Arm) -> float:
    """The most real images a class that were tried, or the fewest where it hurts."""
    assert best.label_efficiency is not None
    return best.label_efficiency.most if best.verdict == "helps" else best.label_efficiency.fewest
