"""Which place of a detector's map answers for which box, and how its numbers say the box: pure functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

STRIDE = 4  # pixels between places
CENTRAL = 0.5  # a place answers for a box in the middle of which it lies, as large as this part of both its sides
LARGEST = math.log(1000)  # exponent of a side; the networks' first guesses must not overflow


def grid_centres(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """(L, 2) float32, x and y of the places of an image in pixels, row by row: the centres of STRIDE × STRIDE cells."""
    y, x = ((torch.arange(math.ceil(side / STRIDE), device=device) + 0.5) * STRIDE for side in (height, width))
    return torch.stack([x.repeat(len(y)), y.repeat_interleave(len(x))], 1)


def assign_targets(boxes: Tensor, present: Tensor, where: Tensor) -> Tensor:
    """Which box each place answers for.

    Those in the middle of a box do (centre sampling; Tian et al. 2019, FCOS, improved version of 2020), and the nearest
    to its centre in any case, so that a box smaller than a cell has one too. Of several boxes, the smallest
    (FCOS, section 3.1): of two that share the centre's cell and nothing else, the larger is not learnt.

    Args:
        boxes: (B, M, 4) x0, y0, x1, y1 in pixels.
        present: (B, M) bool, which of them are boxes.
        where: (L, 2) as `grid_centres` gives.

    Returns:
        (B, L) int64 in [0, M), -1 for none.
    """
    if not boxes.shape[1]:
        return torch.full((len(boxes), len(where)), -1, device=boxes.device)
    low, high = boxes[..., :2], boxes[..., 2:]
    reach = (CENTRAL / 2 * (high - low)).clamp(min=STRIDE / 2)
    away = (where[None, None] - ((low + high) / 2)[:, :, None]).abs()  # (B, M, L, 2)
    answers = (away <= reach[:, :, None]).all(-1) & present[..., None]
    area = (high - low).prod(-1)[..., None]
    smallest, box = torch.where(answers, area, torch.inf).min(1)
    return torch.where(smallest.isinf(), -1, box)


def decode_boxes(said: Tensor, where: Tensor, side: float) -> Tensor:
    """Boxes from the numbers that a map says.

    Args:
        said: (..., L, 4): centre minus place, x and y, in strides; logarithm of width and height over `side`.
        where: (L, 2) as `grid_centres` gives.
        side: of a box of numbers 0, pixels.

    Returns:
        (..., L, 4) x0, y0, x1, y1 in pixels.
    """
    centre = where + STRIDE * said[..., :2]
    half = side / 2 * said[..., 2:].clamp(max=LARGEST).exp()
    return torch.cat([centre - half, centre + half], -1)
