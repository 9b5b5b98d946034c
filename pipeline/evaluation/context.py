"""What every candidate is judged by, and the form of a number of the panel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation import phases
from pipeline.evaluation.features import Extractor
from pipeline.evaluation.lpips import Lpips
from pipeline.evaluation.sample import Sample
from pipeline.metrics import distances
from pipeline.metrics.intervals import Estimate
from pipeline.settings import Evaluate, UserError

ALL = None  # the class of a number over all classes: no class has this name, whatever the classes are called
WHOLES = 10  # random subsets that a value at equal n is averaged over, where a set is larger than n
# Images of each set below which a metric is left out: half of them must still hold the neighbours, or a covariance;
# of those for a distance's extrapolation a quarter.
NEEDED = {
    "frechet": 20,
    "frechet_inf": 40,
    "fid": 20,
    "fid_inf": 40,
    "inception_score": 20,
    "kid": 20,
    "precision": 20,
    "gram": 4,
    "psd": 4,
    "phases": 4,
    "nearest": 4,
    "ssim": 4,
}
# Images of each set below which a metric has no interval, for it would cover less than 92 % (`benchmarks.coverage`): of
# neighbours' balls in half of the images nearly all hold all, and halves of a narrow set differ less than such sets do.
SURE = {"density": 40, "coverage": 40, "gram": 20}


class Context(NamedTuple):
    """What every candidate is judged by: the training images, and the held-out images (None where there are none);
    and the extractors that look at all of them, by name."""

    settings: Evaluate
    reference: Sample
    heldout: Sample | None
    extractors: dict[str, Extractor]
    cut: phases.Cut
    lpips: Lpips | None = None
    """Where its weights are."""

    def equal_n(self, candidate: Sample) -> int:
        """Images of each set in a comparison, the same for all candidates: a bias that depends on it cancels."""
        return min(len(s) for s in (candidate, self.reference, self.heldout) if s is not None)

    def rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, purpose])


def scaled(candidate: Sample, reference: Sample, extractor: str) -> tuple[NDArray, NDArray]:
    """Features of both: Inception's as they are, so FID is FID; each layer of the random networks counts the same. The
    classifier's, which are one layer, keep their proportions, for these are what it learned; only their common unit,
    which a training leaves to chance, becomes the spread of the real images."""
    x, y = candidate.vectors(extractor).astype(np.float64), reference.vectors(extractor).astype(np.float64)
    if extractor == "inception":
        return x, y
    try:
        centre, scale = distances.block_scale(y, reference.features[extractor].vector_blocks)
    except ValueError as error:
        raise UserError(f"the real image set's training images are constant, or all alike: {error}") from error
    return (x - centre) / scale, (y - centre) / scale


def row(extractor: str, metric: str, label: str | None, found: Estimate, n: int) -> dict[str, Any]:
    """`low` and `high` are None where there are too few independent images for an interval."""
    row = {"extractor": extractor, "metric": metric, "class": label}
    ends = {name: float(end) if np.isfinite(end) else None for name, end in (("low", found.low), ("high", found.high))}
    return row | {"value": float(found.value)} | ends | {"n": int(n)}


def too_few(what: str, n: int, needed: int) -> str:
    return f"{what}: left out, needs {needed} images of each set, there are {n}"
