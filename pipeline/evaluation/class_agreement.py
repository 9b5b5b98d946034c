"""Whether the images of a class are taken for it by a classifier that learned the real ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.base.class_head import class_head
from pipeline.evaluation.context import ALL, Context, needed, of_classes, row, too_few
from pipeline.evaluation.sample import Sample
from pipeline.metrics.intervals import Draws, estimate, fraction, share

EXTRACTOR = "imagenet"


def class_agreement(candidate: Sample, context: Context, n: int, draws: Draws) -> Iterator[dict | str]:
    """Share of the images that a logistic regression on ImageNet features, which learned the real training images,
    takes for the class that they are called by; over all classes and of each.

    Held-out real images say what it can be. A class that looks like no other is recognised by little: this says that
    classes are told apart, not that their images are real.
    """
    classes, counts = np.unique(candidate.labels, return_counts=True)
    if EXTRACTOR not in context.extractors or len(np.unique(context.reference.labels)) < 2:
        return
    if n < needed("class_agreement"):
        yield too_few(["class_agreement"], n)
        return
    right = recognised(candidate, context.reference)
    rows = np.arange(len(candidate)), np.arange(len(context.reference))  # of the reference none is looked at
    found = estimate(lambda i, _: float(right[i].mean()), *rows, draws)
    yield row(EXTRACTOR, "class_agreement", ALL, fraction(found), n)
    few: dict[int, list[str]] = {}
    for label, count in zip(classes.tolist(), counts.tolist(), strict=True):
        if count < needed("class_agreement"):
            few.setdefault(count, []).append(label)
            continue
        some = candidate.labels == label
        yield row(EXTRACTOR, "class_agreement", label, share(right[some], candidate.groups[some]), count)
    for count, labels in few.items():
        yield f"{too_few(['class_agreement'], count)} {of_classes(labels)}"


def recognised(candidate: Sample, reference: Sample) -> NDArray[np.bool_]:
    """(n,) whether each image is taken for its class by what learned the reference, which has two classes or more."""
    head = class_head().fit(reference.vectors(EXTRACTOR), reference.labels)
    return head.predict(candidate.vectors(EXTRACTOR)) == candidate.labels
