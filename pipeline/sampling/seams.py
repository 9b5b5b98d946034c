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


def ratio_by_place(energy: np.ndarray, period: int, grid: int) -> np.ndarray:
    """(period,) gradient energy at every `period`-th column border over that of others, by the first such border.

    The others lie at the same place of a grid of `grid` columns: what a network leaves there it leaves in every image,
    and is no seam. Entry 0 is for the borders of tiles of `period` columns: 1 without seams, above 1 with visible ones,
    below 1 where they were blurred; the other entries show how much of its distance from 1 is chance. Without gradients
    at the others an entry is nan (none at all) or infinite.

    Args:
        energy: of a strip, at least `period` long.
        grid: 1, or a divisor of `period` below it.
    """
    place = (np.arange(len(energy)) + 1) % period  # difference x is the border in front of column x + 1
    sums, counts = np.bincount(place, energy, period), np.bincount(place, minlength=period)
    alike = [np.tile(values.reshape(-1, grid).sum(0), period // grid) for values in (sums, counts)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / counts / ((alike[0] - sums) / (alike[1] - counts))
