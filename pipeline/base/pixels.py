"""Images as image sets store them, as tensors, and as networks see them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def stored(images: NDArray) -> Tensor:
    """Images of uint8 or uint16, of any shape; uint16 becomes int16 of the same bits, for torch can hardly index it.
    What may not be written to, as images in a file, is copied: a tensor may be."""
    images = np.require(images, requirements=["C", "W"])
    return torch.from_numpy(images.view(np.int16) if images.dtype == np.uint16 else images)


def normalised(images: Tensor) -> Tensor:
    """(N, H, W, C) as `stored` gives them to (N, C, H, W) float32 in [-1, 1], channels-last."""
    if images.dtype == torch.uint8:
        images = images.float() * (2 / 255) - 1
    else:
        images = (images.int() & 0xFFFF).float() * (2 / 65535) - 1
    return images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
