"""Draws keep the classes' shares, and intervals are as wide as the truth is unsure."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom

from pipeline.evaluation import metrics
from pipeline.evaluation.intervals import bootstrap, draw, draw_subsets, estimate, even_quota, share, stratified


def test_even_quota_by_hand():
    # 7 × (0.5, 0.3, 0.2) = 3.5, 2.1, 1.4: the one left over goes to the largest remainder
    assert even_quota(7, {"a": 0.5, "b": 0.3, "c": 0.2}) == {"a": 4, "b": 2, "c": 1}


def test_a_class_that_is_short_is_made_up_from_the_others():
    labels = np.array(["a"] * 10 + ["b"] * 2)
    rows = stratified(labels, {"a": 4, "b": 5}, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 9
    assert (labels[rows] == "b").sum() == 2


def test_one_seed_compares_every_judged_set_with_the_same_reference():
    reference = np.array(["a", "b"] * 30)
    one, two = (
        draw(np.array(labels), reference, 10, 4, 3, seed=5) for labels in (["a", "b"] * 20, ["b", "a", "a"] * 9)
    )
    assert all((p[1] == q[1]).all() for p, q in zip(one.whole + one.half, two.whole + two.half, strict=True))
    assert all(len(a) == len(b) == 5 for a, b in one.half)
    assert set(one.half[0][1]) <= set(one.whole[0][1])


def test_equal_sets_are_compared_once():
    labels = np.array(["a"] * 12)
    assert len(draw(labels, labels, 12, 10, 2, seed=0).whole) == 1


def test_half_sampling_gives_the_standard_error_of_a_mean():
    rng = np.random.default_rng(0)
    n, widths = 60, []
    labels = np.array(["a"] * n)
    for seed in range(40):
        x, y = rng.standard_normal(n), 2 * rng.standard_normal(n)
        found = estimate(lambda a, b: float(a.mean() - b.mean()), x, y, draw(labels, labels, n, 1, 200, seed))
        widths.append((found.high - found.low) / (2 * 1.96))
    assert np.mean(widths) == pytest.approx(np.sqrt((1 + 4) / n), rel=0.06)


def test_estimate_averages_over_the_whole_draws_and_takes_several_numbers_at_once():
    x, labels = np.arange(100.0), np.array(["a"] * 100)
    found = estimate(lambda a, b: np.array([len(a), a.mean()]), x, x, draw(labels, labels, 20, 200, 50, seed=0))
    assert found.value[0] == 20
    assert found.value[1] == pytest.approx(49.5, abs=4 * 28.9 / np.sqrt(20 * 200))
    assert found.low[1] < found.value[1] < found.high[1]


def test_bootstrap_of_a_ratio_of_means_against_the_delta_method():
    rng = np.random.default_rng(1)
    a, b = 10 + rng.standard_normal(200), 5 + rng.standard_normal(400)
    found = bootstrap(lambda u, v: u.mean() / v.mean(), (a, b), rng, draws=2000)
    assert found.value == a.mean() / b.mean()
    error = found.value * np.sqrt(a.var() / 200 / a.mean() ** 2 + b.var() / 400 / b.mean() ** 2)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.08)


def test_subsets_for_kid_keep_it_unbiased_where_classes_differ():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 200)
    x, y = (rng.standard_normal((600, 3)) + 3 * (labels == "a")[:, None] - 3 * (labels == "b")[:, None] for _ in "xy")
    subsets = draw_subsets(labels, labels, 12, 3000, seed=0)
    values = np.array([metrics.kid(x[i], y[j]) for i, j in subsets])
    even = np.array([metrics.kid(x[i], y[j]) for i, j in draw(labels, labels, 12, 300, 0, seed=0).whole])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - metrics.kid(x, y)) < 4 * error
    assert even.mean() < -20 * error  # what even quotas would do


def test_subsets_for_kid_have_the_references_shares_even_where_the_judged_set_has_not():
    judged, reference = np.array(["a"] * 300 + ["b"] * 900), np.array(["a"] * 300 + ["b"] * 100)
    picked = np.concatenate([judged[i] for i, _ in draw_subsets(judged, reference, 40, 200, seed=1)])
    assert (picked == "a").mean() == pytest.approx(0.75, abs=0.02)


def grouped(rng, groups, members, within):
    """Values of which those of a group share most of their deviation; variance 1 between and `within` inside."""
    names = np.repeat(np.arange(groups), members)
    return names, np.repeat(rng.standard_normal(groups), members) + within * rng.standard_normal(len(names))


def test_half_sampling_by_groups_gives_the_standard_error_of_a_mean_of_groups():
    """40 groups of 3 alike: the mean's variance is (1 + 0.3² / 3) / 40 on each side, not (1 + 0.3²) / 120."""
    rng = np.random.default_rng(0)
    labels, widths = np.array(["a"] * 120), []
    for seed in range(40):
        (first, x), (second, y) = (grouped(rng, 40, 3, 0.3) for _ in range(2))
        draws = draw(labels, labels, 120, 1, 200, seed, (first, second))
        found = estimate(lambda a, b: float(a.mean() - b.mean()), x, y, draws)
        widths.append((found.high - found.low) / (2 * 1.96))
    assert np.mean(widths) == pytest.approx(np.sqrt(2 * (1 + 0.09 / 3) / 40), rel=0.06)


