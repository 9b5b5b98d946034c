from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, ttest_rel

from pipeline.downstream import paired_gain
from pipeline.downstream.arms import MORE_REAL, Arm, SyntheticSet
from pipeline.downstream.classifier.scores import SCORES, auroc, confusion, f1
from pipeline.downstream.paired_gain import Interval, JackknifeScores, effective, interval, pooled, told
from pipeline.downstream.records import result_of
from pipeline.downstream.registry import TASKS
from pipeline.settings import UserError
from tests.downstream.cases import stub

CLASSES = ["a", "b", "c", "d"]
TASK = TASKS["classification"].load()
PLAIN = {arm.name: arm for arm in TASKS["classification"].baseline_arms()}
X = SyntheticSet("x", "synthetic")


def result(arm, truth, predicted, groups=None, validation=None, odds=None, like=None, known=None):
    """The result of an arm, from (S, N) predictions; `validation`: macro F1 of its selection runs; `like`: the plain
    arm that presents its images alike."""
    repetitions = []
    for seed, p in enumerate(predicted):
        matrix = confusion(truth, p, len(CLASSES))
        scores = {name: float(score(matrix)) for name, score in SCORES.items()}
        one = {"seed": seed, "seconds": 1, "predicted": list(p), "f1": list(f1(matrix)), "confusion": matrix.tolist()}
        if odds is not None:
            one |= {"log_odds": odds[seed].tolist(), "auroc": auroc(truth == 1, odds[seed])}
        repetitions.append(one | scores)
    known = known or PLAIN.get(arm) or replace(like or Arm(), synthetic=(X,))
    scores = None if validation is None else [{"macro_f1": validation, "loss": 1.0}]
    groups = [str(i) for i in range(len(truth))] if groups is None else list(groups)
    more = {"arm": arm, "classes": CLASSES, "truth": list(truth), "groups": groups, "repetitions": repetitions}
    return result_of(stub(TASK, known, scores) | more, TASK.result)


def compare(results, metric="macro_f1"):
    """Of each arm, its row and the estimate of a score."""
    return [
        Row(row, next(of for of in row.estimates if of.metric == metric)) for row in paired_gain.compare(TASK, results)
    ]


class Row:
    """What is said of an arm, and of one of its scores."""

    def __init__(self, row, of):
        self.row, self.of = row, of

    def __getattr__(self, name):
        return getattr(self.of if hasattr(self.of, name) else self.row, name)

    @property
    def arm(self):
        return self.row.result.arm


def draw(rng, means, seeds=3, per_class=40, spread=0.3):
    """(arms, S, N) predictions of detectors whose success depends on the image, the repetition and luck.

    A wrong answer is any other class with the same probability, so accuracy and macro F1 have one expectation.
    """
    truth = np.repeat(np.arange(4), per_class)
    difficulty = rng.normal(0, 1.0, len(truth)) + 0.5 * rng.normal(size=(len(means), 1, len(truth)))
    repetition = spread * (rng.normal(size=(1, seeds, 1)) + rng.normal(size=(len(means), seeds, 1)))
    logit = np.asarray(means)[:, None, None] + difficulty + repetition
    right = rng.random(logit.shape) < 1 / (1 + np.exp(-logit))
    return truth, np.where(right, truth, (truth + rng.integers(1, 4, logit.shape)) % 4)


def expectation(mean, spread=0.3):
    """Accuracy of `draw` with endless images and repetitions."""
    z = np.linspace(-8, 8, 4001)
    sigma = np.sqrt(1.0 + 0.25 + 2 * spread**2)
    return np.average(1 / (1 + np.exp(-mean - sigma * z)), weights=np.exp(-(z**2) / 2))


@pytest.mark.parametrize(("spread", "metric"), [(0.05, "accuracy"), (0.3, "macro_f1"), (0.8, "macro_f1")])
def test_all_intervals_hold_the_true_gains_together_as_often_as_promised(spread, metric):
    rng = np.random.default_rng(5)
    means = [1.0, 1.0, 1.6, 0.4]
    gains = [expectation(m, spread) - expectation(means[0], spread) for m in means[1:]]
    held = []
    for _ in range(150):
        truth, predicted = draw(rng, means, spread=spread)
        rows = compare([result(a, truth, p) for a, p in zip(("real", "x", "y", "z"), predicted, strict=True)], metric)
        held.append(all(row.low <= gain <= row.high for row, gain in zip(rows[1:], gains, strict=True)))
    # 0.95 less two standard errors of 150 trials.
    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 150)


