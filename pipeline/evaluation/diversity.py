"""How much the images of a set differ among themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation import catalog, lpips
from pipeline.evaluation.context import ALL, Context, needed, row, too_few
from pipeline.evaluation.sample import Sample
from pipeline.metrics import image_similarity
from pipeline.metrics.intervals import even_quota, likeness, symmetric

PAIRS = 200
LEAST = 10  # pairs of a rare class
GROUPS = 4  # of a class, from which on the variance of a mean of pairs can be told


def diversity(candidate: Sample, context: Context) -> Iterator[dict | str]:
    """Mean likeness of random pairs of one class within the set, the same pairs for each measure: unpaired data have no
    partner to be compared with. More likeness (less LPIPS) than the held-out images' means less variety than in
    reality."""
    shares = _shares(candidate, context)
    seen_by = ["pixels", "lpips"] if context.lpips else ["pixels"]
    metrics = [name for extractor in seen_by for name in catalog.names("diversity", extractor=extractor)]
    if len(candidate) < needed(*metrics) or not shares:
        yield too_few(metrics, len(candidate)) + f", and {GROUPS} groups of a class"
        return
    quota = {label: max(count, LEAST) for label, count in even_quota(PAIRS, shares).items()}
    pairs = draw_pairs(candidate.labels, candidate.groups, quota, context.rng(3))
    a, b = (candidate.pixels(side) for side in pairs.T)

    def of(extractor: str, metric: str, values: NDArray) -> dict:
        found = likeness(values, pairs, candidate.groups, candidate.labels, shares)
        return row(extractor, metric, ALL, symmetric(found), len(values))

    side, (one, several) = min(a.shape[1:3]), image_similarity.ssim_and_ms_ssim(a, b)
    yield of("pixels", "pair_ssim", one)
    if image_similarity.scales(side) > 1:
        yield of("pixels", "pair_ms_ssim", several)
    else:
        yield catalog.METRICS["pair_ms_ssim"].left_out(f"those of {side} pixels have but one, which is pair_ssim")
    if context.lpips and side >= lpips.SMALLEST:
        yield of("lpips", "pair_lpips", lpips.distances(context.lpips, a, b))
    elif context.lpips:
        yield catalog.METRICS["pair_lpips"].left_out(f"{lpips.SMALLEST} pixels a side, there are {side}")


def _shares(candidate: Sample, context: Context) -> dict[str, float]:
    """The reference's, of the classes of which the set and the held-out images have enough groups."""
    sets = [s for s in (candidate, context.heldout) if s is not None]
    found = {
        label: float(np.mean(context.reference.labels == label))
        for label in np.unique(context.reference.labels).tolist()
        if all(len(np.unique(s.groups[s.labels == label])) >= GROUPS for s in sets)
    }
    return {label: share / sum(found.values()) for label, share in found.items()}


def draw_pairs(labels: NDArray, groups: NDArray, quota: dict[str, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """(p, 2) positions of two images of one class and of different groups, no pair twice: all pairs of a class or its
    quota, in which all images occur about equally often."""
    found = []
    for label, count in quota.items():
        order = rng.permutation(np.flatnonzero(labels == label))
        n, some = len(order), np.empty((0, 2), np.int64)
        # in the first half of these pairs no image occurs twice
        every_other = np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)])
        for shift in range(1, n // 2 + 1):
            first = every_other if 2 * shift < n else np.arange(shift)
            pairs = order[np.stack([first, (first + shift) % n], axis=1)]
            some = np.concatenate([some, pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]]])
            if len(some) >= count:
                break
        found.append(some[:count])
    return np.concatenate(found)