def test_half_samples_take_whole_groups():
    groups = np.repeat(np.array(list("abcdefgh")), 4)
    labels = np.array(["x"] * 32)
    for rows, _ in draw(labels, labels, 32, 1, 20, 0, (groups, groups)).half:
        names, counts = np.unique(groups[rows], return_counts=True)
        assert len(names) == 4
        assert (counts == 4).all()


def test_bootstrap_by_groups_gives_the_standard_error_of_a_mean_of_groups():
    rng, widths = np.random.default_rng(0), []
    for _ in range(40):
        names, x = grouped(rng, 50, 4, 0.3)
        found = bootstrap(np.mean, (x,), rng, (names,), 200)
        widths.append((found.high - found.low) / (2 * 1.96))
    assert np.mean(widths) == pytest.approx(np.sqrt((1 + 0.09 / 4) / 50), rel=0.06)


def test_interval_of_a_share_is_exact():
    """None of n is at most p where (1 - p)^n = 2.5 %; all of n at least p where p^n = 2.5 %."""
    assert share(np.zeros(100, bool), np.arange(100)) == pytest.approx((0, 0, 1 - 0.025 ** (1 / 100)))
    assert share(np.ones(3, bool), np.arange(3)) == pytest.approx((1, 0.025 ** (1 / 3), 1))
    value, low, high = share(np.arange(20) < 5, np.arange(20))
    assert value == 0.25
    assert binom.sf(4, 20, low) == pytest.approx(0.025)
    assert binom.cdf(5, 20, high) == pytest.approx(0.025)


def test_a_group_counts_as_one_image_in_the_interval_of_a_share():
    single, grouped = share(np.arange(20) < 5, np.arange(20)), share(np.arange(60) < 15, np.arange(60) // 3)
    assert grouped == pytest.approx(single)


def test_bootstrap_draws_whole_groups():
    """Groups of 1, 2 and 3 values: each draw of three groups holds the members of a group together."""
    names, values = np.array(["b", "a", "c", "b", "c", "c"]), np.array([10, 1, 100, 10, 100, 100])
    seen = []
    bootstrap(lambda x: seen.append(sorted(x.tolist())) or 0.0, (values,), np.random.default_rng(0), (names,), 50)
    possible = {1: [1], 10: [10, 10], 100: [100, 100, 100]}
    triples = itertools.product(possible.values(), repeat=3)
    whole = [sorted(itertools.chain.from_iterable(triple)) for triple in triples]
    assert all(draw in whole for draw in seen[:50])
    assert len({len(draw) for draw in seen}) > 3
