"""The answer to which generator comes closest, in sentences; and what keeps the answers from being certain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from pipeline.downstream.records import Arm
from pipeline.evaluation.catalog import FEATURES, METRICS
from pipeline.report import sentences
from pipeline.report.labels import joined, number, often
from pipeline.report.tables import FLOOR, Judged, Score
from pipeline.report.verdict import Scores, Verdict, apart, ratio

FID_IMAGES = METRICS["fid"].unbiased_from
FEW_REPEATS = 5


class Ranking(NamedTuple):
    """Generators by one measure, the closest first."""

    extractor: str
    metric: str
    floor: Score | None
    models: list[tuple[str, Score]]


def overall(scores: Scores, models: Sequence[str]) -> list[Ranking]:
    """A ranking for every measure over all classes that can tell who is closer, the one to answer by first.

    FID is asked first where it was measured on enough images; then the Fréchet distance of random features, which sees
    all that the images show; then whatever there is. A measure whose goal is the floor's own value ranks nobody
    without a floor, and one of too few images nobody.
    """
    judged: list[Judged] = [FLOOR, *models]
    measures = dict.fromkeys((e, m) for name, e, m, c in scores if c is None and name in models)
    rankings = [
        _rank(scores, models, *measure)
        for measure in measures
        if (METRICS[measure[1]].better != "equal" or (FLOOR, *measure, None) in scores)
        and all(key not in scores or scores[key].sure for key in ((name, *measure, None) for name in judged))
    ]
    return sorted(rankings, key=_preference)


def closest_alone(scores: Scores, models: Sequence[str]) -> dict[tuple[str, str], str]:
    """By measure (extractor, metric), the closest of several generators, where a gap parts it from all others."""
    found = {(r.extractor, r.metric): r.models for r in overall(scores, models)}
    return {
        measure: best
        for measure, ((best, score), *rest) in found.items()
        if rest and all(apart(score, other) for _, other in rest)
    }


def _rank(scores: Scores, models: Sequence[str], extractor: str, name: str) -> Ranking:
    found = [
        (model, scores[model, extractor, name, None]) for model in models if (model, extractor, name, None) in scores
    ]
    floor = scores.get((FLOOR, extractor, name, None))

    def distance(pair: tuple[str, Score]) -> float:
        value = pair[1].value
        match METRICS[name].better:
            case "lower":
                return value
            case "higher":
                return -value
            case "equal":
                assert floor is not None  # `overall` asks for no other
                return abs(value - floor.value)

    return Ranking(extractor, name, floor, sorted(found, key=distance))


def _preference(ranking: Ranking) -> int:
    n = min((score.n for _, score in ranking.models), default=0)
    metric = METRICS[ranking.metric]
    place = metric.answers.get(ranking.extractor, len(METRICS))
    return 0 if ranking.extractor in metric.answers and 0 < metric.unbiased_from <= n else place


def closest(rankings: Sequence[Ranking], verdicts: Sequence[Verdict]) -> list[Markup]:
    """Sentences on which generator's images are closest to the real ones, the verdict on each, and other opinions."""
    if not rankings:
        return [Markup("Nothing was measured by which a generator could be recommended.")]
    first = rankings[0]
    (best, score), *rest = first.models
    measure = METRICS[first.metric].title_of(first.extractor)
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
        *map(sentences.verdict, lines),
        *_second_opinions(best, rankings[1:], len(first.models)),
    ]


def beside_untrained(rankings: Sequence[Ranking], untrained: Collection[str]) -> list[Markup]:
    """Sentences on the trained generators that are farther from the real images than one that costs nothing, and on
    those that are closer than one.

    By the first ranking, where the intervals leave no doubt; empty where there are none.

    Args:
        untrained: names of the generators without training.
    """
    order = rankings[0].models if rankings else []
    free = [place for place, (model, _) in enumerate(order) if model in untrained]
    return [*_no_closer(order, free[0], untrained), *_closer(order, free, untrained)] if free else []


