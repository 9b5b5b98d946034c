"""A classifier of the real classes on frozen features, which judges images and names what a direction changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

STRENGTH = 0.1  # inverse of the weight of the squared coefficients; that of `benchmarks.frozen_features`
ITERATIONS = 2000


def class_head() -> Pipeline:
    """Logistic regression on features of unit variance, to be fitted to (n, d) features and (n,) labels."""
    from sklearn.linear_model import LogisticRegression  # a second, which most drawing does without
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=ITERATIONS))
