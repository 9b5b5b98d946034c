"""Fréchet distances as of any number of images: two Gaussians of known distance, and sets of one distribution."""

import numpy as np
import pytest

from pipeline.metrics import distances
from pipeline.metrics.extrapolation import GROUPS, frechet_infinite
from pipeline.metrics.intervals import draw, estimate, symmetric

WIDTHS = np.arange(1, 25) ** -0.5  # standard deviations of 24 features


def gaussians(n, repeats, shift=0.0, wider=1.0):
    """Pairs of sets: standard deviations `wider` times those of the second, mean moved by `shift` along the first axis.
    Their Fréchet distance is shift² + (wider - 1)² Σ WIDTHS²."""
    rng = np.random.default_rng(n)
    for _ in range(repeats):
        x, y = rng.standard_normal((2, n, len(WIDTHS))) * WIDTHS
        yield wider * x + shift * (np.arange(len(WIDTHS)) == 0), y


def both(pairs, labels):
    """(repeats, 2) plain and extrapolated distances."""
    rng = np.random.default_rng(0)
    return np.array([frechet_infinite(x, y, labels, labels, rng) for x, y in pairs])


@pytest.mark.parametrize("n", [60, 120])
def test_the_distance_of_two_gaussians_is_found_where_few_images_make_it_too_large(n):
    truth = 0.5**2 + 0.2**2 * np.square(WIDTHS).sum()
    found = both(gaussians(n, 100, shift=0.5, wider=1.2), np.zeros(n))
    plain, infinite = found.mean(axis=0)
    error = found[:, 1].std() / 10
    assert plain > 1.4 * truth
    assert abs(infinite - truth) < 4 * error + 0.02 * truth
    assert error < 0.1 * truth


@pytest.mark.parametrize("n", [60, 120])
def test_two_samples_of_one_distribution_are_about_nothing_apart(n):
    found = both(gaussians(n, 100), np.zeros(n))
    plain, infinite = found.mean(axis=0)
    assert abs(infinite) < 0.06 * plain
    assert found[:, 1].min() < 0 < found[:, 1].max()


def test_shares_of_the_classes_that_are_alike_add_nothing():
    """Two classes far apart, in even shares on both sides; smaller sets of random shares would differ in their mean."""
    labels = np.array(["a", "b"] * 30)
    apart = 8.0 * (labels == "a")[:, None] * (np.arange(len(WIDTHS)) == 1)
    found = both([(x + apart, y + apart) for x, y in gaussians(60, 100)], labels)
    unknown = both([(x + apart, y + apart) for x, y in gaussians(60, 100)], np.zeros(60))
    error = found[:, 1].std() / 10
    assert abs(found[:, 1].mean()) < 4 * error + 0.06 * found[:, 0].mean()
    assert unknown[:, 1].mean() < found[:, 1].mean() - 4 * error


def test_it_is_the_line_through_four_numbers_of_images():
    """Of sets whose images are all alike only the means differ: the same distance at each number."""
    x, y = np.full((12, 3), 2.0), np.full((12, 3), 5.0)
    labels = np.array(["a"] * 5 + ["b"] * 7)
    assert frechet_infinite(x, y, labels, labels, np.random.default_rng(0)) == pytest.approx((27, 27), rel=1e-12)


def test_its_interval_is_as_wide_as_the_truth_is_unsure():
    n, labels, rng = 80, np.zeros(80), np.random.default_rng(0)
    halves = draw(labels.astype(str), labels.astype(str), n, 1, 24, seed=0)
    found = [
        estimate(lambda a, b: frechet_infinite(a, b, labels[: len(a)], labels[: len(b)], rng)[1], x, y, halves)
        for x, y in gaussians(n, 40, shift=0.5, wider=1.2)
    ]
    error = np.std([f.value for f in found])
    assert 0.7 < np.mean([f.error for f in found]) / error < 1.4
    truth = 0.5**2 + 0.2**2 * np.square(WIDTHS).sum()
    ends = [symmetric(f) for f in found]
    assert np.mean([f.low <= truth <= f.high for f in ends]) > 0.85


@pytest.mark.parametrize("n", [60, 31])
def test_what_is_left_of_sums_is_what_rows_give(n):
    """Sets of more rows than columns, far from 0; and of fewer, whose rows are looked at."""
    x, y = (3 * pair + 50 for pair in next(gaussians(n, 1, shift=0.5)))
    labels = np.arange(n) % 3
    plain, infinite = frechet_infinite(x, y, labels, labels, np.random.default_rng(7))
    rng = np.random.default_rng(7)
    inverse, values = [1 / n], [distances.frechet(x, y)]
    for groups in GROUPS:
        dealt = []
        for _ in range(2):
            order = np.lexsort((rng.random(n), labels))
            dealt.append(np.argsort(order) % groups)
        inverse.append(groups / (groups - 1) / n)
        kept = [(x[dealt[0] != one], y[dealt[1] != one]) for one in range(groups)]
        values.append(np.mean([distances.frechet(*pair) for pair in kept]))
    assert plain == pytest.approx(distances.frechet(x, y), rel=1e-12)
    assert infinite == pytest.approx(np.polyfit(inverse, values, 1)[1], rel=1e-8)
