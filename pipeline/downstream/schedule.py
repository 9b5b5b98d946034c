"""Which images a detector sees at each step, the same in every arm of a comparison wherever it can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pipeline.downstream.arms import Defects

# Bits of an orientation: mirror left-right, mirror top-bottom, swap rows and columns; all three make the 8 of a square.
HORIZONTAL, VERTICAL, TRANSPOSE = 1, 2, 4
SYMMETRIES = {
    "none": 0,
    "horizontal": HORIZONTAL,
    "vertical": VERTICAL,
    "both": HORIZONTAL | VERTICAL,
    "dihedral": HORIZONTAL | VERTICAL | TRANSPOSE,
}


def orientations(symmetry: str) -> NDArray[np.uint8]:
    """(v,) all that a symmetry allows, ascending, as their bits; 0, the image as it is, comes first."""
    return np.unique(np.arange(8, dtype=np.uint8) & SYMMETRIES[symmetry])


def turned(images: NDArray, orientation: int) -> NDArray:
    """Images (n, H, W, ...) mirrored left-right, then top-bottom, then rows and columns swapped, as the bits say."""
    if orientation & HORIZONTAL:
        images = images[:, :, ::-1]
    if orientation & VERTICAL:
        images = images[:, ::-1]
    return images.swapaxes(1, 2) if orientation & TRANSPOSE else images


@dataclass(frozen=True)
class TrainingMix:
    """The images of a dataset that a detector learns from besides its real ones, and how all are presented."""

    extra: np.ndarray
    """(m,) int64, rows for the places of synthetic images: kept ones, or real ones once more; or none."""
    ratio: float
    """Extra places for each real one; `inf`: no real image is seen."""
    augmented: bool = False
    balanced: bool = False
    defects: Defects = "real"


class LabelledImages(Protocol):
    """A dataset on a device, as far as the schedule knows it."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        ...

    @property
    def n_real(self) -> int:
        """The first so many are real."""
        ...


def batches(
    seed: int,
    steps: int,
    batch: int,
    real: np.ndarray,
    extra: np.ndarray,
    ratio: float,
    symmetry: str,
    balanced: bool = False,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of one training.

    The real arm's batches are a chain of random permutations of the real images. An arm with extra images takes the
    *same* batches and puts them into the last places, `ratio` of them for each real image (over any stretch of steps
    to within one image). So at every step the real images of an arm, and the way each is turned, are a subset of those
    of the real arm: arms of one seed and one sampling differ by the extra images and by nothing else.

    Args:
        seed: of the repetition.
        steps: batches to yield.
        batch: images a batch.
        real: (n,) labels of the real training images.
        extra: (m,) labels of the extra images; m = 0 for none.
        ratio: extra places for each real one, `inf` for extra images only; without a meaning where m = 0.
        symmetry: a key of `SYMMETRIES`.
        balanced: draw every class equally often, among the real places and among the extra ones.

    Yields:
        rows: (batch,) int64 in [0, n + m), the real images first.
        orientations: (batch,) uint8, bits HORIZONTAL, VERTICAL and TRANSPOSE; uniform over those of `symmetry`.
    """
    # Streams of their own: what one draws never shifts another.
    streams = [np.random.default_rng([seed, stream]) for stream in range(3)]
    chosen, added = (_chain(rng, labels, batch, balanced) for rng, labels in zip(streams, (real, extra), strict=False))
    share = 1 / (1 + ratio)
    for step in range(steps):
        rows = next(chosen)
        if len(extra):
            places = int((step + 1) * batch * share) - int(step * batch * share)
            rows[places:] = len(real) + next(added)[places:]
        yield rows, streams[2].integers(0, 8, batch, dtype=np.uint8) & SYMMETRIES[symmetry]


def presented(
    steps: int, batch: int, symmetry: str, data: LabelledImages, mix: TrainingMix, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(batch,) rows of a dataset and orientations of each step, as `batches` gives them for a mix."""
    labels, seen = data.labels.cpu().numpy(), np.concatenate([np.arange(data.n_real), mix.extra])
    real, extra = labels[: data.n_real], labels[mix.extra]
    order = batches(seed, steps, batch, real, extra, mix.ratio, symmetry, mix.balanced)
    return ((seen[rows], orientations) for rows, orientations in order)


def _chain(rng: np.random.Generator, labels: np.ndarray, batch: int, balanced: bool) -> Iterator[np.ndarray]:
    """Endless (batch,) pieces of random permutations of the images, or of one image a class, one after the other."""
    rounds = _in_turn(rng, labels) if balanced else _permutations(rng, np.arange(len(labels)))
    queue = np.empty(0, np.int64)
    while True:
        while len(queue) < batch:
            queue = np.concatenate([queue, next(rounds)])
        yield queue[:batch].copy()
        queue = queue[batch:]


def _permutations(rng: np.random.Generator, rows: np.ndarray) -> Iterator[np.ndarray]:
    while True:
        yield rng.permutation(rows)


def _in_turn(rng: np.random.Generator, labels: np.ndarray) -> Iterator[np.ndarray]:
    """One image of each class, the classes in random order; a class begins anew when it is through."""
    chains = [_one_by_one(rng, np.flatnonzero(labels == k)) for k in np.unique(labels)]
    while True:
        yield rng.permutation([next(chain) for chain in chains])


def _one_by_one(rng: np.random.Generator, rows: np.ndarray) -> Iterator[int]:
    for permutation in _permutations(rng, rows):
        yield from permutation
