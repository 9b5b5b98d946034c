"""What every candidate is judged by, and the form of a number of the panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation import catalog, phases
from pipeline.evaluation.features import Extractor
from pipeline.evaluation.lpips import Lpips
from pipeline.evaluation.sample import Sample
from pipeline.metrics import distances
from pipeline.metrics.intervals import Draws, Estimate, draw
from pipeline.settings import Evaluate, UserError

ALL = None  # the class of a number over all classes: no class has this name, whatever the classes are called
SHOWN = 4  # classes that a note names
WHOLES = 10  # random subsets, at most, that a value at equal n is averaged over where a set is larger than n,
DRAWN = 20_000  # and as few, but two at least, as hold so many images together: what is drawn of many varies little


Names = tuple[NDArray, NDArray]  # classes or groups of the rows of the judged set, and of the reference


class Context(NamedTuple):
    """What every candidate is judged by: the training images, and the held-out images (None where there are none);
    and the extractors that look at all of them, by name."""

    settings: Evaluate
    reference: Sample
    heldout: Sample | None
    extractors: dict[str, Extractor]
    binarisation: phases.Binarisation
    lpips: Lpips | None = None
    """Where its weights are."""
    leaked: NDArray[np.bool_] | None = None
    """(n,) of the held-out images those with a partner in training, where a given split has any."""

    def draws(self, labels: Names, n: int, groups: Names) -> Draws:
        """Comparisons of n of the judged with n of the training images; each pair is of the judged and these."""
        wholes = min(WHOLES, max(2, DRAWN // n))
        return draw(*labels, n, wholes, self.settings.subsets, self.settings.seed, groups)

    def equal_n(self, candidate: Sample) -> int:
        """Images of each set in a comparison, the same for all candidates: a bias that depends on it cancels."""
        return min(len(s) for s in (candidate, self.reference, self.heldout) if s is not None)

    def rng(self, purpose: int) -> np.random.Generator:
        """Of the settings' seed, a stream of its own for each purpose."""
        return np.random.default_rng([self.settings.seed, purpose])


def scaled(candidate: Sample, reference: Sample, extractor: str) -> tuple[NDArray, NDArray]:
    """Features of both sets, (n, d) and (m, d) float64, as distances take them.

    Inception's are as they are, so FID is FID; each layer of the random networks counts the same. The classifier's,
    which are one layer, keep their proportions, for these are what it learned; only their common unit, which a training
    leaves to chance, becomes the spread of the real images.

    Raises:
        UserError: the reference's features are all the same.
    """
    x, y = candidate.vectors(extractor).astype(np.float64), reference.vectors(extractor).astype(np.float64)
    if extractor == "inception":
        return x, y
    try:
        centre, scale = distances.block_scale(y, reference.features[extractor].vector_blocks)
    except ValueError as error:
        raise UserError(f"the real image set's training images are constant, or all alike: {error}") from error
    for vectors in (x, y):  # in place: of many images each copy counts
        vectors -= centre
        vectors /= scale
    return x, y


def row(extractor: str, metric: str, label: str | None, found: Estimate, n: int) -> dict[str, Any]:
    """A number of the panel, as `panel.measure` describes it.

    Args:
        label: the class; ALL for a number over all classes.
        found: its interval is null in the row where there are too few independent images for one.
        n: images of each set.

    Raises:
        LookupError: the metric is not in the catalogue.
    """
    row = {"extractor": extractor, "metric": catalog.find(extractor, metric).name, "class": label}
    ends = {name: float(end) if np.isfinite(end) else None for name, end in (("low", found.low), ("high", found.high))}
    return row | {"value": float(found.value)} | ends | {"n": int(n)}


def needed(*metrics: str) -> int:
    """Images of each set below which none of these can be had."""
    return min(catalog.METRICS[name].images for name in metrics)


def too_few(metrics: Sequence[str], n: int, of: str = "") -> str:
    """Note on metrics that are left out; `of`: the extractor, the class."""
    return f"{', '.join(metrics)}{of}: left out, needs {needed(*metrics)} images of each set, there are {n}"


def of_classes(labels: Sequence[str]) -> str:
    """`of class a`; of several the first, for a set may have hundreds."""
    if len(labels) == 1:
        return f"of class {labels[0]}"
    return f"of {len(labels)} classes ({', '.join(labels[:SHOWN])}{', ...' if len(labels) > SHOWN else ''})"