@pytest.mark.parametrize("spread", [0.05, 0.8])
def test_intervals_hold_where_the_strongest_plain_arm_was_chosen_among_equals(spread):
    """Four plain arms and one with a generator are all alike; pilots choose by luck, which the judged seeds lack."""
    rng = np.random.default_rng(6)
    held = []
    for _ in range(100):
        truth, predicted = draw(rng, [1.0] * 5, seeds=5, spread=spread)
        _, pilots = draw(rng, [1.0] * 4, seeds=5, per_class=20, spread=spread)
        val = np.repeat(np.arange(4), 20)
        scores = {name: float(np.mean(p == val)) for name, p in zip(PLAIN, pilots, strict=True)}
        best = max(scores, key=scores.get)
        arms = [result(n, truth, p, validation=scores[n]) for n, p in zip(PLAIN, predicted[:4], strict=True)]
        rows = compare([*arms, result("x", truth, predicted[4], like=PLAIN[best])])
        assert rows[0].arm == rows[-1].baseline == best
        held.append(rows[-1].low <= 0 <= rows[-1].high)
    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 100)


def test_intervals_of_classes_hold_together_as_often_as_promised():
    """Arms differ in class a alone; the true F1 of each class is that of very many test images."""
    rng = np.random.default_rng(8)

    def change(truth, predicted):
        """Nearly all mistakes on class a are mended."""
        mended = (truth == 0) & (predicted != 0) & (rng.random(predicted.shape) < 0.95)
        return np.where(mended, 0, predicted)

    def both(**size):
        truth, (real, other) = draw(rng, [1.0, 1.0], **size)
        return truth, real, change(truth, other)

    truth, *endless = both(seeds=60, per_class=3000)
    true = np.subtract(*(np.mean([f1(confusion(truth, p, 4)) for p in arm], axis=0) for arm in endless[::-1]))
    held = []
    for _ in range(150):
        truth, real, other = both(seeds=5)
        row = compare([result("real", truth, real), result("x", truth, other)])[1]
        held.append(all(c.low <= t <= c.high for c, t in zip(row.by_class, true, strict=True)))
    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 150)


def test_a_percentile_bootstrap_of_three_repetitions_would_not_hold_its_promise():
    """Why the interval is not the simple one: it says 95 % and holds the true mean in three cases of four."""
    rng = np.random.default_rng(0)
    picks = np.stack(np.meshgrid(*[range(3)] * 3), -1).reshape(-1, 3)  # all 27 resamples, each as likely
    means = rng.normal(0, 1, (4000, 3))[:, picks].mean(-1)
    low, high = np.percentile(means, (2.5, 97.5), axis=1)
    assert np.mean((low <= 0) & (high >= 0)) < 0.8


def test_a_large_gain_and_a_large_loss_are_found_and_a_small_one_is_not_claimed():
    truth, predicted = draw(np.random.default_rng(1), [0.5, 4.0, -2.0, 0.55], seeds=5, per_class=100, spread=0.02)
    rows = compare([result(a, truth, p) for a, p in zip(("real", "good", "bad", "same"), predicted, strict=True)])
    assert [r.arm for r in rows] == ["real", "good", "bad", "same"]
    assert [r.verdict for r in rows] == ["baseline", "helps", "hurts", "cannot tell"]
    # Their true sizes, of endless images.
    gains = [expectation(m, 0.02) - expectation(0.5, 0.02) for m in (4.0, -2.0)]
    assert [r.gain for r in rows[1:3]] == pytest.approx(gains, abs=0.06)


def test_each_class_has_its_change_with_an_interval():
    truth = np.repeat(np.arange(4), 50)
    poor = truth.copy()
    poor[:30] = 1  # of class a 30 are taken for b
    poor[195:] = 2  # of class d 5 are taken for c
    rows = compare([result("real", truth, [poor] * 5), result("x", truth, [truth] * 5)])
    # By hand: F1 = 2 TP / (2 TP + FP + FN); a: 40 / 70, b: 100 / 130, c: 100 / 105, d: 90 / 95.
    assert [c.score for c in rows[0].by_class] == pytest.approx([4 / 7, 10 / 13, 20 / 21, 18 / 19])
    classes = rows[1].by_class
    assert [c.gain for c in classes] == pytest.approx([3 / 7, 3 / 13, 1 / 21, 1 / 19])
    assert [c.low > 0 for c in classes] == [True, True, False, False]
    back = compare([result("real", truth, [truth] * 5), result("x", truth, [poor] * 5)])[1].by_class
    assert [c.high < 0 for c in back] == [True, True, False, False]


