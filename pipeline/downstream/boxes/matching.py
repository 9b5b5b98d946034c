"""Which found boxes meet true ones, settled once, and average precisions of any part of the images from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from pipeline.downstream.boxes.average_precision import MOST, OVERLAPS, BoxTable
from pipeline.downstream.boxes.records import Boxes, BoxResult

if TYPE_CHECKING:  # the report matches boxes, and needs no torch
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")

RECALLS = np.linspace(0, 1, 101)
BLOCK = 1 << 17  # groups × hits that are worked on at once: some 10 MB, however many there are


class Matches(NamedTuple):
    """The found and the true boxes of one class."""

    hit: np.ndarray
    """(n, 10) bool, whether a found box meets a true one at each of OVERLAPS; the surest found box first."""
    image: np.ndarray
    """(n,) int64, image of each found box."""
    true_image: np.ndarray
    """(m,) int64, image of each true box."""


def matched(truth: BoxTable, found: BoxTable, classes: int) -> list[Matches]:
    """The boxes of each class, matched as COCO does (Lin et al. 2014).

    In an image, the surest found box takes the true box of its class that it overlaps most (of equal ones the last),
    if the overlap is large enough; then the next takes one of those left. What happens in one image changes nothing in
    another: so an average precision of some of the images needs no new match.

    Args:
        truth: the boxes that people drew.
        found: the boxes of a detector, of which the surest MOST of each class count in an image.
        classes: K.

    Returns:
        K of them.
    """
    rank = _ranks(found)
    hit = _hits(truth, found, rank, classes)
    matches = []
    for k in range(classes):
        of = np.flatnonzero((found.class_id == k) & (rank < MOST))
        of = of[np.lexsort((rank[of], found.image[of], -found.score[of]))]
        matches.append(Matches(hit[of], found.image[of], truth.image[truth.class_id == k]))
    return matches


def matches_of(result: BoxResult) -> Iterator[list[Matches]]:
    """The matched boxes of each repetition, a list of the classes."""
    truth = _table_of(result.truth)
    for one in result.repetitions:
        yield matched(truth, _table_of(one.found), len(result.classes))


def _table_of(boxes: Boxes) -> BoxTable:
    image, class_id = np.asarray(boxes.image, np.int64), np.asarray(boxes.class_id, np.int64)
    return BoxTable(image, class_id, np.reshape(boxes.box, (-1, 4)).astype(float), np.asarray(boxes.score or []))


def hits(truth: BoxTable, found: BoxTable, classes: int) -> np.ndarray:
    """(n, 10) bool in the order of `found`: whether each found box meets a true one, as `matched` has it, at each of
    OVERLAPS; none beyond the surest MOST does."""
    return _hits(truth, found, _ranks(found), classes)


def _ranks(found: BoxTable) -> np.ndarray:
    """(n,) place of a found box among those of its image and class: the surest first, equal ones as they stand."""
    order = np.lexsort((-found.score, found.class_id, found.image))
    ranks = np.empty(len(order), int)
    ranks[order] = _place_in_run(found.image[order], found.class_id[order])
    return ranks


def _place_in_run(*columns: np.ndarray) -> np.ndarray:
    """(n,) how many of the rows just before are equal to this one; equal rows stand together."""
    new = np.ones(len(columns[0]), bool)
    new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    rows = np.arange(len(new))
    return rows - np.maximum.accumulate(np.where(new, rows, 0))


def _hits(truth: BoxTable, found: BoxTable, rank: np.ndarray, classes: int) -> np.ndarray:
    """(n, 10) bool. All images and classes at once, the surest found box of each first, then the second of each."""
    places, box = _table(truth, classes)
    free = np.repeat(~np.isnan(box[:, None, :, 0]), len(OVERLAPS), axis=1)  # (P, 10, M)
    place = np.searchsorted(places, found.image * classes + found.class_id)
    place[place == len(places)] = 0
    has_truth = np.isin(found.image * classes + found.class_id, places)
    hit = np.zeros((len(rank), len(OVERLAPS)), bool)
    for r in range(min(rank.max(initial=-1) + 1, MOST)):
        rows = np.flatnonzero(has_truth & (rank == r))
        at = place[rows]
        common = np.where(free[at], iou(found.box[rows, None], box[at])[:, None], -1.0)
        best = common.shape[2] - 1 - common[..., ::-1].argmax(2)
        enough = np.take_along_axis(common, best[..., None], 2)[..., 0] >= np.minimum(OVERLAPS, 1 - 1e-10)
        hit[rows] = enough
        i, t = np.nonzero(enough)
        free[at[i], t, best[i, t]] = False
    return hit


def _table(truth: BoxTable, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The true boxes of each image and class that has some: (P,) image × K + class, ascending, and (P, M, 4) boxes,
    filled up with NaN."""
    key = truth.image * classes + truth.class_id
    order = np.argsort(key, kind="stable")
    places, row = np.unique(key[order], return_inverse=True)
    column = _place_in_run(key[order])
    box = np.full((len(places), int(column.max(initial=0)) + 1, 4), np.nan)
    box[row, column] = truth.box[order]
    return places, box


