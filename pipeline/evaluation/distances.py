"""Distances between the distributions of features, over all classes and class by class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.base.inception import inception_output
from pipeline.evaluation import catalog
from pipeline.evaluation.context import ALL, Context, Names, needed, of_classes, row, scaled, too_few
from pipeline.evaluation.sample import Sample
from pipeline.metrics.distances import Parts, frechet, inception_score, kid_of_parts, prdc_of_parts
from pipeline.metrics.extrapolation import frechet_infinite
from pipeline.metrics.intervals import (
    Draws,
    Estimate,
    Rows,
    Spread,
    estimate,
    estimate_together,
    fraction,
    positive,
)


def overall(candidate: Sample, context: Context, extractor: str, n: int, draws: Draws) -> Iterator[dict | str]:
    """Distances between the distributions of features."""
    x, y = scaled(candidate, context.reference, extractor)
    labels = candidate.labels, context.reference.labels
    name = "fid" if extractor == "inception" else "frechet"
    if n < needed(name):
        yield too_few(catalog.names("distance", "diversity", extractor=extractor), n, f" ({extractor})")
        return
    if n < needed(f"{name}_inf"):
        yield row(extractor, name, ALL, positive(estimate(frechet, x, y, draws)), n)
        yield too_few([f"{name}_inf"], n, f" ({extractor})")
    else:
        distance, infinite = _with_infinite(x, y, labels, context, draws)
        yield row(extractor, name, ALL, positive(distance), n)
        yield row(extractor, f"{name}_inf", ALL, positive(infinite, above=float(distance.value)), n)
    if name == "fid":
        yield row(extractor, "inception_score", ALL, _inception_score(candidate, context, draws), n)
    if biased := [m.name for m in catalog.METRICS.values() if extractor in m.extractors and n < m.unbiased_from]:
        yield (
            f"{', '.join(biased)}: with {n} images they are mostly bias; compare them only with the floor of this page,"
            " and see fid_inf and kid"
        )
    groups = candidate.groups, context.reference.groups
    yield from _kid(x, y, labels, groups, draws, extractor, ALL, n)
    yield from _neighbourhoods(x, y, draws, extractor, ALL, n)


def by_class(candidate: Sample, context: Context, extractor: str) -> Iterator[dict | str]:
    """What needs no covariance, of each class for itself; a class has too few images for one."""
    classes = list(dict.fromkeys(context.reference.labels.tolist()))
    if len(classes) < 2:
        return
    x, y = scaled(candidate, context.reference, extractor)
    named = catalog.names("distance", "diversity", extractor=extractor)
    metrics = [name for name in named if catalog.METRICS[name].by_class]
    few: dict[int, list[str]] = {}
    for label in sorted(classes):
        sets = [s.labels == label for s in (candidate, context.reference, context.heldout) if s is not None]
        n = min(int(mask.sum()) for mask in sets)
        if n < needed(*metrics):
            few.setdefault(n, []).append(label)
            continue
        ours, theirs = x[sets[0]], y[sets[1]]
        labels = np.full(len(ours), label), np.full(len(theirs), label)
        groups = candidate.groups[sets[0]], context.reference.groups[sets[1]]
        draws = context.draws(labels, n, groups)
        yield from _kid(ours, theirs, labels, groups, draws, extractor, label, n)
        yield from _neighbourhoods(ours, theirs, draws, extractor, label, n)
    for n, labelled in few.items():
        yield too_few(metrics, n, f" ({extractor}) {of_classes(labelled)}")


def _with_infinite(x: NDArray, y: NDArray, labels: Names, context: Context, draws: Draws) -> tuple[Spread, Spread]:
    """Fréchet distance, and that of infinitely many images: of each draw its own line; in half of the images that has
    points down to a quarter of them."""
    rng = context.rng(13)

    def both(i: Rows, j: Rows) -> NDArray:
        return np.array(frechet_infinite(x[i], y[j], labels[0][i], labels[1][j], rng))

    found = estimate(both, np.arange(len(x)), np.arange(len(y)), draws)
    return found.part(0), found.part(1)


def _inception_score(candidate: Sample, context: Context, draws: Draws) -> Estimate:
    """Of as many images as all else and not of ten parts: its bias depends on the number, and a tenth of few images
    has too few. Its reference is the same number of held-out real images."""
    logits = candidate.vectors("inception") @ inception_output(context.settings.weights).T
    rows = np.arange(len(logits)), np.arange(len(context.reference))  # of the reference none is looked at
    found = estimate(lambda i, _: inception_score(logits[i]), *rows, draws)
    return positive(found, above=float(found.value) - 1)  # 1 is the least it can be


def _neighbourhoods(x: NDArray, y: NDArray, draws: Draws, extractor: str, label: str | None, n: int) -> Iterator[dict]:
    """Precision, recall, density and coverage."""
    found = estimate_together(prdc_of_parts, x, y, draws)
    for position, name in enumerate(("precision", "recall", "density", "coverage")):
        part = found.part(position)
        if n < catalog.METRICS[name].interval_images:
            part = part._replace(error=np.nan)
        # A density of 0 is a share of 0, too, and that has an upper end.
        interval = positive if name == "density" and part.value > 0 else fraction
        yield row(extractor, name, label, interval(part), n)


def _kid(
    x: NDArray, y: NDArray, labels: Names, groups: Names, draws: Draws, extractor: str, label: str | None, n: int
) -> Iterator[dict | str]:
    """The interval is one of the biased distance, which is never negative, moved to the unbiased one."""

    def both(i: Rows, j: Rows, parts: Parts) -> NDArray:
        rows = (labels[0][i], labels[1][j]), (groups[0][i], groups[1][j])
        return kid_of_parts(x[i], y[j], *rows, parts)

    found = estimate_together(both, np.arange(len(x)), np.arange(len(y)), draws)
    unbiased, biased = found.part(0), found.part(1)
    if np.isfinite(unbiased.value):
        yield row(extractor, "kid", label, positive(unbiased, above=float(biased.value)), n)
    else:
        of = "" if label == ALL else f" of class {label}"
        yield f"kid ({extractor}){of}: left out, it needs images of two groups in each set"
