"""What images look like to an extractor: feature vectors and Gram matrices, computed once for each image set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pipeline.base.device import full_precision
from pipeline.base.files import whole
from pipeline.base.job import progress, say
from pipeline.data.image_set import ImageSet
from pipeline.settings import UserError

PIXELS_A_BATCH = 1 << 18


class Features(NamedTuple):
    """Of n images: `vectors` (n, d) float32; `grams` (n, g) float32, g = 0 where an extractor has none; the number of
    columns of each of their blocks (layers)."""

    vectors: NDArray[np.float32]
    vector_blocks: tuple[int, ...]
    grams: NDArray[np.float32]
    gram_blocks: tuple[int, ...]

    def rows(self, rows: NDArray[np.int64]) -> Features:
        return self._replace(vectors=self.vectors[rows], grams=self.grams[rows])


class Extractor(NamedTuple):
    """`version` names everything the features depend on but the images; `function` is (images, description) -> Features
    with images (n, H, W, C) of unsigned integers."""

    version: str
    function: Callable[[NDArray, str], Features]


def without_grams(vectors: NDArray[np.float32], blocks: tuple[int, ...] | None = None) -> Features:
    """Vectors (n, d) alone, in blocks of columns, or all in one."""
    return Features(vectors, blocks or (vectors.shape[1],), np.zeros((len(vectors), 0), np.float32), ())


def computed(images: NDArray, name: str, extractor: Extractor, what: str) -> Features:
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


def kept(images: ImageSet, name: str, extractor: Extractor) -> Features:
    """Features of every image of a set, from `features-{name}.npz` in its folder where that fits the images.

    A file that is damaged, or belongs to other images or another version of the extractor, is made anew.

    Raises:
        UserError: as `computed`.
    """
    path = images.path / f"features-{name}.npz"
    key = f"{name} {extractor.version} {images.digest}"
    known = _read(path, key, len(images))
    if known is not None:
        return known
    found = computed(images.images, name, extractor, str(images.path))
    _write(path, key, found)
    return found


def _read(path: Path, key: str, n: int) -> Features | None:
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            blocks = [tuple(int(b) for b in file[name]) for name in ("vector_blocks", "gram_blocks")]
            found = Features(file["vectors"], blocks[0], file["grams"], blocks[1])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        say(f"{path}: damaged ({error}), computing it anew")
        return None
    whole = found.vectors.shape == (n, sum(found.vector_blocks)) and found.grams.shape == (n, sum(found.gram_blocks))
    return found if whole else None


def _write(path: Path, key: str, found: Features) -> None:
    try:
        with whole(path) as part, open(part, "wb") as file:
            np.savez(file, key=np.array(key), **found._asdict())
    except OSError as error:
        say(f"{path}: not kept ({error.strerror})")


def batches(images: NDArray, description: str, size: int) -> Iterator[NDArray]:
    with progress(description, len(images)) as bar:
        for start in range(0, len(images), size):
            batch = np.asarray(images[start : start + size])
            yield batch
            bar.update(len(batch))
