"""How much the images of a set differ among themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.evaluation import metrics
from pipeline.evaluation.context import ALL, NEEDED, Context, row, too_few
from pipeline.evaluation.intervals import bootstrap
from pipeline.evaluation.sample import Sample

SSIM_PAIRS = 200


def diversity(candidate: Sample, context: Context) -> Iterator[dict | str]:
    """Mean SSIM of random pairs of one class within the set: unpaired data have no partner to be compared with. More
    than the held-out images' means less variety than in reality."""
    rng = context.rng(3)
    labels, counts = np.unique(candidate.labels, return_counts=True)
    pools = [np.flatnonzero(candidate.labels == label) for label in labels[counts >= 2]]
    if len(candidate) < NEEDED["ssim"] or not pools:
        yield too_few("ssim_diversity", len(candidate), NEEDED["ssim"])
        return
    shares = np.array([np.sum(context.reference.labels == candidate.labels[pool[0]]) for pool in pools], float)
    picks = rng.choice(len(pools), SSIM_PAIRS, p=shares / shares.sum())
    pairs = np.array([rng.choice(pools[p], 2, replace=False) for p in picks])
    values = metrics.ssim(candidate.pixels(pairs[:, 0]), candidate.pixels(pairs[:, 1]))
    yield row("pixels", "ssim_diversity", ALL, bootstrap(np.mean, (values,), context.settings.subsets, rng), SSIM_PAIRS)
