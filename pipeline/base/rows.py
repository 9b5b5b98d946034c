"""Rows that are computed or read some at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Rows(Protocol):
    """An array, or what reads one's rows as they are looked at: all at once may be more than memory holds."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    def __len__(self) -> int: ...
    def __getitem__(self, at: slice, /) -> NDArray: ...


class Some:
    """Some rows of an array, as `Rows`."""

    def __init__(self, array: NDArray, rows: NDArray[np.int64]):
        self.array, self.rows = array, rows
        self.shape, self.dtype = (len(rows), *array.shape[1:]), array.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: slice, /) -> NDArray:
        return self.array[self.rows[at]]


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
