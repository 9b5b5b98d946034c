"""Draws keep the classes' shares, and intervals are as wide as the truth is unsure."""

import numpy as np
import pytest
from scipy.stats import beta, binom, norm
from scipy.stats import t as student

from pipeline.metrics.intervals import (
    Estimate,
    Spread,
    binomial,
    draw,
    estimate,
    even_quota,
    fraction,
    likeness,
    mean,
    median,
    positive,
    ratio,
    share,
    stratified,
    symmetric,
)


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
    n, errors = 60, []
    labels = np.array(["a"] * n)
    for seed in range(40):
        x, y = rng.standard_normal(n), 2 * rng.standard_normal(n)
        errors.append(estimate(lambda a, b: a.mean() - b.mean(), x, y, draw(labels, labels, n, 1, 200, seed)).error)
    assert np.mean(errors) == pytest.approx(np.sqrt((1 + 4) / n), rel=0.06)


def test_estimate_averages_over_the_whole_draws_and_takes_several_numbers_at_once():
    x, labels = np.arange(100.0), np.array(["a"] * 100)
    found = estimate(lambda a, b: np.array([len(a), a.mean()]), x, x, draw(labels, labels, 20, 200, 50, seed=0))
    assert found.value[0] == 20
    assert found.value[1] == pytest.approx(49.5, abs=4 * 28.9 / np.sqrt(20 * 200))
    assert found.part(1).value == found.value[1]


def test_a_mean_over_draws_from_larger_sets_is_as_sure_as_it_is():
    """Ten draws of 30 of 600 values share 5 % of them: the variance of their mean is (1 / 20 + 19 / 20 / 10) / 30."""
    rng, labels = np.random.default_rng(0), np.array(["a"] * 600)
    found = []
    for seed in range(60):
        x, y = rng.standard_normal((2, 600))
        found.append(estimate(lambda a, b: a.mean() - b.mean(), x, y, draw(labels, labels, 30, 10, 60, seed))[:2])
    values, errors = np.transpose(found)
    expected = np.sqrt(2 * (1 / 20 + 19 / 20 / 10) / 30)
    assert np.mean(errors) == pytest.approx(expected, rel=0.06)
    assert values.std() == pytest.approx(expected, rel=0.3)  # 60 values: 3.3 standard errors of a standard deviation


def grouped(rng, groups, members, within):
    """Values of which those of a group share most of their deviation; variance 1 between and `within` inside."""
    names = np.repeat(np.arange(groups), members)
    return names, np.repeat(rng.standard_normal(groups), members) + within * rng.standard_normal(len(names))


def test_half_sampling_by_groups_gives_the_standard_error_of_a_mean_of_groups():
    """40 groups of 3 alike: the mean's variance is (1 + 0.3² / 3) / 40 on each side, not (1 + 0.3²) / 120."""
    rng = np.random.default_rng(0)
    labels, errors = np.array(["a"] * 120), []
    for seed in range(40):
        (first, x), (second, y) = (grouped(rng, 40, 3, 0.3) for _ in range(2))
        draws = draw(labels, labels, 120, 1, 200, seed, (first, second))
        errors.append(estimate(lambda a, b: a.mean() - b.mean(), x, y, draws).error)
        assert (draws.freedom, draws.independent) == (39, 40)
    assert np.mean(errors) == pytest.approx(np.sqrt(2 * (1 + 0.09 / 3) / 40), rel=0.06)


def test_half_samples_take_whole_groups():
    groups = np.repeat(np.array(list("abcdefgh")), 4)
    labels = np.array(["x"] * 32)
    for rows, _ in draw(labels, labels, 32, 1, 20, 0, (groups, groups)).half:
        names, counts = np.unique(groups[rows], return_counts=True)
        assert len(names) == 4
        assert (counts == 4).all()


def test_the_interval_of_a_mean_of_single_values_is_students():
    x = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    assert mean(x, np.arange(8))[1:] == pytest.approx(student.interval(0.95, 7, x.mean(), x.std(ddof=1) / np.sqrt(8)))


def test_the_interval_of_a_mean_of_equal_groups_is_that_of_the_groups_means():
    rng = np.random.default_rng(0)
    names, x = grouped(rng, 12, 4, 0.3)
    assert mean(x, names) == pytest.approx(mean(x.reshape(12, 4).mean(axis=1), np.arange(12)))


