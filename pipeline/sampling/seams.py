"""Whether a strip shows where it was put together."""

from __future__ import annotations

import numpy as np


def gradient_energy(strip: np.ndarray) -> np.ndarray:
    """(W - 1,) float64: mean squared difference of columns x and x + 1, over rows and channels.

    Args:
        strip: (H, W) or (H, W, C), of any type.
    """
    difference = np.diff(strip.astype(np.float64), axis=1)
    return np.square(difference).mean((0, *range(2, difference.ndim)))


def ratio_by_place(energy: np.ndarray, period: int) -> np.ndarray:
    """(period,) gradient energy at every `period`-th column border over that of all others, by the first such border.

    Entry 0 is for the borders of tiles of `period` columns; the other entries show how much of its distance from 1 is
    chance. Without gradients at the other borders an entry is nan (none at all) or infinite.

    Args:
        energy: of a strip, at least `period` long.
    """
    place = (np.arange(len(energy)) + 1) % period  # difference x is the border in front of column x + 1
    sums, counts = np.bincount(place, energy, period), np.bincount(place, minlength=period)
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / counts / ((energy.sum() - sums) / (len(energy) - counts))


def seam_ratio(strip: np.ndarray, period: int) -> float:
    """Mean squared horizontal gradient at the borders of tiles of `period` columns over that inside them: 1 without
    seams, above 1 with visible ones, below 1 where they were blurred.

    Args:
        strip: (H, W) or (H, W, C), W above `period`.
    """
    return float(ratio_by_place(gradient_energy(strip), period)[0])
