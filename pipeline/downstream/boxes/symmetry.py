"""Boxes turned along with their images."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.downstream.schedule import HORIZONTAL, TRANSPOSE, VERTICAL

ENDS = ((HORIZONTAL, [2, 1, 0, 3], 0), (VERTICAL, [0, 3, 2, 1], 1))  # bit, x0 y0 x1 y1 in their new order, axis


def turned(boxes: Tensor, orientations: Tensor, height: int, width: int) -> Tensor:
    """The boxes of images that `DeviceDataset.turned` turns: mirrored left-right, then top-bottom, then rows and
    columns swapped.

    Args:
        boxes: (N, M, 4) x0, y0, x1, y1 in pixels of the images as they are stored.
        orientations: (N,) integers, the bits of `schedule`.
        height: of the images, pixels.
        width: of the images, pixels; equal to the height where TRANSPOSE occurs.

    Returns:
        (N, M, 4) in pixels of the turned images, again with x0 < x1 and y0 < y1.
    """
    for bit, order, axis in ENDS:
        mirrored = boxes[..., order]
        mirrored[..., [axis, axis + 2]] = (width, height)[axis] - mirrored[..., [axis, axis + 2]]
        boxes = torch.where(_has(orientations, bit), mirrored, boxes)
    return torch.where(_has(orientations, TRANSPOSE), boxes[..., [1, 0, 3, 2]], boxes)


def _has(orientations: Tensor, bit: int) -> Tensor:
    return ((orientations & bit) > 0)[:, None, None]
