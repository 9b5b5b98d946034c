"""Which images are compared with which, and how sure a number is.

An interval is about the number that as many images of the same kinds would give on average, over draws of all sets that
are drawn: a Fréchet distance of 60 images is above that of infinitely many, and it is the former that is covered in 95
of 100 draws. Every interval rests on a standard error that counts a group of images as one observation, on Student's
distribution for few groups, and on a scale on which the measure has no bound. `benchmarks.coverage` tries them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainccinv, betaincinv, ndtri, stdtrit

Rows = NDArray[np.int64]
Values = float | NDArray[np.float64]
TAIL = 0.025  # chance of each side
FREEDOM = 6  # least degrees of freedom of an interval: from fewer independent images a standard error says little


class Estimate(NamedTuple):
    """One number with its interval; NaN ends where there are too few independent images for one."""

    value: float
    low: float
    high: float


class Spread(NamedTuple):
    """One number, or several as arrays, before it has an interval."""

    value: Values
    error: Values
    """Standard error; NaN where there are too few independent images for one."""
    freedom: float
    """Degrees of freedom of the standard error."""
    independent: int
    """Independent images (groups) of the smaller set."""

    def part(self, position: int) -> Spread:
        """One of several numbers."""
        return self._replace(
            value=float(np.asarray(self.value)[position]), error=float(np.asarray(self.error)[position])
        )


class Draws(NamedTuple):
    """Pairs of (judged rows, reference rows). `whole`: n images of each; `half`: halves of the first of those."""

    whole: list[tuple[Rows, Rows]]
    half: list[tuple[Rows, Rows]]
    scale: float = 1.0
    """Standard error of the mean over the whole draws, over the standard deviation of the half-samples."""
    freedom: int = 0
    """Independent images of the smaller set, less its classes."""
    independent: int = 0
    """Independent images of the smaller set."""


def stratified(labels: NDArray, quota: dict[str, int], rng: np.random.Generator, groups: NDArray | None = None) -> Rows:
    """Rows drawn without replacement, so many of each class; what a class lacks comes from the others.

    Args:
        labels: (n,) class of each row.
        quota: rows of each class, at most n in all.
        groups: (n,) rows of one group are drawn together, as far as the quota goes; None draws each for itself.
    """
    order = rng.permutation(len(labels))
    names, member = np.unique(np.arange(len(labels)) if groups is None else groups, return_inverse=True)
    if len(names) < len(labels):
        order = order[np.argsort(rng.permutation(len(names))[member[order]], kind="stable")]
    ordered, taken = labels[order], np.zeros(len(order), bool)
    for label, count in quota.items():
        taken[np.flatnonzero(ordered == label)[:count]] = True
    lacking = sum(quota.values()) - int(taken.sum())
    taken[np.flatnonzero(~taken)[:lacking]] = True
    return np.sort(order[taken])


def even_quota(size: int, shares: dict[str, float]) -> dict[str, int]:
    """`size` in parts that follow the shares (which sum to 1) as closely as whole numbers can: largest remainder."""
    exact = {label: size * share for label, share in shares.items()}
    quota = {label: int(value) for label, value in exact.items()}
    by_remainder = sorted(exact, key=lambda label: quota[label] - exact[label])
    for label in by_remainder[: size - sum(quota.values())]:
        quota[label] += 1
    return quota


def shares_of(labels: NDArray) -> dict[str, float]:
    """Fraction of each class among (n,) labels, n >= 1; they sum to 1."""
    names, counts = np.unique(labels, return_counts=True)
    return {str(name): float(count / len(labels)) for name, count in zip(names, counts, strict=True)}


def draw(
    judged: NDArray,
    reference: NDArray,
    size: int,
    wholes: int,
    halves: int,
    seed: int,
    groups: tuple[NDArray, NDArray] | None = None,
) -> Draws:
    """Plan comparisons of `size` images with `size` images, in the reference's shares of the classes.

    One seed draws the same reference images for every judged set.

    Args:
        judged: (n,) labels.
        reference: (m,) labels.
        size: at most n and m.
        wholes: random subsets to average over; one is enough where neither set is larger than `size`.
        halves: half-samples for the interval.
        seed: not negative.
        groups: (n,) and (m,) names; half-samples are halves of the groups, for images of one scene are alike, and
            another sample of the population would hold other scenes. None takes each image for itself.
    """
    shares = shares_of(reference)
    names = [np.arange(len(judged)), np.arange(len(reference))] if groups is None else groups
    sides = [
        (labels, names[side], np.random.default_rng([seed, side])) for side, labels in enumerate((judged, reference))
    ]

    def pair(pools: tuple[Rows, Rows], count: int, whole_groups: bool) -> tuple[Rows, Rows]:
        a, b = (
            pool[stratified(labels[pool], even_quota(count, shares), rng, names[pool] if whole_groups else None)]
            for pool, (labels, names, rng) in zip(pools, sides, strict=True)
        )
        return a, b

    everything = np.arange(len(judged)), np.arange(len(reference))
    if size == len(judged) == len(reference):
        wholes = 1
    whole = [pair(everything, size, whole_groups=False) for _ in range(wholes)]
    half = [pair(whole[0], size // 2, whole_groups=groups is not None) for _ in range(halves)]
    drawn = [(np.unique(names[rows]), labels[rows]) for rows, (labels, names, _) in zip(whole[0], sides, strict=True)]
    kept = [len(some) / len(np.unique(names)) for (some, _), (_, names, _) in zip(drawn, sides, strict=True)]
    shared = max(part + (1 - part) / wholes for part in kept)  # of a draw's variance, left in the mean of all draws
    finite = (size // 2) / (size - size // 2)  # a half drawn without replacement, McCarthy 1969
    independent = min(len(some) for some, _ in drawn)
    freedom = min(len(some) - len(np.unique(labels)) for some, labels in drawn)
    return Draws(whole, half, float(np.sqrt(finite * shared)), freedom, independent)


# ---------------------------------------------------------------- standard errors


def estimate(metric: Callable[[NDArray, NDArray], Values], x: NDArray, y: NDArray, draws: Draws) -> Spread:
    """Value and standard error of a metric (or of several at once) that depends on the number of images.

    The value is the mean over the whole draws. Its standard error is the standard deviation of the half-samples: two
    halves of one sample differ as much as two whole samples of the population do (half-sampling, McCarthy 1969; the
    delete-d jackknife, Shao and Wu 1989, with d half of the groups), and a bias that depends on the number of images
    drops out, where a bootstrap's repeated images would add to it.

    Args:
        metric: of judged and reference rows, to a number or (q,) numbers.
        x: (n, ...) judged images, such as features (n, d).
        y: (m, ...) reference images.
        draws: as `draw` plans them for these sets.

    Returns:
        A spread of floats, or of (q,) arrays.
    """

    def of_parts(a: NDArray, b: NDArray, parts: list[tuple[Rows, Rows]]) -> NDArray:
        return np.array([metric(a[i], b[j]) for i, j in parts])

    return estimate_together(of_parts, x, y, draws)


def estimate_together(
    metric: Callable[[NDArray, NDArray, list[tuple[Rows, Rows]]], NDArray], x: NDArray, y: NDArray, draws: Draws
) -> Spread:
    """`estimate` by a metric that takes several parts of two sets at once, for hardly more time than one part.

    Args:
        metric: of judged rows, reference rows and p pairs of positions among these, to (p,) or (p, q) numbers.
        x, y, draws: as in `estimate`.
    """
    sure = draws.freedom >= FREEDOM
    first, *others = draws.whole
    found = metric(x[first[0]], y[first[1]], [_places(first, first), *(_places(first, h) for h in draws.half if sure)])
    rest = [metric(x[i], y[j], [_places((i, j), (i, j))])[0] for i, j in others]
    value = np.mean(np.array([found[0], *rest]), axis=0)
    if not sure:
        return Spread(value, np.full_like(value, np.nan), draws.freedom, draws.independent)
    error = draws.scale * np.nanstd(found[1:], axis=0, ddof=1)  # a half of one large group has no kernel distance
    freedom = 1 / (1 / draws.freedom + 1 / (len(draws.half) - 1))  # the half-samples are few as well
    return Spread(value, error, freedom, draws.independent)


def _places(all_rows: tuple[Rows, Rows], some: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
    """Positions of some rows among all of them, both ascending."""
    first, second = (np.searchsorted(a, b) for a, b in zip(all_rows, some, strict=True))
    return first, second


def mean(values: NDArray, groups: NDArray) -> Estimate:
    """Mean of (n,) values, n >= 1; values of one group need not be independent."""
    centre = float(np.mean(values))
    _, member = np.unique(groups, return_inverse=True)
    count = member.max() + 1
    return symmetric(Spread(centre, _error(values - centre, member), count - 1, count))


def median(values: NDArray, groups: NDArray) -> Estimate:
    """Median of (n,) values, n >= 1. The ends are quantiles: those between which the share of values below the true
    median lies, whose standard error counts groups (Woodruff 1952)."""
    centre, n = float(np.median(values)), len(values)
    _, member = np.unique(groups, return_inverse=True)
    count = member.max() + 1
    below = (np.argsort(np.argsort(values, kind="stable"), kind="stable") < n / 2) - 0.5
    error = _error(below, member)
    if np.isnan(error):
        return Estimate(centre, np.nan, np.nan)
    alone = 0.5 / np.sqrt(n)  # of single images, whatever their values
    reach = max(-ndtri(TAIL) * alone, -stdtrit(count - 1, TAIL) * error if count < n else 0)
    low, high = np.quantile(values, np.clip([0.5 - reach, 0.5 + reach], 0, 1), method="weibull")
    return Estimate(centre, min(float(low), centre), max(float(high), centre))


def _error(deviations: NDArray, member: NDArray) -> float:
    """Standard error of a mean of (n,) values whose deviations from it are given, `member` the group of each
    (the cluster-robust variance, Liang and Zeger 1986); NaN for too few groups."""
    sums = np.bincount(member, deviations)
    freedom = len(sums) - 1
    if freedom < FREEDOM:
        return np.nan
    return float(np.sqrt((1 + 1 / freedom) * np.square(sums).sum()) / len(deviations))


def likeness(values: NDArray, pairs: NDArray, groups: NDArray, labels: NDArray, shares: dict[str, float]) -> Spread:
    """Mean of a value of pairs of images within classes; pairs that have a group in common are not independent.

    The variance adds up the products of all deviations of such pairs (the dyadic cluster-robust variance, Fafchamps and
    Gubert 2007). It is corrected for few groups so that it is exact on average for all pairs of single images.

    Args:
        values: (p,) of the pairs.
        pairs: (p, 2) rows of two images of one class and of different groups; each class has 4 groups among them.
        groups: (n,) of the images.
        labels: (n,) of the images.
        shares: weight of each class, summing to 1.
    """
    value, variance, freedom, independent = 0.0, 0.0, 0, 0
    for label, weight in shares.items():
        some = labels[pairs[:, 0]] == label
        deviations = values[some] - values[some].mean()
        names, member = np.unique(groups[pairs[some]], return_inverse=True)
        ends = np.sort(member.reshape(-1, 2), axis=1)
        by_group = sum(np.bincount(end, deviations, len(names)) for end in ends.T)
        by_two = np.bincount(np.unique(ends, axis=0, return_inverse=True)[1].ravel(), deviations)
        both, one = np.square(by_group).sum(), np.square(by_two).sum()
        g = max(len(names), 4)
        few = g * (g - 1) / ((g - 2) * (g - 3))
        value += weight * values[some].mean()
        variance += weight**2 * max(few * (both - one), one) / some.sum() ** 2
        freedom, independent = freedom + g - 3, independent + g
    error = np.sqrt(variance) if freedom >= FREEDOM else np.nan
    return Spread(float(value), float(error), freedom, independent)


# ---------------------------------------------------------------- intervals


def symmetric(found: Spread) -> Estimate:
    """Of a measure without bounds."""
    reach = -stdtrit(found.freedom, TAIL) * found.error
    return Estimate(float(found.value), float(found.value - reach), float(found.value + reach))


def positive(found: Spread, above: float | None = None) -> Estimate:
    """Interval of a measure whose spread grows with its value. The lower end is from a symmetric interval of the
    logarithm; the upper from one of the square root, for the logarithm's is too high where a value is as unsure as it
    is large. By trial: a symmetric upper end covers in 88 % of samples.

    Args:
        above: the value less its least possible one; None where that is 0.
    """
    height = float(found.value) if above is None else above
    if height <= 0:
        return symmetric(found)
    reach = -stdtrit(found.freedom, TAIL) * found.error / height
    value = float(found.value)
    return Estimate(value, float(value + height * np.expm1(-reach)), float(value + height * ((1 + reach / 2) ** 2 - 1)))


def fraction(found: Spread) -> Estimate:
    """Of a share between 0 and 1: the binomial interval for the number of independent images that would have this
    standard error (Korn and Graubard 1998), at most as many as there are. So that a share of all or none has a number,
    too, two successes and two failures are added for it (Agresti and Coull 1998)."""
    value, most = float(found.value), found.independent
    if np.isnan(found.error):
        return Estimate(value, np.nan, np.nan)
    nearer = (value * most + 2) / (most + 4)
    if found.error <= np.sqrt(nearer * (1 - nearer) / most):
        return Estimate(value, *binomial(value, most))
    return Estimate(value, *binomial(value, _effective(nearer, float(found.error), most, found.freedom)))


def share(hits: NDArray[np.bool_] | NDArray[np.float64], groups: NDArray) -> Estimate:
    """Share of images with a property, and its interval: 0 of 100 is at most 3.6 %.

    Args:
        hits: (n,) n >= 1.
        groups: (n,) images of one group count as fewer, the more alike they are; as one where all images have the
            property, or none.
    """
    found, n = float(np.mean(hits)), len(hits)
    _, member = np.unique(groups, return_inverse=True)
    count = member.max() + 1
    error = _error(hits - found, member)
    if np.isnan(error):
        return Estimate(found, np.nan, np.nan)
    if found in (0, 1):
        return Estimate(found, *binomial(found, count))
    error = max(error * np.sqrt(1 - 1 / n), np.sqrt(found * (1 - found) / n))
    return Estimate(found, *binomial(found, _effective(found, error, n, count - 1)))


def _effective(value: float, error: float, n: int, freedom: float) -> float:
    """Independent images that give a share this standard error, fewer where that is itself unsure."""
    return (stdtrit(n - 1, TAIL) / stdtrit(min(freedom, n - 1), TAIL)) ** 2 * value * (1 - value) / error**2


def binomial(value: float, n: float) -> tuple[float, float]:
    """Ends of the interval of a share among n, which need not be whole: Jeffreys', and beside none or all the exact
    one (modified Jeffreys, Brown, Cai and DasGupta 2001, section 4.1.2; here the exact upper end up to two hits, which
    covers shares near 0 and 1 as well). An exact interval everywhere would be one of 98 % for 12 images."""
    hits, misses = value * n, n - value * n

    def end(tail: Callable[..., float], one: float, exact: tuple[float, float]) -> float:
        return float(tail(*(exact if one < 2.5 else (hits + 0.5, misses + 0.5)), TAIL))

    low = end(betaincinv, misses, (hits, misses + 1)) if hits > 1.5 else 0.0
    high = end(betainccinv, hits, (hits + 1, misses)) if misses > 1.5 else 1.0
    return min(low, value), max(high, value)


def ratio(a: Estimate, b: Estimate) -> Estimate:
    """Of two independent positive numbers, b's value above 0: their intervals' distances add up in squares, on the
    scale of logarithms (the method of variance estimates recovery, Zou and Donner 2008)."""
    if a.high == 0:
        return a
    value = a.value / b.value
    first, second = (np.log(np.maximum(ends, np.finfo(float).tiny)) for ends in (a, b))
    down = np.hypot(first[0] - first[1], second[2] - second[0])
    up = np.hypot(first[2] - first[0], second[0] - second[1])
    centre = first[0] - second[0]
    low, high = 0.0 if a.low <= 0 else float(np.exp(centre - down)), float(np.exp(centre + up))
    return Estimate(value, min(low, value), max(high, value))
