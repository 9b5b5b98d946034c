"""Rows that are computed some at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def gathered(parts: Iterable[NDArray], count: int) -> NDArray:
    """Parts, of `count` rows (at least one) in all, one below another.

    As `np.concatenate`, which needs twice the memory: it has all parts beside the whole.
    """
    whole, start = np.empty(0), 0
    for part in parts:
        if not start:
            whole = np.empty((count, *part.shape[1:]), part.dtype)
        whole[start : start + len(part)] = part
        start += len(part)
    if start != count:
        raise ValueError(f"{start} rows where there should be {count}")
    return whole
