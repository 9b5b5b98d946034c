"""Label efficiency: how many real images without a generator would do what an arm does with it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

from pipeline.downstream.paired_gain import JackknifeScores, interval

STEPS = 48  # places that are tried between two measured points


class Worth(NamedTuple):
    """Real images a class; 0 stands for fewer than were measured, infinity for more."""

    at: float
    """Where the curve without a generator has the score; NaN where it is level there, all the way from low to high."""
    low: float
    high: float
    first: float
    """The fewest images a class that were measured; `last` the most."""
    last: float

    @property
    def unknown(self) -> bool:
        """Whether fewer images than were measured are as possible as more: nothing can be said."""
        return self.low == 0 and np.isinf(self.high)


def worth(arm: JackknifeScores, plain: Sequence[JackknifeScores], images: Sequence[float], level: float) -> Worth:
    """The number K' of real images a class at which the curve without a generator reaches the score of an arm.

    The curve goes through the measured points in straight lines over log K. Nothing is said of what lies beyond them.
    The estimate is read off the nearest curve that never falls (isotonic regression: without it several K' would do).
    The interval holds every K' at which the paired difference of the arm to the curve is not surely on one side of zero
    (Fieller 1954: a test turned round; the ratio of two bootstraps has no such limits where the curve is level). The
    difference is a mean over repetitions and test images like any other, so its interval is `paired_gain.interval`. At
    a measured K' it is that of `compare`: the interval leaves out the number of images that the arm itself has just
    where `compare` says `helps` or `hurts` at this level.

    Reading learning curves across is the "data advantage" of Le Scao and Rush 2021, How many data points is a prompt
    worth?

    Args:
        arm: S repetitions, G groups of test images.
        plain: the strongest arm without a generator at each of `images`, `against` which the arm is held, judged by the
            same repetitions and groups.
        images: ascending, positive; at least 2.
        level: probability, two-sided.
    """
    x = np.log(images)
    places = np.concatenate([*(np.linspace(*ends, STEPS, endpoint=False) for ends in pairwise(x)), x[-1:]])
    weights = np.stack([np.interp(places, x, one) for one in np.eye(len(x))], axis=1)  # (P, M)
    often = max(len(one.scores) for one in (arm, *plain))
    level_with = [one._replace(scores=np.broadcast_to(one.scores, often)) for one in plain]  # one stands for all
    curve = (weights @ np.stack(column) for column in zip(*level_with, strict=True))
    gains = [interval(arm.less(JackknifeScores(*at)), level) for at in zip(*curve, strict=True)]
    perhaps_less = np.flatnonzero([gain.low <= 0 for gain in gains])
    perhaps_more = np.flatnonzero([gain.high >= 0 for gain in gains])
    low = _end(perhaps_less[:1], places, beyond=0, open_end=0.0, other=images[-1])
    high = _end(perhaps_more[-1:], places, beyond=len(places) - 1, open_end=np.inf, other=images[0])
    rising = isotonic_regression([np.mean(p.scores) for p in plain]).x
    at, start, stop = _inverse(float(np.mean(arm.scores)), images, rising)
    return Worth(at, min(low, start), max(high, stop), float(images[0]), float(images[-1]))


def _end(found: np.ndarray, places: np.ndarray, beyond: int, open_end: float, other: float) -> float:
    """An end of the interval: where it was found, open at the end of the measured range, the other end if nowhere."""
    if len(found) == 0:
        return float(other)
    return open_end if found[0] == beyond else float(np.exp(places[found[0]]))


def _inverse(score: float, images: Sequence[float], rising: np.ndarray) -> tuple[float, float, float]:
    """Where a curve that never falls has a score, from where, to where; the first is NaN where it is level."""
    score, rising = np.round(score, 12), np.round(rising, 12)  # equal but for the rounding of a mean
    left, right = (int(np.searchsorted(rising, score, side)) for side in ("left", "right"))
    if right == 0:
        return 0.0, 0.0, 0.0
    if left == len(rising):
        return np.inf, np.inf, np.inf
    if right == left:
        at = float(np.exp(np.interp(score, rising[left - 1 : left + 1], np.log(images[left - 1 : left + 1]))))
        return at, at, at
    start, stop = float(images[left]), float(images[right - 1])
    return (start if left == right - 1 else np.nan), start, stop
