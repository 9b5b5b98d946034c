"""What was found, in words: for the pages, the cards, the console and MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.downstream.records import Arm, ClassEstimate, LabelEfficiency
from pipeline.evaluation.catalog import FEATURES, METRICS
from pipeline.report.detector_findings import (
    LITTLE,
    MORE,
    Alarm,
    Answer,
    Exchange,
    divided,
    judged_by_few,
    perfect,
    surely_changed,
)
from pipeline.report.directions import Shift
from pipeline.report.few_shot_curves import WITHOUT
from pipeline.report.findings import FEW_REPEATS, FID_IMAGES, Cautions, Closer, Ranking, second_opinions
from pipeline.report.labels import DETECTORS, gain_of, guessing, interval, joined, number, number_of_images, points
from pipeline.report.next_steps import NextSteps
from pipeline.report.tables import Score
from pipeline.report.verdict import Beside, Verdict, ratio

NO_COPIES = "no sign of copies"
LISTED = 3  # things named in a clause; more would hide the worst


# ---------------------------------------------------------------- the verdict on one generator


FAULTS = {
    "missing": "too little variety",
    "smooth": "too smooth or too alike",
    "repeats": "repeats itself",
    "unreal": "some unreal",
}
SHIFTS = {
    "phase_fraction": ("bright share", "too large", "too small"),
    "chords_bright": ("bright chords", "too long", "too short"),
    "chords_dark": ("dark chords", "too long", "too short"),
    "mean_intercept": ("intercepts", "too coarse", "too fine"),
    "grain_diameter": ("grains", "too large", "too small"),
}
UNKNOWN = {
    "unmeasured": "nothing was measured",
    "no floor": "nothing can be said, for no real images were held out to compare with",
    "too few images": "nothing can be said, for there are too few images",
}


def verdict(of: Verdict) -> Markup:
    """What is right and what is wrong with a generator's images, in few words."""
    structure = dict.fromkeys(_shift(shift) if shift else _multiple(measure) for measure, shift in of.structure)
    clauses = (
        _within(of),
        _multiple(of.distance) if of.distance else "",
        _listed(list(structure), LISTED),
        ", ".join(f"{FAULTS[fault]} ({_against(measure)})" for fault, measure in of.variety.items()),
        f"no images of {_listed(of.missing, LISTED)}, or too few" if of.missing else "",
        _worst_class(of.worst) if of.worst else "",
        copies(of),
    )
    return Markup("<b>{}</b>: {}.").format(of.model, "; ".join(with_features([text for text in clauses if text])))


def _shift(of: Shift) -> str:
    """`bright chords 19 % too short`."""
    if of.band:
        return f"too {'much' if of.change > 0 else 'little'} contrast at {of.band} scale ({abs(of.change):.1f} dB)"
    what, more, less = SHIFTS[of.metric]
    size = f"{100 * abs(of.change):.1f} points" if of.metric == "phase_fraction" else f"{100 * abs(of.change):.0f} %"
    return f"{what} {size} {more if of.change > 0 else less}"


def _within(of: Verdict) -> str:
    if of.unknown:
        return UNKNOWN[of.unknown]
    if of.throughout:
        return f"within the noise floor throughout ({_listed(of.within, len(of.within))})"
    if not of.within:
        return "off the noise floor throughout"
    return f"within the noise floor on {_listed(of.within, LISTED + 1)}"


def _worst_class(of: Beside) -> str:
    """A kernel distance tells nobody how bad that is."""
    return f"worst class {of.label}" if of.row.about_zero else f"worst class {of.label} ({_against(of)})"


def copies(of: Verdict) -> str:
    """Empty where no measure looked for them."""
    if not isinstance(of.copies, Beside):
        return NO_COPIES if of.copies else ""
    alarm = of.copies.row.alarm
    return alarm.format(100 * of.copies.score.value) if alarm else f"may copy ({_against(of.copies)})"


def _multiple(of: Beside) -> str:
    if of.times is None:
        return _against(of)
    return f"{short(of.extractor, of.metric)} {of.times:.{1 if of.times < 10 else 0}f} × the floor"


def _against(of: Beside) -> str:
    return f"{short(of.extractor, of.metric)} {_rounded(of.score.value)} against {_rounded(of.floor.value)}"


