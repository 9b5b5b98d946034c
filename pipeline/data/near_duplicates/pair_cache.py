"""Pairs of one scene that an earlier job found among the same images, so that each search is done once.

Data sets of one source, few-shot ones above all, compare the same images, which is the longest part of preparing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.files import write_json
from pipeline.data.near_duplicates.placement import Placement
from pipeline.data.near_duplicates.search import Found, Pair, Traits
from pipeline.settings import METHOD


def remembered(folder: Path | None, images: list[Traits], search: Callable[[], Found]) -> Found:
    """The result of `search`, a pure function of `images`: read from `folder`, or found and left there.

    The file's name is a digest of all that is compared, and of the method: what is read is what would be found.
    A damaged file is replaced. None for `folder` always searches.
    """
    if folder is None:
        return search()
    path = folder / f"{_digest(images)}.json"
    try:
        pairs, *counts = json.loads(path.read_text(encoding="utf-8"))
        return Found([_pair(*fields) for fields in pairs], *counts)
    except (OSError, ValueError, TypeError):
        found = search()
    write_json(path, [[_fields(pair) for pair in found.pairs], *found[1:]])
    return found


def _fields(pair: Pair) -> list[Any]:
    first, second, (a, b, mirrored), *evidence = pair
    return [first, second, a.real, a.imag, b.real, b.imag, mirrored, *evidence]


def _pair(first, second, a_real, a_imag, b_real, b_imag, mirrored, windows, agreeing, height) -> Pair:
    placement = Placement(complex(a_real, a_imag), complex(b_real, b_imag), mirrored)
    return Pair(first, second, placement, windows, agreeing, height)


def _digest(images: list[Traits]) -> str:
    digest = hashlib.blake2b(f"{METHOD['prepare']}".encode(), digest_size=20)
    for details, (places, around), scale in images:
        digest.update(f"{details.shape} {places.shape} {scale}".encode())
        for part in (details, places, around):
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
