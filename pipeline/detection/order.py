"""Which images a detector sees at each step, the same in every arm of a comparison wherever it can be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Bits of a view: mirror left-right, mirror top-bottom, swap rows and columns. All three make the 8 dihedral views.
HORIZONTAL, VERTICAL, TRANSPOSE = 1, 2, 4
SYMMETRIES = {
    "none": 0,
    "horizontal": HORIZONTAL,
    "vertical": VERTICAL,
    "both": HORIZONTAL | VERTICAL,
    "dihedral": HORIZONTAL | VERTICAL | TRANSPOSE,
}


def batches(
    seed: int, steps: int, batch: int, n_real: int, n_synthetic: int, symmetry: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of one training: every image, real or synthetic, has the same weight.

    The real arm's batches are a chain of random permutations of the real images. An arm with synthetic images takes
    the *same* batches and puts synthetic images into their last places, as many as their share of all images (over any
    stretch of steps to within one image). So at every step the real images of an arm, and the way each is turned, are
    a subset of those of the real arm: arms of one seed differ by the synthetic images and by nothing else.

    Args:
        seed: of the repetition.
        steps: batches to yield.
        batch: images a batch.
        n_real: real training images.
        n_synthetic: synthetic images, of all sets together; 0 for the real arm.
        symmetry: a key of `SYMMETRIES`.

    Yields:
        rows: (batch,) int64 in [0, n_real + n_synthetic), the real images first.
        views: (batch,) uint8, bits HORIZONTAL, VERTICAL and TRANSPOSE; uniform over the views of `symmetry`.
    """
    # Streams of their own: what one draws never shifts another.
    streams = [np.random.default_rng([seed, stream]) for stream in range(3)]
    real, synthetic = _chain(streams[0], n_real, batch), _chain(streams[1], n_synthetic, batch)
    allowed, total = SYMMETRIES[symmetry], n_real + n_synthetic
    for step in range(steps):
        rows = next(real)
        share = (step + 1) * batch * n_real // total - step * batch * n_real // total
        if n_synthetic:
            rows[share:] = n_real + next(synthetic)[share:]
        yield rows, streams[2].integers(0, 8, batch, dtype=np.uint8) & allowed


def _chain(rng: np.random.Generator, n: int, batch: int) -> Iterator[np.ndarray]:
    """Endless (batch,) pieces of random permutations of n, one after the other."""
    queue = np.empty(0, np.int64)
    while True:
        while len(queue) < batch:
            queue = np.concatenate([queue, rng.permutation(n)])
        yield queue[:batch].copy()
        queue = queue[batch:]
