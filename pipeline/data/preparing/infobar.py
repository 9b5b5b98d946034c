"""Finds the information bar that an instrument paints into the bottom of its pictures."""

from __future__ import annotations

import numpy as np

HIGHEST = 0.3  # a bar begins in the lowest 30 % of the picture
SHORTEST = 128  # rows of a picture that may have a bar: below, its text could not be read
LOWEST = 0.025  # and is at least this much of it
FLAT = 0.45  # share of the bar's own gray value in a row of it; text and frames are the rest
BARE = 0.3  # share that the picture above may have at most
TORN = 0.01  # of the height: rows full of text or a frame that may interrupt the bar
BELOW = 0.05  # of the height: rows of picture that may follow the bar


def bar_rows(gray: np.ndarray) -> int:
    """Rows from the top of a likely information bar to the bottom of the picture; 0 where there seems to be none.

    A bar is a band across the full width in which one gray value fills half of most rows, while right above it that
    value is rare. A rim all round the picture is none. `gray` is (H, W) of any type.
    """
    height = gray.shape[0]
    if height < SHORTEST:
        return 0
    first = int(height * (1 - HIGHEST))
    region = gray[first:]
    rows, value = max((_band(np.mean(region == value, axis=1), height), value) for value in _candidates(region))
    return 0 if rows and _around(gray, value, rows // 2) else rows


def _around(gray: np.ndarray, value: np.generic, rows: int) -> bool:
    """Whether the value of a band fills the uppermost rows too, and both ends of all rows: a rim."""
    return all(bool(np.all(part == value)) for part in (gray[:rows], gray[:, 0], gray[:, -1]))


def _candidates(region: np.ndarray) -> np.ndarray:
    """The four most frequent values at the left and right ends of the rows, where a bar has little text."""
    width = region.shape[1] // 64 + 1
    values, counts = np.unique(np.hstack([region[:, :width], region[:, -width:]]), return_counts=True)
    return values[np.argsort(counts)[::-1][:4]]


def _band(share: np.ndarray, height: int) -> int:
    """Rows from the top of the longest run of flat rows to the end; 0 where that is no bar.

    `share` is, for each row of the lowest part of the picture, how much of it has the bar's value.
    """
    smallest = max(4, int(LOWEST * height))
    flat = np.flatnonzero(share >= FLAT)
    runs = np.split(flat, np.flatnonzero(np.diff(flat) > max(3, TORN * height)) + 1)
    run = max(runs, key=len)
    if len(run) < smallest or run[0] == 0 or run[-1] < len(share) - BELOW * height:
        return 0
    above = share[max(0, run[0] - smallest - 2) : max(0, run[0] - 2)]  # two rows for a frame or a blurred edge
    return len(share) - int(run[0]) if len(above) and above.max() < BARE else 0
