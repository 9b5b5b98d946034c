"""The family `quilting`: pieces of training images of a class, joined where they differ least (Efros & Freeman 2001).

Pieces are laid row by row, each over a strip of those on its left and above it. Candidates are all pieces of some
training images; one is drawn of those whose strip is nearly as close as the closest's, and laid along the path on which
the two differ least. Where a neighbour's own image goes on, the difference is 0, and the quilt would be a copy: these
places are left out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.models.flips import MOST_FLIPS
from pipeline.models.untrained import Recombination
from pipeline.settings import ImageSpec, QuiltingSettings


class Piece(NamedTuple):
    """Where a piece is from: image, row and column."""

    source: int
    y: int
    x: int


class Quilting(Recombination):
    """The family `quilting`."""

    settings: QuiltingSettings

    def __init__(self, settings: QuiltingSettings, spec: ImageSpec):
        super().__init__(settings, spec)
        unit = min(spec.height, spec.width)
        self.side = max(2, round(settings.patch * unit))
        self.lap = max(1, round(settings.overlap * self.side))
        self.step = self.side - self.lap
        self.grid = tuple(1 + math.ceil(max(0, size - self.side) / self.step) for size in (spec.height, spec.width))
        self.latent_length = settings.sources * (1 + MOST_FLIPS) + self.grid[0] * self.grid[1]

    def compose(self, rows: Tensor, chances: Tensor) -> Tensor:
        count = self.settings.sources
        which, moves, pieces = chances.split([count, count * MOST_FLIPS, self.grid[0] * self.grid[1]])
        chosen = drawn(rows.tolist(), which.tolist())
        sources = torch.stack([self.real(*pair) for pair in zip(chosen, moves.view(count, MOST_FLIPS), strict=False)])
        return self._joined(sources, pieces.view(self.grid).tolist())

    def _joined(self, sources: Tensor, chances: list[list[float]]) -> Tensor:
        side, step = self.side, self.step
        canvas = sources.new_zeros(self.spec.channels, *(side + (n - 1) * step for n in self.grid))
        laid: dict[tuple[int, int], Piece] = {}
        match = Match(sources, side, self.lap)
        for i, row in enumerate(chances):
            for j, chance in enumerate(row):
                there = canvas[:, i * step : i * step + side, j * step : j * step + side]
                errors = match.errors(there, i > 0, j > 0)
                for neighbour, down, right in (((i, j - 1), 0, step), ((i - 1, j), step, 0)):
                    if neighbour in laid:
                        self._leave_out(errors, laid[neighbour], down, right)
                source, y, x = laid[i, j] = self._chosen(errors, chance)
                self._lay(there, sources[source, :, y : y + side, x : x + side], i > 0, j > 0)
        return canvas[:, : self.spec.height, : self.spec.width]

    def _chosen(self, errors: Tensor, chance: float) -> Piece:
        good = (errors <= errors.min() * (1 + self.settings.tolerance)).nonzero()
        return Piece(*good[int(chance * len(good))].tolist())

    def _leave_out(self, errors: Tensor, neighbour: Piece, down: int, right: int) -> None:
        """Forbid places about where a neighbour's image goes on, unless no other is left."""
        source, y, x = neighbour.source, neighbour.y + down, neighbour.x + right
        rows, columns = (slice(max(0, at - self.lap), at + self.lap + 1) for at in (y, x))
        goes_on = errors[source, rows, columns]
        before = goes_on.clone()
        goes_on.fill_(torch.inf)
        if errors.min().isinf():
            goes_on.copy_(before)

    def _lay(self, there: Tensor, piece: Tensor, above: bool, left: bool) -> None:
        """Lay a piece (C, side, side) over what is there, beyond the paths on which the two differ least."""
        different = (there - piece).square().sum(0).numpy()
        over = np.ones(different.shape, bool)
        if left:
            over[:, : self.lap] &= beyond(different[:, : self.lap])
        if above:
            over[: self.lap] &= beyond(different[: self.lap].T).T
        there.copy_(torch.where(torch.from_numpy(over), piece, there))


class Match:
    """How well pieces of images (n, C, H, W) go on from what is already there, by Fourier transforms."""

    def __init__(self, sources: Tensor, side: int, lap: int):
        self.side, self.lap, self.size = side, lap, sources.shape[2:]
        self.images = torch.fft.rfft2(sources)
        self.squares = torch.fft.rfft2(sources.square().sum(1))
        self.power: dict[tuple[bool, bool], tuple[Tensor, Tensor]] = {}

    def errors(self, there: Tensor, above: bool, left: bool) -> Tensor:
        """(n, rows, columns) sums of squared differences from `there` (C, side, side), over the strips that are laid,
        of the piece at each place of each image."""
        if (above, left) not in self.power:
            strips = there.new_zeros(self.side, self.side)
            strips[: self.lap * above] = 1
            strips[:, : self.lap * left] = 1
            self.power[above, left] = strips, self._correlated(self.squares, strips)
        strips, squares = self.power[above, left]
        wanted = there * strips
        products = self._correlated((self.images * torch.fft.rfft2(wanted, self.size).conj()).sum(1))
        return (squares - 2 * products + wanted.square().sum()).clamp(min=0)

    def _correlated(self, spectra: Tensor, pattern: Tensor | None = None) -> Tensor:
        """(n, rows, columns) of spectra (n, ...), correlated with a pattern, where it lies inside the image."""
        if pattern is not None:
            spectra = spectra * torch.fft.rfft2(pattern, self.size).conj()
        rows, columns = (size - self.side + 1 for size in self.size)
        return torch.fft.irfft2(spectra, self.size)[:, :rows, :columns]


def drawn(items: list[int], chances: list[float]) -> list[int]:
    """As many of the items as there are chances, none twice; all of them where there are fewer."""
    left = list(items)
    return [left.pop(int(chance * len(left))) for chance in chances[: len(items)]]


def beyond(different: np.ndarray) -> np.ndarray:
    """(n, m) bool: what lies on or to the right of the path from the first row to the last with the least sum, which
    goes on to one of the three places below (Efros & Freeman 2001, section 2.1).

    Args:
        different: (n, m) of the strip.
    """
    n, m = different.shape
    sums = np.full((n, m + 2), np.inf)  # with a wall on either side
    sums[0, 1:-1] = different[0]
    for i in range(1, n):
        before = sums[i - 1]
        sums[i, 1:-1] = different[i] + np.minimum(np.minimum(before[:-2], before[1:-1]), before[2:])
    path = np.empty(n, np.int64)
    path[-1] = sums[-1].argmin()
    for i in range(n - 2, -1, -1):
        path[i] = path[i + 1] - 1 + sums[i, path[i + 1] - 1 : path[i + 1] + 2].argmin()
    return np.arange(1, m + 1) >= path[:, None]