def iou(boxes: Array, others: Array) -> Array:
    """Intersection over union in [0, 1] of boxes (..., 4) x0, y0, x1, y1, arrays or tensors; one of two has an area."""
    # As COCO's code computes it, from corner and size, so that not even the last bit differs at a limit.
    (low, size), (other_low, other_size) = ((b[..., :2], b[..., 2:] - b[..., :2]) for b in (boxes, others))
    side = (low + size).clip(max=other_low + other_size) - low.clip(min=other_low)
    common = side.clip(min=0).prod(-1)
    return common / (size.prod(-1) + other_size.prod(-1) - common)


def precision_without(matches: Matches, group: np.ndarray, groups: int) -> np.ndarray:
    """Average precision without the images of each group, as COCO would give it for the images that are left.

    It depends on the hits alone: how many stand up to each of them, and at which place. A group that is left out takes
    its own from both counts.

    Args:
        matches: of one class.
        group: (images,) integers in [0, groups), the group of each image.
        groups: G; a number that no image has leaves out nothing.

    Returns:
        (G, 10) in [0, 1], at each of OVERLAPS; NaN where no true box is left.
    """
    of_found, of_true = group[matches.image], group[matches.true_image]
    left = len(of_true) - np.bincount(of_true, minlength=groups)
    return np.stack([_areas(hit, of_found, left) for hit in matches.hit.T], 1)


def _areas(hit: np.ndarray, group: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(G,) areas at one limit, of (n,) found boxes of these groups, where `left` (G,) true boxes remain."""
    step = max(BLOCK // max(int(np.count_nonzero(hit)), 1), 1)
    return np.concatenate([_area(hit, group - i, left[i : i + step]) for i in range(0, len(left), step)])


def _area(hit: np.ndarray, group: np.ndarray, left: np.ndarray) -> np.ndarray:
    """As `_areas`, of a block of groups; the numbers of others lie outside of [0, len(left))."""
    at = np.flatnonzero(hit)
    up_to = np.searchsorted(at, np.arange(len(hit)))  # the first hit that does not stand before a found box
    mine = (group >= 0) & (group < len(left))
    gone = _counted(group[mine], up_to[mine], (len(left), len(at) + 1))[:, :-1]
    gone_hits = _counted(group[at][mine[at]], np.flatnonzero(mine[at]), gone.shape)
    stays = group[at] != np.arange(len(left))[:, None]
    hits = np.arange(1, len(at) + 1) - gone_hits
    precision = np.where(stays, hits / np.maximum(at + 1 - gone, 1), 0.0)
    highest_from_here = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    area = (highest_from_here * np.where(stays, _recalls_reached(left, hits), 0)).sum(1) / len(RECALLS)
    return np.where(left > 0, area, np.nan)


def _counted(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How often each place occurs, summed up along the columns."""
    return np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape).cumsum(1)


def _recalls_reached(true: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """(G, h) how many of RECALLS are reached with this hit and not before, of (G,) true boxes and (G, h) hits."""
    numbers, which = np.unique(true, return_inverse=True)
    reached = np.zeros((len(numbers), max(hits.max(initial=0), numbers[-1]) + 1))
    for n, row in zip(numbers, reached, strict=True):
        if n:
            first = 1 + np.searchsorted(np.arange(1, n + 1) / n, RECALLS)
            row[: n + 1] = np.bincount(first, minlength=n + 1)
    return reached[which[:, None], hits]


def curve(matches: Matches) -> np.ndarray:
    """(101,) precision in [0, 1] at the recalls 0, 0.01 … 1, of boxes that overlap by one half; its mean is the AP50.

    As COCO draws it: at each recall the highest precision that is reached there or further on; 0 where none is.

    Args:
        matches: of a class with true boxes.
    """
    at = np.flatnonzero(matches.hit[:, 0])
    hits = np.arange(1, len(at) + 1)
    highest_from_here = np.maximum.accumulate((hits / (at + 1))[::-1])[::-1]
    return np.append(highest_from_here, 0.0)[np.searchsorted(hits / len(matches.true_image), RECALLS)]
