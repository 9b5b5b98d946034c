"""Label efficiency against curves of known answer, and how often its intervals hold."""

import numpy as np
import pytest

from pipeline.downstream.label_efficiency import worth
from pipeline.downstream.paired_gain import JackknifeScores
from tests.downstream.test_paired_gain import TASK, compare, draw, expectation, result

IMAGES = [5, 10, 20, 40]
SLOPE, START = 0.1, 0.5


def macro_f1(result, against=False):
    return TASK.jackknife(result, against).scores["macro_f1"]


def true(images):
    """A score that grows by SLOPE with every doubling."""
    return START + SLOPE * np.log2(np.asarray(images) / 5)


def sure(score, repetitions=5, groups=30):
    """JackknifeScores without any chance."""
    return JackknifeScores(np.full(repetitions, score), score, np.full(groups, score))


def chancy(rng, score, shared, repetitions=5, images=60):
    """Scores with chance in repetitions and test images; `shared`: the luck of each test image in every arm."""
    lucky = score + shared + rng.normal(0, 0.15, images)
    scores = lucky.mean() + rng.normal(0, 0.02, repetitions)
    left_out = (lucky.sum() - lucky) / (images - 1) + scores.mean() - lucky.mean()
    return JackknifeScores(scores, scores.mean(), left_out)


@pytest.mark.parametrize("have", [5, 7, 10, 14, 18])
def test_a_generator_worth_a_factor_of_two(have):
    found = worth(sure(true(2 * have)), [sure(s) for s in true(IMAGES)], IMAGES, 0.95)
    assert found == pytest.approx((2 * have, 2 * have, 2 * have, 5, 40))
    assert not found.unknown


def test_between_two_points_by_hand():
    """0.55 is a quarter of the way from 0.5 to 0.7, and so a quarter of the way from log 10 to log 40."""
    found = worth(sure(0.55), [sure(0.5), sure(0.7)], [10, 40], 0.95)
    assert found.at == pytest.approx(10 * 4**0.25)


def test_beyond_the_measured_points_nothing_is_said_but_more_or_fewer():
    plain = [sure(s) for s in true(IMAGES)]
    assert worth(sure(0.95), plain, IMAGES, 0.95) == (np.inf, 40, np.inf, 5, 40)
    assert worth(sure(0.35), plain, IMAGES, 0.95) == (0, 0, 5, 5, 40)


def test_a_curve_that_falls_by_chance_is_read_off_the_nearest_one_that_does_not():
    """0.6 and 0.56 become 0.58 twice; 0.64 is a third of the way from there to 0.76."""
    found = worth(sure(0.64), [sure(s) for s in (0.4, 0.6, 0.56, 0.76)], IMAGES, 0.95)
    assert found.at == pytest.approx(20 * 2 ** (1 / 3))
    assert found.low <= found.at <= found.high
    level = worth(sure(0.58), [sure(s) for s in (0.4, 0.6, 0.56, 0.76)], IMAGES, 0.95)
    assert np.isnan(level.at)
    assert (level.low <= 10, level.high >= 20) == (True, True)


def test_where_the_curve_is_level_nothing_can_be_told():
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.3, 60)
    found = worth(chancy(rng, 0.7, shared), [chancy(rng, 0.7, shared) for _ in IMAGES], IMAGES, 0.95)
    assert found.unknown
    one = worth(
        JackknifeScores(np.full(5, 0.6), 0.6, np.array([np.nan])),
        [sure(s, groups=1) for s in true(IMAGES)],
        IMAGES,
        0.95,
    )
    assert one.unknown, "one group of test images says nothing of others"


def test_a_perfect_score_that_was_reached_before_is_reached_from_there_on():
    found = worth(sure(1.0), [sure(s) for s in (0.8, 1.0, 1.0, 1.0)], IMAGES, 0.95)
    assert np.isnan(found.at)
    assert found[1:3] == pytest.approx((10, np.inf))


def test_the_interval_leaves_out_an_arms_own_images_where_it_helps_or_hurts():
    """At a measured number of images it is the comparison's own interval."""
    rng, seen = np.random.default_rng(3), set()
    for gain in (0.0, 0.25, 0.5, 0.75, 1.5, -1.0):
        truth, predicted = draw(rng, [-0.5, 0.5, 1.5, 2.5, 0.5 + gain], seeds=5, spread=0.05)
        plain = [result("real", truth, p) for p in predicted[:4]]
        arm = result("real+x", truth, predicted[4])
        verdict = compare([plain[1], arm])[1].verdict
        found = worth(macro_f1(arm), [macro_f1(p, against=True) for p in plain], IMAGES, 0.95)
        outside = {"helps": found.low > 10, "hurts": found.high < 10}
        assert outside.get(verdict, found.low <= 10 <= found.high)
        seen.add(verdict)
    assert seen == {"helps", "hurts", "cannot tell"}


@pytest.mark.parametrize("have", [4, 10, 18, 35])
def test_the_interval_holds_the_true_number_as_often_as_promised(have):
    """Worth 8, 20, 36 and 70 images, the last beyond what was measured; arms share the luck of the test images."""
    rng, held, trials = np.random.default_rng(have), [], 100
    for _ in range(trials):
        shared = rng.normal(0, 0.3, 60)
        plain = [chancy(rng, s, shared) for s in true(IMAGES)]
        found = worth(chancy(rng, true(2 * have), shared), plain, IMAGES, 0.95)
        held.append(found.low <= 2 * have <= found.high)
        assert found.unknown or np.isnan(found.at) or found.low <= found.at <= found.high
    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / trials)


@pytest.mark.slow
def test_the_interval_holds_with_simulated_detectors():
    """Macro F1 of detectors whose success depends on the image, the repetition and luck; true curve by quadrature."""
    rng, held = np.random.default_rng(4), []
    means = np.array([-0.5, 0.3, 1.1, 1.9])
    x = np.log(IMAGES)
    scores = [expectation(m, 0.1) for m in means]
    for _ in range(200):
        arm = rng.uniform(-0.4, 1.8)
        right = np.exp(np.interp(expectation(arm, 0.1), scores, x))
        truth, predicted = draw(rng, [*means, arm], seeds=5, spread=0.1)
        *plain, other = [macro_f1(result("real", truth, p), against=i < 4) for i, p in enumerate(predicted)]
        found = worth(other, plain, IMAGES, 0.95)
        held.append(found.low <= right <= found.high)
    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 200)
