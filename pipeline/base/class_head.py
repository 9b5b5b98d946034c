"""A classifier of the real classes on frozen features, which judges images and names what a direction changes."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

STRENGTH = 0.1  # inverse of the weight of the squared coefficients; that of `benchmarks.frozen_features`
ITERATIONS = 2000


def class_head() -> Pipeline:
    """Logistic regression on features of unit variance, to be fitted to (n, d) features and (n,) labels."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=ITERATIONS))