def _no_closer(order: Sequence[tuple[str, Score]], place: int, untrained: Collection[str]) -> list[Markup]:
    """Of the generator without training at this place, the closest of them."""
    name, best = order[place]
    lost = [model for model, score in order[place + 1 :] if model not in untrained and apart(score, best)]
    text = Markup("<b>{}</b> is closer than {}, and costs nothing: it puts real pixels together, without any training.")
    return [text.format(name, _list(lost))] if lost else []


def _closer(order: Sequence[tuple[str, Score]], free: Sequence[int], untrained: Collection[str]) -> list[Markup]:
    """One sentence for all generators without training that the same trained ones are closer than."""
    beaten: dict[tuple[str, ...], list[str]] = {}
    for place in free:
        name, own = order[place]
        won = tuple(model for model, score in order[:place] if model not in untrained and apart(score, own))
        if won:
            beaten.setdefault(won, []).append(name)
    return [
        Markup("{} {} closer than {}, which {} no training.").format(
            _list(won), "is" if len(won) == 1 else "are", _list(names), "needs" if len(names) == 1 else "need"
        )
        for won, names in beaten.items()
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
    judged = [r for r in rankings if len(r.models) == models and METRICS[r.metric].group != "copies"]
    if models < 2 or not judged:
        return []
    against: dict[str, list[str]] = {}
    for r in judged:
        name, score = r.models[0]
        if name != best and apart(score, dict(r.models)[best]):
            against.setdefault(name, []).append(sentences.short(r.extractor, r.metric))
    if not against:
        return [Markup("None of the {} other measures puts another generator first beyond doubt.").format(len(judged))]
    told = sentences.with_features([joined(list(dict.fromkeys(names))) for names in against.values()])
    opinions = (Markup("<b>{}</b> ({})").format(*of) for of in zip(against, told, strict=True))
    return [Markup("Of {} other measures some put another first: {}.").format(len(judged), Markup(", ").join(opinions))]


def cautions(rankings: Sequence[Ranking], arms: Sequence[Arm], learned_in: Mapping[str, str]) -> list[str]:
    """What keeps these answers from being certain.

    Args:
        learned_in: by generator, the extractor in whose features it was trained.
    """
    found = _flattered(rankings, learned_in)
    if rankings and rankings[0].models:
        seeds = min(score.seeds for _, score in rankings[0].models)
        if seeds < 3:
            times = {1: "once", 2: "twice"}[seeds]
            found.append(
                f"Each training was made {times}: part of a difference between generators may be luck of the seed."
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
    return [*found, *_few_repetitions(arms)]


def _flattered(rankings: Sequence[Ranking], learned_in: Mapping[str, str]) -> list[str]:
    """A sentence for each extractor in whose features a generator was trained and is measured."""
    models = dict.fromkeys(m for r in rankings for m, _ in r.models if learned_in.get(m) == r.extractor)
    found = []
    for extractor in dict.fromkeys(learned_in[m] for m in models):
        names = [m for m in models if learned_in[m] == extractor]
        features = FEATURES.get(extractor, extractor)
        found.append(
            f"{joined(names)} learned from the {features} themselves: what is measured in these flatters"
            " such a generator; go by the other measures."
        )
    return found


def _few_repetitions(arms: Sequence[Arm]) -> list[str]:
    """A sentence for each kind of detectors."""
    kinds = {"classification": "The detectors", "boxes": "The detectors of boxes", "anomalies": "The anomaly detectors"}
    repeats = {task: often([arm for arm in arms if arm.task == task]) for task in dict.fromkeys(a.task for a in arms)}
    return [
        f"{kinds[task]} were trained {n} times each; below {FEW_REPEATS} the intervals are rough."
        for task, n in repeats.items()
        if 1 < n < FEW_REPEATS
    ]


def _list(names: Sequence[str]) -> Markup:
    return joined([Markup("<b>{}</b>").format(name) for name in names])
