"""The sentences say what the numbers say, and no more."""

from pipeline.report import answer
from pipeline.report.tables import Score
from pipeline.report.verdict import Verdict, ratio


def score(value, half=0.1, n=60, seeds=1):
    return Score(value, value - half, value + half, n, seeds)


def frechet(**models):
    return {(name, "random", "frechet", "all"): s for name, s in models.items()}


def closest(scores, models):
    verdicts = [Verdict(model, {"within": "as it is"}) for model in models]
    return [str(s) for s in answer.closest(answer.overall(scores, models), verdicts)]


def test_the_lowest_distance_comes_closest_and_is_put_beside_the_floor():
    first, *verdicts = closest(frechet(real=score(2), a=score(8), b=score(4)), ["a", "b"])
    assert first.startswith("<b>b</b> comes closest")
    assert "2.0 times the 2.00 of new real images (the noise floor)" in first
    assert verdicts == ["<b>b</b>: as it is.", "<b>a</b>: as it is."]


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
    assert closest({}, ["a"]) == ["No generator was measured, so none can be recommended."]


def test_another_measure_disagrees_only_where_its_intervals_leave_a_gap():
    scores = frechet(real=score(1), a=score(2), b=score(8))
    scores |= {("a", "random", "recall", "all"): score(0.3, 0.05), ("b", "random", "recall", "all"): score(0.6, 0.05)}
    scores |= {("a", "random", "gram", "all"): score(0.5, 0.3), ("b", "random", "gram", "all"): score(0.4, 0.3)}
    assert closest(scores, ["a", "b"])[-1] == "Of 2 other measures some put another first: <b>b</b> (recall)."


def test_fid_answers_only_where_it_was_measured_on_enough_images():
    def first(n):
        scores = frechet(a=score(2, n=n)) | {("a", "inception", "fid", "all"): score(30, n=n)}
        return answer.overall(scores, ["a"])[0]

    assert first(2047).extractor == "random"
    assert first(2048).extractor == "inception"
    assert "FID was measured on 500 images; below 2048" in " ".join(
        answer.cautions(answer.overall({("a", "inception", "fid", "all"): score(30, n=500)}, ["a"]), [], 0)
    )


def test_ssim_is_ranked_by_its_distance_to_the_floor():
    key = ("pixels", "ssim_diversity", "all")
    scores = {("real", *key): score(0.3), ("same", *key): score(0.9), ("near", *key): score(0.25)}
    assert [name for name, _ in answer.overall(scores, ["same", "near"])[0].models] == ["near", "same"]


def test_no_ratio_of_a_measure_whose_floor_is_near_zero():
    assert ratio(score(0.5), score(0.001), "kid") is None
    assert ratio(score(0.5), score(0.25), "frechet") == 2
    assert ratio(score(0.5), score(0.25), "precision") is None


def test_few_seeds_and_few_repetitions_are_said():
    rankings = answer.overall(frechet(a=score(2, seeds=1), b=score(3, seeds=3)), ["a", "b"])
    text = " ".join(answer.cautions(rankings, [{"arm": "real"}], 3))
    assert "trained once" in text
    assert "on 60 images" in text
    assert "3 times each" in text
    assert answer.cautions(answer.overall({}, []), [], 0) == []


def test_each_generator_is_held_against_the_strongest_arm_without_one_and_the_class_is_named():
    sure = {"class": "<b>pits", "difference": 0.2, "low": 0.1, "high": 0.3}
    unsure = {"class": "stains", "difference": -0.4, "low": -0.9, "high": 0.1}
    gain = {"difference": 0.05, "low": 0.01, "high": 0.09, "generative": True, "by_class": [unsure, sure]}
    arms = [
        {"arm": "augmented", "mean": 0.9, "generative": False, "verdict": "baseline"},
        gain | {"arm": "real", "generative": False, "verdict": "no generator"},
        gain | {"arm": "real+cgan", "verdict": "helps"},
        gain | {"arm": "cgan-only", "verdict": "cannot tell", "by_class": [unsure]},
    ]
    first, helps, unknown = map(str, answer.helped(arms, "macro F1"))
    assert "(<b>augmented</b>, chosen on validation images) reaches a macro F1 of 90.0 %" in first
    assert helps.endswith(
        "+5.0 points (95 % interval +1.0 to +9.0); most for <b>&lt;b&gt;pits</b>, F1 +20.0 points (+10.0 to +30.0)."
    )
    assert "● cannot tell" in unknown
    assert "stains" not in unknown
