"""Which images are compared with which, and how sure a number is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Rows = NDArray[np.int64]
Values = float | NDArray[np.float64]
COVERAGE = (2.5, 97.5)  # percentiles of an interval
BOOTSTRAPS = 1000  # a percentile of fewer is rough; they are cheap


class Estimate(NamedTuple):
    """One number with its interval, or several, each an array."""

    value: Values
    low: Values
    high: Values


class Draws(NamedTuple):
    """Pairs of (judged rows, reference rows). `whole`: n images of each; `half`: halves of the first of those."""

    whole: list[tuple[Rows, Rows]]
    half: list[tuple[Rows, Rows]]


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
    left = dict(quota)
    taken, spare = [], []
    for row in order:
        label = labels[row]
        if left.get(label, 0) > 0:
            left[label] -= 1
            taken.append(row)
        else:
            spare.append(row)
    return np.sort(np.array(taken + spare[: sum(left.values())], np.int64))


def even_quota(size: int, shares: dict[str, float]) -> dict[str, int]:
    """`size` in parts that follow the shares (which sum to 1) as closely as whole numbers can: largest remainder."""
    exact = {label: size * share for label, share in shares.items()}
    quota = {label: int(value) for label, value in exact.items()}
    by_remainder = sorted(exact, key=lambda label: quota[label] - exact[label])
    for label in by_remainder[: size - sum(quota.values())]:
        quota[label] += 1
    return quota


def shares_of(labels: NDArray) -> dict[str, float]:
    """Fraction of each class."""
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
    sides = [
        (labels, None if groups is None else groups[side], np.random.default_rng([seed, side]))
        for side, labels in enumerate((judged, reference))
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
    return Draws(whole, [pair(whole[0], size // 2, whole_groups=groups is not None) for _ in range(halves)])


def draw_subsets(judged: NDArray, reference: NDArray, size: int, count: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Pairs of random subsets as if every image were drawn for itself with the reference's shares of the classes.

    An unbiased estimate such as KID needs this: in even quotas two images of a set are less often of one class than an
    image of this and an image of that set, which makes the estimate too small.
    """
    shares = shares_of(reference)
    sets = [(labels, np.random.default_rng([seed, side])) for side, labels in enumerate((judged, reference))]

    def subset(labels: NDArray, rng: np.random.Generator) -> Rows:
        quota = rng.multinomial(size, list(shares.values()))
        return stratified(labels, dict(zip(shares, quota.tolist(), strict=True)), rng)

    return [(subset(*sets[0]), subset(*sets[1])) for _ in range(count)]


def estimate(metric: Callable[[NDArray, NDArray], Values], x: NDArray, y: NDArray, draws: Draws) -> Estimate:
    """Value and interval of a metric (or of several at once) that depends on the number of images.

    The value is the mean over the whole draws. The interval is the spread of the half-samples about their own mean: two
    halves of one sample differ as much as two whole samples of the population do (half-sampling, McCarthy 1969), and a
    bias that depends on the number of images drops out, where a bootstrap's repeated images would add to it.
    """
    value = np.mean([metric(x[i], y[j]) for i, j in draws.whole], axis=0)
    halves = np.array([metric(x[i], y[j]) for i, j in draws.half])
    low, high = np.percentile(halves - halves.mean(axis=0), COVERAGE, axis=0)
    return Estimate(value, value + low, value + high)


def spread(values: NDArray) -> Estimate:
    """Mean of a metric over random subsets, and the range of its values there."""
    return Estimate(np.mean(values), *np.percentile(values, COVERAGE))


def bootstrap(
    statistic: Callable[..., float],
    samples: tuple[NDArray, ...],
    rng: np.random.Generator,
    groups: tuple[NDArray, ...] | None = None,
    draws: int = BOOTSTRAPS,
) -> Estimate:
    """A statistic of one or several independent samples, and its percentile bootstrap interval (Efron 1979).

    Args:
        groups: of each sample, (n,) which values are not independent of which; whole groups are drawn (the cluster
            bootstrap, Davison and Hinkley 1997, section 3.8). None draws each value for itself.
        draws: of the percentiles.
    """
    order = [_grouped(sample, names) for sample, names in zip(samples, groups or [None] * len(samples), strict=True)]
    values = [statistic(*(_redrawn(*kept, rng) for kept in order)) for _ in range(draws)]
    return Estimate(statistic(*samples), *np.percentile(values, COVERAGE))


def _grouped(sample: NDArray, names: NDArray | None) -> tuple[NDArray, NDArray, NDArray]:
    """Values sorted by group, where each group begins and how many it has."""
    if names is None:
        names = np.arange(len(sample))
    _, member, counts = np.unique(names, return_inverse=True, return_counts=True)
    return sample[np.argsort(member, kind="stable")], np.cumsum(counts) - counts, counts


def _redrawn(values: NDArray, starts: NDArray, counts: NDArray, rng: np.random.Generator) -> NDArray:
    """The values of as many groups as there are, drawn with replacement."""
    drawn = rng.integers(len(starts), size=len(starts))
    if len(starts) == len(values):
        return values[drawn]
    lengths = counts[drawn]
    first = np.repeat(starts[drawn] - np.cumsum(lengths) + lengths, lengths)
    return values[first + np.arange(len(first))]


def share(hits: NDArray[np.bool_], groups: NDArray) -> Estimate:
    """Share of images with a property, and its exact interval (Clopper and Pearson 1934): 0 of 100 is at most 3.6 %.

    Args:
        hits: (n,) n >= 1.
        groups: (n,) images of one group count as one, the most cautious of the effective numbers of Korn and Graubard
            (1998).
    """
    n, found = len(np.unique(groups)), float(np.mean(hits))
    count, tail = found * n, COVERAGE[0] / 100
    low = beta.ppf(tail, count, n - count + 1) if count > 0 else 0.0
    high = beta.ppf(1 - tail, count + 1, n - count) if count < n else 1.0
    return Estimate(found, float(low), float(high))