def test_a_class_of_one_source_or_without_test_images_proves_nothing():
    truth = np.repeat([0, 1], 20)
    groups = ["strip"] * 20 + [str(i) for i in range(20)]
    arms = [result("real", truth, [truth * 0] * 3, groups), result("x", truth, [truth] * 3, groups)]
    a, b = compare(arms)[1].by_class  # c and d have no images
    assert a.name == "a"
    assert a.low < -0.1
    assert b.low > 0


def test_generators_are_compared_to_the_arm_that_is_strongest_on_validation_images():
    rng = np.random.default_rng(7)
    truth, predicted = draw(rng, [0.0, 3.0, 0.5, 1.5], seeds=5, per_class=80, spread=0.02)
    real, augmented, balanced, x = predicted
    arms = [
        result("real", truth, real, validation=0.5),
        result("real+x", truth, x, like=PLAIN["augmented"]),
        result("balanced", truth, balanced, validation=0.6),
        result("augmented", truth, augmented, validation=0.9),
    ]
    rows = compare(arms)
    assert [row.arm for row in rows] == ["augmented", "real", "balanced", "real+x"]
    assert [row.verdict for row in rows] == ["baseline", "no generator", "no generator", "hurts"]
    assert {row.baseline for row in rows} == {"augmented"}
    assert rows[3].score > rows[1].score  # better than real images alone, and no help
    # One arm with a generator: nothing to correct for, however many plain arms there are.
    assert rows[3].low == compare([arms[3], arms[1]])[1].low


def test_to_help_an_arm_must_beat_the_strongest_plain_arm_and_its_own_recipe_without_the_images():
    """Arm x beats the plain arm that validation images put first, by its recipe alone, and y by its images."""
    rng = np.random.default_rng(7)
    truth, (real, augmented, x, y) = draw(rng, [0.5, 2.5, 2.5, 4.0], seeds=5, per_class=80, spread=0.02)
    plain = [result("real", truth, real, validation=0.9), result("augmented", truth, augmented, validation=0.8)]
    like = PLAIN["augmented"]
    rows = compare([*plain, result("real+x", truth, x, like=like), result("real+y", truth, y, like=like)])
    base, _, lucky, good = rows
    assert (base.arm, lucky.row.recipe.arm) == ("real", "augmented")
    assert lucky.low > 0 > lucky.row.recipe.low
    assert (lucky.verdict, good.verdict) == ("cannot tell", "helps")
    # and the other way round: a recipe that is worse than the strongest plain arm does not make the images hurt
    rows = compare([*plain, result("real+x", truth, real, like=PLAIN["real"])])
    assert rows[-1].verdict == "cannot tell"
    better = [result("real", truth, real, validation=0.5), result("augmented", truth, augmented, validation=0.8)]
    (row,) = compare([*better, result("real+x", truth, real, like=PLAIN["real"])])[2:]
    assert (row.high < 0, row.row.recipe.gain, row.verdict) == (True, 0, "cannot tell")


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([(0.01, 0.05), (0.02, 0.03)], "helps"),
        ([(0.01, 0.05), (0.0, 0.03)], "cannot tell"),  # a gain of nothing is none
        ([(-0.05, -0.01), (-0.03, -0.02)], "hurts"),
        ([(-0.05, -0.01), (-0.03, 0.0)], "cannot tell"),
        ([(0.01, 0.05), (-0.05, -0.01)], "cannot tell"),
    ],
)
def test_a_verdict_needs_both_gains_beyond_zero(gains, verdict):
    assert told([Interval((low + high) / 2, low, high, 0.0, 0.0, 0.0, 0.0) for low, high in gains]) == verdict


