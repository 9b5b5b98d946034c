"""Is it learnt by heart?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base import symmetry
from pipeline.data.near_duplicates import correlate
from pipeline.evaluation import catalog, copy_search, local_copies
from pipeline.evaluation.context import ALL, Context, needed, row, scaled, too_few
from pipeline.evaluation.copy_search import Matches
from pipeline.evaluation.identical_pieces import IdenticalPieces
from pipeline.evaluation.sample import Sample
from pipeline.metrics import image_similarity
from pipeline.metrics.intervals import mean, median, ratio, share
from pipeline.metrics.neighbours import Neighbours, neighbours

SSIM_PAIRS = 200
LOOKED = 5000  # images of a sample, at most, whose nearest training images are looked for,
PIECED = 500  # and of these such as are looked at piece by piece, which takes fifty times as long
CLEAR = 100  # training images of which it is tried how clearly a copy of them shows
CLOSEST = 10  # pairs that are shown
EACH = 3  # images of a class that are shown with their nearest training image,
TOGETHER = 8  # and more where that would be fewer of all classes


class NearestTraining(NamedTuple):
    """Training images nearest to images of a sample."""

    looked: NDArray[np.int64]
    """(k,) positions of these in the sample, ascending: all, or LOOKED at random."""
    features: Neighbours
    """In `random` features."""
    pixels: Matches
    """In pixels, at any shift and in any view."""
    proof_threshold: float | None
    """Height of a match that proves a copy; None where none can be proven."""
    pieced: NDArray[np.int64]
    """(l,) positions among `looked` of those that were looked at for pieces: all, or PIECED at random."""
    area: NDArray[np.float64] | None
    """(l,) share of the area of each of `pieced` that consists of pieces of training images, alike or identical,
    whichever is more; None where none can be proven."""
    smallest: int | None
    """Side in pixels of the smallest piece that is seen if its gray values have changed; None where none is."""

    def where(self, mask: NDArray[np.bool_]) -> NearestTraining:
        """Of the sample's images under a mask (n,)."""
        kept = mask[self.looked]
        looked, pieced = (np.cumsum(mask) - 1)[self.looked[kept]], (np.cumsum(kept) - 1)[self.pieced[kept[self.pieced]]]
        area = None if self.area is None else self.area[kept[self.pieced]]
        return self._replace(
            looked=looked, features=self.features.where(kept), pixels=self.pixels.where(kept), pieced=pieced, area=area
        )


class Index(NamedTuple):
    """What takes the searches long to find out of the training images."""

    details: NDArray[np.int8]
    """By which whole images are compared."""
    pieces: local_copies.Index | None
    """None where no piece can be proven."""
    identical: NDArray[np.uint64] | None
    """Numbers of their patches."""


def nearest_training(
    samples: Sequence[Sample], context: Context, index: Index | None = None
) -> tuple[list[NearestTraining], Index]:
    """For each sample the training images nearest to its images, of a large one to some of them; and the index, which
    is the same for all samples of a context.

    One search after the other, the largest first: together they would be a fifth of the memory.
    """
    looked = [_some(len(sample), LOOKED, context.rng(14)) for sample in samples]
    pieced = [_some(len(rows), PIECED, context.rng(15)) for rows in looked]
    of_pieces = [rows[some] for rows, some in zip(looked, pieced, strict=True)]
    smallest, areas, pieces, identical = _pieces(samples, of_pieces, context, index)
    reference = context.reference
    details = index.details if index else copy_search.details(reference.images, reference.rows)
    proof, pixels = _whole(samples, looked, context, details)
    found = [
        NearestTraining(rows, _in_features(sample, rows, context), like, proof, some, area, smallest)
        for sample, rows, some, like, area in zip(samples, looked, pieced, pixels, areas, strict=True)
    ]
    return found, Index(details, pieces, identical)


def _in_features(sample: Sample, looked: NDArray[np.int64], context: Context) -> Neighbours:
    vectors, known = scaled(sample, context.reference, "random")
    return neighbours(vectors[looked], known)


def _whole(
    samples: Sequence[Sample], looked: list[NDArray[np.int64]], context: Context, real: NDArray[np.int8]
) -> tuple[float | None, list[Matches]]:
    """The height of a match that proves a copy, and the matches of some images of each sample; `real`: details of the
    training images."""
    proof = copy_search.proof_threshold(real[context.rng(11).permutation(len(real))[:CLEAR]])
    search = copy_search.Search(real, correlate.factor(context.reference.images.shape[1:3], copy_search.SIDE))
    found = [
        search.matches(copy_search.details(sample.images, sample.rows[rows]))
        for sample, rows in zip(samples, looked, strict=True)
    ]
    return proof, found


def _pieces(
    samples: Sequence[Sample],
    looked: list[NDArray[np.int64]],
    context: Context,
    index: Index | None,
) -> tuple[int | None, list[NDArray[np.float64] | None], local_copies.Index | None, NDArray[np.uint64] | None]:
    """`smallest` of NearestTraining, its `area` for some images of each sample, and both parts of the index."""
    reference = context.reference
    search = _piecewise(reference, context.rng(13), index and index.pieces)
    if search is None:
        return None, [None] * len(samples), None, None
    smallest, pieces = correlate.factor(reference.images.shape[1:3], copy_search.SIDE) * search.smallest, search.index
    rows = [sample.rows[some] for sample, some in zip(samples, looked, strict=True)]
    alike = [
        search.areas(local_copies.details(sample.images, some)) for sample, some in zip(samples, rows, strict=True)
    ]
    del search
    same = IdenticalPieces(reference.images, reference.rows, reference.groups, index and index.identical)
    identical = [same.areas(sample.images, some) for sample, some in zip(samples, rows, strict=True)]
    return smallest, list(map(np.maximum, alike, identical)), pieces, same.known


