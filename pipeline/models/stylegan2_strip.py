"""Strips of any width from a trained StyleGAN2 generator, without seams: the network is extended along the width.

A convolution does not know how wide its image is. So what it draws from is continued: columns of the learned constant
in random order, noise without end, and a w for each column, from latents one image width apart that blend into one
another along the great circle between them, where every point is as likely a latent as any (so each column has a w
such as the network was trained with). Blocks of columns are computed with as many columns beside them as they depend
on, and no more: a block's columns are those of an endless strip, whatever the blocks are. Neither the order of the
constant's columns nor the missing border is what the network was trained with; docs/families/stylegan2_ada.md says
what follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.models.layers import EqualisedLinear
from pipeline.models.stylegan2_generator import Generator

CELLS = 8  # columns of the coarsest features (4 a square image) that are computed at a time
FIRST = 4  # the cell that a strip begins with: cells are counted from 0, and a block depends on up to 4 before it


def halos(doublings: int) -> list[int]:
    """How many columns beside a block its pixels depend on, in the features of each resolution, coarsest first.

    Output column j of a doubling convolution and its filter, of kernels 3 and 4, depends on input columns j // 2 - 1
    to j // 2 + 1, as does the doubling of the image; a second convolution of kernel 3 stands between two doublings.
    """
    needed = [0]
    for _ in range(doublings):
        needed.append(math.ceil((needed[-1] + 1) / 2) + 1)
    return needed[::-1]


class InfiniteInputs:
    """What a strip is made of, by the column; a column's numbers depend on seed and place alone."""

    def __init__(self, generator: Generator, label: int, seed: int):
        self.mapping, self.synthesis, self.seed = generator.mapping, generator.synthesis, seed
        constant = self.synthesis.constant
        self.device, self.period = constant.device, constant.shape[2]
        self.labels = torch.tensor([label], device=self.device)
        first = self.mapping.layers[0]
        assert isinstance(first, EqualisedLinear)
        self.z_dim = first.weight.shape[1] - self.mapping.embedding.weight.shape[1]

    def constant(self, first: int, last: int) -> Tensor:
        """(1, C, H, n) of cells `first` to `last`: one of the columns of the learned constant each.

        Over and over in their order they would draw the same arrangement in every image width.
        """
        columns = [int(self._random(2, cell).integers(self.period)) for cell in range(first, last)]
        return self.synthesis.constant[None, :, :, columns]

    def w(self, level: int, first: int, last: int) -> Tensor:
        """(1, n, w_dim) of columns `first` to `last` at a resolution."""
        place = (np.arange(first, last) + 0.5) / (self.period << level)  # in image widths
        before = np.floor(place).astype(int)
        t = place - before
        angle = np.pi / 2 * (3 - 2 * t) * t * t  # at rest at both latents
        anchors = {i: self._normal(0, i, self.z_dim) for i in range(before[0], before[-1] + 2)}  # latents
        start, end = (np.stack([anchors[i] for i in before + k]) for k in (0, 1))
        z = np.cos(angle)[:, None] * start + np.sin(angle)[:, None] * end
        z = torch.from_numpy(z.astype(np.float32)).to(self.device)
        return self.mapping(z, self.labels.expand(len(z)))[None]

    def noise(self, cells: range) -> list[Tensor | None]:
        """(1, 1, H, n) a convolution, the columns of the cells; None of one without."""
        sizes = [(h, w // self.period) for h, w in self.synthesis.noise_sizes]  # of one cell
        flat = np.stack([self._normal(1, cell, sum(h * w for h, w in sizes)) for cell in cells])
        parts = torch.from_numpy(flat).to(self.device).split([h * w for h, w in sizes], 1)
        parts = [part.unflatten(1, size) for part, size in zip(parts, sizes, strict=True)]  # (cells, H, n / cells)
        return self.synthesis.for_all([part.transpose(0, 1).flatten(1)[None, None] for part in parts])

    def _random(self, kind: int, place: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, kind, place))

    def _normal(self, kind: int, place: int, size: int) -> np.ndarray:
        return self._random(kind, place).standard_normal(size, dtype=np.float32)


def strip(generator: Generator, label: int, seed: int, width: int, cells: int = CELLS) -> Iterator[Tensor]:
    """Consecutive blocks (C, H, w) float32 in [-1, 1] on the CPU, `width` columns in all.

    Args:
        seed: non-negative.
        cells: computed at a time; changes nothing but speed and memory.
    """
    inputs = InfiniteInputs(generator, label, seed)
    step = cells << len(generator.synthesis.blocks)
    for i, left in enumerate(range(0, width, step)):
        first = FIRST + i * cells
        yield block(inputs, first, first + cells)[0, :, :, : width - left].clamp(-1, 1).cpu()


def block(inputs: InfiniteInputs, first: int, last: int) -> Tensor:
    """(1, C, H, n) of the pixels of cells `first` to `last`, as the synthesis network draws them."""
    synthesis = inputs.synthesis
    halo = halos(len(synthesis.blocks))
    low, high = first - halo[0] - 1, last + halo[0] + 1
    noise = inputs.noise(range(low, high))
    w = inputs.w(0, low, high)
    x, image = synthesis.start(inputs.constant(low, high), [w, w], noise[0])
    x, image = x[..., 1:-1], image[..., 1:-1]  # beyond lies what the padding has touched
    for level, layers in enumerate(synthesis.blocks, 1):
        # Columns of this resolution that x covers once doubled, and those that are right and wanted.
        start, end = (first << level) - 2 * halo[level - 1], (last << level) + 2 * halo[level - 1]
        cut = 2 * halo[level - 1] - halo[level]
        shift = start - (low << level)
        pair = [n if n is None else n[..., shift : shift + end - start] for n in noise[2 * level - 1 : 2 * level + 1]]
        w = inputs.w(level, start, end)
        x, image = layers(x, image, [w, w, w], pair)
        x, image = x[..., cut : x.shape[3] - cut], image[..., cut : image.shape[3] - cut]
    return image