def test_controls_and_arms_of_synthetic_images_alone_are_judged_alike_and_not_counted():
    truth, predicted = draw(np.random.default_rng(3), [1.0, 1.2, 1.0, 0.9])
    real, x, control, only = (
        result(name, truth, p, known=known)
        for name, p, known in zip(
            ("real", "real+x", "real+more_real", "x-only"),
            predicted,
            (Arm(), Arm((X,)), Arm((MORE_REAL,)), Arm((X,), real=False)),
            strict=True,
        )
    )
    alone, among = compare([real, x])[1], compare([real, x, control, only])
    assert (among[1].low, among[1].high) == (alone.low, alone.high)
    second = result("real+y", truth, predicted[3])
    wider = compare([real, x, second, control, only])
    assert wider[3].arm == "real+more_real"
    assert wider[3].low < among[2].low


def test_an_arm_that_cannot_vary_is_compared_with_one_that_does():
    truth, (real, x) = draw(np.random.default_rng(3), [1.0, 1.2], seeds=6)
    once, often = result("real", truth, real[:1]), result("x", truth, x)
    rows = compare([once, often])
    assert len(rows[0].row.headline.scores) == 1
    assert rows[1].error_repetitions == pytest.approx(np.std(rows[1].repetitions, ddof=1) / 6**0.5)
    assert compare([once, result("x", truth, x[:1])])[1].error_repetitions == 0


@pytest.mark.parametrize(("n", "expected"), [([1] * 9, 9), ([8, 1, 1], 100 / 66), ([4, 4], 2)])
def test_the_effective_number_of_groups_is_that_of_equal_ones(n, expected):
    groups = [str(i) for i, count in enumerate(n) for _ in range(count)]
    classes = [0] * len(groups) + [1] * 50  # the class with the fewest counts
    assert effective([*groups, *map(str, range(50))], classes) == pytest.approx(expected)


def test_a_gain_that_can_be_detected_is_found_in_four_of_five_repeats():
    """Of detectors whose mistakes are alike but for those mended: where the gain is as large as the comparison says it
    can detect, four of five repeats find it, and where it is smaller by a third they do not."""

    def simulated(gain):
        rng, found = np.random.default_rng(4), []
        for _ in range(150):
            truth = np.repeat(np.arange(4), 60)
            wrong = rng.random((1, len(truth))) < 0.2
            mended = wrong & (rng.random(wrong.shape) < gain / 0.2)
            base = np.where(wrong, (truth + 1) % 4, truth)
            arms = [result("real", truth, base), result("x", truth, np.where(mended, truth, base))]
            row = compare(arms, "accuracy")[1]
            found.append((row.low > 0, row.detectable))
        return np.mean(found, axis=0)

    power, detectable = simulated(0.0375)
    assert detectable == pytest.approx(0.0375, rel=0.05)
    assert power >= 0.8
    assert simulated(0.025)[0] < 0.8


def test_auroc_is_compared_like_the_other_scores():
    rng = np.random.default_rng(9)
    truth = np.repeat([0, 1], 60)
    base = rng.normal(size=(5, 120))
    arms = []
    for name, gain in (("real", 0.5), ("x", 2.5)):
        odds = base + gain * truth
        arms.append(result(name, truth, (odds > gain / 2).astype(int), odds=odds))
    row = compare(arms, "auroc")[1]
    assert row.gain == pytest.approx(norm.cdf(2.5 / 2**0.5) - norm.cdf(0.5 / 2**0.5), abs=0.06)
    assert row.verdict == "helps"
    assert 0.9 <= row.score < 1


def test_one_image_more_in_every_repetition_is_no_proof():
    """The repetitions agree perfectly; that it is one test image of forty is what makes it doubtful."""
    truth = np.repeat(np.arange(4), 10)
    worse = truth.copy()
    worse[:6] = 1
    better = worse.copy()
    better[0] = 0
    row = compare([result("real", truth, [worse] * 3), result("more", truth, [better] * 3)], "accuracy")[1]
    assert row.gain == pytest.approx(1 / 40)
    assert row.error_repetitions == 0
    # The jackknife by hand; in each class half a pseudo-observation speaks for either arm.
    change, weight = np.array([1] + [0] * 39 + [1, -1] * 4), np.array([1] * 40 + [0.5] * 8)
    left = (np.sum(weight * change) - weight * change) / (44 - weight)
    assert row.error_images == pytest.approx(np.sqrt(47 / 48 * np.sum((left - left.mean()) ** 2)))
    assert (row.low + row.high) / 2 == pytest.approx(1 / 44)
    assert row.verdict == "cannot tell"
    assert row.scarcer == "test images"


