"""The answers, in sentences: which generator comes closest, and whether its images help the detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from pipeline.detection.compare import most_changed
from pipeline.report import labels
from pipeline.report.labels import number, points
from pipeline.report.tables import Score

FLOOR = "real"  # the `model` of the held-out real images
FID_IMAGES = 2048  # fewer than Inception has features: FID is mostly bias
FEW_REPEATS = 5
COPIES = 0.9  # of the held-out images' distance to the nearest training image: nearer than chance makes new images

Scores = Mapping[tuple[str, str, str, str], Score]
VERDICTS = {"helps": ("▲ helps", "helps"), "hurts": ("▼ hurts", "hurts")}


class Ranking(NamedTuple):
    """Generators by one measure, the closest first."""

    extractor: str
    metric: str
    floor: Score | None
    models: list[tuple[str, Score]]


def overall(scores: Scores, models: Sequence[str]) -> list[Ranking]:
    """A ranking for every measure over all classes that has a direction, the one to answer by first.

    FID is asked first where it was measured on enough images; then the Fréchet distance of random features, which sees
    all that the images show; then whatever there is.
    """
    measures = list(dict.fromkeys((e, m) for name, e, m, c in scores if c == "all" and name in models))
    rankings = [_rank(scores, models, *measure) for measure in measures]
    return sorted(rankings, key=_preference)


def _rank(scores: Scores, models: Sequence[str], extractor: str, name: str) -> Ranking:
    found = [
        (model, scores[model, extractor, name, "all"]) for model in models if (model, extractor, name, "all") in scores
    ]
    floor = scores.get((FLOOR, extractor, name, "all"))
    better = labels.metric(name).better
    target = floor.value if better == "equal" and floor else 0.0
    sign = {"lower": 1, "higher": -1, "equal": 1}[better]
    return Ranking(
        extractor,
        name,
        floor,
        sorted(found, key=lambda pair: abs(pair[1].value - target) if better == "equal" else sign * pair[1].value),
    )


def _preference(ranking: Ranking) -> int:
    n = min((score.n for _, score in ranking.models), default=0)
    order = [("random", "frechet"), ("inception", "fid"), ("random", "kid")]
    if ranking.extractor == "inception" and ranking.metric == "fid" and n >= FID_IMAGES:
        return -1
    key = (ranking.extractor, ranking.metric)
    return order.index(key) if key in order else len(order)


def apart(a: Score, b: Score) -> bool:
    """Whether the intervals leave a gap."""
    return a.high < b.low or b.high < a.low


def ratio(score: Score, floor: Score | None, metric: str) -> float | None:
    """How many times the floor; None where the floor is near 0 or the measure has no such direction."""
    if floor is None or labels.metric(metric).better != "lower" or metric == "kid" or floor.value <= 0:
        return None
    return score.value / floor.value


def closest(rankings: Sequence[Ranking]) -> list[Markup]:
    """Sentences on which generator's images are closest to the real ones."""
    if not rankings or not rankings[0].models:
        return [Markup("No generator was measured, so none can be recommended.")]
    first = rankings[0]
    (best, score), *rest = first.models
    measure = labels.title(first.extractor, first.metric)
    tied = [model for model, other in rest if not apart(score, other)]
    if tied:
        names = _list([best, *tied])
        start = Markup(
            "{} <b>cannot be told apart</b>: the intervals of their {} overlap. The lowest is {}'s, "
        ).format(names, measure, best)
    elif rest:
        start = Markup("<b>{}</b> comes closest to the real images: its {} is ").format(best, measure)
    else:
        start = Markup("<b>{}</b> is the only generator here. Its {} is ").format(best, measure)
    sentences = [start + _value(score) + _against_floor(score, first)]
    for model, other in rest:
        sentences.append(
            Markup("{}: {}{}").format(Markup("<b>{}</b>").format(model), _value(other), _times(other, first))
        )
    others = rankings[1:]
    return [*sentences, *_off_the_floor(best, others), *_second_opinions(best, others, len(first.models))]


def _value(score: Score) -> Markup:
    return Markup("{} ({} to {})").format(*map(number, (score.value, score.low, score.high)))


def _times(score: Score, ranking: Ranking) -> str:
    times = ratio(score, ranking.floor, ranking.metric)
    return "." if times is None else f", {times:.1f} times the floor."


def _against_floor(score: Score, ranking: Ranking) -> str:
    if ranking.floor is None:
        return ". No floor was measured, so nobody can say whether that is near."
    floor = number(ranking.floor.value)
    times = ratio(score, ranking.floor, ranking.metric)
    start = (
        f"; new real images reach {floor}" if times is None else f", {times:.1f} times the {floor} of new real images"
    )
    if apart(score, ranking.floor):
        return f"{start} (the noise floor)."
    return f"{start}; the intervals overlap, so this measure cannot tell it from the noise floor."


def _off_the_floor(best: str, rankings: Sequence[Ranking]) -> list[Markup]:
    """Where the best generator can be told from real images all the same: closeness by one measure is not enough."""
    found = []
    for r in rankings:
        score = dict(r.models).get(best)
        if score is None or r.floor is None or not _worse(score, r.floor, r.metric):
            continue
        times = ratio(score, r.floor, r.metric)
        beside = f"{number(score.value)} against {number(r.floor.value)}"
        found.append(
            f"{labels.title(r.extractor, r.metric)}: {beside if times is None else f'{times:.1f} times the floor'}"
        )
    if not found:
        return []
    return [Markup("Other measures tell {} from real images ({}).").format(best, "; ".join(found))]


