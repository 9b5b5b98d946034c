"""Doubling and halving with the [1, 3, 3, 1] filter (Karras et al. 2019, 2020a): linear, zeros beyond the edge."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Filter(nn.Module):
    """Holds the separable filter of unit sum as one (1, 1, 4, 4) kernel; exact in bfloat16."""

    def __init__(self, gain: float):
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", (gain * torch.outer(taps, taps))[None, None], persistent=False)

    def per_channel(self, channels: int) -> Tensor:
        return self.kernel.expand(channels, 1, 4, 4)


class Blur(_Filter):
    """Filters (N, C, H, W) to (N, C, H + 2·padding - 3, W + 2·padding - 3)."""

    def __init__(self, padding: int, gain: float = 1.0):
        super().__init__(gain)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.per_channel(x.shape[1]), padding=self.padding, groups=x.shape[1])


class Upsample(_Filter):
    """(N, C, H, W) to (N, C, 2H, 2W): zeros between the pixels, then the filter; the mean is kept."""

    def __init__(self):
        super().__init__(gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.per_channel(x.shape[1]), stride=2, padding=1, groups=x.shape[1])


class Downsample(_Filter):
    """(N, C, 2H, 2W) to (N, C, H, W): the filter, then every second pixel."""

    def __init__(self):
        super().__init__(gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.per_channel(x.shape[1]), stride=2, padding=1, groups=x.shape[1])
