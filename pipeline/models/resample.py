"""Doubling and halving with the [1, 3, 3, 1] filter (Karras et al. 2019, 2020a): linear, zeros beyond the edge."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.layers import precision


class _Filter(nn.Module):
    """Holds the separable filter of unit sum as one (1, 1, 4, 4) kernel; exact in bfloat16."""

    def __init__(self, gain: float):
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", (gain * torch.outer(taps, taps))[None, None], persistent=False)


class Blur(_Filter):
    """Filters (N, C, H, W) to (N, C, H + 2·padding - 3, W + 2·padding - 3)."""

    def __init__(self, padding: int, gain: float = 1.0):
        super().__init__(gain)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return _Blur.apply(x, self.kernel, self.padding)


class Upsample(_Filter):
    """(N, C, H, W) to (N, C, 2H, 2W): zeros between the pixels, then the filter; the mean is kept."""

    def __init__(self):
        super().__init__(gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        return _Double.apply(x, self.kernel)


class Downsample(_Filter):
    """(N, C, 2H, 2W) to (N, C, H, W): the filter, then every second pixel."""

    def __init__(self):
        super().__init__(gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        return _Halve.apply(x, self.kernel)


# A filter is linear in the image and its kernel is constant, so its derivative is its adjoint, another filter. torch's
# own derivative of a grouped convolution also computes that of the kernel, channel by channel, when it is taken twice.


class _Blur(torch.autograd.Function):
    """The kernel is symmetric: the adjoint is the filter of the other padding."""

    @staticmethod
    def forward(ctx, x: Tensor, kernel: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.padding = padding
        return _per_channel(F.conv2d, x, kernel, padding=padding)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return _Blur.apply(gradient, *ctx.saved_tensors, 3 - ctx.padding), None, None


class _Halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        return _per_channel(F.conv2d, x, kernel, stride=2, padding=1)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return _Double.apply(gradient, *ctx.saved_tensors), None


class _Double(torch.autograd.Function):
    """The adjoint of `_Halve`."""

    @staticmethod
    def forward(ctx, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        # On CPUs torch's transposed depthwise convolution is 10 to 100 times slower in bfloat16 than in float32.
        fast = x.float() if x.device.type == "cpu" and x.dtype == torch.bfloat16 else x
        return _per_channel(F.conv_transpose2d, fast, kernel, stride=2, padding=1).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return _Halve.apply(gradient, *ctx.saved_tensors), None


def _per_channel(convolve, x: Tensor, kernel: Tensor, **geometry: int) -> Tensor:
    """`convolve` with one kernel (1, 1, 4, 4) for every channel of x, in the precision of x."""
    channels = x.shape[1]
    with precision(x):
        return convolve(x, kernel.to(x.dtype).expand(channels, 1, 4, 4), groups=channels, **geometry)
