"""What images look like to an extractor: feature vectors and Gram matrices, computed once for each image set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.device import full_precision
from pipeline.base.job import progress
from pipeline.base.rows import Rows, Some
from pipeline.data.image_set import ImageSet
from pipeline.evaluation import feature_files
from pipeline.evaluation.feature_files import Features
from pipeline.settings import UserError

PIXELS_A_BATCH = 1 << 17


class Extractor(NamedTuple):
    """`version` names everything the features depend on but the images; `function` is (images, description) -> Features
    with images (n, H, W, C) of unsigned integers."""

    version: str
    function: Callable[[Rows, str], Features]


def without_grams(vectors: NDArray[np.float32], blocks: tuple[int, ...] | None = None) -> Features:
    """Vectors (n, d) alone, in blocks of columns, or all in one."""
    return Features(vectors, blocks or (vectors.shape[1],), np.zeros((len(vectors), 0), np.float32), ())


def computed(images: Rows, name: str, extractor: Extractor, what: str) -> Features:
    """Features of images (n, H, W, C) that belong to no image set on disk.

    Raises:
        UserError: a feature is not finite; `what` says of which set.
    """
    with full_precision():
        found = extractor.function(images, f"{name} features, {what}")
    bad = ~np.isfinite(found.vectors).all(axis=1) | ~np.isfinite(found.grams).all(axis=1)
    if bad.any():
        raise UserError(f"{what}: {bad.sum()} of {bad.size} images have {name} features that are not finite")
    return found


def kept(images: ImageSet, name: str, extractor: Extractor, rows: NDArray[np.int64] | None = None) -> Features:
    """Features of every image of a set, from `features-{name}.npz` in its folder where that fits the images.

    A file that is damaged, or belongs to other images or another version of the extractor, is made anew.

    Args:
        rows: (n,) ascending positions of the images that are looked at; None is all.

    Raises:
        UserError: as `computed`.
    """
    path = feature_files.path_of(images, name)
    key = feature_files.key_of(images, name, extractor.version)
    known = feature_files.read(path, lambda written: written == key, len(images))
    if known is not None and np.array_equal(known.rows, np.arange(len(images)) if rows is None else rows):
        return known.features
    looked_at = images.images if rows is None else Some(images.images, rows)
    found = computed(looked_at, name, extractor, str(images.path))
    feature_files.write(path, key, found, rows)
    return found


def batches(images: Rows, description: str, size: int) -> Iterator[NDArray]:
    """Images (N, H, W, C) as arrays of at most `size` of them, with a progress bar of this description."""
    with progress(description, len(images)) as bar:
        for start in range(0, len(images), size):
            batch = np.asarray(images[start : start + size])
            yield batch
            bar.update(len(batch))
