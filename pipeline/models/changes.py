"""Differentiable augmentation (Zhao et al. 2020): random changes of what discriminators see, real and generated alike,
so that few images are not known by heart. Gradients go through them."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.models.ada import blit
from pipeline.models.batch import MicroBatch

SHIFT = 1 / 8  # of a side: the farthest that an image is moved
TONE = 0.1  # the most that is added to the brightness (black to white is 2), and that the contrast is changed by


class Change:
    """A random change of each image of a part: it is moved, brighter or darker, and has more or less contrast. Whatever
    images it is given are changed alike."""

    def __init__(self, part: MicroBatch):
        self.shift = shifts(part)
        self.brightness, self.contrast = (TONE * (2 * part.rng.uniform(1, 1, 1) - 1) for _ in range(2))

    def __call__(self, images: Tensor) -> Tensor:
        found = moved(images, self.shift)
        middle = found.mean((1, 2, 3), keepdim=True)
        return (found - middle) * (1 + self.contrast) + middle + self.brightness


def shifts(part: MicroBatch) -> Tensor:
    """(N, 2) int64 pixels right and down, at random, up to SHIFT of the sides."""
    sides = part.images.shape[:1:-1]
    return torch.stack([part.rng.integers(-round(SHIFT * side), round(SHIFT * side) + 1) for side in sides], 1)


def moved(images: Tensor, shift: Tensor) -> Tensor:
    """Images (N, C, H, W) moved by (N, 2) pixels right and down; what moves in is mirrored."""
    still = torch.zeros_like(shift[:, 0])
    return blit(images, still, still, shift)
