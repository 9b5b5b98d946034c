"""The answers, in sentences: which generator comes closest, and whether its images help the detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from pipeline.detection.compare import most_changed
from pipeline.report import labels
from pipeline.report.labels import number, points
from pipeline.report.tables import Score
from pipeline.report.verdict import FLOOR, Scores, Verdict, apart, listed, ratio

FID_IMAGES = 2048  # fewer than Inception has features: FID is mostly bias
FEW_REPEATS = 5

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


def closest(rankings: Sequence[Ranking], verdicts: Sequence[Verdict]) -> list[Markup]:
    """Sentences on which generator's images are closest to the real ones, the verdict on each, and other opinions."""
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
    order = [model for model, _ in first.models]
    lines = sorted(verdicts, key=lambda v: order.index(v.model) if v.model in order else len(order))
    return [
        start + _value(score) + _against_floor(score, first),
        *(v.sentence() for v in lines),
        *_second_opinions(best, rankings[1:], len(first.models)),
    ]


def _value(score: Score) -> Markup:
    return Markup("{} ({} to {})").format(*map(number, (score.value, score.low, score.high)))


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


def _second_opinions(best: str, rankings: Sequence[Ranking], models: int) -> list[Markup]:
    """Which generator other measures of distance and variety put first, where they leave no doubt."""
    judged = [r for r in rankings if len(r.models) == models and labels.metric(r.metric).group != "copies"]
    if models < 2 or not judged:
        return []
    against: dict[str, list[str]] = {}
    for r in judged:
        name, score = r.models[0]
        if name != best and apart(score, dict(r.models)[best]):
            against.setdefault(name, []).append(labels.short(r.extractor, r.metric))
    if not against:
        return [Markup("None of the {} other measures puts another generator first.").format(len(judged))]
    opinions = (
        Markup("<b>{}</b> ({})").format(name, listed(list(dict.fromkeys(names)), len(names)))
        for name, names in against.items()
    )
    return [Markup("Of {} other measures some put another first: {}.").format(len(judged), Markup(", ").join(opinions))]


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


def helped_in_brief(arms: Sequence[Mapping[str, Any]], score: str) -> list[Markup]:
    """`helped` with the arms of one verdict in one sentence."""
    if not arms:
        return []
    baseline, *others = arms
    best = Markup("Best without a generator (<b>{}</b>): a {} of {:.1f} %.")
    sentences = [best.format(baseline["arm"], score, 100 * baseline["mean"])]
    others = [arm for arm in others if arm["generative"]]
    for text in dict.fromkeys(sorted((arm["verdict"] for arm in others), key=_first_what_is_sure)):
        names = [arm["arm"] for arm in others if arm["verdict"] == text]
        sentences.append(Markup("{}: {}.").format(verdict(text), _list(names)))
    return sentences


def _first_what_is_sure(text: str) -> int:
    return list(VERDICTS).index(text) if text in VERDICTS else len(VERDICTS)


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
        found.append(
            f"Distances were measured on {n} images a set; compare them only with those measured on as many. Within the"
            " noise floor means that so many images show no difference, not that there is none."
        )
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
    if len(bold) == 1:
        return bold[0]
    return Markup(", ").join(bold[:-1]) + Markup(" and ") + bold[-1]
