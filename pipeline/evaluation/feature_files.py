"""Features of an image set in a file of its folder, `features-{extractor}.npz`: read without extractor or torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from pipeline.base.files import whole
from pipeline.base.job import say
from pipeline.data.image_set import ImageSet

Parsed = TypeVar("Parsed")


class Features(NamedTuple):
    """Of n images: `vectors` (n, d) float32; `grams` (n, g) float32, g = 0 where an extractor has none; the number of
    columns of each of their blocks (layers)."""

    vectors: NDArray[np.float32]
    vector_blocks: tuple[int, ...]
    grams: NDArray[np.float32]
    gram_blocks: tuple[int, ...]

    def rows(self, rows: NDArray[np.int64]) -> Features:
        """Of the images at positions (k,), in their order."""
        return self._replace(vectors=self.vectors[rows], grams=self.grams[rows])


def path_of(images: ImageSet, name: str) -> Path:
    """Where the features of an image set by an extractor are kept."""
    return images.path / f"features-{name}.npz"


def key_of(images: ImageSet, name: str, version: str) -> str:
    """What the features in a file depend on: extractor, its version, the images."""
    return f"{name} {version} {images.digest}"


class Kept(NamedTuple):
    """Features that a file holds, and which images of the set they are of."""

    features: Features
    rows: NDArray[np.int64]
    """(n,) positions in the set, ascending."""


def of_any_version(images: ImageSet, name: str) -> Kept | None:
    """Those of these images, where they are kept, by whichever version of the extractor."""
    first, last = key_of(images, name, "|").split("|")
    return read(path_of(images, name), lambda key: key.startswith(first) and key.endswith(last), len(images))


def read(path: Path, fits: Callable[[str], bool], n: int) -> Kept | None:
    """The stored features of a set of n images, or of some of them, if their key fits; None where there are none, or
    the file is damaged."""

    def parse(file: NpzFile) -> Kept:
        blocks = [tuple(int(b) for b in file[name]) for name in ("vector_blocks", "gram_blocks")]
        found = Features(file["vectors"], blocks[0], file["grams"], blocks[1])
        return Kept(found, file["rows"] if "rows" in file else np.arange(n))

    kept = read_arrays(path, fits, parse)
    if kept is None:
        return None
    found, k = kept.features, len(kept.rows)
    complete = found.vectors.shape == (k, sum(found.vector_blocks)) and found.grams.shape == (k, sum(found.gram_blocks))
    return kept if complete else None


def write(path: Path, key: str, found: Features, rows: NDArray[np.int64] | None = None) -> None:
    """Keep features, if there is room.

    Args:
        key: as `key_of` gives it.
        rows: (n,) as of `Kept`; None for all images.
    """
    write_arrays(path, key, found._asdict() | ({} if rows is None else {"rows": rows}))


def read_arrays(path: Path, fits: Callable[[str], bool], parse: Callable[[NpzFile], Parsed]) -> Parsed | None:
    """What is made of a file with a key that fits; None where there is none, or none that is whole."""
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            return parse(file) if fits(str(file["key"])) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        say(f"{path}: damaged ({error}), not used")
        return None


def write_arrays(path: Path, key: str, arrays: dict[str, Any]) -> None:
    """Keep them, if there is room."""
    try:
        with whole(path) as part, open(part, "wb") as file:
            np.savez(file, key=np.array(key), **arrays)
    except OSError as error:
        say(f"{path}: not kept ({error.strerror})")
