"""How much the images of a set differ among themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation import lpips, metrics
from pipeline.evaluation.context import ALL, NEEDED, Context, row, too_few
from pipeline.evaluation.intervals import bootstrap
from pipeline.evaluation.sample import Sample

PAIRS = 200


def diversity(candidate: Sample, context: Context) -> Iterator[dict | str]:
    """Mean likeness of random pairs of one class within the set, the same pairs for each measure: unpaired data have no
    partner to be compared with. More likeness (less LPIPS) than the held-out images' means less variety than in
    reality."""
    rng = context.rng(3)
    pairs = _pairs(candidate, context, rng)
    if pairs is None:
        measures = "ssim_diversity, ms_ssim_diversity" + (", lpips_diversity" if context.lpips else "")
        yield too_few(measures, len(candidate), NEEDED["ssim"])
        return
    a, b = (candidate.pixels(side) for side in pairs.T)

    def of(extractor: str, metric: str, values: NDArray) -> dict:
        return row(extractor, metric, ALL, bootstrap(np.mean, (values,), rng), len(values))

    yield of("pixels", "ssim_diversity", metrics.ssim(a, b))
    side = min(a.shape[1:3])
    if metrics.scales(side) > 1:
        yield of("pixels", "ms_ssim_diversity", metrics.ms_ssim(a, b))
    else:
        yield f"ms_ssim_diversity: left out, images of {side} pixels have but one scale, which is ssim_diversity"
    if context.lpips and side >= lpips.SMALLEST:
        yield of("lpips", "lpips_diversity", lpips.distances(context.lpips, a, b))
    elif context.lpips:
        yield f"lpips_diversity: left out, its network needs {lpips.SMALLEST} pixels a side, there are {side}"


def _pairs(candidate: Sample, context: Context, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """(PAIRS, 2) positions of two images of one class, the classes in the reference's shares; None where no class has
    two, or there are too few images."""
    labels, counts = np.unique(candidate.labels, return_counts=True)
    pools = [np.flatnonzero(candidate.labels == label) for label in labels[counts >= 2]]
    if len(candidate) < NEEDED["ssim"] or not pools:
        return None
    shares = np.array([np.sum(context.reference.labels == candidate.labels[pool[0]]) for pool in pools], float)
    picks = rng.choice(len(pools), PAIRS, p=shares / shares.sum())
    return np.array([rng.choice(pools[p], 2, replace=False) for p in picks])