@pytest.mark.parametrize(("rare", "found"), [(2, 0.5), (3, 0.8), (5, 0.85), (10, 0.5)])
def test_few_images_of_a_class_do_not_break_the_promise(rare, found):
    """Without pseudo-observations: where all of them agree the interval was nearly a point, and held in 40 to 87 %."""
    rng, trials, truth = np.random.default_rng(0), 150, np.repeat([0, 1], [60, rare])
    # F1 of both classes for the expected counts of an arm that finds this share of the rare ones.
    held = {"gain": [], "equal": []}
    for _ in range(trials):
        for case, chance in (("gain", 0.0), ("equal", found)):
            arms = [
                np.concatenate([np.zeros(60, int), rng.random(rare) < p])[None].repeat(5, 0) for p in (chance, found)
            ]
            row = compare([result(name, truth, p) for name, p in zip(("real", "x"), arms, strict=True)])[1]
            true = np.subtract(*(_f1_of_two(60, rare, p) for p in (found, chance)))
            held[case].append(row.low <= true <= row.high)
    assert all(np.mean(of) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / trials) for of in held.values()), held


def _f1_of_two(common, rare, found):
    """Macro F1 where all common images are right and a share of the rare ones is."""
    return (2 * common / (2 * common + rare * (1 - found)) + 2 * found / (1 + found)) / 2


def test_arms_that_answer_alike_are_not_known_to_be_equal():
    truth = np.repeat(np.arange(4), 10)
    row = compare([result("real", truth, [truth] * 5), result("x", truth, [truth] * 5)])[1]
    assert row.gain == 0
    assert -0.1 < row.low < -0.05
    assert row.high == pytest.approx(-row.low)


def test_the_two_sides_of_a_comparison_differ_in_the_pseudo_observations_alone():
    truth, (predicted,) = draw(np.random.default_rng(6), [1.0], seeds=3, per_class=7)
    one, other = (
        TASK.jackknife(result("real", truth, predicted), against=side).scores["macro_f1"] for side in (False, True)
    )
    assert one.whole == pytest.approx(other.whole)
    np.testing.assert_allclose(one.left_out[:28], other.left_out[:28])
    assert (one.left_out[28::2] < one.whole).all()  # an image that it gets right is left out
    assert (other.left_out[28::2] > other.whole).all()


def test_what_makes_the_interval_wide_is_named():
    """3 groups have a far larger quantile than 5 repetitions: 0.025² × 4.3 is more than 0.02² × 2.8."""
    deviations = np.array([-1, 0, 1]) * 0.025 * np.sqrt(3 / 4)
    scores = 0.1 + np.array([-1, -1, 0, 1, 1]) * 0.02 * np.sqrt(5)
    row = interval(JackknifeScores(scores, 0.1, 0.1 + deviations), 0.95)
    assert (row.error_repetitions, row.error_images) == pytest.approx((0.02, 0.025))
    assert row.share_repetitions < 0.5
    assert interval(JackknifeScores(scores, 0.1, 0.1 + deviations / 9), 0.95).share_repetitions > 0.5


def test_without_chance_in_the_images_it_is_the_paired_t_test():
    a, b = np.array([0.91, 0.88, 0.93, 0.90]), np.array([0.87, 0.86, 0.90, 0.88])
    theirs = ttest_rel(a, b)
    ours = interval(JackknifeScores(a - b, np.mean(a - b), np.full(9, np.mean(a - b))), 0.9)
    bounds = theirs.confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((bounds.low, bounds.high))