def _worse(score: Score, floor: Score, name: str) -> bool:
    """Whether the interval lies wholly on the floor's bad side; both sides are bad where the floor is the goal."""
    above, below = score.low > floor.high, score.high < floor.low
    return {"lower": above, "higher": below, "equal": above or below}[labels.metric(name).better]


def _second_opinions(best: str, rankings: Sequence[Ranking], models: int) -> list[Markup]:
    """What other measures of distance and variety prefer, where they leave no doubt."""
    judged = [r for r in rankings if len(r.models) == models and labels.metric(r.metric).group != "copies"]
    if models < 2 or not judged:
        return []
    against = []
    for r in judged:
        name, score = r.models[0]
        if name != best and apart(score, dict(r.models)[best]):
            against.append(f"{labels.title(r.extractor, r.metric)} puts {name} first")
    if not against:
        return [Markup("None of the {} other measures puts another generator first.").format(len(judged))]
    return [Markup("Of {} other measures {} disagree: {}.").format(len(judged), len(against), "; ".join(against))]


def faults(scores: Scores, models: Sequence[str]) -> list[Markup]:
    """Sentences on generators that copy or repeat themselves: worse than none, however close they are."""
    found, looked = [], False
    for model in models:
        nearest = scores.get((model, "random", "nearest", "all"))
        pairs, floor = (scores.get((name, "pixels", "ssim_diversity", "all")) for name in (model, FLOOR))
        looked = looked or nearest is not None
        if nearest and nearest.high < COPIES:
            found.append(
                Markup(
                    "<b>{}</b> may copy: its images lie {} times as far from the training images as new real images do."
                ).format(model, _value(nearest))
            )
        if pairs and floor and pairs.low > floor.high:
            found.append(
                Markup(
                    "<b>{}</b> repeats itself: random pairs of its images have a likeness of {}, real ones {}."
                ).format(model, _value(pairs), number(floor.value))
            )
    if found or not looked:
        return found
    return [
        Markup(
            "No signs of copied images or of repetition; copies that were shifted or blurred can escape these measures."
        )
    ]


def helped(arms: Sequence[Mapping[str, Any]], score: str) -> list[Markup]:
    """Sentences on whether synthetic images help the detector.

    Args:
        arms: the strongest arm without a generator first, then each arm with `arm`, `generative`, `mean`, `difference`,
            `low`, `high` (shares), `by_class` and `verdict`.
        score: name of the score.
    """
    if not arms:
        return []
    baseline, *others = arms
    text = "The best training without a generator (<b>{}</b>, chosen on validation images) reaches a {} of {:.1f} %."
    sentences = [Markup(text).format(baseline["arm"], score, 100 * baseline["mean"])]
    for arm in others:
        if not arm["generative"]:
            continue
        gain = Markup("{} points (95 % interval {} to {}){}.").format(*map(points, _gain(arm)), _most_changed(arm))
        sentences.append(Markup("<b>{}</b> {} {}").format(arm["arm"], verdict(arm["verdict"]), gain))
    return sentences


def _gain(row: Mapping[str, Any]) -> tuple[float, float, float]:
    return row["difference"], row["low"], row["high"]


def _most_changed(arm: Mapping[str, Any]) -> Markup:
    """The class that changes most, where its interval leaves no doubt of that."""
    most = most_changed(arm["by_class"])
    if most is None:
        return Markup("")
    return Markup("; most for <b>{}</b>, F1 {} points ({} to {})").format(most["class"], *map(points, _gain(most)))


def verdict(text: str) -> Markup:
    """A verdict in words, with a sign that needs no colour."""
    words, kind = VERDICTS.get(text, (f"● {text}", "unsure"))
    return Markup('<span class="verdict {}">{}</span>').format(kind, words)


def cautions(rankings: Sequence[Ranking], arms: Sequence[Mapping[str, Any]], repeats: int) -> list[str]:
    """What keeps these answers from being certain."""
    found = []
    if rankings and rankings[0].models:
        seeds = min(score.seeds for _, score in rankings[0].models)
        if seeds < 3:
            times = {1: "once", 2: "twice"}[seeds]
            found.append(
                f"Each generator was trained {times}: part of a difference between them may be luck of the seed."
            )
        n = min(score.n for _, score in rankings[0].models)
        found.append(f"Distances were measured on {n} images a set; compare them only with those measured on as many.")
    fids = [score.n for r in rankings if r.extractor == "inception" and r.metric == "fid" for _, score in r.models]
    if fids and min(fids) < FID_IMAGES:
        found.append(
            f"FID was measured on {min(fids)} images; below {FID_IMAGES} it is mostly bias. Trust KID before it."
        )
    if arms and 0 < repeats < FEW_REPEATS:
        found.append(f"The detectors were trained {repeats} times each; below {FEW_REPEATS} the intervals are rough.")
    return found


def _list(names: Sequence[str]) -> Markup:
    bold = [Markup("<b>{}</b>").format(name) for name in names]
    return Markup(", ").join(bold[:-1]) + Markup(" and ") + bold[-1]