def with_features(clauses: Sequence[str]) -> list[str]:
    """Clauses that name the random features only beside others: alone they need no word."""
    others = [name for key, name in FEATURES.items() if key != "random"]
    if any(name in text for text in clauses for name in others):
        return list(clauses)
    return [text.replace(f" in {FEATURES['random']}", "") for text in clauses]


def short(extractor: str, metric: str) -> str:
    """Name of a measure, with its features where others could have been asked."""
    row = METRICS[metric]
    if extractor in row.titles:
        return row.titles[extractor]
    return f"{row.short} in {FEATURES[extractor]}" if extractor in FEATURES and len(row.extractors) > 1 else row.short


def _rounded(value: float) -> str:
    """Two decimals are enough in a sentence, where they show anything."""
    return f"{value:.2f}".replace("-", "−") if 0.005 <= abs(value) < 100 else number(value)


def _listed(names: Sequence[str], most: int) -> str:
    """`a, b and c`; `a, b and 4 more`."""
    shown = list(names) if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    return joined(shown) if shown else ""


# ---------------------------------------------------------------- which generator comes closest


def closest(rankings: Sequence[Ranking], verdicts: Sequence[Verdict]) -> list[Markup]:
    """Which generator's images are closest to the real ones, the verdict on each, and other opinions."""
    if not rankings:
        return [Markup("Nothing was measured by which a generator could be recommended.")]
    first = rankings[0]
    (best, score), *rest = first.models
    measure = METRICS[first.metric].title_of(first.extractor)
    start = "{} comes closest to the real images: its {} is " if rest else "{} is the only generator here. Its {} is "
    if not rest and len(verdicts) > 1:
        start = "{} is the only generator that was measured over all classes. Its {} is "
    if len(first.closest) > 1:
        start = "{} <b>cannot be told apart</b>: the intervals of their {} overlap. The lowest is {}'s, "
    order = [model for model, _ in first.models]
    lines = sorted(verdicts, key=lambda v: order.index(v.model) if v.model in order else len(order))
    more = _opinions(second_opinions(rankings)) if rest else []
    said = Markup(start).format(_bold(first.closest), measure, best) + _beside_floor(score, first)
    return [said, *map(verdict, lines), *more]


def _beside_floor(score: Score, first: Ranking) -> str:
    value = f"{number(score.value)} ({number(score.low)} to {number(score.high)})"
    if first.floor is None:
        return f"{value}. No floor was measured, so nobody can say whether that is near."
    floor, times = number(first.floor.value), ratio(score, first.floor, first.metric)
    reach = f"; new real images reach {floor}"
    if times is not None:
        reach = f", {times:.1f} times the {floor} of new real images"
    if first.off_floor:
        nearer = ": closer than new real images, as copies would be" if times is not None and times < 1 else ""
        return f"{value}{reach} (the noise floor){nearer}."
    return f"{value}{reach}; the intervals overlap, so this measure cannot tell it from the noise floor."


def _opinions(of: Mapping[tuple[str, str], str | None]) -> list[Markup]:
    if not of:
        return []
    first = dict.fromkeys(name for name in of.values() if name)
    if not first:
        none = "The other measure does not put" if len(of) == 1 else f"None of the {len(of)} other measures puts"
        return [Markup(f"{none} another generator first beyond doubt.")]
    told = with_features([joined(list(dict.fromkeys(short(*m) for m in of if of[m] == name))) for name in first])
    named = Markup(", ").join(Markup("<b>{}</b> ({})").format(*one) for one in zip(first, told, strict=True))
    start = "The other measure puts" if len(of) == 1 else f"Of {len(of)} other measures some put"
    return [Markup(start + " another first: {}.").format(named)]


def untrained(of: Closer) -> Markup:
    """Of generators with training and without, which are closer."""
    closer, farther = _bold(of.closer), _bold(of.farther)
    if of.free:
        text = Markup("{} is closer than {}, and costs nothing: it puts real pixels together, without any training.")
        return text.format(closer, farther)
    verbs = "is" if len(of.closer) == 1 else "are", "needs" if len(of.farther) == 1 else "need"
    return Markup("{} {} closer than {}, which {} no training.").format(closer, verbs[0], farther, verbs[1])