def test_too_few_groups_give_a_number_without_an_interval():
    x, six = np.arange(12.0), np.arange(12) // 2
    for found in (mean(x, six), median(x, six), share(x < 5, six)):
        assert np.isfinite(found.value)
        assert np.isnan(found[1:]).all()
    labels = np.array(["a"] * 12)
    found = estimate(lambda a, b: a.mean(), x, x, draw(labels, labels, 12, 1, 10, 0, (six, six)))
    for interval in (symmetric, positive, fraction):
        assert np.isnan(interval(found)[1:]).all()
    assert np.isfinite(mean(np.arange(14.0), np.arange(14) // 2)).all()


def test_the_interval_of_a_median_lies_between_the_values_of_the_sign_test():
    """Of 40 values the 14th to the 27th hold the median in 96 % of samples, the 15th to the 26th in 92 %."""
    found = median(np.random.default_rng(0).permutation(40) + 1.0, np.arange(40))
    assert found.value == 20.5
    assert 14 <= found.low <= 15
    assert 26 <= found.high <= 27


def test_copies_without_any_distance_have_none_for_sure():
    assert ratio(median(np.zeros(12), np.arange(12)), Estimate(2.0, 1.5, 2.5)) == (0, 0, 0)


def test_a_ratio_of_numbers_that_are_equally_sure_is_less_sure_by_the_root_of_two():
    one = Estimate(4.0, 4 / np.e, 4 * np.e)
    assert ratio(one, one) == pytest.approx((1, np.exp(-np.sqrt(2)), np.exp(np.sqrt(2))))


def test_intervals_of_distances_stay_above_what_is_least():
    found = Spread(2.0, 1.5, 10, 11)
    reach = student.isf(0.025, 10) * 1.5
    assert symmetric(found) == pytest.approx((2, 2 - reach, 2 + reach))
    assert positive(found) == pytest.approx((2, 2 * np.exp(-reach / 2), 2 * (1 + reach / 4) ** 2))
    moved = positive(found._replace(value=-1.0), above=2.0)  # an unbiased distance, and the one that is never negative
    assert moved == pytest.approx(tuple(end - 3 for end in positive(found)))


def test_interval_of_a_share():
    """None of n is at most p where (1 - p)^n = 2.5 %; all of n at least p where p^n = 2.5 %; else Jeffreys'."""
    assert share(np.zeros(100, bool), np.arange(100)) == pytest.approx((0, 0, 1 - 0.025 ** (1 / 100)))
    assert share(np.ones(9, bool), np.arange(9)) == pytest.approx((1, 0.025 ** (1 / 9), 1))
    assert share(np.arange(20) < 5, np.arange(20)) == pytest.approx((0.25, *beta(5.5, 15.5).interval(0.95)))


@pytest.mark.parametrize("n", [12, 20, 30, 60, 180])
def test_the_interval_of_a_share_covers_every_share(n):
    """Exactly, without drawing: chance of all numbers of hits whose intervals hold the share."""
    ends = np.array([binomial(k / n, n) for k in range(n + 1)])
    for p in np.linspace(0.002, 0.998, 499):
        held = binom.pmf(np.arange(n + 1), n, p)[(ends[:, 0] <= p) & (p <= ends[:, 1])].sum()
        assert held > 0.92
        assert held < 0.99 or not 0.1 < p < 0.9


def test_a_group_of_equal_images_counts_as_one_in_the_interval_of_a_share():
    single, alike = share(np.arange(20) < 5, np.arange(20)), share(np.arange(60) < 15, np.arange(60) // 3)
    assert alike.value == single.value
    assert alike.high - alike.low == pytest.approx(single.high - single.low, rel=0.1)
    apart = share(np.random.default_rng(0).permutation(60) < 15, np.arange(60) // 3)
    assert apart.high - apart.low < 0.8 * (single.high - single.low)


def test_a_share_of_everything_has_an_interval():
    low = fraction(Spread(1.0, 0.0, 29, 30)).low
    assert low == pytest.approx(0.025 ** (1 / 30))


# ---------------------------------------------------------------- pairs


def all_pairs(n):
    return np.stack(np.triu_indices(n, 1), axis=1)


def of_one_class(values, pairs, groups):
    return likeness(values, pairs, groups, np.array(["a"] * len(groups)), {"a": 1.0})


@pytest.mark.parametrize(("own", "shared", "most"), [(1.0, 0.0, 1.5), (0.5, 1.0, 1.08)])
def test_the_variance_of_a_mean_of_all_pairs_is_right_on_average(own, shared, most):
    """h = g_i + g_j + e_ij: the variance of the mean of all n (n - 1) / 2 is 4 / n of g's and 2 / n (n - 1) of e's.
    It is never taken for less than that of as many independent pairs, so without g for more on average."""
    rng, n = np.random.default_rng(0), 10
    pairs, found = all_pairs(n), []
    for _ in range(1500):
        g, e = shared * rng.standard_normal(n), own * rng.standard_normal(len(pairs))
        found.append(of_one_class(g[pairs].sum(axis=1) + e, pairs, np.arange(n)).error ** 2)
    expected = 4 * shared**2 / n + 2 * own**2 / (n * (n - 1))
    assert 0.92 < np.mean(found) / expected < most


def test_pairs_of_images_of_few_groups_say_less_than_pairs_of_single_images():
    rng, groups = np.random.default_rng(0), np.arange(36) // 3
    pairs = all_pairs(36)
    pairs = pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]]
    found = []
    for _ in range(300):
        g = rng.standard_normal(12)[groups]
        found.append(of_one_class(g[pairs].sum(axis=1), pairs, groups).error ** 2)
    assert np.mean(found) == pytest.approx(4 / 12, rel=0.1)


# ---------------------------------------------------------------- coverage; `benchmarks.coverage` has more


def held(draw_one, truth, trials):
    """Share of trials whose interval holds the truth."""
    found = np.array([draw_one() for _ in range(trials)])
    return np.mean((found[:, 1] <= truth) & (truth <= found[:, 2]))


@pytest.mark.parametrize("members", [1, 3])
def test_means_medians_and_shares_of_few_images_cover(members):
    """The smallest numbers of groups that have an interval: at least 92 % of 600 trials, less three of its errors."""
    rng, groups = np.random.default_rng(0), 12 if members == 1 else 8

    def values():
        return grouped(rng, groups, members, 0.8)

    for interval in (mean, median):
        assert held(lambda interval=interval: interval(*values()[::-1]), 0.0, 600) > 0.92 - 3 * 0.011
    for p in (0.1, 0.5):
        level = norm.ppf(p) * np.hypot(1, 0.8)

        def one(level=level):
            names, x = values()
            return share(x < level, names)

        assert held(one, p, 600) > 0.92 - 3 * 0.011
