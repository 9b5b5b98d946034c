"""The ensemble of random networks that looks at images of any size, depth and number of channels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

NETWORKS = 4
CHANNELS = (8, 16, 16, 16, 16, 16)  # of its layers; a layer is left out where the image would be smaller than 8 pixels
GRID = 4  # brightness is averaged over GRID × GRID parts of the image


class RandomNetworks:
    """An ensemble of convolutional networks with fixed random weights (the idea of Naeem et al. 2020, section 4.2).

    Each network is a stack of 3×3 convolutions without padding, ReLU and 2×2 averaging. Filters sum to zero over their
    inputs and have no bias, so responses do not depend on the brightness and are proportional to the contrast: a 16-bit
    image needs no squashing to 8 bits, and deep layers still see what differs between images. The features are the
    square root (it evens out the spread of weak and strong textures) of the mean response of every channel of every
    layer, from single pixels to about a quarter of the image, and the brightness of GRID × GRID parts of the image.
    Gram matrices are those of each layer of each network (Gatys et al. 2015).
    """

    def __init__(self, channels: int, size: int, device: torch.device):
        self.widths = [c for depth, c in enumerate(CHANNELS) if _side(size, depth) >= 8]
        rng = np.random.Generator(np.random.PCG64(20_200_219))
        self.weights = []
        for _ in range(NETWORKS):
            inputs = [channels, *self.widths[:-1]]
            shapes = [(o, i, 3, 3) for o, i in zip(self.widths, inputs, strict=True)]
            self.weights.append([_filters(rng.standard_normal(shape)).to(device) for shape in shapes])
        self.vector_blocks = (channels * GRID**2, *(w * NETWORKS for w in self.widths))
        self.gram_blocks = tuple(w * (w + 1) // 2 for w in self.widths) * NETWORKS

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (n, d) and Gram matrices (n, g) of images (n, C, H, W) in [0, 1]."""
        means, grams = [], []
        for weights in self.weights:
            hidden = images
            for weight in weights:
                hidden = functional.conv2d(hidden, weight).relu_()
                means.append(hidden.mean(dim=(2, 3)).sqrt())
                flat = hidden.flatten(2)
                grams.append(upper_triangle(flat @ flat.mT / flat.shape[2]))
                hidden = _halved(hidden)
        depth = len(self.widths)
        layers = [torch.cat(means[layer::depth], dim=1) for layer in range(depth)]
        brightness = functional.adaptive_avg_pool2d(images, GRID).flatten(1)
        return torch.cat([brightness, *layers], dim=1), torch.cat(grams, dim=1)


def _halved(maps: Tensor) -> Tensor:
    """Means of 2 × 2 pixels, without an odd last row or column: a fifth of the time of `avg_pool2d` on a processor."""
    height, width = (side // 2 * 2 for side in maps.shape[2:])
    pairs = maps[:, :, 0:height:2, :width] + maps[:, :, 1:height:2, :width]
    return (pairs[..., ::2] + pairs[..., 1::2]) / 4


def _side(size: int, depth: int) -> int:
    """Side of the response of a layer."""
    for _ in range(depth):
        size = (size - 2) // 2
    return size - 2


def _filters(noise: NDArray) -> Tensor:
    """Filters (out, in, 3, 3) that sum to zero and keep the variance through a ReLU (He et al. 2015)."""
    noise = noise - noise.mean(axis=(1, 2, 3), keepdims=True)
    noise *= np.sqrt(2) / np.sqrt(np.square(noise).sum(axis=(1, 2, 3), keepdims=True))
    return torch.from_numpy(noise.astype(np.float32))


def upper_triangle(matrices: Tensor) -> Tensor:
    """(..., c, c) symmetric to (..., c (c + 1) / 2), off-diagonals times √2, which keeps the norm."""
    row, column = torch.triu_indices(*matrices.shape[-2:], device=matrices.device)
    factor = torch.where(row == column, 1.0, 2**0.5)
    return matrices[..., row, column] * factor