def cautions(of: Cautions) -> list[str]:
    """What keeps these answers from being certain."""
    kinds = {"classification": "The detectors", "boxes": "The detectors of boxes", "anomalies": "The anomaly detectors"}
    found = [
        f"{joined(names)} learned from the {FEATURES.get(extractor, extractor)} themselves: what is measured in these"
        " flatters such a generator; go by the other measures."
        for extractor, names in of.flattered.items()
    ]
    if of.crossing:
        pairs = "a pair" if of.crossing == 1 else f"{of.crossing} pairs"
        found.append(
            f"The split that was given leaves {pairs} of images of one scene across its sides: what judges is not all"
            " new, and scores are better than on new images."
        )
    if of.same_pictures:
        found.append(
            f"What trains and what judges, the floor too, are parts of {of.same_pictures}: nothing here tells of other"
            " specimens."
        )
    if of.seeds is not None:
        times = {1: "once", 2: "twice"}[of.seeds]
        text = f"Each training was made {times}: part of a difference between generators may be luck of the seed."
        found.append(text)
    if of.images is not None:
        found.append(
            f"Distances were measured on {of.images} images a set; compare them only with those measured on as many."
            " Within the noise floor means that so many images show no difference, not that there is none."
        )
    if of.fid_images is not None:
        text = f"FID was measured on {of.fid_images} images; below {FID_IMAGES} it is mostly bias. Trust KID before it."
        found.append(text)
    repeats = "were trained {} times each; below {} the intervals are rough."
    return found + [f"{kinds[task]} {repeats.format(n, FEW_REPEATS)}" for task, n in of.repetitions.items()]


# ---------------------------------------------------------------- what to run longer

SETTING = {"classification": "detect", "boxes": "detect.boxes", "anomalies": "detect.anomalies"}
LEARNING = {  # what may make a detector learn that guesses
    "classification": "<code>detect.backbone: frozen</code>, or for one that learns more <code>detect.steps</code>"
    " where all of them were taken",
    "boxes": "More <code>detect.boxes.steps</code> where all of them were taken, or <code>backbone: fine_tuned</code>",
    "anomalies": "More good images to train on, or a larger <code>size</code> at which the defects can be seen",
}


def next_steps(of: NextSteps) -> list[Markup]:
    """Empty where nothing more is to be learnt."""
    found = []
    if of.guessing and judged_by_few(of.guessing):
        found.append(
            Markup("{}: so few cannot tell the detector from one that guesses.").format(_more_tests(of.guessing))
        )
    elif of.guessing:
        text = ": the detector may be guessing, and nothing can be compared before it learns. Then more real images a"
        found.append(Markup(LEARNING[of.guessing.task] + text + " class."))
    if of.rising:
        text = "More <code>{}.steps</code>: real images gained by all of them, and detectors that learn for too short a"
        found.append(Markup(text + " time may gain by no image, real or synthetic.").format(SETTING[of.rising.task]))
    if of.perfect:
        text = (
            "Real images on which the detector fails, or fewer to train it (<code>shots</code>): without a generator"
            f" it makes no mistake on the {of.perfect.n_test} test images, so nothing can be seen to help it."
        )
        found.append(Markup(text))
    if of.unsure:
        found.append(_sharper(of.unsure, of.sees))
    if of.draws:
        text = "<code>draws: 5</code>, five times the trainings: whether the answer holds for other real images of as"
        found.append(Markup(text + " many a class. The intervals are for these."))
    if of.longer:
        text = "A larger <code>total_images</code> of {}: the last weights were kept, so there may be better to come."
        names = [Markup("<b>{}</b> ({})").format(row["name"], row["images"]) for row in of.longer]
        found.append(Markup(text).format(joined(names)))
    return found


def _sharper(best: Arm, sees: float | None) -> Markup:
    if best.scarcer == "repetitions":
        what = Markup("<code>{}.repetitions: {}</code>").format(SETTING[best.task], MORE * len(best.repetitions))
    else:
        what = _more_tests(best)
    if best.detects is None or sees is None:
        return Markup("{}, to begin with: as it is, the comparison sees no gain.").format(what)
    text = Markup("{}: the comparison would see gains in {} from about {:.1f} points, in place of {:.1f}.")
    return text.format(what, DETECTORS[best.task].score, 100 * sees, 100 * best.detects)


def _more_tests(of: Arm) -> Markup:
    return Markup("Four times the test images (there are {} of {} groups)").format(of.n_test, of.n_groups)


# ---------------------------------------------------------------- how many real images a generator is worth


