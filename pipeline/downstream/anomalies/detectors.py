"""Two detectors of what is not good: a memory of good patches, and a logistic head that has seen bad ones."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from pipeline.base.rows import blocks
from pipeline.downstream.anomalies.patches import Looks
from pipeline.downstream.classifier.frozen import not_quiet

PROJECTED = 64  # numbers in which the memory is chosen (Johnson and Lindenstrauss, as Roth et al. 2022, section 3.2)
CHUNK = 4096  # patches whose distances are computed at a time
PENALTY = 30.0  # scikit-learn's C, the weights of all patches adding up to one
GOOD = 4000  # patches of good images that a head learns from
COVERED = 0.25  # of a patch that is bad; in an image that has none the patch that is covered most
ROUNDS = 3  # of a head where the bad patches of an image are not known
TOP = 0.01  # share of the patches of an image without a mask that are taken to be bad, the most suspicious


class Scale(NamedTuple):
    """Of the numbers of good patches: what is taken off, and what they are divided by, (d,) each."""

    middle: NDArray[np.float64]
    spread: NDArray[np.float64]

    def __call__(self, patches: NDArray) -> NDArray[np.float64]:
        return (patches - self.middle) / self.spread


def scale_of(patches: NDArray) -> Scale:
    """Mean and standard deviation of patches (m, d)."""
    return Scale(patches.mean(axis=0, dtype=np.float64), not_quiet(patches.std(axis=0, dtype=np.float64)))


@dataclass(frozen=True)
class Memory:
    """Patches of good images; what is far from all of them is not good (PatchCore, Roth et al. 2022)."""

    scale: Scale
    kept: NDArray[np.float64]
    """(k, d), scaled."""

    def scores(self, patches: NDArray) -> NDArray[np.float64]:
        """(...) distances of patches (..., d) to the nearest one that is kept; 0 of one that is."""
        rows = patches.reshape(-1, patches.shape[-1])
        parts = [self._nearest(self.scale(some)) for some in blocks(rows, CHUNK)]
        return np.concatenate(parts).reshape(patches.shape[:-1])

    def _nearest(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        found = (self.kept**2).sum(1) - 2 * rows @ self.kept.T
        nearest = self.kept[found.argmin(axis=1)]
        return np.sqrt(((rows - nearest) ** 2).sum(1))  # not by the squares: a patch that is kept has exactly 0


def remember(patches: NDArray, size: int) -> Memory:
    """A memory of at most `size` of the patches (m, d): each next one is that which is farthest from all before it
    (greedy k-center, Roth et al. 2022, algorithm 1), in a random projection that is always the same; the first is the
    one nearest to the mean. So there is no chance in it."""
    scale = scale_of(patches)
    rows = scale(patches)
    axes = np.random.default_rng(0).normal(size=(rows.shape[1], min(PROJECTED, rows.shape[1])))
    seen = (rows @ axes).astype(np.float32)
    chosen = [int((seen**2).sum(1).argmin())]
    away = ((seen - seen[chosen[0]]) ** 2).sum(1)
    while len(chosen) < size and away.max() > 0:
        chosen.append(int(away.argmax()))
        np.minimum(away, ((seen - seen[chosen[-1]]) ** 2).sum(1), out=away)
    return Memory(scale, rows[chosen])


@dataclass(frozen=True)
class Head:
    """Log odds `scale(x) @ weights + bias` that a patch is bad."""

    scale: Scale
    weights: NDArray[np.float64]
    bias: float

    def scores(self, patches: NDArray) -> NDArray[np.float64]:
        """(...) of patches (..., d)."""
        return self.scale(patches) @ self.weights + self.bias


def learn(memory: Memory, good: NDArray, bad: Sequence[tuple[Looks, float]]) -> Head:
    """A logistic regression on patches; the good and the bad ones weigh the same.

    Where the mask of a bad image is known, its patches are bad that are covered (COVERED), and the others are left out.
    Of an image without a mask the most suspicious TOP of the patches are taken to be bad: in the first of ROUNDS the
    farthest from the memory, then those with the highest score of the head before (mi-SVM, Andrews et al. 2003, with
    the bags' share of positive instances fixed).

    Args:
        good: (m, d); the first GOOD are seen.
        bad: images of the same kind, and what all their patches weigh together, in relation to the other kinds; one
            image at least.
    """
    kinds = [(looks, weight) for looks, weight in bad if len(looks)]
    rounds = ROUNDS if any(np.isnan(looks.cover).any() for looks, _ in kinds) else 1
    head: Memory | Head = memory
    for _ in range(rounds):
        rows, shares = [], []
        for looks, weight in kinds:
            rows.append(looks.patches[_bad(looks, head)])
            shares.append(np.full(len(rows[-1]), weight / len(rows[-1])))
        head = _fit(memory.scale, good[:GOOD], np.concatenate(rows), np.concatenate(shares))
    assert isinstance(head, Head)
    return head


def _bad(looks: Looks, detector: Memory | Head) -> NDArray[np.bool_]:
    """(n, v, P, Q) which patches are taken to be bad."""
    n, v = looks.patches.shape[:2]
    cover = looks.cover.reshape(n, v, -1)
    known = ~np.isnan(cover[:, 0, 0])
    most = cover.max(axis=2, keepdims=True)
    chosen = (cover >= np.minimum(COVERED, most)) & (cover > 0)
    if not known.all():
        scores = detector.scores(looks.patches[~known]).reshape(int((~known).sum()), v, -1)
        count = max(1, round(TOP * scores.shape[2]))
        chosen[~known] = scores >= np.partition(scores, -count, axis=2)[..., -count, None]
    return chosen.reshape(looks.cover.shape)


def _fit(scale: Scale, good: NDArray, bad: NDArray, shares: NDArray) -> Head:
    """`shares` (b,): the relative weights of the bad patches."""
    rows = scale(np.concatenate([good, bad]))
    truth = np.arange(len(rows)) >= len(good)
    weights = np.concatenate([np.full(len(good), 0.5 / len(good)), 0.5 * shares / shares.sum()])
    model = LogisticRegression(C=PENALTY, max_iter=300)
    with warnings.catch_warnings():  # near enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, truth, sample_weight=weights)
    return Head(scale, model.coef_[0], float(model.intercept_[0]))