def _some(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most so many of n positions, ascending."""
    return np.sort(rng.permutation(n)[:most])


def _piecewise(
    reference: Sample, rng: np.random.Generator, index: local_copies.Index | None
) -> local_copies.Search | None:
    """A search for pieces of the training images; None where only a whole image, or none, could be told."""
    fine = local_copies.details(reference.images, reference.rows)
    if min(fine.shape[1:]) < 2 * local_copies.PATCH:
        return None
    search = local_copies.Search(fine, reference.groups, rng, index)
    return search if search.smallest < min(fine.shape[1:]) else None


def copies(
    candidate: Sample, context: Context, found: NearestTraining, heldout: NearestTraining | None
) -> Iterator[dict | str]:
    """Is it learnt by heart? Distances to the nearest training image over those of held-out images: below 1 the images
    are nearer to the training images than new real ones are; held-out images with a partner in training are not new.
    Shares, and likeness to the nearest, beside the floor's.

    Args:
        found: nearest training images of the candidate.
        heldout: those of the held-out images; None where there are none.
    """
    n = min(len(candidate), len(context.reference))
    metrics = catalog.names("copies")
    if n < needed(*metrics):
        yield too_few(metrics, n)
        return
    groups, looked = candidate.groups[found.looked], len(found.looked)
    if heldout and context.leaked is not None:
        heldout = heldout.where(~context.leaked)
    near, near_pixels = (heldout.features.first, heldout.pixels.distance) if heldout else (None, None)
    new = _groups_of_new(context, heldout)
    yield from _ratio("random", "nn_distance_ratio", found.features.first, near, groups, new)
    yield from _ratio("pixels", "nn_distance_ratio_pixels", found.pixels.distance, near_pixels, groups, new)
    yield row("random", "nn_distance_ratio_1_2", ALL, median(found.features.ratio, groups), looked)
    yield row("random", "authenticity", ALL, share(found.features.authentic, groups), looked)
    if found.proof_threshold is not None:
        copied = found.pixels.height >= found.proof_threshold
        yield row("pixels", "copy_rate", ALL, share(copied, groups), looked)
    else:
        yield catalog.METRICS["copy_rate"].left_out("these have too few details")
    if found.area is not None:
        yield row("pixels", "copied_area", ALL, share(found.area, groups[found.pieced]), len(found.pieced))
    else:
        yield catalog.METRICS["copied_area"].left_out("these are too small, or too much alike")
    chosen = _some(looked, SSIM_PAIRS, context.rng(2))
    shown, nearest = candidate.pixels(found.looked[chosen]), context.reference.pixels(found.features.position[chosen])
    values = image_similarity.ssim(shown, nearest)
    yield row("pixels", "nn_ssim", ALL, mean(values, groups[chosen]), len(chosen))


def _groups_of_new(context: Context, heldout: NearestTraining | None) -> NDArray[np.str_]:
    """Of the held-out images without a partner in training whose nearest training images are known."""
    if context.heldout is None or heldout is None:
        return np.array([], str)
    new = context.heldout if context.leaked is None else context.heldout.where(~context.leaked)
    return new.groups[heldout.looked]


def _ratio(
    extractor: str, metric: str, distance: NDArray, heldout: NDArray | None, groups: NDArray, new: NDArray
) -> Iterator[dict | str]:
    """Median distance over that of held-out images, whose groups are `new`."""
    if heldout is None:
        yield catalog.METRICS[metric].left_out("there are none")
    elif len(heldout) < needed(metric):
        yield too_few([metric], len(heldout))
    elif np.median(heldout) <= 0:
        yield catalog.METRICS[metric].left_out("half of these are copies of training images")
    else:
        found = ratio(median(distance, groups), median(heldout, new))
        yield row(extractor, metric, ALL, found, len(distance))


def closest(candidate: Sample, context: Context, found: NearestTraining) -> list[dict[str, Any]]:
    """The pairs of an image and a training image that are most alike in pixels, the closest first.

    Rows are those of the image sets. `view` of the real image, moved `shift` pixels (down, right), lies on the other.
    """
    like, names = found.pixels, list(symmetry.VIEWS)
    return [
        {
            "made": int(candidate.rows[found.looked[i]]),
            "real": int(context.reference.rows[like.real[i]]),
            "distance": round(float(like.distance[i]), 4),
            "shift": [int(like.down[i]), int(like.right[i])],
            "view": names[like.view[i]],
        }
        for i in np.argsort(like.distance, kind="stable")[:CLOSEST]
    ]


def nearest_of_some(candidate: Sample, context: Context, found: NearestTraining) -> list[dict[str, int]]:
    """A few images of each class, at random, each with its nearest training image in features; rows of the sets."""
    called = candidate.labels[found.looked]
    labels = np.unique(called)
    each = max(EACH, -(-TOGETHER // len(labels)))
    order = context.rng(10).permutation(len(called))
    chosen = np.concatenate([order[called[order] == label][:each] for label in labels])
    real = context.reference.rows[found.features.position[chosen]]
    made = candidate.rows[found.looked[chosen]]
    return [{"made": int(i), "real": int(j)} for i, j in zip(made, real, strict=True)]
