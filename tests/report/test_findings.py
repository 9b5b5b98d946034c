"""The sentences say what the numbers say, and no more."""

import pytest

from pipeline.report import findings, latex, ranking
from pipeline.report.tables import FLOOR
from pipeline.report.verdict import Verdict, ratio
from tests.report.arms import plain
from tests.report.scores import frechet, score


def closest(scores, models):
    verdicts = [Verdict(model, "unmeasured") for model in models]
    return [str(s) for s in findings.closest(findings.overall(scores, models), verdicts)]


def test_the_lowest_distance_comes_closest_and_is_put_beside_the_floor():
    first, *verdicts = closest(frechet(real=score(2), a=score(8), b=score(4)), ["a", "b"])
    assert first.startswith("<b>b</b> comes closest")
    assert "2.0 times the 2.00 of new real images (the noise floor)" in first
    assert verdicts == ["<b>b</b>: nothing was measured.", "<b>a</b>: nothing was measured."]


def test_overlapping_intervals_cannot_be_told_apart():
    first, *_ = closest(frechet(real=score(1), a=score(4, 0.6), b=score(5, 0.6), c=score(9)), ["a", "b", "c"])
    assert first.startswith("<b>a</b> and <b>b</b> <b>cannot be told apart</b>")


def test_within_the_floor():
    first, _ = closest(frechet(real=score(2, 0.5), a=score(2.3, 0.1)), ["a"])
    assert "the intervals overlap, so this measure cannot tell it from the noise floor" in first


def test_without_a_floor_nothing_is_called_near():
    first, _ = closest(frechet(a=score(2)), ["a"])
    assert "No floor was measured" in first
    assert "times" not in first


def test_nothing_measured():
    assert closest({}, ["a"]) == ["Nothing was measured by which a generator could be recommended."]


def test_another_measure_disagrees_only_where_its_intervals_leave_a_gap():
    scores = frechet(real=score(1), a=score(2), b=score(8))
    scores |= {("a", "random", "recall", None): score(0.3, 0.05), ("b", "random", "recall", None): score(0.6, 0.05)}
    scores |= {("a", "random", "gram", None): score(0.5, 0.3), ("b", "random", "gram", None): score(0.4, 0.3)}
    assert closest(scores, ["a", "b"])[-1] == "Of 2 other measures some put another first: <b>b</b> (recall)."


def test_a_measure_that_puts_another_first_in_doubt_is_not_denied():
    scores = frechet(real=score(1), a=score(2), b=score(8))
    scores |= {("a", "random", "gram", None): score(0.5, 0.3), ("b", "random", "gram", None): score(0.4, 0.3)}
    said = closest(scores, ["a", "b"])[-1]
    assert said == "None of the 1 other measures puts another generator first beyond doubt."


def test_fid_answers_only_where_it_was_measured_on_enough_images():
    def first(n):
        scores = frechet(a=score(2, n=n)) | {("a", "inception", "fid", None): score(30, n=n)}
        return findings.overall(scores, ["a"])[0]

    assert first(2047).extractor == "random"
    assert first(2048).extractor == "inception"
    assert "FID was measured on 500 images; below 2048" in " ".join(
        findings.cautions(findings.overall({("a", "inception", "fid", None): score(30, n=500)}, ["a"]), [], {})
    )


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
    assert closest(scores, models) == ["Nothing was measured by which a generator could be recommended."]
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


def test_few_seeds_and_few_repetitions_are_said():
    rankings = findings.overall(frechet(a=score(2, seeds=1), b=score(3, seeds=3)), ["a", "b"])
    boxes = plain("real", task="boxes", repetitions=[0.5] * 4)
    text = " ".join(findings.cautions(rankings, [plain("real", repetitions=[0.5] * 3), boxes], {}))
    assert "made once" in text
    assert "on 60 images" in text
    assert "The detectors were trained 3 times each" in text
    assert "The detectors of boxes were trained 4 times each" in text
    assert findings.cautions(findings.overall({}, []), [plain("real")], {}) == []


def test_a_generator_that_learned_from_the_features_it_is_measured_in_is_flattered_and_that_is_said():
    scores = frechet(a=score(2), b=score(3))
    scores |= {(model, "imagenet", m, None): score(3) for model in ("a", "b") for m in ("frechet", "kid")}
    rankings = findings.overall(scores, ["a", "b"])
    said = [c for c in findings.cautions(rankings, [], {"a": "imagenet"}) if "flatter" in c]
    assert said == [
        "a learned from the ImageNet features themselves: what is measured in these flatters such a generator; go by "
        "the other measures."
    ]
    assert "a and b learned from the" in findings.cautions(rankings, [], dict.fromkeys("ab", "imagenet"))[0]
    assert not [c for c in findings.cautions(rankings, [], {"a": "classifier", "c": "imagenet"}) if "flatter" in c]


COSTS_NOTHING = "and costs nothing: it puts real pixels together, without any training."


@pytest.mark.parametrize(
    ("untrained", "said"),
    [
        (set(), []),
        (
            {"quilt"},
            [
                f"<b>quilt</b> is closer than <b>b</b> and <b>c</b>, {COSTS_NOTHING}",
                "<b>a</b> is closer than <b>quilt</b>, which needs no training.",
            ],
        ),
        (
            {"quilt", "b"},
            [
                f"<b>quilt</b> is closer than <b>c</b>, {COSTS_NOTHING}",
                "<b>a</b> is closer than <b>quilt</b>, which needs no training.",
                "<b>a</b> and <b>near</b> are closer than <b>b</b>, which needs no training.",
            ],
        ),
        (
            {"b", "c"},
            ["<b>a</b>, <b>quilt</b> and <b>near</b> are closer than <b>b</b> and <b>c</b>, which need no training."],
        ),
        ({"a"}, [f"<b>a</b> is closer than <b>quilt</b>, <b>near</b>, <b>b</b> and <b>c</b>, {COSTS_NOTHING}"]),
    ],
)
def test_trained_generators_are_put_beside_what_costs_nothing(untrained, said):
    """`quilt` and `near` cannot be told apart; nothing is said of these two."""
    scores = frechet(real=score(1), a=score(2), quilt=score(4), near=score(4.1), b=score(6), c=score(9))
    rankings = findings.overall(scores, ["a", "quilt", "near", "b", "c"])
    assert [str(s) for s in findings.beside_untrained(rankings, untrained)] == said


def test_nothing_is_said_of_what_costs_nothing_where_nothing_was_measured():
    assert findings.beside_untrained([], {"quilt"}) == []


def test_nothing_is_said_of_what_costs_nothing_where_intervals_overlap():
    scores = frechet(quilt=score(4), a=score(4.1), b=score(3.9))
    assert findings.beside_untrained(findings.overall(scores, ["quilt", "a", "b"]), {"quilt"}) == []
