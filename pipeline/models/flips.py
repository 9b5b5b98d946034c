"""Flips of images that leave a data set's physics unchanged, for the training feed and for generators."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

FLIPS: dict[str, list[Callable[[Tensor], Tensor]]] = {
    "none": [],
    "horizontal": [lambda x: x.flip(-1)],
    "vertical": [lambda x: x.flip(-2)],
    "both": [lambda x: x.flip(-1), lambda x: x.flip(-2)],
    "dihedral": [lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.mT],
}
"""Of each symmetry, flips of images (..., H, W) that make its whole group if each is done or not: left-right, up-down
and the transposition make the eight elements of the dihedral group of the square."""
MOST_FLIPS = max(map(len, FLIPS.values()))


def flipped(images: Tensor, symmetry: str, chances: Iterable[Tensor]) -> Tensor:
    """Images (N, C, H, W), each under an element of the symmetry's group.

    Args:
        chances: for each flip of the symmetry, numbers in [0, 1) that broadcast to the images; it is done below 1/2.
            One is taken for each flip that there is.
    """
    for flip, chance in zip(FLIPS[symmetry], chances, strict=False):
        images = torch.where(chance < 0.5, flip(images), images)
    return images
