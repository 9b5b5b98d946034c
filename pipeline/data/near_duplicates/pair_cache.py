"""Pairs of one scene that an earlier job found among the same images, so that each search is done once.

Data sets of one source, few-shot ones above all, compare the same images, which is the longest part of preparing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.base.files import write_json
from pipeline.data.near_duplicates.correlate import Pair
from pipeline.settings import METHOD


def remembered(folder: Path | None, images: NDArray[np.int8], search: Callable[[], list[Pair]]) -> list[Pair]:
    """The result of `search`, a pure function of `images` (n, h, w): read from `folder`, or found and left there.

    The file's name is a digest of every value of the images, and of the method: what is read is what would be found.
    A damaged file is replaced. None for `folder` always searches.
    """
    if folder is None:
        return search()
    path = folder / f"{_digest(images)}.json"
    try:
        return [Pair(*fields) for fields in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        pairs = search()
    write_json(path, pairs)
    return pairs


def _digest(images: NDArray[np.int8]) -> str:
    head = f"{METHOD['prepare']} {images.shape}".encode()
    return hashlib.blake2b(np.ascontiguousarray(images).data, key=head[:64], digest_size=20).hexdigest()
