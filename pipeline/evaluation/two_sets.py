"""Two sets of images in memory, one measured against the other, without a run around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.evaluation.extractors import PLAIN
from pipeline.evaluation.features import computed
from pipeline.metrics.distances import block_scale, frechet, kid, prdc
from pipeline.settings import UserError

LEAST = 20  # images of each; the panel of a run knows how many each metric needs to mean something


def compare(images: ArrayLike, reference: ArrayLike, features: str) -> dict[str, float]:
    """Distances and neighbourhoods of as many images as the smaller set has, the first ones of the larger.

    Args:
        images: (N, H, W, C) uint8 or uint16.
        reference: (M, H, W, C) of the same type and shape.
        features: a name in `PLAIN`.

    Returns:
        `n`, `frechet`, `kid`, `precision`, `recall`, `density`, `coverage`; on features scaled as the panel's are.

    Raises:
        UserError: unknown features, other types or shapes, or fewer than LEAST images.
    """
    if features not in PLAIN:
        raise UserError(f"features: `{features}` is not one of {', '.join(PLAIN)}")
    ours, theirs = _images(images, "images"), _images(reference, "reference")
    if (ours.dtype, ours.shape[1:]) != (theirs.dtype, theirs.shape[1:]):
        raise UserError(
            f"measure: images of {ours.dtype} {ours.shape[1:]} cannot be compared with a reference of {theirs.dtype} "
            f"{theirs.shape[1:]}"
        )
    n = min(len(ours), len(theirs))
    if n < LEAST:
        raise UserError(f"measure: {n} images are too few; at least {LEAST} of each set are needed")
    extractor = PLAIN[features]()
    x, y = (computed(some[:n], features, extractor, what) for some, what in ((ours, "images"), (theirs, "reference")))
    try:
        centre, scale = block_scale(y.vectors, y.vector_blocks)
    except ValueError as error:
        raise UserError(f"measure: the reference's images are constant, or all alike: {error}") from error
    a, b = ((found.vectors - centre) / scale for found in (x, y))
    return {"n": n, "frechet": frechet(a, b), "kid": kid(a, b)} | prdc(a, b)


def _images(given: ArrayLike, what: str) -> NDArray:
    array = np.asarray(given)
    if array.ndim != 4 or array.dtype not in (np.uint8, np.uint16):
        raise UserError(f"measure: {what} are {array.dtype} {array.shape}, not (N, H, W, C) of uint8 or uint16")
    return array
