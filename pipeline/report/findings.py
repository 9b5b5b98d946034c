"""The answers, in sentences: which generator comes closest, and whether its images help the detector."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from pipeline.downstream.records import Arm, ClassEstimate
from pipeline.evaluation.catalog import FEATURES, METRICS
from pipeline.report.labels import gain_of, number, points
from pipeline.report.tables import FLOOR, Judged, Score
from pipeline.report.verdict import Scores, Verdict, apart, listed, ratio

FID_IMAGES = METRICS["fid"].unbiased_from
FEW_REPEATS = 5

VERDICTS = {"helps": ("▲ helps", "helps"), "hurts": ("▼ hurts", "hurts")}
ORDER = ["helps", "cannot tell", "hurts"]  # from the best news to the worst


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
        *(v.sentence() for v in lines),
        *_second_opinions(best, rankings[1:], len(first.models)),
    ]


def no_closer(rankings: Sequence[Ranking], untrained: Collection[str]) -> list[Markup]:
    """A sentence on the trained generators that are farther from the real images than one that costs nothing.

    By the first ranking, where the intervals leave no doubt; empty where there are none.

    Args:
        untrained: names of the generators without training.
    """
    order = rankings[0].models if rankings else []
    free = next(((model, score) for model, score in order if model in untrained), None)
    if free is None:
        return []
    after = order[order.index(free) + 1 :]
    lost = [model for model, score in after if model not in untrained and apart(score, free[1])]
    text = Markup("<b>{}</b> is closer than {}, and costs nothing: it puts real pixels together, without any training.")
    return [text.format(free[0], _list(lost))] if lost else []


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
            against.setdefault(name, []).append(METRICS[r.metric].short_of(r.extractor))
    if not against:
        return [Markup("None of the {} other measures puts another generator first beyond doubt.").format(len(judged))]
    opinions = (
        Markup("<b>{}</b> ({})").format(name, listed(list(dict.fromkeys(names)), len(names)))
        for name, names in against.items()
    )
    return [Markup("Of {} other measures some put another first: {}.").format(len(judged), Markup(", ").join(opinions))]


def helped(arms: Sequence[Arm], score: str, of_class: str = "F1") -> list[Markup]:
    """Whether synthetic images help the detector: one sentence on the best of them, one on the other arms.

    Args:
        arms: of one task, the baseline first (`records.Comparison.of`).
        score: name of the score.
        of_class: name of the score of one class.

    Returns:
        Empty without arms with generators.
    """
    best = best_of(arms)
    if best is None:
        return []
    others = [arm for arm in arms if arm.generative and arm is not best]
    rest = [_by_verdict([arm for arm in others if arm.real == real]) for real in (True, False)]
    starts = (Markup("Others, added to the real ones – "), Markup("Synthetic images alone, without real ones – "))
    return [
        _sentence(best, arms[0], score, of_class),
        *(start + text for start, text in zip(starts, rest, strict=True) if text),
    ]


def best_of(arms: Sequence[Arm]) -> Arm | None:
    """The arm with a generator that speaks best for synthetic images; None without any.

    One that surely helps before one that may, and this before one that surely hurts; then the largest gain. Arms
    without real images only where there are no others. All intervals hold at once, so none is the worse for the choice.
    """
    generative = [arm for arm in arms if arm.generative]
    asked = [arm for arm in generative if arm.real] or generative
    return max(asked, key=lambda arm: (-ORDER.index(arm.verdict), arm.gain), default=None)


def made_of(arm: Arm) -> Markup:
    """The generators of an arm, as a sentence names them."""
    sets = [of.model if of.made == "synthetic" else f"{of.model}.{of.made}" for of in arm.synthetic]
    names = Markup(" + ").join(Markup("<b>{}</b>").format(one) for one in sets)
    return names if len(sets) == 1 else names + Markup(" together")


def _sentence(best: Arm, base: Arm, score: str, of_class: str) -> Markup:
    words = {
        "helps": "Yes: images of {} {} lift the {} from {:.1f} to {:.1f} %, by {} points (95 % interval {} to {}){}",
        "hurts": "No: they make it worse; even those of {} {} lower the {} from {:.1f} to {:.1f} %, by {} points (95 %"
        " interval {} to {}){}",
        "cannot tell": "Nobody can say yet: with images of {} {}, the best of them, the {} goes from {:.1f} to"
        " {:.1f} %, by {} points, but the truth may lie anywhere from {} to {} (95 % interval){}",
    }[best.verdict]
    added = "added to the real ones" if best.real else "in place of the real ones"
    means, gain = (100 * base.score, 100 * best.score), map(points, gain_of(best))
    text = Markup(words).format(made_of(best), added, score, *means, *gain, _classes(best.by_class, of_class))
    return Markup("{} {}{}.").format(badge(best.verdict), text, _narrower(best))


def _narrower(best: Arm) -> str:
    if best.verdict != "cannot tell":
        return ""
    return f"; more {best.scarcer} would narrow this most"


def _classes(by_class: Sequence[ClassEstimate], score: str) -> Markup:
    found = [(word, row) for word, row in surely_changed(by_class).items() if row is not None]
    if not by_class:
        return Markup("")
    if not found:
        return Markup("; of no single class is the change beyond doubt")
    text = Markup("<b>{}</b> {} most ({} {} points, {} to {})")
    return Markup("; ") + Markup(", ").join(
        text.format(row.name, word, score, *map(points, gain_of(row))) for word, row in found
    )


def surely_changed(by_class: Sequence[ClassEstimate]) -> dict[str, ClassEstimate | None]:
    """The class that `gains` most and the one that `loses` most, where their intervals leave no doubt that they do."""
    gains = [row for row in by_class if gain_of(row)[1] > 0]
    losses = [row for row in by_class if gain_of(row)[2] < 0]
    return {
        "gains": max(gains, key=lambda row: gain_of(row)[0], default=None),
        "loses": min(losses, key=lambda row: gain_of(row)[0], default=None),
    }


def _by_verdict(arms: Sequence[Arm]) -> Markup:
    """Generators of one verdict together: what is sure comes first."""
    found = {text: [made_of(arm) for arm in arms if arm.verdict == text] for text in ORDER}
    parts = [Markup("{} {}").format(badge(text), _joined(names)) for text, names in found.items() if names]
    return Markup("; ").join(parts) + Markup("." if parts else "")


def badge(text: str) -> Markup:
    """Badge of a detector's verdict: its words, with a sign that needs no colour."""
    words, kind = VERDICTS.get(text, (f"● {text}", "unsure"))
    return Markup('<span class="verdict {}">{}</span>').format(kind, words)


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
            f"{listed(names, len(names))} learned from the {features} themselves: what is measured in these flatters"
            " such a generator; go by the other measures."
        )
    return found


def _few_repetitions(arms: Sequence[Arm]) -> list[str]:
    """A sentence for each kind of detectors."""
    kinds = {"classification": "The detectors", "boxes": "The detectors of boxes", "anomalies": "The anomaly detectors"}
    repeats = {arm.task: len(arm.repetitions) for arm in arms}
    return [
        f"{kinds[task]} were trained {n} times each; below {FEW_REPEATS} the intervals are rough."
        for task, n in repeats.items()
        if n < FEW_REPEATS
    ]


def _list(names: Sequence[str]) -> Markup:
    return _joined([Markup("<b>{}</b>").format(name) for name in names])


def _joined(names: Sequence[Markup]) -> Markup:
    *first, last = names
    return Markup(", ").join(first) + Markup(" and ") + last if first else last