def test_images_of_one_source_count_once():
    """Ten copies of each image are not ten times the evidence."""
    truth, predicted = draw(np.random.default_rng(2), [0.3, 0.9], per_class=12)
    once = compare([result(a, truth, p) for a, p in zip(("real", "x"), predicted, strict=True)], "accuracy")[1]
    groups = np.repeat([f"image {i}" for i in range(len(truth))], 10)
    tenfold = [
        result(a, np.repeat(truth, 10), np.repeat(p, 10, axis=1), groups)
        for a, p in zip(("real", "x"), predicted, strict=True)
    ]
    again = compare(tenfold, "accuracy")[1]
    assert (again.low, again.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize("right", [0, 1, 63, 126])
def test_an_interval_holds_its_own_value_where_each_of_many_classes_has_one_image(right, monkeypatch):
    """As many pseudo-observations as images draw its middle to a half; a detector that guesses was above that."""
    monkeypatch.setattr("tests.downstream.test_paired_gain.CLASSES", [str(k) for k in range(126)])
    truth = np.arange(126)
    predicted = np.where(truth < right, truth, (truth + 1) % 126)[None].repeat(2, axis=0)
    ((base),) = compare([result("real", truth, predicted)])
    assert base.score_low <= base.score <= base.score_high
    assert (base.score_low <= 1 / 126) == (right <= 1)


def test_one_group_of_test_images_proves_nothing():
    truth = np.repeat(np.arange(4), 5)
    arms = [result("real", truth, [truth * 0] * 3, ["strip"] * 20), result("x", truth, [truth] * 3, ["strip"] * 20)]
    row = compare(arms)[1]
    assert (row.low, row.high, row.verdict) == (-1, 1, "cannot tell")


def test_more_arms_make_wider_intervals():
    truth, predicted = draw(np.random.default_rng(3), [1.0, 1.2, 1.0, 0.9])
    arms = [result(a, truth, p) for a, p in zip(("real", "x", "y", "z"), predicted, strict=True)]
    alone, corrected = compare(arms[:2])[1], compare(arms)[1]
    assert corrected.low < alone.low < alone.gain < alone.high < corrected.high


def test_the_order_of_the_files_does_not_matter():
    truth, predicted = draw(np.random.default_rng(4), [1.0, 1.2])
    real, x = (result(a, truth, p) for a, p in zip(("real", "x"), predicted, strict=True))
    one, other = compare([x, real]), compare([real, x])
    assert [row.row.estimates for row in one] == [row.row.estimates for row in other]
    assert [row.verdict for row in compare([real])] == ["baseline"]


def test_arms_that_cannot_be_compared_are_refused():
    truth, predicted = draw(np.random.default_rng(4), [1.0, 1.2])
    real, x = (result(a, truth, p) for a, p in zip(("real", "real+x"), predicted, strict=True))
    with pytest.raises(UserError, match="no arm without a generator"):
        compare([x])
    with pytest.raises(UserError, match=r"classification, arm real\+x: its test images are not those"):
        compare([real, replace(x, truth=[3, *x.truth[1:]])])
    with pytest.raises(UserError, match=r"real\+x: its test images are not those"):
        compare([real, replace(x, groups=x.groups[::-1])])
    with pytest.raises(UserError, match=r"repetitions \[0, 1\], `real` has \[0, 1, 2\]"):
        compare([real, replace(x, repetitions=x.repetitions[:2])])


def test_an_interval_over_draws_holds_the_gain_of_new_training_images_as_often_as_promised():
    """Each draw of the training images has luck of its own in both arms; all are judged by the same few images."""
    rng = np.random.default_rng(11)
    luck, draws, means = 0.6, 5, np.array([1.0, 1.6])
    mean_of = [expectation(mean, (0.3**2 + luck**2 / 2) ** 0.5) for mean in means]
    held, alone = [], []
    for _ in range(40):
        lucky = means + rng.normal(0, luck, (draws, 2))
        truth, predicted = draw(rng, lucky.ravel(), per_class=10)
        gains = []
        for plain, made in predicted.reshape(draws, 2, *predicted.shape[1:]):
            (row,) = paired_gain.compare(TASK, [result("real", truth, plain), result("x", truth, made)])[1:]
            gains.append(row.gains[0])
        found, first = interval(pooled(gains), 0.95), interval(gains[0], 0.95)
        held.append(found.low <= mean_of[1] - mean_of[0] <= found.high)
        alone.append(first.low <= mean_of[1] - mean_of[0] <= first.high)
    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 40)
    assert np.mean(alone) < np.mean(held), "that of one draw is for its own images"


def test_draws_are_pooled_by_hand():
    """Two draws of two groups: the scores are the means of each draw, the rest the mean over both."""
    one = JackknifeScores(np.array([0.1, 0.3]), 0.18, np.array([0.1, 0.3]))
    other = JackknifeScores(np.array([0.4]), 0.38, np.array([0.2, 0.6]))
    found = pooled([one, other])
    assert found.scores == pytest.approx([0.2, 0.4])
    assert found.whole == pytest.approx(0.28)
    assert found.left_out == pytest.approx([0.15, 0.45])