def few_shots(name: str, images: Sequence[float], worths: Sequence[LabelEfficiency | None]) -> Markup:
    """`real+ddpm at 10 real images a class scores like 17 (12 to 31) without a generator; at 20 like more than 40.`"""
    asked = [(number_of_images(n), of) for n, of in zip(images, worths, strict=True) if of is not None]
    told = [(n, like(of)) for n, of in asked if not of.unknown]
    untold = [n for n, of in asked if of.unknown]
    parts = [f"at {n} like {number_of}" for n, number_of in told[1:]]
    if told:
        n, number_of = told[0]
        parts.insert(0, f"at {n} real images a class scores like {number_of} {WITHOUT}")
    if untold:
        parts.append(f"at {joined(untold)}{'' if told else ' real images a class'} the intervals cannot tell")
    return Markup("<b>{}</b> {}.").format(name, "; ".join(parts))


def like(of: LabelEfficiency) -> str:
    """Number of images in words, with its interval: `17 (12 to 31)`, `more than 40 (at least 22)`."""
    fewer, more = f"fewer than {number_of_images(of.fewest)}", f"more than {number_of_images(of.most)}"
    if of.unknown:
        return f"cannot tell ({fewer} to {more})"
    low = fewer if of.low is None else number_of_images(of.low)
    high = more if of.high is None else number_of_images(of.high)
    if of.worth is not None:
        return f"{number_of_images(of.worth)} ({low} to {high})"
    match of.beyond:
        case "fewer":
            return fewer if of.high is not None and of.high <= of.fewest else f"{fewer} (at most {high})"
        case "more":
            return more if of.low is not None and of.low >= of.most else f"{more} (at least {low})"
        case None:
            return f"{low} to {high} (the curve is level there)"


# ---------------------------------------------------------------- whether they help a detector

VERDICTS = {"helps": ("▲ helps", "helps"), "hurts": ("▼ hurts", "hurts")}
SIDES = {"better": "surely better", "worse": "surely worse", "unsure": "not surely better or worse"}


def helped(of: Answer | None) -> list[Markup]:
    """One on the best arm, what the positive control says, the other arms, and why nobody can say how many real images
    they are worth, where nobody can. Empty without arms with generators."""
    if of is None:
        return []
    starts = {True: "Others, added to the real ones – ", False: "Synthetic images alone, without real ones – "}
    worth = Markup(" ") + _worth(of.best.verdict, of.exchange) if of.exchange else ""
    return [
        _of_best(of) + worth,
        _could_help(of.control, of.more_real, perfect([of.baseline])),
        *(Markup(starts[real]) + _by_verdict(found) for real, found in of.others.items() if found),
        *([Markup(_why_not(of))] if of.unknown else []),
    ]


def nothing_added(arms: Sequence[Arm]) -> list[Markup]:
    """Of detectors of one task that no generator's image was added to, why; empty where any was, or without arms."""
    generative = [arm for arm in arms if arm.generative and not arm.control]
    if not arms or any(arm.n_synthetic for arm in generative):
        return []
    if generative:
        why = "no bad image is among the training images, so no generator draws any to add"
    elif arms[0].task == "boxes":
        why = (
            "no generator here draws images with boxes, which these detectors learn from (of those that do not,"
            " <code>detect.boxes.pseudo_labels</code> looks for them)"
        )
    else:
        why = "no generator's images were added to the real ones"
    return [Markup(f"Nobody can say: {why}.")]


def alarms(of: Mapping[Alarm, Arm]) -> list[Markup]:
    """What makes every verdict of a comparison worthless."""
    return [Markup(_alarm(kind, arm)) for kind, arm in of.items()]


def _alarm(kind: Alarm, arm: Arm) -> str:
    if kind == "one group":
        return (
            f"All {arm.n_test} test images are of one group, one source or scene: no interval holds what another would"
            " change."
        )
    if kind == "same real":
        return (
            "Do not trust this comparison. The training images once more, in the place of a generator's, are said to"
            f" help by {points(gain_of(arm)[0])} points ({interval(arm)}), though they hold nothing new: so may be any"
            " other gain."
        )
    surely = "" if arm.n_groups == 1 else f" (95 % interval from {100 * arm.score_low:.1f})"
    tests = f"{arm.n_test} test images" + (f" of {arm.n_groups} groups" if arm.n_groups < arm.n_test else "")
    before = f"it is judged by more than {tests}" if judged_by_few(arm) else "it learns"
    return (
        f"Even the strongest detector without a generator may be guessing: its {DETECTORS[arm.task].score} is"
        f" {100 * arm.score:.1f} %{surely}, and guessing reaches {100 * (guessing(arm) or 0):.1f} %. No verdict on"
        f" images means anything before {before}."
    )


