"""What is found is what the numbers say, and no more."""

import pytest

from pipeline.report import findings, latex, ranking
from pipeline.report.findings import Cautions, Closer
from pipeline.report.tables import FLOOR
from pipeline.report.verdict import ratio
from tests.report.arms import plain
from tests.report.scores import frechet, score


def first(**models):
    return findings.overall(frechet(**models), [name for name in models if name != "real"])[0]


def test_the_lowest_distance_comes_closest_and_is_put_beside_the_floor():
    found = first(real=score(2), a=score(8), b=score(4))
    assert (found.closest, found.floor, found.off_floor) == (["b"], score(2), True)


def test_overlapping_intervals_cannot_be_told_apart():
    assert first(real=score(1), c=score(9), b=score(5, 0.6), a=score(4, 0.6)).closest == ["a", "b"]


def test_within_the_floor():
    assert first(real=score(2, 0.5), a=score(2.3, 0.1)).off_floor is False


def test_without_a_floor_nothing_is_called_near():
    assert first(a=score(2)).off_floor is None


def opinions(**others):
    """By these measures of `a` and `b`, where `a` has the lower Fréchet distance."""
    scores = frechet(real=score(1), a=score(2), b=score(8))
    scores |= {
        (model, "random", m, None): of for m, both in others.items() for model, of in zip("ab", both, strict=True)
    }
    return findings.second_opinions(findings.overall(scores, ["a", "b"]))


def test_another_measure_disagrees_only_where_its_intervals_leave_a_gap():
    recall, gram = (score(0.3, 0.05), score(0.6, 0.05)), (score(0.5, 0.3), score(0.4, 0.3))
    assert opinions(recall=recall, gram=gram) == {("random", "recall"): "b", ("random", "gram"): None}
    assert opinions(gram=gram) == {("random", "gram"): None}


def test_a_measure_of_other_generators_has_no_opinion():
    scores = frechet(a=score(2), b=score(8)) | {(m, "random", "recall", None): score(0.3) for m in "bc"}
    assert findings.second_opinions(findings.overall(scores, list("abc"))) == {}


def test_fid_answers_only_where_it_was_measured_on_enough_images():
    def answers(n):
        scores = frechet(a=score(2, n=n)) | {("a", "inception", "fid", None): score(30, n=n)}
        rankings = findings.overall(scores, ["a"])
        return rankings[0].extractor, findings.cautions(rankings, [], {}, (), 0).fid_images

    assert answers(2047) == ("random", 2047)
    assert answers(2048) == ("inception", None)


def test_ssim_is_ranked_by_its_distance_to_the_floor():
    key = ("pixels", "pair_ssim", None)
    scores = {(FLOOR, *key): score(0.3), ("same", *key): score(0.9), ("near", *key): score(0.25)}
    assert [name for name, _ in findings.overall(scores, ["same", "near"])[0].models] == ["near", "same"]


@pytest.mark.parametrize("metric", ["pair_ssim", "pair_lpips", "inception_score", "astm_grain_size"])
def test_a_collapsed_generator_is_not_closest_to_a_floor_that_nobody_measured(metric):
    key = ("random", metric, None)
    scores = {("collapsed", *key): score(0.001, 0.0005), ("varied", *key): score(0.3)}
    models = ["collapsed", "varied"]
    assert findings.overall(scores, models) == []
    assert bold(scores, models) == []
    assert bold(scores | {(FLOOR, *key): score(0.31)}, models) == ["varied"]


def bold(scores, models):
    """Generators that the page's table prints bold; the table for a paper prints as many."""
    groups = ranking.table(scores, models)["groups"]
    columns = ranking.columns(scores, models)
    found = [
        column["name"]
        for group in groups
        for row in group["rows"]
        for column, cell in zip(columns, row["cells"], strict=True)
        if cell["best"]
    ]
    assert latex.table(scores, models, "steel").count(r"\mathbf") == len(found)
    return found


def test_no_ratio_of_a_measure_whose_floor_is_near_zero():
    assert ratio(score(0.5), score(0.001), "kid") is None
    assert ratio(score(0.5), score(0.25), "frechet") == 2
    assert ratio(score(0.5), score(0.25), "precision") is None


def test_measures_of_copies_tell_nobody_closer():
    known = {(name, "pixels", "copied_area", None): score(0.0) for name in (FLOOR, "a", "b")}
    assert findings.overall(known, ["a", "b"]) == []


def test_few_seeds_and_few_repetitions_are_said():
    rankings = findings.overall(frechet(a=score(2, seeds=1), b=score(3, seeds=3)), ["a", "b"])
    arms = [plain("real", repetitions=[0.5] * 3), plain("real", task="boxes", repetitions=[0.5] * 4)]
    few = {"classification": 3, "boxes": 4}
    assert findings.cautions(rankings, arms, {}, (), 7) == Cautions({}, 1, few, images=60, fid_images=None, crossing=7)
    assert findings.cautions(rankings, [], {}, {"a"}, 0).seeds is None  # it has no training whose luck it could be
    assert findings.cautions([], [plain("real")], {}, (), 0) == Cautions({}, None, {}, None, None, 0)


def test_a_generator_that_learned_from_the_features_it_is_measured_in_is_flattered():
    scores = frechet(a=score(2), b=score(3))
    scores |= {(model, "imagenet", m, None): score(3) for model in ("a", "b") for m in ("frechet", "kid")}
    rankings = findings.overall(scores, ["a", "b"])
    for learned_in, flattered in (
        ({"a": "imagenet"}, {"imagenet": ["a"]}),
        ({"a": "imagenet", "b": "imagenet"}, {"imagenet": ["a", "b"]}),
        ({"a": "classifier", "c": "imagenet"}, {}),
    ):
        assert findings.cautions(rankings, [], learned_in, (), 0).flattered == flattered


@pytest.mark.parametrize(
    ("untrained", "found"),
    [
        (set(), []),
        ({"quilt"}, [Closer(["quilt"], ["b", "c"], free=True), Closer(["a"], ["quilt"], free=False)]),
        (
            {"quilt", "b"},
            [
                Closer(["quilt"], ["c"], free=True),
                Closer(["a"], ["quilt"], free=False),
                Closer(["a", "near"], ["b"], free=False),
            ],
        ),
        ({"b", "c"}, [Closer(["a", "quilt", "near"], ["b", "c"], free=False)]),
        ({"a"}, [Closer(["a"], ["quilt", "near", "b", "c"], free=True)]),
    ],
)
def test_trained_generators_are_put_beside_what_costs_nothing(untrained, found):
    """`quilt` and `near` cannot be told apart; nothing is said of these two."""
    scores = frechet(real=score(1), a=score(2), quilt=score(4), near=score(4.1), b=score(6), c=score(9))
    rankings = findings.overall(scores, ["a", "quilt", "near", "b", "c"])
    assert findings.beside_untrained(rankings, untrained) == found


def test_nothing_is_said_of_what_costs_nothing_where_nothing_was_measured():
    assert findings.beside_untrained([], {"quilt"}) == []


def test_nothing_is_said_of_what_costs_nothing_where_intervals_overlap():
    scores = frechet(quilt=score(4), a=score(4.1), b=score(3.9))
    assert findings.beside_untrained(findings.overall(scores, ["quilt", "a", "b"]), {"quilt"}) == []
