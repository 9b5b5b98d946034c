"""Which generator comes closest, by what; and what keeps the answers from being certain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pipeline.downstream.records import Arm
from pipeline.evaluation.catalog import METRICS
from pipeline.report.labels import often
from pipeline.report.tables import FLOOR, Judged, Score
from pipeline.report.verdict import Scores, apart

FID_IMAGES = METRICS["fid"].unbiased_from
FEW_REPEATS = 5


class Ranking(NamedTuple):
    """Generators by one measure, the closest first."""

    extractor: str
    metric: str
    floor: Score | None
    models: list[tuple[str, Score]]

    @property
    def closest(self) -> list[str]:
        """The first, and those that cannot be told apart from it."""
        return [model for model, score in self.models if not apart(score, self.models[0][1])]

    @property
    def off_floor(self) -> bool | None:
        """Whether a gap parts the closest from the floor; None without a floor."""
        return None if self.floor is None else apart(self.models[0][1], self.floor)


class Closer(NamedTuple):
    """Generators with training and without, parted by gaps."""

    closer: list[str]
    farther: list[str]
    free: bool
    """Whether it is the closer one that needs no training."""


class Cautions(NamedTuple):
    """What there is to be careful about; None or empty where nothing is."""

    flattered: dict[str, list[str]]
    """By extractor, generators that were trained in its features and are measured in them."""
    seeds: int | None
    """Trainings of each generator, where they are few; so are those of a task's detectors in `repetitions`."""
    repetitions: dict[str, int]
    images: int | None
    """That distances were measured on, and FID, where these are too few for it."""
    fid_images: int | None
    crossing: int
    """Pairs of images of one scene that a given split leaves across its sides."""
    same_pictures: str = ""
    """As `overview.same_pictures` has it."""


def overall(scores: Scores, models: Sequence[str]) -> list[Ranking]:
    """A ranking for every measure over all classes that can tell who is closer, the one to answer by first. Those of
    copies cannot: noise is far from all training images.

    FID is asked first where it was measured on enough images; then the Fréchet distance of random features, which sees
    all that the images show; then whatever there is. A measure whose goal is the floor's own value ranks nobody
    without a floor, and one of too few images nobody.
    """
    return [ranking for ranking in _of_all(scores, models) if METRICS[ranking.metric].group != "copies"]


def _of_all(scores: Scores, models: Sequence[str]) -> list[Ranking]:
    """As `overall`, measures of copies among them."""
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
    found = {(r.extractor, r.metric): r.models for r in _of_all(scores, models)}
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


def second_opinions(rankings: Sequence[Ranking]) -> dict[tuple[str, str], str | None]:
    """By each measure but the first, of the same generators: which it puts beyond doubt before the
    closest by the first; None: it does not contradict."""
    first, *others = rankings
    best, models = first.models[0][0], dict(first.models).keys()
    return {
        (r.extractor, r.metric): r.models[0][0] if apart(r.models[0][1], dict(r.models)[best]) else None
        for r in others
        if dict(r.models).keys() == models
    }


def beside_untrained(rankings: Sequence[Ranking], untrained: Collection[str]) -> list[Closer]:
    """The trained generators that are farther from the real images than the closest that costs nothing; and those that
    are closer than some, one row for all that the same ones are closer than.

    By the first ranking, where the intervals leave no doubt; empty where there are none.

    Args:
        untrained: names of the generators without training.
    """
    order = rankings[0].models if rankings else []
    found, beaten = [], dict[tuple[str, ...], list[str]]()
    for place, (name, own) in [(place, pair) for place, pair in enumerate(order) if pair[0] in untrained]:
        won, lost = (
            tuple(model for model, score in part if model not in untrained and apart(score, own))
            for part in (order[:place], order[place:])
        )
        if lost and not beaten:  # the closest of them speaks for all
            found.append(Closer([name], list(lost), free=True))
        beaten.setdefault(won, []).append(name)
    return found + [Closer(list(won), names, free=False) for won, names in beaten.items() if won]


def cautions(
    rankings: Sequence[Ranking],
    arms: Sequence[Arm],
    learned_in: Mapping[str, str],
    untrained: Collection[str],
    crossing: int,
    same_pictures: str = "",
) -> Cautions:
    """What keeps these answers from being certain.

    Args:
        learned_in: by generator, the extractor in whose features it was trained.
        untrained: names of the generators without training.
        crossing, same_pictures: as `Cautions` has them.
    """
    flattered: dict[str, list[str]] = {}
    for model in dict.fromkeys(m for r in rankings for m, _ in r.models if learned_in.get(m) == r.extractor):
        flattered.setdefault(learned_in[model], []).append(model)
    models = rankings[0].models if rankings else []
    seeds = min((score.seeds for model, score in models if model not in untrained), default=3)
    fids = [score.n for r in rankings if r.extractor == "inception" and r.metric == "fid" for _, score in r.models]
    repeats = {task: often([arm for arm in arms if arm.task == task]) for task in dict.fromkeys(a.task for a in arms)}
    return Cautions(
        flattered=flattered,
        seeds=seeds if seeds < 3 else None,
        repetitions={task: n for task, n in repeats.items() if 1 < n < FEW_REPEATS},
        images=min((score.n for _, score in models), default=None),
        fid_images=min(fids) if fids and min(fids) < FID_IMAGES else None,
        crossing=crossing,
        same_pictures=same_pictures,
    )
