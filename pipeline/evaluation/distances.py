"""Distances between the distributions of features, over all classes and class by class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation import metrics
from pipeline.evaluation.context import ALL, NEEDED, Context, row, scaled, too_few
from pipeline.evaluation.intervals import Draws, Estimate, draw_subsets, estimate, spread
from pipeline.evaluation.sample import Sample


def overall(candidate: Sample, context: Context, extractor: str, n: int, draws: Draws) -> Iterator[dict | str]:
    """Distances between the distributions of features."""
    x, y = scaled(candidate, context.reference, extractor)
    name = "fid" if extractor == "inception" else "frechet"
    if n < NEEDED[name]:
        yield too_few(f"{name}, kid, precision, recall, density, coverage ({extractor})", n, NEEDED[name])
        return
    yield row(extractor, name, ALL, estimate(metrics.frechet, x, y, draws), n)
    if name == "fid" and n < 2048:
        yield f"fid: with {n} images it is mostly bias; compare it only with the floor of this page, and see kid"
    yield _kid(x, y, candidate.labels, context, extractor, ALL)
    found = estimate(lambda a, b: np.array(list(metrics.prdc(a, b).values())), x, y, draws)
    for position, name in enumerate(("precision", "recall", "density", "coverage")):
        value, low, high = (float(part[position]) for part in found)
        limit = np.inf if name == "density" else 1.0  # the others are fractions, and so are the ends of their intervals
        yield row(extractor, name, ALL, Estimate(value, max(low, 0.0), min(high, limit)), n)


def by_class(candidate: Sample, context: Context, extractor: str) -> Iterator[dict | str]:
    """KID of each class for itself."""
    classes = list(dict.fromkeys(context.reference.labels.tolist()))
    if len(classes) < 2:
        return
    x, y = scaled(candidate, context.reference, extractor)
    for label in sorted(classes):
        sets = [s.labels == label for s in (candidate, context.reference, context.heldout) if s is not None]
        n = min(int(mask.sum()) for mask in sets)
        if n < NEEDED["kid"]:
            yield too_few(f"kid ({extractor}) of class {label}", n, NEEDED["kid"])
            continue
        yield _kid(x[sets[0]], y[sets[1]], candidate.labels[sets[0]], context, extractor, label)


def _kid(x: NDArray, y: NDArray, labels: NDArray, context: Context, extractor: str, label: str) -> dict:
    """Mean and spread over random subsets (Binkowski et al. 2018), at most half of a set so that they differ."""
    reference = context.reference if label == ALL else context.reference.of_class(label)
    heldout = context.heldout if label == ALL or context.heldout is None else context.heldout.of_class(label)
    n = min(len(x), len(y), len(x) if heldout is None else len(heldout))
    size = min(context.settings.subset_size, n // 2)
    pairs = draw_subsets(labels, reference.labels, size, context.settings.subsets, context.settings.seed)
    return row(extractor, "kid", label, spread(np.array([metrics.kid(x[i], y[j]) for i, j in pairs])), size)
