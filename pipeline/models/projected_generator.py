"""The generator of `projected_gan`: gated up-blocks, skip-layer excitation, noise, and a coarse picture to begin with.

Liu et al. 2021 (FastGAN: layout of the network, gated linear units, skip-layer excitation, noise), with a batch
normalisation of its own for each class (de Vries et al. 2017). It begins with noise and a coarse picture, by
convolutions: a dense beginning put one detail at one place of every image of a class. Each resolution has a second,
residual block, and sees the coarse picture anew: with single blocks that saw it up to 8 pixels alone, flat grains had
no closed boundaries.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.base import base_resolution
from pipeline.models.coarse import WEIGHT, coarse_book, drawn_around, enlarged
from pipeline.models.layers import ConditionalBatchNorm, precision
from pipeline.settings import ImageSpec, ProjectedGANSettings

EXCITED = 3  # doublings between the features that excite and those that are excited (Liu et al. 2021, figure 3: 4)
HALVED = 0.5**0.5  # keeps the variance of a sum of two


class Generator(nn.Module):
    """Labels (N,) and latents (N, length) to images (N, C, H, W) in [-1, 1].

    The latent holds the noise of every resolution, the coarsest first, and after it the numbers of the coarse picture.
    """

    def __init__(self, settings: ProjectedGANSettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        sizes = [(height << i, width << i) for i in range(doublings + 1)]
        widths = [min(settings.generator_channels << i, settings.most_channels) for i in range(doublings + 1)][::-1]
        classes = len(spec.classes)
        self.book = coarse_book(spec, settings)
        self.noises = [(settings.z_dim, *sizes[0]), *((1, *size) for size in sizes[1:])]
        seen = self.book.shape[0]
        self.start = Block(settings.z_dim + seen, widths[0], classes)
        self.ups = nn.ModuleList(Block(a, b, classes) for a, b in itertools.pairwise(widths))
        self.sides = nn.ModuleList(Side(seen, 2 * b, settings.noise_strength) for b in widths[1:])
        self.seconds = nn.ModuleList(Block(b, b, classes) for b in widths[1:])
        self.coarse = nn.Conv2d(seen, widths[1], 1, bias=False)
        self.excite = nn.ModuleList(Excitation(a, b) for a, b in zip(widths, widths[EXCITED:], strict=False))
        self.image = nn.Conv2d(widths[-1], spec.channels, 3, padding=1)
        self.length = sum(map(math.prod, self.noises)) + self.book.numbers

    def forward(self, labels: Tensor, latents: Tensor) -> Tensor:
        noise, numbers = latents.split([self.length - self.book.numbers, self.book.numbers], 1)
        return self.render(labels, noise, self.book.ask(labels, numbers))

    def render(self, labels: Tensor, noise: Tensor, pictures: Tensor) -> Tensor:
        """Images (N, C, H, W) around coarse pictures.

        Args:
            labels: (N,) int64.
            noise: (N, length - book.numbers) standard normal, of every resolution, the coarsest first.
            pictures: (N, PARTS * C, h, w) as the book gives them.
        """
        first, *noises = (
            part.unflatten(1, shape)
            for part, shape in zip(noise.split([*map(math.prod, self.noises)], 1), self.noises, strict=True)
        )
        x = self.start(torch.cat([first, F.avg_pool2d(pictures, 2)], 1), labels)
        found = [x]
        for i, (up, side, second, noise) in enumerate(zip(self.ups, self.sides, self.seconds, noises, strict=True)):
            beside = side(noise, enlarged(pictures, noise.shape[2:]))
            x = up(F.interpolate(x, scale_factor=2.0, mode="nearest"), labels, beside)
            if i == 0:
                x = x + self.coarse(pictures)
            x = (x + second(x, labels)) * HALVED
            if i + 1 >= EXCITED:
                x = x * self.excite[i + 1 - EXCITED](found[i + 1 - EXCITED])
            found.append(x)
        with precision(x):
            return drawn_around(self.image(x.to(self.image.weight.dtype)), pictures)


class Block(nn.Module):
    """Convolution, class-conditional normalisation, gated linear unit (Dauphin et al. 2017)."""

    def __init__(self, inputs: int, outputs: int, classes: int):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, 2 * outputs, 3, padding=1, bias=False)
        self.norm = ConditionalBatchNorm(2 * outputs, classes)
        nn.init.orthogonal_(self.convolution.weight)

    def forward(self, x: Tensor, labels: Tensor, beside: Tensor | None = None) -> Tensor:
        """Features (N, inputs, h, w) to (N, outputs, h, w).

        Args:
            labels: (N,) int64.
            beside: (N, 2 * outputs, h, w), added before the gates.
        """
        x = self.norm(self.convolution(x), labels)
        if beside is not None:
            x = x + beside
        # Not F.glu, whose gradient has another memory layout, in which that of the normalisation is slow; nor the
        # sigmoid of every other run of channels, which takes three times as long as that of a copy.
        values, gates = x.chunk(2, 1)
        return values * gates.contiguous(memory_format=torch.channels_last).sigmoid()


class Side(nn.Module):
    """Noise (N, 1, h, w) and a coarse picture (N, C, h, w), enlarged, to what a block adds: (N, outputs, h, w)."""

    def __init__(self, channels: int, outputs: int, strength: float):
        super().__init__()
        self.weights = nn.Conv2d(1 + channels, outputs, 1, bias=False)
        nn.init.normal_(self.weights.weight, 0.0, WEIGHT)
        with torch.no_grad():
            self.weights.weight[:, 0] = strength

    def forward(self, noise: Tensor, pictures: Tensor) -> Tensor:
        return self.weights(torch.cat([noise, pictures], 1))


class Excitation(nn.Module):
    """Skip-layer excitation (Liu et al. 2021, eq. 1 and 2): factors in [0, 1] of finer channels by coarser features."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, outputs, 4)
        self.factors = nn.Conv2d(outputs, outputs, 1)

    def forward(self, coarse: Tensor) -> Tensor:
        x = F.leaky_relu(self.squeeze(F.adaptive_avg_pool2d(coarse, 4)), 0.1)
        return torch.sigmoid(self.factors(x))