def made_of(arm: Arm) -> Markup:
    """The generators of an arm, as a sentence names them."""
    sets = [of.model if of.made == "synthetic" else f"{of.model}.{of.made}" for of in arm.synthetic]
    names = Markup(" + ").join(Markup("<b>{}</b>").format(one) for one in sets)
    return names if len(sets) == 1 else names + Markup(" together")


def badge(text: str) -> Markup:
    """Badge of a detector's verdict: its words, with a sign that needs no colour."""
    words, kind = VERDICTS.get(text, (f"● {text}", "unsure"))
    return Markup('<span class="verdict {}">{}</span>').format(kind, words)


def verdict_of(arm: Arm) -> str:
    """In a table of words: empty for an arm without a generator that is not the baseline, in brackets for a control."""
    if arm.control:
        return f"({arm.verdict})"
    return "" if arm.verdict == "no generator" else arm.verdict


def sees(arm: Arm) -> str:
    """Of an arm with the verdict *cannot tell*, the smallest gain that would be called *helps* in four of five
    repeats."""
    if arm.verdict != "cannot tell":
        return ""
    return f"sees gains from {_detects(arm)} points" if _detects(arm) else "sees no gain"


def _divided(arm: Arm) -> str:
    """Empty where both comparisons of an arm agree."""
    sides = divided(arm)
    if arm.recipe is None or sides is None:
        return ""
    than = f"the strongest training without a generator ({arm.baseline})"
    own = f"its own recipe without the images ({arm.recipe.arm}: {points(arm.recipe.gain)} points, "
    return f"{SIDES[sides[0]]} than {than}, but {SIDES[sides[1]]} than {own}{interval(arm.recipe)})"


def _of_best(of: Answer) -> Markup:
    best, called, (change, low, high) = of.best, DETECTORS[of.best.task], gain_of(of.best)
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
    text = Markup(words).format(made_of(best), added, called.score, *numbers, _classes(best.by_class, called.of_class))
    sharper = _sharpened(best, of.baseline) if sees(best) else ""
    more = filter(None, (_divided(best), sharper, _other_shots(best)))
    return Markup("{} {}.").format(badge(best.verdict), Markup("; ").join([text, *more]))


def _sharpened(best: Arm, baseline: Arm) -> str:
    if perfect([baseline]):
        return "without them no mistake is made on these test images, so nothing is left to gain"
    text = f"this comparison {sees(best)}"
    if best.detects is not None and best.detects > 1 - baseline.score:
        text += f" (there are {100 * (1 - baseline.score):.1f} left to gain)"
    more = "test images of other groups" if best.n_groups == 1 else best.scarcer
    return f"{text}, and more {more} would sharpen it most"


def _other_shots(best: Arm) -> str:
    """Whether the verdict holds for other real images of as many a class, where enough draws tell."""
    of = best.new_shots
    if of is None:
        return ""
    agrees = "the same" if of.verdict == best.verdict else f"“{of.verdict}”"
    draws = f"{of.draws} draws: {points(of.gain)} points, {points(of.low)} to {points(of.high)}"
    return f"with other real images, as many a class, it is {agrees} ({draws})"


def _classes(by_class: Sequence[ClassEstimate], score: str) -> Markup:
    if not score or len(by_class) == 1:
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
    more = "; ".join(filter(None, (_divided(arm), sees(arm))))
    return made_of(arm) + Markup(" ({})").format(more) if more else made_of(arm)


def _detects(arm: Arm) -> str:
    """In points; empty where there is no gain that would be seen."""
    return "" if arm.detects is None else f"{100 * arm.detects:.1f}"


def _could_help(control: str, more: Arm | None, nothing_left: bool) -> Markup:
    """Whether this comparison could have said *helps*, by the positive control. `nothing_left`: to gain, on its test
    images."""
    if nothing_left:
        return Markup(
            "Nothing can be seen to help on these test images, not even more real ones: no mistake is left to mend."
        )
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
    change = f"{points(gain_of(more)[0])} points of {DETECTORS[more.task].score} ({interval(more)})"
    return Markup(words).format(
        n=more.n_synthetic, change=change, little=100 * LITTLE, least=least, scarcer=more.scarcer
    )


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


def _bold(names: Sequence[str]) -> Markup:
    return joined([Markup("<b>{}</b>").format(name) for name in names])
